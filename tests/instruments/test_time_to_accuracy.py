"""Steps until an accuracy is first reached."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tuichaos
from tuichaos.common.errors import InputError
from tuichaos.instruments.statistics import median_interval

QUIET = {f"measure.{k}": False for k in ("nmle", "growth", "tangent", "regime", "weight_norm")}
SMALL = {"ensemble.references": 9, "ensemble.twins": 1, "steps": 60, **QUIET}


def first(series, level):
    """By a second way: from the accuracies of series.csv."""
    there = series >= level
    return np.where(there.any(axis=0), there.argmax(axis=0), np.nan)


def test_it_is_the_first_recorded_accuracy_that_is_high_enough(simulate):
    run = simulate({**SMALL, "measure.reach": {"accuracy": 0.75}})
    for part in ("train", "test"):
        expected = first(run.series[f"{part}_accuracy"], 0.75)
        np.testing.assert_array_equal(run.exponents[f"reach_{part}"], expected)
        found = run.summary[f"reach_{part}"]
        assert found["count"] == np.isfinite(expected).sum()
        assert (found["total"], found["accuracy"], found["every"]) == (9, 0.75, 1)
    assert 0 < run.summary["reach_test"]["count"] < 9  # neither all nor none: both are tested


def test_it_looks_at_every_step_whatever_is_recorded_or_measured(simulate):
    fine = simulate({**SMALL, "measure.reach": {"accuracy": 0.75}})
    rare = {"record.every": 60, "measure.accuracy": False, "measure.loss": False}
    coarse = simulate({**SMALL, **rare, "measure.reach": {"accuracy": 0.75}})
    assert np.isnan(coarse.series["train_accuracy"]).all()
    for part in ("reach_train", "reach_test"):
        np.testing.assert_array_equal(coarse.exponents[part], fine.exponents[part])
        assert coarse.summary[part] == fine.summary[part]
    for other in ({"measure.regime": True}, {"measure.accuracy": {"every": 7}}):
        again = simulate({**SMALL, **other, "measure.reach": {"accuracy": 0.75}})
        np.testing.assert_array_equal(again.exponents["reach_test"], fine.exponents["reach_test"])


def test_every_makes_it_coarse_but_never_early(simulate):
    fine = simulate({**SMALL, "measure.reach": {"accuracy": 0.75}})
    coarse = simulate({**SMALL, "measure.reach": {"accuracy": 0.75, "every": 7}})
    accuracy = fine.series["train_accuracy"]
    looks = sorted({*range(0, 61, 7), 60})
    expected = first(accuracy[looks], 0.75)
    expected = np.array([math.nan if np.isnan(k) else looks[int(k)] for k in expected])
    np.testing.assert_array_equal(coarse.exponents["reach_train"], expected)
    both = np.isfinite(expected)
    assert (expected[both] >= fine.exponents["reach_train"][both]).all()
    assert coarse.summary["reach_train"]["every"] == 7


def test_company_threads_and_series_change_nothing(simulate):
    on = {**SMALL, "measure.reach": {"accuracy": 0.75}}
    all_of_them = simulate(on, threads=2)
    few = simulate({**on, "ensemble.references": 3, "ensemble.twins": 0}, threads=1)
    np.testing.assert_array_equal(
        few.exponents["reach_train"], all_of_them.exponents["reach_train"][:3]
    )
    without = simulate(SMALL, threads=1)
    assert (without.path / "series.csv").read_bytes() == (
        all_of_them.path / "series.csv"
    ).read_bytes()


def test_what_nobody_or_too_few_reach_has_no_median(simulate):
    run = simulate({**SMALL, "steps": 3, "measure.reach": {"accuracy": 1.0}})
    found = run.summary["reach_train"]
    assert (found["median"], found["median_ci95"], found["count"]) == (None, None, 0)
    assert found["reason"] == "1 was reached by 0 of 9: no median"
    rows = (run.path / "exponents.csv").read_text().splitlines()
    head, line = rows[0].split(","), rows[1].split(",")
    assert line[head.index("reach_train")] == ""


def test_the_median_counts_those_that_never_reach_it_as_later_than_all(simulate):
    run = simulate({**SMALL, "measure.reach": {"accuracy": 0.66}})
    for part in ("reach_train", "reach_test"):
        steps = run.exponents[part]
        expected = np.median(np.where(np.isnan(steps), np.inf, steps))
        found = run.summary[part]["median"]
        assert found == (expected if np.isfinite(expected) else None)
    assert 0 < np.isnan(run.exponents["reach_train"]).sum() < 5  # some are missing, not half
    low, high = run.summary["reach_train"]["median_ci95"]
    assert low <= run.summary["reach_train"]["median"]
    assert high is None or high >= run.summary["reach_train"]["median"]


def test_a_reference_that_diverges_never_reaches_it(simulate):
    rates = [1.0] * 8 + [1e300]
    run = simulate({**SMALL, "optimizer.learning_rate": rates, "measure.reach": {"accuracy": 0.9},
                    "network.activation": "relu"})  # fmt: skip
    assert run.summary["diverged"] >= 1
    assert np.isnan(run.exponents["reach_train"][8])


def test_a_start_that_is_right_is_step_0(simulate):
    run = simulate({
        **SMALL, "data.name": "inline", "data.x": [[-1.0], [1.0], [-2.0], [3.0]],
        "data.y": [0, 1, 0, 1], "network.hidden": [], "network.bias": False,
        "system.start": [-1.0, 1.0], "measure.reach": {"accuracy": 1.0}, "steps": 5,
    })  # fmt: skip
    assert (run.exponents["reach_train"] == 0).all()
    assert run.summary["reach_train"]["median"] == 0


def test_it_needs_classes(command, home):
    for system in (["--preset", "logistic"], ["--preset", "two-layer-scalar"]):
        code, out, err = command("run", *system, "--set", "measure.reach=true")
        assert (code, out) == (2, "")
        assert err.startswith("tuichaos: error: measure.reach: needs classes")
        assert err.count("\n") == 1
    assert not home.exists()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"accuracy": 0}, "accuracy must lie above 0"),
        ({"accuracy": 1.5}, "accuracy must lie above 0"),
        ({"accuracy": "high"}, "must be a number"),
        ({"every": 0}, "every must be at least 1"),
        ({"acuracy": 0.5}, "did you mean 'accuracy'"),
        (0.9, "must be true, false or a table"),
    ],
)
def test_bad_values_are_refused(value, says):
    with pytest.raises(InputError, match=f"measure.reach: .*{says}"):
        tuichaos.resolve({"measure": {"reach": value}})


def test_the_table_of_a_run_says_it(command):
    sets = [a for k, v in SMALL.items() for a in ("--set", f"{k}={str(v).lower()}")]
    level = ["--set", "measure.reach={accuracy=0.66}"]
    code, out, _ = command("run", "--preset", "quick", *sets, *level)
    assert code == 0
    assert "steps to 0.66 on the train part" in out
    assert "steps to 0.66 on the test part" in out


# --- the interval of a median ----------------------------------------------------------------


def test_median_interval_of_few():
    assert all(math.isnan(end) for end in median_interval(np.arange(5.0)))
    assert median_interval(np.arange(6.0)) == (0, 5)
    assert median_interval(np.array([3.0, 1.0, np.inf, 2.0, 4.0, np.inf, 5.0])) == (1, np.inf)


@pytest.mark.parametrize("count", [6, 10, 25, 50])
def test_median_interval_covers_as_it_says_and_no_wider_than_needed(count):
    """Beside the sum of binomial coefficients, and beside draws of a lopsided law."""
    low, high = median_interval(np.arange(1.0, count + 1))
    k = int(low)
    assert high == count + 1 - k
    tail = sum(math.comb(count, j) for j in range(k)) / 2**count
    assert tail < 0.025 <= tail + math.comb(count, k) / 2**count
    rng = np.random.default_rng(1)
    draws = rng.exponential(size=(2000, count))
    ends = np.array([median_interval(draw) for draw in draws])
    covered = ((ends[:, 0] <= math.log(2)) & (math.log(2) <= ends[:, 1])).mean()
    assert abs(covered - (1 - 2 * tail)) < 4 * math.sqrt(0.05 * 0.95 / 2000)
