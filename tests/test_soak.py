"""Runs killed with SIGKILL at random times, some of them again while they go on: the files at the
end are those of an undisturbed run, byte for byte. Six in a quick round, a hundred under the
marker ``soak``."""

from __future__ import annotations

import itertools
import random
import signal
import time
from typing import get_args

import pytest
from killing import in_child
from test_further import FREE
from test_resume import EVERYTHING, SUITED, TRAINING, files

from tuichaos import resuming, runner, simulation
from tuichaos.errors import InputError
from tuichaos.experiment import Optimizer
from tuichaos.reading import resolve
from tuichaos.runs import open_run
from tuichaos.systems.reference import REFERENCE

OPTIMIZERS = get_args(Optimizer.model_fields["name"].annotation)  # every one there is
OFTEN = 0.05  # seconds between checkpoints: a kill finds one that is being written
LONG = {"steps": 1200, "network": {"hidden": [6]}}
LONG["ensemble"] = {"references": 6, "twins": 2, "perturb_at": 100}
STATES = {"states_every": 50, "every": 3}


def training(optimizer):
    """Systems of training under an optimizer, with various instruments and ways to record."""
    both = {"name": optimizer, "learning_rate": 1.5}
    rates = {"name": optimizer, "learning_rate": [0.1, 0.5, 1.0, 2.0, 5.0, 20.0]}
    change = [{"step": 300, "learning_rate": 0.3}, {"step": 700, "learning_rate": 2.0}]
    yield "plain", {**LONG, "optimizer": both}
    yield "rates", {**LONG, "optimizer": rates, "record": STATES}
    yield "changing", {**LONG, "optimizer": {**both, "changes": change}}
    yield "free", {**LONG, "optimizer": both, "measure": FREE, "record": STATES}
    yield "everything", {**TRAINING, "steps": 250, "optimizer": both, "measure": EVERYTHING}
    lanczos = {**SUITED["lanczos"], "steps": 200, "optimizer": both}
    yield "lanczos", lanczos
    more = {"spectrum": {"count": 3, "references": 2}, "moving": True, "convergence": True}
    yield (
        "mse",
        {**LONG, "steps": 600, "optimizer": both, "measure": more}
        | {"loss": {"name": "mse"}, "data": {"name": "wine", "scaling": "standard"}},
    )


def reference():
    """Each reference system, with what it can have."""
    series = {"period": True, "zero_one": True, "recurrence": True, "autocorrelation": True}
    for name in REFERENCE:
        table = {"system": {"name": name}, "steps": 1000}
        table["ensemble"] = {"references": 3, "twins": 2, "perturb_at": 100}
        yield name, {**table, "measure": {**series, "spectrum": True, "moving": True}}
        yield f"{name}, free", {**table, "measure": FREE, "record": {**STATES, "every": 7}}


def cases():
    for optimizer in OPTIMIZERS:
        for name, table in training(optimizer):
            yield f"{optimizer}, {name}", table
    yield from reference()


ALL = dict(cases())
QUICK = [f"{OPTIMIZERS[0]}, {n}" for n in ("changing", "rates", "everything")]
QUICK += ["henon", "softmax-map", "lorenz, free"]


class Case:
    """A case with the files and the time of its undisturbed run."""

    def __init__(self, table, folder):
        self.experiment = resolve(table, {"record.checkpoint": OFTEN})
        started = time.perf_counter()
        assert in_child(lambda: runner.run(self.experiment, out=folder)) == 0
        self.seconds = time.perf_counter() - started
        self.files = files(folder)

    def killed(self, folder, rng):
        """Killed, gone on with, perhaps killed again; how often, and from which steps it went
        on."""
        kills = 0
        acts = itertools.chain(
            [lambda: runner.run(self.experiment, out=folder)],
            itertools.repeat(lambda: resuming.resume(open_run(folder))),
        )
        for act in acts:
            again = rng.random() < 0.4 or not kills
            how = in_child(act, rng.uniform(0.0, 1.1) * self.seconds if again else None)
            assert how in (0, -signal.SIGKILL)
            kills += how != 0
            if not (folder / "manifest.json").exists():  # killed before it began: begin anew
                for left in folder.glob("*") if folder.exists() else ():
                    left.unlink()
                assert how
                kills -= 1
                acts = itertools.chain([lambda: runner.run(self.experiment, out=folder)], acts)
                return self.killed(folder, rng)
            if open_run(folder).manifest["status"] == "done":
                break
        run = open_run(folder)
        with pytest.raises(InputError, match="is done"):  # and what a kill left is tidied
            resuming.resume(run)
        assert run.manifest["status"] == "done"
        return kills, [entry["step"] for entry in run.manifest.get("resumed", [])]


def soaked(names, total, folder, seed):
    """Kill ``total`` runs of the cases in turn; how many kills there were, and how many of
    the runs went on from a checkpoint."""
    rng, kills, went_on, again = random.Random(seed), 0, 0, 0
    made = {}
    done = 0
    for number, name in enumerate(itertools.cycle(names)):
        if name not in made:
            made[name] = Case(ALL[name], folder / f"usual{number}")
        times, steps = made[name].killed(folder / f"run{number}", rng)
        assert files(folder / f"run{number}") == made[name].files, name
        kills += times
        went_on += any(steps)
        again += times > 1
        done += times > 0  # one that was done before its kill came is no run that was killed
        if done == total:
            return kills, went_on, again


def test_six_killed_runs_go_on_to_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "FRAME_STEPS", 32)
    kills, went_on, _ = soaked(QUICK, 6, tmp_path, seed=4)
    assert kills >= 6
    assert went_on >= 2


@pytest.mark.soak
def test_a_hundred_killed_runs_go_on_to_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "FRAME_STEPS", 32)
    kills, went_on, again = soaked(list(ALL), 100, tmp_path, seed=7)
    print(f"100 runs of {len(ALL)} kinds, {kills} kills, {again} runs killed more than once, "
          f"{went_on} went on from a checkpoint")  # fmt: skip
    assert went_on > 50
    assert again > 10
