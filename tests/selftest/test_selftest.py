"""The self-test: its checks hold, a wrong one is told, nothing is left behind."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tuichaos import selftest
from tuichaos.config import loading
from tuichaos.config.measure import Measure
from tuichaos.instruments import (
    autocorrelation,
    chosen,
    dimensions,
    expansion,
    orbital,
    pca,
    period,
    recurrence,
    saturation,
    sharpness,
    time_to_accuracy,
    verdicts,
    zero_one,
)
from tuichaos.instruments.autocorrelation import Autocorrelation
from tuichaos.instruments.base import RunContext
from tuichaos.instruments.convergence import Convergence
from tuichaos.instruments.dimensions import Dimensions
from tuichaos.instruments.expansion import ExpansionRates
from tuichaos.instruments.growth import GrowthExponent
from tuichaos.instruments.moving import Moving
from tuichaos.instruments.nmle import PaperExponent
from tuichaos.instruments.observables import Observables, WeightNorm
from tuichaos.instruments.orbital import OrbitalDistance
from tuichaos.instruments.pca import PCA
from tuichaos.instruments.period import Period
from tuichaos.instruments.recurrence import RecurrencePlot
from tuichaos.instruments.regime import Regime
from tuichaos.instruments.routes import Routes
from tuichaos.instruments.saturation import Saturation
from tuichaos.instruments.sharpness import Sharpness
from tuichaos.instruments.sizes import PerturbationSizes
from tuichaos.instruments.spectrum import Spectrum
from tuichaos.instruments.survival import Survival
from tuichaos.instruments.tangent import TangentExponent
from tuichaos.instruments.time_to_accuracy import TimeToAccuracy
from tuichaos.instruments.twin_distance import TwinDistance
from tuichaos.instruments.zero_one import ZeroOneTest
from tuichaos.selftest import softmax, table
from tuichaos.selftest.checks import QUIET, exact, word
from tuichaos.selftest.readers import threshold, worst
from tuichaos.systems import build, reference_descents, reference_maps
from tuichaos.systems.generic_stepper import jacobians

SHORT = [trial for trial in selftest.trials() if not trial.long]
LONG = [trial for trial in selftest.trials() if trial.long]

# What measures what the table says it does; orbit and certificate are parts of every run.
ROUTES = {
    "tangent": TangentExponent,
    "spectrum": Spectrum,
    "growth": GrowthExponent,
    "nmle": PaperExponent,
    "distance": TwinDistance,
    "loss": Observables,
    "accuracy": Observables,
    "weight_norm": WeightNorm,
    "regime": Regime,
    "moving": Moving,
    "routes": Routes,
    "sizes": PerturbationSizes,
    "sharpness": Sharpness,
    "orbital": OrbitalDistance,
    "autocorrelation": Autocorrelation,
    "expansion": ExpansionRates,
    "recurrence": RecurrencePlot,
    "zero_one": ZeroOneTest,
    "period": Period,
    "convergence": Convergence,
    "dimensions": Dimensions,
    "units": Saturation,
    "projection": PCA,
    "reach": TimeToAccuracy,
    "survival": Survival,
}
OF_EVERY_RUN = {"orbit", "certificate"}


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def missed(result):
    return [outcome for outcome in result.outcomes if not outcome.passed]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("trial", SHORT, ids=lambda trial: trial.name)
def test_short_trials(trial):
    result = selftest.run_trial(trial)
    assert not result.reason
    assert missed(result) == []


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("trial", LONG, ids=lambda trial: trial.name)
def test_long_trials(trial):
    result = selftest.run_trial(trial)
    assert not result.reason
    assert missed(result) == []


@pytest.mark.slow
def test_the_command_runs_them_all(command, temporary, home):
    code, out, err = command("selftest")
    assert (code, err) == (0, "")
    count = sum(len(trial.checks) for trial in selftest.trials())
    assert f"\n{count} of {count} checks pass in " in out
    assert "FAIL" not in out
    assert "\x1b" not in out  # not a terminal
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert list(temporary.iterdir()) == []
    assert not home.exists()


def instruments(trial):
    experiment = loading.resolve({}, {**QUIET, **trial.overrides})
    context = RunContext(experiment, build(experiment).system)
    return {type(found) for found in [*chosen(context), Survival(context)]}


def test_every_route_is_an_instrument_that_the_trial_has_switched_on():
    for trial in selftest.trials():
        there = instruments(trial)
        for check in trial.checks:
            assert check.route in OF_EVERY_RUN or ROUTES[check.route] in there, check.name
    used = {check.route for trial in selftest.trials() for check in trial.checks}
    assert used == {*ROUTES, *OF_EVERY_RUN}


def test_every_switch_of_the_table_measure_is_checked():
    used = {check.route for trial in selftest.trials() for check in trial.checks}
    assert set(Measure.model_fields) - {"discard", "windows"} == used - OF_EVERY_RUN - {"survival"}


def test_a_trial_measures_only_what_it_asks_for():
    quiet = loading.resolve({}, QUIET).measure
    keys = set(Measure.model_fields) - {"discard", "windows"}
    assert {key for key in keys if getattr(quiet, key) not in (False, [])} == {"loss"}


def test_names_and_numbers_fit_into_the_table():
    for trial in selftest.trials():
        assert trial.checks
        assert len({(check.name, check.route) for check in trial.checks}) == len(trial.checks)
        for check in trial.checks:
            result = selftest.Result(trial, (selftest.Outcome(check, check.expected),), 0.0)
            line = [text for text, _ in table.lines(result)][1]
            assert len(line) == 80, check.name  # more is too wide a name
            assert check.route in line.split()
            assert check.allowed >= 0


def wrong(trial, **changes):
    """The trial with its first check changed."""
    first = dataclasses.replace(trial.checks[0], **changes)
    return dataclasses.replace(trial, checks=(first, *trial.checks[1:]))


def only(monkeypatch, *trials):
    monkeypatch.setattr(selftest, "trials", lambda: list(trials))


def test_all_is_well(command, temporary, home, monkeypatch):
    only(monkeypatch, softmax.SETTLED)
    code, out, err = command("selftest")
    assert (code, err) == (0, "")
    head, name, line, last = out.splitlines()
    assert head.split() == ["route", "expected", "measured", "error", "allowed"]
    assert name.startswith("softmax map at η_eff = 5")
    cells = line.split()
    assert cells[:4] == ["loss", "loss", "1.098400", "1.098404"]
    assert cells[4:] == ["3.9e-06", "5.0e-05", "ok"]
    assert last.startswith("1 of 1 checks pass in ")
    assert last.endswith("(1 published)")
    assert list(temporary.iterdir()) == []
    assert not home.exists()


def test_one_wrong_expectation_fails_the_whole(command, temporary, monkeypatch):
    fixed = wrong(softmax.FIXED, expected=softmax.FIXED.checks[0].expected + 1e-9)
    only(monkeypatch, fixed, softmax.SETTLED)
    code, out, _ = command("selftest")
    assert code == 1
    assert out.count("FAIL") == 1
    assert "1.0e-09 1.0e-10 FAIL" in out
    assert f"{len(fixed.checks)} of {len(fixed.checks) + 1} checks pass" in out
    assert list(temporary.iterdir()) == []


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    "system",
    [
        reference_descents.Quadratic,
        reference_descents.Product,
        reference_maps.Cat,
        reference_maps.Logistic,
    ],
)
def test_a_map_that_is_a_thousandth_off_is_found(system, monkeypatch):
    right = system.step
    monkeypatch.setattr(system, "step", lambda self, x: 1.001 * right(self, x))
    name = {"Quadratic": "quadratic, curv", "Product": "product of 2", "Cat": "Arnold",
            "Logistic": "logistic map"}[system.__name__]  # fmt: skip
    trial = next(trial for trial in SHORT if trial.name.startswith(name))
    assert missed(selftest.run_trial(trial))


ROTATION = "rotation of the plane"
FAULTS = [
    ("a saddle", sharpness, "_eigenvalues", lambda matrices, count: matrices[..., 0, :count]),
    ("logistic map, r = 3.5", autocorrelation, "autocorrelation", lambda x, k: np.ones(k)),
    ("logistic map, r = 3.5", zero_one, "zero_one", lambda x, c: np.ones(len(c))),
    ("logistic map, r = 3.5", period, "TOLERANCE", 10.0),
    ("logistic map, r = 3.5", recurrence, "SHARE", 3.0),
    ("quadratic, ηh = 0.05", expansion, "SHORTEST", 25),
    ("quadratic, its weights", dimensions, "spearman", lambda a, b: 0.9),
    ("quadratic, curv", dimensions, "participation_ratio", lambda d: 2 + 0 * d[..., 0]),
    (ROTATION, pca, "principal", lambda *a: None),
    (ROTATION, orbital, "LIMIT", 0.1),
    ("rotation with a twist", orbital, "LIMIT", 1e9),
    ("network on iris", saturation, "SATURATED", 0.0),
    ("quartic, verdicts", verdicts, "GAIN", 1e9),
    ("two classes on two weights", time_to_accuracy, "ACCURACY", 0.0),
]


@pytest.mark.parametrize(("name", "module", "part", "wrong"), FAULTS)
def test_a_wrong_instrument_is_found(name, module, part, wrong, monkeypatch):
    trial = next(trial for trial in SHORT if trial.name.startswith(name))
    monkeypatch.setattr(module, part, wrong)
    assert missed(selftest.run_trial(trial))


def test_a_wrong_word_is_one_off_and_none_is_nothing(command, monkeypatch):
    checks = (
        word("a fine day", "regime", lambda run: "rain", "sun"),
        word("a word", "regime", lambda run: None, "sun"),
        exact("a number", "regime", lambda run: "sun", 1.0),
    )
    only(monkeypatch, dataclasses.replace(softmax.SETTLED, checks=checks))
    code, out, _ = command("selftest")
    assert code == 1
    assert [line.split()[-6:] for line in out.splitlines()[2:3]] == [
        ["regime", "sun", "rain", "1.0e+00", "0", "FAIL"]
    ]
    assert out.splitlines()[3].split()[-4:] == ["sun", "none", "0", "FAIL"]
    assert out.splitlines()[4].split()[-4:] == ["1.000000", "sun", "1.0e-10", "FAIL"]
    assert out.splitlines()[-1].startswith("0 of 3 checks pass")


def test_no_number_is_a_failure_and_not_a_pass(command, monkeypatch):
    none = exact("nothing", "loss", lambda run: None, 0.0)
    only(monkeypatch, dataclasses.replace(softmax.SETTLED, checks=(none,)))
    code, out, _ = command("selftest")
    assert code == 1
    assert out.splitlines()[2].split() == ["nothing", "loss", "0.000000", "none", "1.0e-10", "FAIL"]


def test_a_run_that_fails_is_told_and_the_others_go_on(command, temporary, monkeypatch):
    broken = {"system.name": "maps:Failing", "steps": 2000}
    only(
        monkeypatch,
        dataclasses.replace(softmax.SETTLED, overrides=broken),
        dataclasses.replace(softmax.SETTLED, overrides={"system.name": "nowhere:thing"}),
        dataclasses.replace(
            softmax.SETTLED, checks=(exact("x", "loss", lambda r: r.series["y"], 0),)
        ),
        softmax.SETTLED,
    )
    code, out, _ = command("selftest")
    assert code == 1
    assert "RuntimeError: the map broke" in out
    assert "InputError: system.name: nowhere:thing" in out
    assert "NoSuchColumn" in out
    assert str(temporary) not in out
    assert out.splitlines()[-1].startswith("1 of 4 checks pass")
    assert list(temporary.iterdir()) == []


def test_interrupted(command, temporary, monkeypatch):
    def stop(run):
        raise KeyboardInterrupt("what was computed is in a folder")

    stopped = exact("stop", "loss", stop, 0.0)
    only(monkeypatch, dataclasses.replace(softmax.SETTLED, checks=(stopped,)))
    code, _, err = command("selftest")
    assert code == 130
    assert err == "tuichaos: error: selftest: interrupted; nothing is left behind\n"
    assert list(temporary.iterdir()) == []


def test_a_threshold_is_where_a_grid_turns_once():
    grid = [1.0, 2.0, 3.0, 4.0]
    assert threshold(grid, np.array([False, False, True, True])) == 2.5
    for above in ([False] * 4, [True] * 4, [False, True, False, True], [True, True, False, False]):
        assert np.isnan(threshold(grid, np.array(above)))


def test_the_worst_is_the_one_farthest_off():
    assert worst(np.array([1.0, 3.5, 2.0]), 2.0) == 3.5
    assert worst(np.array([1.0, 9.0, 2.0]), 2.0, [0, 2]) == 1.0
    assert np.isnan(worst(np.array([1.0, np.nan]), 1.0))


@pytest.mark.parametrize("name", ["henon", "lorenz", "softmax-map"])
def test_jacobians_have_the_derivatives_of_the_step_for_columns(name):
    experiment = loading.resolve({}, {"system.name": name, "ensemble.references": 3})
    system = build(experiment).system
    d = system.dimension
    orbit = torch.randn(5, 3, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = jacobians(system, orbit)
    for t in range(5):
        for r in range(3):
            state = orbit[t, r]
            dense = torch.func.jacrev(lambda x: system.step(x[None])[0])(state)
            assert torch.allclose(found[t, r], dense, rtol=1e-12, atol=1e-12)
