"""Grids as cells and pixels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tuichaos.config.sweep_axes import Axis
from tuichaos.plots import raster_renderer
from tuichaos.plots.raster_renderer import UNKNOWN, UNKNOWN_COLOUR, Raster, Scale

A = Scale("a", ((0, 0, 0), (200, 100, 0)), "abc", 1.0, 100.0, log=True)
B = Scale("b", ((9, 9, 9),), "X")


def axis(key, count, log=False):
    values = np.logspace(-2, 2, count) if log else np.linspace(0, 1, count)
    return Axis(key, tuple(values.tolist()), log)


def raster(classes, values=None, log=False):
    classes = np.array(classes)
    values = np.full(classes.shape, 10.0) if values is None else np.array(values, dtype=float)
    ny, nx = classes.shape
    return Raster("title", axis("x.key", nx, log), axis("y.key", ny, log), classes, values, (A, B))


def test_the_first_key_goes_right_and_the_second_upward():
    found = raster_renderer.cells(raster([[0, 0, 1], [0, 0, 0]], [[1, 1, 1], [1, 100, 1]]), 3, 1)
    assert [cell.char for cell in found[0]] == ["▀"] * 3
    assert [cell.fg for cell in found[0]] == [(0, 0, 0), (200, 100, 0), (0, 0, 0)]  # the second
    assert [cell.bg for cell in found[0]] == [(0, 0, 0), (0, 0, 0), (9, 9, 9)]  # value below
    image = raster_renderer.image(raster([[0, 0, 1], [0, 0, 0]]), 2)
    assert image.shape == (4, 6, 3)
    assert image[3, 5].tolist() == image[2, 4].tolist() == [9, 9, 9]


def test_levels_are_those_of_the_scale():
    assert A.levels(np.array([0.0, 1.0, 10.0, 100.0, 1e9])).tolist() == [0, 0, 0.5, 1, 1]
    assert A.paint(np.array(0.5)).tolist() == [100, 50, 0]
    assert [A.mark(level) for level in (0.0, 0.4, 1.0)] == ["a", "b", "c"]


def test_a_pixel_of_several_points_is_of_the_class_of_most():
    classes = [[0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1]]
    values = [[1, 9, 9, 9], [9, 9, 1, 100], [1, 100, 100, 9], [1, 9, 9, 9]]
    found, level = raster_renderer.pixels(raster(classes, values), 2, 2)
    assert found.tolist() == [[1, 0], [0, 1]]  # 1 of 4 · a draw: the first · 3 of 4 · 1 of 4
    assert level[0, 1] == 0.5  # of 1 and 100 alone
    assert level[1, 0] == pytest.approx(1 / 3)


def test_unknown_points_have_no_say_beside_known_ones():
    found, _ = raster_renderer.pixels(raster([[UNKNOWN] * 4, [UNKNOWN, UNKNOWN, UNKNOWN, 1]]), 2, 1)
    assert found.tolist() == [[UNKNOWN, 1]]
    image = raster_renderer.image(raster([[UNKNOWN]]))
    assert tuple(image[0, 0].tolist()) == UNKNOWN_COLOUR


def test_a_point_of_several_pixels_is_as_it_is():
    found, _ = raster_renderer.pixels(raster([[0, 1], [1, 0]]), 4, 6)
    assert found.tolist() == [[0, 0, 1, 1]] * 3 + [[1, 1, 0, 0]] * 3


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2), (7, 5), (50, 9), (200, 80)])
def test_any_size_will_do(width, height):
    grid = raster(np.indices((17, 31)).sum(0) % 2)
    for colour in (True, False):
        found = raster_renderer.cells(grid, width, height, colour=colour)
        assert len(found) == height
        assert {len(row) for row in found} == {width}


def test_a_growing_picture_is_filled_from_the_coarse_points():
    classes = np.full((40, 40), UNKNOWN)
    classes[::16, ::16] = np.arange(9).reshape(3, 3) % 2
    classes[8, 8] = 1
    found = raster_renderer.filled(raster(classes)).classes
    assert (found != UNKNOWN).all()
    assert found[3, 5] == classes[0, 0]
    assert found[20, 39] == classes[16, 32]
    assert found[9, 15] == 1
    assert found[7, 15] == 0


def test_ticks_are_decades_where_they_belong():
    found = raster_renderer.ticks(axis("k", 41, log=True), 60)
    assert [text for _, text in found] == ["10⁻²", "10⁻¹", "10⁰", "10¹", "10²"]
    assert found[0][0] == 0
    assert found[-1][0] == 59
    assert found[2][0] in (29, 30)


def test_ticks_of_a_list_are_its_own_values():
    found = raster_renderer.ticks(Axis("k", (1, 2, 10)), 60)
    assert [text for _, text in found] == ["1", "2", "10"]
    assert [at for at, _ in found] == [10, 30, 50]
    assert raster_renderer.ticks(Axis("k", (3.0,)), 60) == [(30, "3")]


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_whole_fits_and_is_ascii_where_asked(colour, ascii_only):
    grid = raster(np.indices((30, 30)).sum(0) % 2, log=True)
    lines = raster_renderer.framed(grid, 60, 20, colour=colour, ascii_only=ascii_only)
    words = ["".join(cell.char for cell in line) for line in lines]
    assert len(lines) == 20
    assert max(map(len, words)) <= 60
    assert words[0] == "title"
    assert "x.key" in words[-1]
    assert any("y.key" in line for line in words)
    head = " ".join(words[1:3])
    assert head.startswith("900 of 900 points; the commonest class of 1 ")
    rows = sum(line[7:8] in ("|", "│", "┤") for line in words)
    tall = -(-30 // (rows * (1 + (colour and not ascii_only))))
    assert f"of 1 {'x' if ascii_only else '×'} {tall} points" in head
    assert "a: 1" in words[3]
    assert " b" in words[3]
    painted = any(cell.bg is not None for line in lines for cell in line)
    assert painted == colour
    if ascii_only:
        assert all(line.isascii() for line in words)
        assert any("1e" in line for line in words)


def test_classes_that_are_not_there_are_not_in_the_legend():
    words = ["".join(cell.char for cell in entry) for entry in raster_renderer.legend(
        raster([[0, 0]]), colour=True
    )]  # fmt: skip
    assert len(words) == 1
    assert "a: 1 … 100" in words[0]


def test_neither_torch_nor_a_terminal_is_needed():
    code = (
        "import sys; import tuichaos.plots.raster_renderer, tuichaos.plots.plane_map;"
        "sys.exit(bool({'torch', 'textual', 'rich', 'plotext', 'scipy', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
