"""The box counter on sets whose dimension is known."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fractals import IMAGES, KOCH, snowflake

from tuichaos.sweeps import box_counting


def half_plane(slope: float, n: int = 256, through: tuple[float, float] = (0.47, 0.55)):
    y, x = np.mgrid[:n, :n] / n
    return (y - through[1] > slope * (x - through[0])).astype(int)


@pytest.mark.parametrize("slope", [0, 0.1, 0.37, -0.6, 1, -1, 1.7, 5, 30])
def test_a_straight_line_has_dimension_1(slope):
    found = box_counting.dimension(half_plane(slope))[0]
    assert found["dimension"] == pytest.approx(1, abs=0.03)
    low, high = found["dimension_bounds"]
    assert low <= 1 <= high
    assert found["fitted"] == [4, 32]
    assert found["sizes"] == [1, 2, 4, 8, 16, 32]


def test_the_diagonal_from_corner_to_corner_too():
    assert box_counting.dimension(np.tri(256, dtype=int))[0]["dimension"] == pytest.approx(
        1, abs=0.03
    )


def test_an_upright_line_is_counted_exactly():
    found = box_counting.dimension(half_plane(0))[0]
    assert found["dimension"] == pytest.approx(1, abs=1e-12)
    assert found["counts"] == pytest.approx([255 / s for s in found["sizes"]])


def test_a_circle_has_dimension_1():
    y, x = np.mgrid[:256, :256]
    disc = ((x - 128) ** 2 + (y - 128) ** 2 < 80**2).astype(int)
    assert box_counting.dimension(disc)[0]["dimension"] == pytest.approx(1, abs=0.01)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("n", [256, 512])
@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_a_koch_curve_has_its_dimension(n, turn):
    found = box_counting.dimension(snowflake(n, turn))[0]
    assert found["dimension"] == pytest.approx(KOCH, abs=0.05)
    low, high = found["dimension_bounds"]
    assert low < KOCH < high
    assert low > 1.05  # and not a line's


def test_a_filled_square_has_dimension_2():
    chess = np.indices((257, 257)).sum(0) % 2
    found = box_counting.dimension(chess)[0]
    assert found["dimension"] == pytest.approx(2, abs=1e-9)
    assert found["points_on_boundary"] == 257 * 257
    dust = np.random.default_rng(0).integers(0, 2, (257, 257))
    assert box_counting.dimension(dust)[0]["dimension"] == pytest.approx(2, abs=0.01)


def test_an_empty_plane_has_no_number():
    found, counted = box_counting.dimension(np.ones((256, 256), dtype=int))
    assert found["dimension"] is None
    assert "one class" in found["reason"]
    assert counted is None
    assert box_counting.table(counted)[1] == []


def test_a_single_point_has_none_either_and_counts_as_one_box():
    plane = np.zeros((256, 256), dtype=int)
    plane[100, 77] = 1
    found = box_counting.dimension(plane)[0]
    assert found["dimension"] is None
    assert "fewer than 16 cells" in found["reason"]
    assert found["cells"] == 4
    assert found["points_on_boundary"] == 5
    cells = np.zeros((255, 255), dtype=bool)
    cells[100, 77] = True
    counted = box_counting.count(cells, [1, 2, 4, 8, 16, 32])
    assert counted.counts.tolist() == [1.0] * 6
    assert box_counting.fit(counted.sizes, counted.counts).dimension == pytest.approx(0)


def test_the_mean_over_all_places_is_that():
    rng = np.random.default_rng(1)
    cells = rng.random((24, 24)) < 0.1
    cells[:8] = cells[-8:] = cells[:, :8] = cells[:, -8:] = False  # away from the edges
    counted = box_counting.count(cells, [4]).counts[0]
    by_hand = []
    for dy in range(4):
        for dx in range(4):
            grid = np.pad(cells, 4)[dy : dy + 28, dx : dx + 28].reshape(7, 4, 7, 4)
            by_hand.append(grid.any(axis=(1, 3)).sum())
    assert counted == pytest.approx(np.mean(by_hand))


def test_what_is_not_known_has_no_boundary():
    plane = half_plane(0.37)
    plane[3, 4] = -1
    assert "not known" in box_counting.dimension(plane)[0]["reason"]
    plane[plane == -1] = -2  # a point that failed
    cells = box_counting.boundary_cells(plane)
    assert not cells[2:4, 3:5].any()
    assert cells.any()


def test_too_small_a_plane_has_no_number():
    assert "fewer than 128" in box_counting.dimension(half_plane(1, 100))[0]["reason"]
    assert box_counting.dimension(half_plane(1, 128))[0]["dimension"] is not None


# --- no number without the interval that holds the truth --------------------------------------

# Which of the images have no number, and why.
NONE = {
    "sine of 5": "disagree",
    "sine of 10": "disagree",
    "sine of 20": "disagree",
    "sine of 40": "disagree",
    "Weierstrass 1.5": "along x otherwise than along y",
    "Weierstrass 1.8": "along x otherwise than along y",
    "10 dots": "disagree|below 1",
    "60 dots": "disagree|below 1",
    "300 dots": "disagree",
    "dust of 0.45": "disagree",
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("n", [256, 512])
@pytest.mark.parametrize("name", IMAGES)
def test_the_interval_holds_the_dimension_or_there_is_no_number(name, n):
    draw, truth = IMAGES[name]
    found = box_counting.dimension(draw(n))[0]
    if name in NONE:
        assert found["dimension"] is None
        assert found["dimension_bounds"] is None
        assert re.search(NONE[name], found["reason"])
        assert len(found["slopes"]) >= 3  # what it was seen from
        return
    low, high = found["dimension_bounds"]
    assert low <= truth <= high
    assert high - low < 0.85
    assert found["dimension"] == pytest.approx(truth, abs=0.13)


def test_the_report_says_why_there_is_no_dimension():
    from tuichaos.reports.sweep_report import of_plane

    boundary = box_counting.dimension(IMAGES["sine of 20"][0](512))[0]
    summary = {"value": "exponent", "points": 4, "classes": {"stable": 4}, "boundary": boundary}
    assert list(of_plane(summary))[1] == (
        "dimension of the boundary: no number: slopes between neighbouring box sizes disagree "
        "(1.02 … 1.90)"
    )
