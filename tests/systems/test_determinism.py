"""Maps of the user's that are no maps of single states are refused before they run."""

from __future__ import annotations

import csv
import math

import pytest
import torch

import tuichaos
from tuichaos.execution.plan import plan
from tuichaos.execution.recording import prepare
from tuichaos.reports import run_report
from tuichaos.simulation.run_control import RunControl
from tuichaos.systems.base import System
from tuichaos.systems.determinism import nondeterminism
from tuichaos.tui import status_sentence


class Contracting(System):
    """x ← x/2 and what ``also`` adds."""

    dimension = 1

    def __init__(self, also=None):
        self.also = also
        self.calls = 0
        self.generator = torch.Generator().manual_seed(1)

    def step(self, x):
        self.calls += 1
        return 0.5 * x + (self.also(self, x) if self.also else 0.0)

    def start(self, rng):
        return rng.uniform(0, 1, 1)


def noisy(system, x):
    return 0.1 * torch.randn_like(x)


def noisy_in_common(system, x):
    return 0.1 * torch.randn(1, dtype=x.dtype)


def noisy_from_a_seed(system, x):
    return 0.1 * torch.randn(x.shape, generator=system.generator, dtype=x.dtype)


def timed(system, x):
    return 0.1 * math.sin(0.7 * system.calls)


def timed_late(system, x):
    return 0.1 * (system.calls > 20)


def coupled(system, x):
    return 1e-6 * x.mean()


def placed(system, x):
    return 1e-9 * torch.arange(len(x), dtype=x.dtype)[:, None]


@pytest.mark.parametrize("also", [noisy, noisy_in_common, noisy_from_a_seed, timed, timed_late])
def test_what_two_calls_differ_by(also):
    assert "two calls of step" in nondeterminism(Contracting(also))


@pytest.mark.parametrize("also", [coupled, placed])
def test_rows_that_see_each_other(also):
    assert "depends on the rows beside it" in nondeterminism(Contracting(also))


@pytest.mark.parametrize("name", ["SkewTent", "Rotation", "Sines", "Passing"])
def test_maps_are_maps(name):
    import maps

    assert nondeterminism(getattr(maps, name)()) == ""


def test_one_that_diverges_is_still_a_map():
    assert nondeterminism(Contracting(lambda system, x: 1e200 * x * x)) == ""


def test_rounding_by_place_is_no_coupling():
    """A product may round by how many rows there are."""
    assert nondeterminism(Contracting(lambda system, x: 1e-16 * len(x))) == ""


@pytest.fixture
def told(command, tmp_path):
    def go(*more):
        out = tmp_path / "run"
        asked = ("--set", "system.name=maps:Crowd", "--set", "ensemble.references=4")
        return out, command("run", "--preset", "quick", *asked, "--out", out, *more)

    return go


def test_refused_before_anything_is_written(told):
    out, (code, _, err) = told()
    assert code == 2
    assert err.startswith("tuichaos: error: system.name: maps:Crowd: row ")
    assert err.count("\n") == 1
    assert "--allow-nondeterministic" in err
    assert not out.exists()


def test_allowed_it_runs_without_a_verdict(told):
    out, (code, _, _) = told("--allow-nondeterministic", "--quiet")
    assert code == 0
    run = tuichaos.open_run(out)
    assert run.experiment.system.allow_nondeterministic
    assert run.summary["regimes"] == {"undecided": 4}
    with open(out / "regime.csv", encoding="utf-8") as file:
        assert {row["exponent"] for row in csv.DictReader(file)} == {""}
    assert run.summary["lyapunov"]["count"] == 4  # what was measured stays


def test_a_noise_floor_without_bound_is_one_line(capfd):
    from tuichaos.cli.run_output import warn_of_noise

    floor = {"holds": False, "first_step": 3, "largest_distance": None}
    warn_of_noise({"noise_floor": floor})
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "(at step 3, without bound)" in err


class Noisy(Contracting):
    """Another orbit each time, also of the same seed."""

    def __init__(self):
        super().__init__(noisy)


@pytest.mark.parametrize("swept", [False, True])
def test_verify_says_that_such_a_run_cannot_be_compared(swept, tmp_path, command):
    system = {"name": "test_determinism:Noisy", "allow_nondeterministic": True}
    table = {"steps": 40, "system": system, "ensemble": {"references": 2, "twins": 0}}
    made = tuichaos.resolve(table | ({"sweep": {"seed": [1, 2]}} if swept else {}))
    out = tmp_path / "run"
    (tuichaos.sweep if swept else tuichaos.run)(made, out=out)
    code, said, _ = command("verify", out)
    (line,) = [line for line in said.splitlines() if "again" in line]
    assert (code, line[:2], "FAIL" in said) == (0, "--", False)
    assert "declared nondeterministic" in line
    assert "cannot be compared bit for bit" in line
    name = "sweep.csv" if swept else "series.csv"
    (out / name).write_text((out / name).read_text()[:-20])
    code, said, _ = command("verify", out)
    assert (code, "FAIL" in said) == (1, True)


TURNING = {
    "system": {"name": "maps:Turning"},
    "steps": 2500,
    "ensemble": {"references": 16, "twins": 0},
}


def test_where_the_noise_floor_fails_no_reference_has_a_verdict(tmp_path):
    """A time that acts after the looks at its first steps; also while it runs."""
    recording = prepare(plan(tuichaos.resolve(TURNING), 1), tmp_path, RunControl())
    recording.wanted.set()
    previews = []

    def watch(progress):
        recording.wanted.set()
        recording._next_look = 0.0
        previews.append(recording.preview.summary)

    recording.run(watch)
    run = tuichaos.open_run(tmp_path)
    floor = run.manifest["noise_floor"]
    assert not floor["holds"]
    step = floor["first_step"]
    reason = (
        f"an unperturbed twin parted from its reference at step {step}: this is no deterministic "
        "map, or its rows depend on each other"
    )
    assert run.summary["regimes"] == {"undecided": 16}
    assert run.summary["verdicts"]["missing"] == {reason: 16}
    with open(tmp_path / "regime.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cell = reason.replace(",", ";")
    assert {(row["verdict"], row["missing"]) for row in rows} == {("undecided", cell)}
    assert f"undecided in 16: {reason}" in list(run_report.remarks(run))
    assert status_sentence.verdict(run.summary) == f"Verdict: undecided in 16 of 16: {reason}."
    seen = [reason in found["verdicts"]["missing"] for found in previews]
    assert seen == [found["steps"] >= step for found in previews]
    assert len(set(seen)) == 2


def test_the_same_map_before_its_time_acts_has_verdicts(tmp_path):
    never = TURNING | {"system": {"name": "maps:Turning", "parameters": {"after": 10**9}}}
    run = tuichaos.run(tuichaos.resolve(never), out=tmp_path / "run", threads=1)
    assert run.manifest["noise_floor"]["holds"]
    assert set(run.summary["regimes"]) == {"chaotic"}
