"""The chart of a sweep as a whole."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import stats

import tuichaos
from tuichaos.common.errors import InputError
from tuichaos.plots.figure import Curve, Picture, Role
from tuichaos.plots.plotext_renderer import draw
from tuichaos.plots.sweep_plots import picture
from tuichaos.sweeps.journal import Row
from tuichaos.tui.sweep_views import face
from tuichaos.tui.sweep_views.base import Look

RATE = "optimizer.learning_rate"
FAST = {"steps": 140, "ensemble.references": 12, "ensemble.twins": 1, "measure.regime": False}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    made = tuichaos.resolve({"sweep": {RATE: {"log": [0.01, 10.0, 4]}}}, FAST)
    return tuichaos.sweep(made, out=tmp_path_factory.mktemp("charts") / "s")


def edited(run, tmp_path, change):
    """The same sweep with other numbers: ``change(rows)`` of sweep.csv as dictionaries."""
    import shutil

    shutil.copytree(run.path, tmp_path / "s")
    with open(tmp_path / "s" / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with open(tmp_path / "s" / "sweep.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return tuichaos.open_run(tmp_path / "s")


def mains(shown):
    return {curve.name: curve for curve in shown.curves if curve.role == Role.MAIN}


def numbers(rows):
    for k, row in enumerate(rows):
        row.update({"nmle.kept": 3 * k + 4, "nmle.total": 16, "nmle.mean": 0.3, "nmle.std": 0.1})


def test_the_default_is_exponents_and_kept_fraction_on_one_axis(swept, tmp_path):
    shown = picture(edited(swept, tmp_path, numbers), "default")
    assert list(mains(shown)) == ["kept fraction", "nMLE of kept", "leading exponent"]
    assert mains(shown)["kept fraction"].y.tolist() == [4 / 16, 7 / 16, 10 / 16, 13 / 16]
    np.testing.assert_allclose(mains(shown)["kept fraction"].x, [-2, -1, 0, 1], atol=1e-12)
    assert (shown.levels, shown.x_log, shown.log) == ([("zero", 0.0)], True, False)


def test_no_mean_is_drawn_where_fewer_than_ten_were_kept(swept, tmp_path):
    shown = picture(edited(swept, tmp_path, numbers), "default")
    mean = mains(shown)["nMLE of kept"].y
    assert np.isnan(mean).tolist() == [True, True, False, False]
    at = next(k for k, curve in enumerate(shown.curves) if curve.name == "nMLE of kept")
    low, high = shown.curves[at + 1], shown.curves[at + 2]
    assert (low.role, high.role) == (Role.LOW, Role.HIGH)
    for k, kept in ((2, 10), (3, 13)):
        ends = stats.t.interval(0.95, kept - 1, loc=0.3, scale=0.1 / np.sqrt(kept))
        np.testing.assert_allclose([low.y[k], high.y[k]], ends, rtol=1e-12)
    assert np.isnan(low.y[:2]).all()
    assert np.isnan(high.y[:2]).all()


def test_what_is_not_drawn_of_few_that_were_kept_is_said(swept, tmp_path):
    def few(rows):
        numbers(rows)
        for row in rows:
            row.update({"nmle.kept": 7, "nmle.total": 500})

    run = edited(swept, tmp_path, few)
    words = "only 7 of 500 kept: at least 10 are needed"
    assert f"nMLE of kept: {words}" in draw(
        picture(run, "default"), 80, 20, colour=False, ascii_only=False
    )
    with pytest.raises(InputError, match=f"^--what nmle.mean: {words}$"):
        picture(run, "nmle.mean")
    shown = face(run.experiment)
    shown.what = "nmle.mean"
    kept = {"nmle.mean": 0.3, "nmle.kept": 7, "nmle.total": 500}
    shown.add(Row(point, "done", numbers=kept) for point in range(4))
    shown.prepare(Look(80, 20))
    assert shown.sheet(Look(80, 20)) is None
    assert shown.why == f"nmle.mean: {words}"
    (tmp_path / "some").mkdir()
    some = picture(edited(swept, tmp_path / "some", numbers), "nmle.mean")
    assert list(some.notes) == ["left out at 2 of 4 points, fewer than 10 kept there"]


def test_of_few_references_every_mean_is_drawn(swept, tmp_path):
    def few(rows):
        numbers(rows)
        for row in rows:
            row.update({"nmle.kept": 2, "nmle.total": 3})
        rows[0].update({"nmle.kept": 1, "nmle.std": ""})

    shown = picture(edited(swept, tmp_path, few), "default")
    assert np.isfinite(mains(shown)["nMLE of kept"].y).all()
    assert np.isnan(shown.curves[2].y).tolist() == [True, False, False, False]


def test_the_leading_exponent_has_the_interval_of_the_table(swept):
    shown = picture(swept, "default")
    *_, mean, low, high = shown.curves
    assert mean.name == "leading exponent"
    table = picture(swept, "lyapunov.mean").curves
    for mine, column in zip((mean, low, high), table, strict=True):
        np.testing.assert_array_equal(mine.y, column.y)
    assert (low.y < mean.y).all()
    assert (mean.y < high.y).all()


def test_what_was_not_measured_is_left_out(tmp_path):
    ranges = {"sweep": {"ensemble.perturbation": [1e-8, 1e-6]}}
    off = {**FAST, "measure.tangent": False}
    done = tuichaos.sweep(tuichaos.resolve(ranges, off), out=tmp_path / "a")
    shown = picture(done, "default")
    assert "leading exponent" not in mains(shown)
    assert (shown.x_label, shown.x_log) == ("ensemble.perturbation", False)
    none = {**FAST, "ensemble.twins": 0}
    done = tuichaos.sweep(tuichaos.resolve({"sweep": {RATE: [0.1, 1.0]}}, none), out=tmp_path / "b")
    assert picture(done, "default").title.endswith(": lyapunov.mean")
    with pytest.raises(InputError, match="kept"):
        picture(done, "kept")


def test_two_keys_have_the_chart_they_had(tmp_path):
    both = {"sweep": {RATE: [0.1, 1.0], "seed": [1, 2]}}
    done = tuichaos.sweep(tuichaos.resolve(both, FAST), out=tmp_path / "s")
    assert picture(done, "default").title.endswith(": lyapunov.mean")
    assert list(mains(picture(done, "kept"))) == ["seed = 1", "seed = 2"]


def test_kept_is_the_fraction(swept, tmp_path, command):
    run = edited(swept, tmp_path, numbers)
    curve, *_ = picture(run, "kept").curves  # beside it, its interval
    assert curve.y.tolist() == [4 / 16, 7 / 16, 10 / 16, 13 / 16]
    code, out, err = command("plot", run.path, "--what", "kept")
    assert (code, err) == (0, "")
    assert "fraction kept by the paper's filter" in out
    code, _, err = command("plot", run.path, "--what", "kep")
    assert code == 2
    assert "did you mean 'kept'?" in err


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("colour", [False, True])
def test_it_fits_into_80_columns_with_all_names(swept, tmp_path, colour, ascii_only):
    import plotext

    shown = picture(edited(swept, tmp_path, numbers), "default")
    text = draw(shown, 80, 20, colour=colour, ascii_only=ascii_only)
    lines = plotext.uncolorize(text).splitlines()
    assert all(len(line) <= 80 for line in lines)
    for name in ("kept fraction", "nMLE of kept", "leading exponent"):
        assert name in lines[1]
    assert " ".join(lines[1:3]).count("its 95 %") == 2
    if not colour:  # told apart by what they are drawn with
        marks = [lines[1][lines[1].index(name) - 2] for name in mains(shown)]
        assert len(set(marks)) == 3
    for label in ("0.01", "0.1", "1", "10"):
        assert label in lines[-2].split()


def test_an_axis_of_many_decades_has_powers_of_ten():
    x = np.linspace(-14, -1, 14)
    shown = Picture("t", [Curve("a", x, x)], x_label="log10 ε", x_log=True)
    text = draw(shown, 100, 20, colour=False, ascii_only=False)
    assert "10⁻¹⁴" in text
    assert "10⁻⁸" in text
    assert "log10" not in text
    assert "log10 ε" in draw(
        Picture("t", [Curve("a", x, x)], x_label="log10 ε"), 100, 20, colour=False, ascii_only=False
    )


def test_every_chart_has_the_whole_axis(swept, tmp_path):
    """Also where a column has no number at one end."""

    def change(rows):
        numbers(rows)
        rows[0]["loss.final_median"] = ""

    run = edited(swept, tmp_path, change)
    for what in ("default", "kept", "nmle.mean", "loss.final_median"):
        assert picture(run, what).x_range == pytest.approx((-2.0, 1.0), abs=1e-12)


@pytest.mark.parametrize("over", ["log:1:1:1", "[1.0]"])
def test_a_sweep_of_one_point_is_drawn(command, tmp_path, over):
    sets = [a for k, v in FAST.items() for a in ("--set", f"{k}={str(v).lower()}")]
    out = tmp_path / "s"
    code, _, _ = command("run", "--preset", "quick", *sets, "--over", f"{RATE}={over}",
                         "--out", out, "--quiet")  # fmt: skip
    assert code == 0
    for what in ([], ["--what", "kept"], ["--ascii"]):
        code, shown, err = command("plot", out, *what)
        assert (code, err) == (0, "")
        assert RATE in shown
