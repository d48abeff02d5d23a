"""A quantity has one value and one interval wherever it is shown."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tuichaos
from tuichaos.plots.run_plots import Kept, picture
from tuichaos.plots.series_views import view
from tuichaos.reports import run_report
from tuichaos.reports.run_report import number
from tuichaos.tui.live_series import LiveSeries
from tuichaos.tui.status_sentence import narrate

RUNS = {
    "eta 0.5": {"optimizer.learning_rate": 0.5},
    "eta 0.3": {"optimizer.learning_rate": 0.3, "ensemble.references": 5},
    "one reference": {"optimizer.learning_rate": 0.3, "ensemble.references": 1, "steps": 400},
    "every third step": {"optimizer.learning_rate": 0.5, "record.every": 3, "steps": 399},
    "one, every third step": {
        "optimizer.learning_rate": 0.3,
        "ensemble.references": 1,
        "record.every": 3,
        "steps": 400,
    },
    "from step 50": {"optimizer.learning_rate": 0.5, "measure.discard": 50},
}


@pytest.fixture(scope="module", params=RUNS)
def shown(request, tmp_path_factory):
    """The table by its first column, the sentence, and the run itself, which is only read."""
    live = LiveSeries(RUNS[request.param].get("ensemble.references", 20))
    experiment = tuichaos.preset("quick", {"ensemble.twins": 3, **RUNS[request.param]})
    run = tuichaos.run(experiment, out=tmp_path_factory.mktemp("shown") / "run", watch=live.add)
    table = {row.measure.strip(): row for row in run_report.rows(run)}
    return table, narrate(live, run.experiment), run


@pytest.mark.sampled(3)
def test_the_leading_exponent(shown):
    table, sentence, run = shown
    found = run.summary["lyapunov"]
    row = next(row for name, row in table.items() if name.startswith("tangent"))
    assert row.value == number(found["mean"])
    low, high = found["ci95"]
    assert row.interval == f"[{number(low)}, {number(high)}]"
    told = re.search(r"Leading exponent (\S+) \[(\S+), (\S+)\]", sentence)
    assert [float(x) for x in told.groups()] == [
        float(number(x)) for x in (found["mean"], low, high)
    ]
    curves = view("exponent", Kept(run), run.experiment).curves
    ends = [float(curve.y[np.isfinite(curve.y)][-1]) for curve in curves[:3]]
    assert ends == pytest.approx([found["mean"], low, high], rel=1e-9)


def test_the_windows_are_in_their_names(shown):
    table, _, run = shown
    start, end = run.summary["lyapunov"]["window"]
    assert f"tangent, steps {start}–{end}" in table
    for name, rate in run.summary["rates"].items():
        assert table[f"steps {name.replace('-', '–')}"].value == number(rate["mean"])


def test_distance_and_loss(shown):
    table, sentence, run = shown
    final = np.median(run.series["loss"][-1])
    assert table["final loss"].value == number(final)
    distance = np.median(run.series["distance"], axis=1)
    if "The median distance of twins is" in sentence:
        times = re.search(r"is (?:down to )?([\d.,e+-]+) (?:times|of) the first", sentence)[1]
        assert float(times.replace(",", "")) == pytest.approx(distance[-1] / distance[0], rel=0.06)


def test_a_verdict_names_the_steps_of_its_exponent(shown):
    _, _, run = shown
    table = run.table("regime.csv")
    known = np.isfinite(table["exponent"])
    assert np.isfinite(table["since"][known]).all()


def test_sharpness_says_mean_or_median(simulate):
    run = simulate(
        {"measure.sharpness": {"every": 5}, "ensemble.references": 9, "ensemble.twins": 0},
        preset="quick",
    )
    table = {row.measure.strip(): row for row in run_report.rows(run)}
    last = run.exponents["sharpness"]
    assert table["final sharpness, median"].value == number(np.median(last))
    curve = picture(run, "sharpness").curves[0]
    assert curve.name == "median of 9"
    assert curve.y[-1] == pytest.approx(np.median(last))


def test_slow_growth_is_told_by_what_it_gains(simulate):
    """x ← 1.001 x over 5 000 steps: twins part 148-fold, and no sentence says they do not."""
    live = LiveSeries(1)
    run = simulate(
        {
            "system.name": "labelled_maps:Affine",
            "system.parameters": {"c": 1.001, "b": 0.0},
            "ensemble.references": 1,
            "ensemble.twins": 2,
            "steps": 5000,
        },
        watch=live.add,
    )
    sentence = narrate(live, run.experiment)
    assert "148 times the first one" in sentence
    assert "nearby orbits part so far" in sentence
    assert run.summary["regimes"] == {"undecided": 1}
