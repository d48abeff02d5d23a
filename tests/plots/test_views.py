"""What charts show of a run: bands with intervals, fits, levels; the same live and kept."""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import tuichaos
from tuichaos.common.ascii_text import plain
from tuichaos.common.summary_statistics import summarise
from tuichaos.config import presets
from tuichaos.execution.progress_event import Progress
from tuichaos.plots import distance_fit
from tuichaos.plots.bands import Band, running_interval
from tuichaos.plots.figure import Curve, Picture, Role, cropped, smoothed
from tuichaos.plots.instruments.pca import _rms
from tuichaos.plots.plotext_renderer import COLOURS, draw, legend
from tuichaos.plots.run_plots import Kept
from tuichaos.plots.series_views import view
from tuichaos.tui.live_series import EARLY_POINTS, MAX_POINTS, LiveSeries
from tuichaos.tui.status_sentence import Said, fitted, narrate, sentence_parts, verdict

T = np.arange(400.0)


class Columns:
    """A source made of plain columns (T,), one reference."""

    first_diverged = None

    def __init__(self, **columns):
        self.columns = columns

    time_step = 1.0

    def band(self, name):
        values = self.columns.get(name, np.full(len(T), np.nan))
        return Band(T[: len(values)], values[None], 1)


def experiment(**overrides):
    return tuichaos.resolve({}, {"steps": 400, **overrides})


def progress(steps, **columns):
    nothing = SimpleNamespace(step=0, total=0, replica_steps=0, total_replica_steps=0, seconds=0.0)
    return Progress(**vars(nothing), diverged=0, first_diverged=None, steps=steps, columns=columns)


# --- bands -------------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_students():
    values = np.random.default_rng(0).normal(size=(3, 12))
    values[1, 4] = np.nan
    values[2, 1:] = np.nan
    mean, low, high = summarise(values, averaged=True)
    for t in (0, 1):
        own = values[t][np.isfinite(values[t])]
        found = stats.ttest_1samp(own, 0).confidence_interval(0.95)
        assert mean[t] == pytest.approx(own.mean(), rel=1e-12)
        assert (low[t], high[t]) == pytest.approx((found.low, found.high), rel=1e-9)
    assert mean[2] == values[2, 0]
    assert np.isnan(low[2])  # one value does not tell how it varies


@pytest.mark.parametrize("unit", [1e155, 1e307, -1e307])
def test_bands_of_values_near_the_largest_float(unit):
    values = np.array([[1.0, 2, 3, 4, 5, 6, 7], [-7, -1, 2, 3, np.nan, np.inf, 7]])
    for averaged in (True, False):
        rows, plain = summarise(values * abs(unit), averaged), summarise(values, averaged)
        assert rows / abs(unit) == pytest.approx(plain, rel=1e-14)
    ends = summarise(np.array([[-17.0, -17, 17, 17, 17, 17]]) * unit, False)
    assert ends / unit == pytest.approx(
        np.array([[17], [-17], [17]]) if unit > 0 else -ends / -unit
    )


def test_a_running_interval_near_the_largest_float_warns_of_nothing():
    assert running_interval(np.arange(200), np.full(200, 1e308), 0)


def test_the_distance_off_a_plane_near_the_largest_float():
    for values, size in (([3e307] * 4, 3e307), ([np.inf], np.inf), ([], 0), ([3, 4], 12.5**0.5)):
        assert _rms(np.array(values)) == pytest.approx(size)
    assert math.isnan(_rms(np.array([1, np.nan])))


def cells(path, value):
    """Every measured number of the tables of a run as another one."""
    for name, places in (("series", 2), ("spectrum", 2), ("sizes", 2), ("projection", 3)):
        head, *rows = (path / f"{name}.csv").read_text().splitlines()
        rows = [row.split(",") for row in rows]
        changed = [[*r[:places], *(value(k) if c else c for c in r[places:])]
                   for k, r in enumerate(rows)]  # fmt: skip
        text = "\n".join([head, *map(",".join, changed)])
        (path / f"{name}.csv").write_text(text + "\n")


