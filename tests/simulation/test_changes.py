"""Rates that were planned to change and rates that a person changes, at any steps: what
experiment.toml tells is what was run."""

from __future__ import annotations

import pytest

import tuichaos
from tuichaos.api import verify
from tuichaos.simulation.simulation import Simulation

STEPS = 96
PLANNED = {
    "none": {},
    "one": {40: 0.5},
    "two": {20: 0.5, 64: 0.2},
    "at the start": {0: 0.5},
}
NUDGED = {
    "none": {},
    "another step": {30: 0.9},
    "a planned step": {40: 0.9},
    "each planned step": {0: 0.7, 20: 0.9, 40: 0.8, 64: 0.9},
    "to what was planned": {40: 0.5},
    "the last step": {STEPS - 1: 0.9},
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("nudged", NUDGED)
@pytest.mark.parametrize("planned", PLANNED)
def test_what_was_run_is_what_is_kept(planned, nudged, tmp_path, monkeypatch):
    before, nudges = PLANNED[planned], dict(NUDGED[nudged])
    plain, end = Simulation._change, Simulation._end

    def change(self, start):
        if start in nudges:
            self.request({"learning_rate": nudges[start]})
        plain(self, start)

    def stop_at_each(self, start, most):  # a frame begins where somebody nudges
        return min([end(self, start, most), *(step for step in nudges if step > start)])

    monkeypatch.setattr(Simulation, "_change", change)
    monkeypatch.setattr(Simulation, "_end", stop_at_each)
    changes = [{"step": step, "learning_rate": rate} for step, rate in before.items()]
    experiment = tuichaos.resolve(
        {"optimizer": {"learning_rate": 0.1, "changes": changes}},
        {"ensemble.references": 2, "ensemble.twins": 1, "network.hidden": [2], "steps": STEPS},
    )
    done = tuichaos.run(experiment, out=tmp_path / "run")
    kept = {change.step: change.learning_rate for change in done.experiment.optimizer.changes}
    assert kept == before | nudges
    monkeypatch.undo()
    monkeypatch.setenv("TUICHAOS_HOME", str(tmp_path / "home"))
    again = tuichaos.run(tuichaos.load(done.path / "experiment.toml"), out=tmp_path / "again")
    for name in ("series.csv", "exponents.csv", "experiment.toml"):
        assert (again.path / name).read_bytes() == (done.path / name).read_bytes()
    assert not [check for check in verify(done) if check.passed is False]