WHATS = ("loss", "exponent", "distance", "spectrum", "sizes", "projection", "weight-norm")
BIG = {
    "largest": lambda k: "1e308",
    "both": lambda k: ("1e308", "-1e308")[k // 2 % 2],
    "smallest": lambda k: ("1e308", "5e-324", "1e308")[k % 3],
    "nothing": lambda k: "5e-324",
}


@pytest.mark.sampled(12)
@pytest.mark.parametrize("references", [1, 3, 8])
@pytest.mark.parametrize("name", BIG)
def test_charts_of_numbers_near_the_ends_of_the_range(name, references, simulate, command):
    """Warnings are errors here: none of NumPy's comes up."""
    measured = {"measure.spectrum": True, "measure.projection": True, "measure.tangent": True,
                "measure.sizes": [1e-8, 1e-6, 1e-4]}  # fmt: skip
    path = simulate(
        {"steps": 90, "ensemble.references": references, **measured}, preset="quick"
    ).path
    cells(path, BIG[name])
    for what in WHATS:
        code, out, err = command("plot", path, "--what", what)
        assert (code, err.count("\n")) in ((0, 0), (2, 1)), (what, out, err)
        assert "damaged" not in err
    assert command("verify", path)[2] == ""


def test_a_run_whose_steps_are_all_one(simulate, command, capfd):
    path = simulate({"steps": 40, "ensemble.references": 1}, preset="quick").path
    head, *rows = (path / "series.csv").read_text().splitlines()
    rows = [",".join(["0", str(10**15), *row.split(",")[2:]]) for row in rows]
    (path / "series.csv").write_text("\n".join([head, *rows]) + "\n")
    code, out, err = command("plot", path)
    assert (code, err) == (0, "")
    assert "distance of twins" in out


def test_few_references_are_drawn_one_by_one_and_many_as_percentiles():
    few = summarise(np.arange(12.0).reshape(4, 3), averaged=False)
    assert few.shape == (3, 4)
    assert Band(T[:4], few, 3).middle.tolist() == [1, 4, 7, 10]
    many = summarise(np.arange(44.0).reshape(4, 11), averaged=False)
    assert many[:, 0].tolist() == [5, 1, 9]
    roles = [curve.role for curve in Band(T[:4], many, 11).curves()]
    assert roles == [Role.MAIN, Role.LOW, Role.HIGH]


def test_the_running_interval_ends_at_the_error_of_exponents_csv(simulate):
    run = simulate({"steps": 400, "measure.discard": 100}, preset="logistic")
    for reference in range(3):
        running = run.series["lyapunov"][:, reference]
        low, high = running_interval(run.steps, running, 100)
        half = 2.093 * run.exponents["lyapunov_error"][reference]
        exponent = run.exponents["lyapunov"][reference]
        assert low.y[-1] == pytest.approx(exponent - half, rel=1e-9)
        assert high.y[-1] == pytest.approx(exponent + half, rel=1e-9)
        assert low.x[0] == run.steps[100 + 40]


def test_no_running_interval_of_a_short_curve():
    assert running_interval(T[:30], np.ones(30), 0) == []
    assert running_interval(T, np.full(400, np.nan), 0) == []


def test_live_and_kept_are_the_same_picture(simulate):
    seen = []
    live = LiveSeries(7)
    overrides = {"ensemble.references": 7, "ensemble.twins": 2, "steps": 120}
    run = simulate(overrides, preset="quick", watch=lambda p: (live.add(p), seen.append(p)))
    for name in ("distance", "exponent", "loss", "weight-norm"):
        kept, growing = (view(name, s, run.experiment) for s in (Kept(run), live))
        assert kept.levels == growing.levels
        assert kept.marks == growing.marks
        assert kept.log == growing.log
        for a, b in zip(kept.curves, growing.curves, strict=True):
            assert (a.name, a.role) == (b.name, b.role)
            assert np.array_equal(a.x, b.x)
            assert np.array_equal(a.y, b.y, equal_nan=True)


def test_memory_of_a_living_run_is_bounded_and_spikes_stay():
    live = LiveSeries(9)
    for start in range(0, 3 * MAX_POINTS, 1024):
        values = np.ones((1024, 9))
        values[7] = 5 if start == 2048 else 1
        live.add(progress(np.arange(start, start + 1024), loss=values))
    band = live.band("loss")
    assert len(band.steps) <= MAX_POINTS
    assert len(band.steps) == band.rows.shape[1]
    assert band.rows[2].max() == 5
    assert band.steps[:EARLY_POINTS].tolist() == list(range(EARLY_POINTS))
    assert (np.diff(band.steps) > 0).all()


def test_a_still_of_a_living_run_does_not_grow():
    live = LiveSeries(6)
    live.add(progress(np.arange(10), loss=np.ones((10, 6))))
    still = live.still()
    live.add(progress(np.arange(10, 20), loss=np.ones((10, 6)), distance=np.ones((10, 6))))
    assert len(still.band("loss").steps) == still.band("distance").rows.shape[1] == 10
    assert len(live.band("loss").steps) == live.band("distance").rows.shape[1] == 20


def test_words_for_a_long_run_above_the_growth_limit_at_once():
    live, steps = LiveSeries(6), np.arange(3 * MAX_POINTS)
    for part in np.split(steps, 96):
        wide = np.ones((len(part), 6))
        live.add(progress(part, distance=wide, weight_norm=50 * wide, lyapunov=0.1 * wide))
    assert "Twins reached the growth limit at step 0" in narrate(live, experiment())


def test_saturated_is_a_word_for_units_alone():
    grown = np.minimum(1e-8 * np.exp(0.25 * T), 3.0)
    source = Columns(distance=grown, weight_norm=np.full(400, 50.0))
    shown = view("distance", source, experiment())
    names = [name for name, _ in (*shown.levels, *shown.marks)]
    assert names == ["growth limit", "rounding floor", "growth limit at step 62"]
    for name in presets.names():
        about = presets.preset(name).about.lower()
        assert "saturat" not in about or "units" in about, name


def test_a_changed_rate_is_named_in_the_legend():
    changes = [{"step": 200, "learning_rate": 0.9}, {"step": 300, "learning_rate": 0.1}]
    optimizer = {"learning_rate": 0.3, "changes": changes}
    changed = tuichaos.resolve({"steps": 400, "optimizer": optimizer})
    source = Columns(loss=np.linspace(3, 1, 400), distance=np.full(400, 1e-6))
    for name in ("loss", "distance"):
        shown = view(name, source, changed)
        text = draw(shown, 80, 24, colour=False, ascii_only=False)
        sentence_parts = " ".join(text.splitlines()[1:4])
        assert "lr 0.3 → 0.9 at step 200" in sentence_parts
        assert "lr 0.9 → 0.1 at step 300" in sentence_parts
        assert "lr 0.9" in text.split("at step 300")[1]  # at the line itself


def narrated(steps, *, diverged=0, **columns):
    """The sentence on columns (T, references) of a run whose time is steps (T,)."""
    references = next(iter(columns.values())).shape[1]
    live = LiveSeries(references)
    last = replace(progress(steps, **columns), step=int(steps[-1]), diverged=diverged)
    live.add(replace(last, first_diverged=7 if diverged else None))
    return narrate(live, experiment())


def test_no_verdict_on_what_diverged():
    steps = np.arange(40)
    running = np.where(steps[:, None] < 10, 40.0, np.nan) + np.zeros((1, 8))
    words = narrated(steps, diverged=8, lyapunov=running, distance=np.full((40, 8), 1e300))
    assert words.startswith("8 of 8 references diverged, the first at step 7.")
    assert "exponent" not in words
    assert "Twins" not in words
    half = running.copy()
    half[:, :3] = 0.1 + np.arange(3) / 100
    words = narrated(steps, diverged=5, lyapunov=half)
    assert "over 39 steps (mean of 3)" in words


def test_verdicts_in_the_order_of_their_frequency():
    found = {"regime": "chaotic", "regimes": {"chaotic": 33, "undecided": 7}, "references": 40}
    assert verdict(found | {"verdicts": {}}) == "Verdict: chaotic in 33 of 40, undecided in 7."


def test_a_reason_has_its_own_count():
    found = {"regime": "undecided", "regimes": {"undecided": 39, "periodic": 1}, "references": 40}
    few = found | {"verdicts": {"missing": {"chaotic so far": 37, "fewer than 64 steps": 2}}}
    words = "Verdict: undecided in 39 of 40 (37 of them: chaotic so far), periodic in 1."
    assert verdict(few) == words
    all_alike = found | {"verdicts": {"missing": {"chaotic so far": 39}}}
    assert verdict(all_alike) == "Verdict: undecided in 39 of 40: chaotic so far, periodic in 1."
    single = {"regime": "undecided", "regimes": {"undecided": 1}, "references": 1}
    words = "Verdict: undecided: chaotic so far."
    assert verdict(single | {"verdicts": {"missing": {"chaotic so far": 1}}}) == words


def test_a_sentence_beside_a_verdict_judges_nothing_itself():
    steps = np.arange(1, 301)
    live = LiveSeries(9)
    rows = 0.13 * np.ones((300, 9)) * (1 + 0.1 * np.linspace(-1, 1, 9))
    apart = np.where(steps[:, None] < 300, 1e-8, 1.9e-8) * np.ones((1, 9))
    live.add(replace(progress(steps, lyapunov=rows, distance=apart), step=300))
    words = narrate(live, experiment(), judged=True)
    assert words.startswith("The median distance of twins is 1.9 times the first one.")
    assert words.endswith("per step over 300 steps (mean of 9).")


@pytest.mark.parametrize(("width", "lines"), [(78, 3), (78, 2), (38, 2), (118, 4)])
def test_words_give_way_whole_and_never_the_verdict_or_the_exponent(width, lines):
    found = {"regime": "undecided", "regimes": {"undecided": 40}, "references": 40}
    reason = "chaotic so far, but over few steps: more would tell whether it lasts"
    first = verdict(found | {"verdicts": {"missing": {reason: 37}}})
    grown = np.minimum(1e-8 * np.exp(0.25 * T[:, None]), 3.0) * np.ones((1, 9))
    rows = 0.13 * np.ones((400, 9)) * (1 + 0.1 * np.linspace(-1, 1, 9))
    loss = 1.0 + (np.arange(400) % 2)[:, None] * np.ones((1, 9))
    shown = {"distance": grown, "weight_norm": 50 + 0 * rows, "lyapunov": rows, "loss": loss}
    live = LiveSeries(9)
    live.add(replace(progress(T.astype(int), **shown), step=399))
    parts = [Said(first), *sentence_parts(live, experiment(), judged=True)]
    assert len(textwrap.wrap(" ".join(part.words for part in parts), 78)) == 5
    words = fitted(parts, width, lines)
    wrapped = textwrap.wrap(words, width)
    assert words.startswith(first)
    assert re.search(r"\+0\.130 \[\+0\.\d+, \+0\.\d+\] nats per step", words)
    assert words.endswith(".")
    least = len(textwrap.wrap(f"{first} {parts[2].brief}", width))
    assert len(wrapped) <= max(lines, least)
    assert fitted(parts, width, 99) == " ".join(part.words for part in parts)


def test_chaos_that_has_passed_is_not_called_chaotic():
    steps = np.arange(1, 301)
    total = np.minimum(0.13 * steps, 6.5)  # grows up to step 50 and never again
    spread = 1 + 0.1 * np.linspace(-1, 1, 9)
    words = narrated(steps, lyapunov=(total / steps)[:, None] * spread)
    assert "parting at first, +0 in the last half" in words
    steady = narrated(steps, lyapunov=0.13 * np.ones((300, 1)) * spread)
    assert "nearby orbits part so far" in steady
    assert "chaotic" not in steady
    sinking = narrated(steps, lyapunov=-0.13 * np.ones((300, 1)) * spread)
    assert "nearby orbits meet so far" in sinking


@pytest.mark.parametrize("rate", [0.12, -0.12, 0.003, -0.003])
@pytest.mark.parametrize("last", [1, 2, 20, 63, 64, 200])
def test_a_word_on_the_exponent_never_contradicts_its_interval(rate, last):
    steps = np.arange(last + 1)
    rows = rate * np.ones((last + 1, 9)) * (1 + 0.5 * np.linspace(-1, 1, 9))
    words = narrated(steps, lyapunov=rows)
    assert f"over {last} step{'s' if last > 1 else ''} (mean of 9)" in words
    if last < 64:
        assert words.endswith(": too few steps to tell.")
    else:
        assert ("nearby orbits part" if rate > 0 else "nearby orbits meet") in words
    assert "neither" not in words
    around = narrated(steps, lyapunov=rows - rate)
    assert ("neither part nor meet" in around) == (last >= 64 and abs(rate) * last < 10)


def test_twins_of_a_map_part_and_meet(simulate):
    chaotic = simulate({"steps": 200}, preset="logistic")
    step, level = distance_fit.growth_limit(Kept(chaotic))
    assert 20 < step < 60
    assert 5e-4 < level < 1.01e-3
    fitted = distance_fit.fit(Kept(chaotic), chaotic.experiment)
    assert fitted.slope == pytest.approx(math.log(2), abs=0.1)
    met = np.where(T[:, None] < 3, 1e-9, 0.0) * np.ones((1, 6))
    assert "have met" in narrated(T.astype(int), distance=met)


# --- landmarks ---------------------------------------------------------------------------


def test_the_fit_is_of_the_first_passage_between_floor_and_growth_limit():
    grown = np.minimum(1e-8 * np.exp(0.25 * T), 3.0)
    source = Columns(distance=grown, weight_norm=np.full(400, 50.0))
    found = distance_fit.fit(source, experiment())
    assert found.slope == pytest.approx(0.25, rel=1e-12)
    last = math.floor(math.log(0.05 / 1e-8) / 0.25)
    assert (found.start, found.end) == (0, last)
    assert found.curve.y == pytest.approx(grown[[0, last]], rel=1e-9)
    assert distance_fit.growth_limit(source) == (last + 1, 0.05)


def test_a_contraction_is_fitted_above_the_rounding_floor_only():
    shrunk = np.maximum(1e-8 * np.exp(-0.5 * T), 1e-17)
    source = Columns(distance=shrunk, weight_norm=np.full(400, 1.0))
    found = distance_fit.fit(source, experiment())
    assert found.slope == pytest.approx(-0.5, rel=1e-9)
    floor = distance_fit.rounding_floor(source, experiment())
    assert floor == pytest.approx(100 * 2.0**-52)
    assert shrunk[found.end] >= floor > shrunk[found.end + 1]
    assert distance_fit.growth_limit(source) is None


@pytest.mark.parametrize("gained", [1e-7, 3e-5, -3e-5])
def test_a_slope_below_rounding_is_zero(gained):
    """At 10⁻¹⁰ and a size of 1 a distance is known to 2 in 10⁶."""
    source = Columns(distance=1e-10 * np.exp(gained * T / 399), weight_norm=np.full(400, 1.0))
    found = distance_fit.fit(source, experiment())
    known = abs(gained) > 1e-5
    assert found.slope == (pytest.approx(gained / 399, rel=1e-3) if known else 0)
    assert (found.curve.name == "fit 0–399: 0 nats per step") != known


def test_no_fit_without_three_points_or_twins():
    norm = np.full(400, 1.0)
    for distance in (np.full(400, 5.0), np.zeros(400), np.full(400, np.nan)):
        source = Columns(distance=distance, weight_norm=norm)
        assert distance_fit.fit(source, experiment()) is None
    late = Columns(distance=1e-8 * np.exp(0.1 * T), weight_norm=norm)
    assert distance_fit.fit(late, experiment(**{"ensemble.perturb_at": 60})).start == 60


# --- pictures ----------------------------------------------------------------------------


def test_smoothing_keeps_the_raw_curve_behind_and_drops_the_bounds():
    y = np.where(T % 2, 1.0, 100.0)
    y[200] = np.nan
    curves = [Curve("a", T, y), Curve("10 %", T, y, Role.LOW)]
    linear = smoothed(Picture("t", curves), 5)
    assert [curve.role for curve in linear.curves] == [Role.RAW, Role.MAIN]
    assert linear.curves[1].y[100] == pytest.approx((3 * 100 + 2) / 5)
    assert np.isnan(linear.curves[1].y[200])
    log = smoothed(Picture("t", curves, log=True), 5)
    assert log.curves[1].y[100] == pytest.approx(100 ** (3 / 5))
    assert smoothed(Picture("t", curves), 1).curves == curves


def test_cropping_cuts_a_fit_where_the_edge_is():
    line = Curve("fit", np.array([0.0, 100.0]), np.exp(np.array([0.0, 20.0])), Role.FIT)
    shown = cropped(Picture("t", [Curve("a", T, T), line], log=True), 25, 50)
    assert shown.curves[0].x.tolist() == list(range(25, 51))
    assert shown.curves[1].y == pytest.approx(np.exp([5.0, 10.0]))


def test_eight_runs_have_eight_colours_and_eight_markers():
    curves = [Curve(f"run {k}", T, T + k) for k in range(8)]
    for colour, ascii_only in ((True, False), (False, False), (False, True)):
        marks = [mark for mark, _ in legend(Picture("t", curves), colour, ascii_only)]
        assert len(set(marks)) == 8
    assert len(set(COLOURS)) == 8


def test_a_log_axis_of_a_picture_with_a_level_at_zero(simulate):
    run = simulate({"ensemble.references": 6, "steps": 60}, preset="quick")
    shown = view("exponent", Kept(run), run.experiment, log=True)
    assert "zero" not in draw(shown, 80, 12, colour=False, ascii_only=False)
    assert "zero" in draw(replace(shown, log=False), 80, 12, colour=False, ascii_only=False)


def test_plain_text_is_ascii_and_as_wide():
    text = "λ(t) ≥ 10⁻⁷ ·  ‖x‖₁ ⣿ η−"
    assert plain(text).isascii()
    assert len(plain(text)) == len(text)
    assert "1e-7" in plain(text)


def test_a_range_of_steps_is_plotted_alone(simulate, command):
    run = simulate({"steps": 60, "ensemble.references": 3, "ensemble.twins": 1})
    code, out, err = command("plot", run.path, "--what", "loss", "--from", "20", "--to", "30")
    assert (code, err) == (0, "")
    ticks = [line.split() for line in out.splitlines() if line.split()[:1] == ["20"]]
    assert [(row[0], row[-1]) for row in ticks] == [("20", "30")]
    code, out, _ = command("plot", run.path, "--from", "50")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines() if line.split()[:1] == ["50"]] == ["60"]
    for arguments, words in (
        (["--from", "30", "--to", "20"], "the last step must come after the first"),
        (["--from", "61"], "distance ends at step 60"),
        (["--from", "x"], "--from"),
    ):
        code, out, err = command("plot", run.path, *arguments)
        assert (code, out) == (2, "")
        assert words in err
        assert err.count("\n") == 1
