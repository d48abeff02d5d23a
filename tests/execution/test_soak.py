"""Runs, sweeps and the explorer killed with SIGKILL at random times, some of them again while
they go on: the files at the end are those of an undisturbed run, byte for byte.

    pytest -m soak tests/execution/test_soak.py -s
    TUICHAOS_KILLS=6 pytest -m soak tests/execution/test_soak.py
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import random
import shutil
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pytest
from killing import in_child
from test_disk import everything
from test_further import FREE
from test_resume import EVERYTHING, SUITED, TRAINING
from waiting import until
from watched import Act, Phase, Tell, Watched

import tuichaos
from tuichaos.common.errors import InputError
from tuichaos.config.explorer_settings import Config
from tuichaos.config.loading import resolve
from tuichaos.config.training_tables import Optimizer
from tuichaos.execution import resume, runner
from tuichaos.simulation import block_shape
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps import tiled_run
from tuichaos.sweeps.journal import JOURNAL
from tuichaos.systems.reference_registry import REFERENCE
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.runs import Runs

pytestmark = pytest.mark.soak

KILLS = int(os.environ.get("TUICHAOS_KILLS", "100"))  # runs, sweeps and explorers that are killed
MANY = 20  # from so many on what is random is asked for
OFTEN = 0.02  # seconds between checkpoints: a kill finds one that is being written
# Of kills: most of the time of a run is its steps, but what is short is where files change most.
SHARES = {Phase.START: 0.1, Phase.STEPPING: 0.75, Phase.FINISHING: 0.15}
AGAIN = 0.4  # of the runs that go on are killed once more


# --- what is killed -----------------------------------------------------------------------

OPTIMIZERS = get_args(Optimizer.model_fields["name"].annotation)  # every one there is
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


def runs():
    for optimizer in OPTIMIZERS:
        for name, table in training(optimizer):
            yield f"{optimizer}, {name}", table
    yield from reference()


RUNS = dict(runs())
FIRST = [f"{OPTIMIZERS[0]}, {n}" for n in ("changing", "rates", "everything")]
FIRST += ["henon", "softmax-map", "lorenz, free"]
RUNS = {name: RUNS[name] for name in [*FIRST, *RUNS]}  # the first six are unlike each other

POINTS = {"steps": 150, "ensemble": {"references": 3, "twins": 1}, "record": {"states_every": 50}}
SMALL = {"network": {"hidden": [3]}, "ensemble": {"references": 1, "twins": 0}}
LAST = {"observable": "loss", "last": 8}


def rates(count):
    return {"optimizer.learning_rate": {"log": [0.1, 10.0, count]}}


SCALES = {"network.init_scale": {"linear": [0.5, 2.0, 24]}}
SWEEPS = {
    "runs that are kept": {**POINTS, "sweep": rates(24)},
    "a plane": {**SMALL, "steps": 300, "plane": {"value": "exponent"}, "sweep": rates(24) | SCALES},
    "a diagram": {**SMALL, "steps": 400, "diagram": LAST, "sweep": rates(120)},
    "workers": {**POINTS, "sweep": rates(24)},
    "points that go on from each other": {  # all are done at once, so that it begins anew
        **SMALL,
        "steps": 200,
        "diagram": {**LAST, "continued": "both"},
        "sweep": rates(20),
    },
}

EXPLORED = {"steps": 1000, "ensemble": {"references": 20, "twins": 3}}


# --- how: each in a child, below a home of its own ----------------------------------------


def begin_run(experiment, tell):
    runner.run(experiment, watch=_of_steps(tell))


def go_on_with_run(run, tell):
    resume.resume(run, watch=_of_steps(tell))


def begin_sweep(experiment, tell, **how):
    keep = bool(experiment.record.states_every)
    tuichaos.sweep(experiment, keep=keep, watch=_of_points(tell), **how)


def go_on_with_sweep(run, tell, **how):
    tuichaos.resume(run, watch=_of_points(tell), **how)


def begin_in_explorer(experiment, tell):
    """By the key that begins a run, as soon as there is a screen."""
    asyncio.run(explored(experiment, ["space"], tell))


def go_on_in_explorer(run, tell):
    """By the keys that show the runs and let the first one go on."""
    asyncio.run(explored(run.experiment, ["o", "g"], tell))


def _of_steps(tell: Tell):
    return lambda p: tell(Phase.FINISHING if p.step == p.total else Phase.STEPPING)


def _of_points(tell: Tell):
    return lambda p: p.done and tell(Phase.FINISHING if p.done == p.total else Phase.STEPPING)


async def explored(experiment, keys, tell):
    app = Explorer(experiment, Config())
    async with app.run_test(size=(120, 36)):
        for key in keys:
            await asyncio.sleep(0.1)
            if key == "g":
                await until(lambda: isinstance(app.screen, Runs) and app.screen.runs)
            app.simulate_key(key)
        await until(lambda: app.state.session is not None)
        session = app.state.session
        while not app.state.join(0):
            if session.step:
                tell(Phase.FINISHING if session.step == experiment.steps else Phase.STEPPING)
            await asyncio.sleep(0.002)
        assert session.status == "done", session.reason


WORKERS = {"workers": 2}
RUN = (begin_run, go_on_with_run)
SWEEP = (begin_sweep, go_on_with_sweep)
BY_WORKERS = tuple(functools.partial(act, **WORKERS) for act in SWEEP)
EXPLORER = (begin_in_explorer, go_on_in_explorer)


# --- kills --------------------------------------------------------------------------------


def run_in(home: Path):
    """The run or sweep below a home; None where it had not begun."""
    found = [path.parent for path in home.glob("runs/*/manifest.json")]
    return open_run(found[0]) if found else None


def place(run) -> str:
    """What a kill hit, by what it left."""
    if run is None:
        return "before it began"
    if run.manifest["status"] == "done":
        return "its last words"
    if run.kind == "sweep":
        journal = run.path / JOURNAL
        done = journal.read_bytes().count(b"\n") if journal.exists() else 0
        total = run.manifest["points"]["total"]
    else:
        rows = (run.path / "series.csv").read_bytes().rpartition(b"\n")[0].splitlines()[1:]
        done = int(rows[-1].split(b",")[1]) if rows else 0
        total = run.experiment.steps
    return "stepping" if 0 < done < total else "finishing" if done else "before anything was kept"


@dataclass
class Told:
    """What came of all kills."""

    kills: int = 0
    killed: int = 0  # runs that were
    again: int = 0  # runs that were killed more than once
    went_on: int = 0  # runs that went on from what they had, and not from the beginning
    places: Counter = field(default_factory=Counter)

    def __str__(self) -> str:
        places = ", ".join(f"{count} {name}" for name, count in self.places.most_common())
        return (
            f"{self.killed} killed, by {self.kills} kills ({places}); {self.again} of them more "
            f"than once; {self.went_on} went on from what they had"
        )


class Case:
    """Something to be killed: its undisturbed files, and the time that each phase takes."""

    def __init__(self, table: dict, how: tuple, home: Path) -> None:
        self.experiment = resolve(table, {"record.checkpoint": OFTEN})
        self.begin, self.go_on = how
        self.seconds = Watched(self._act(home)).undisturbed()
        self.files = everything(run_in(home).path)
        assert run_in(home).manifest["status"] == "done"
        assert {"series.csv", "sweep.csv"} & self.files.keys()

    def _act(self, home: Path) -> Act:
        def act(tell: Tell) -> None:
            os.environ["TUICHAOS_HOME"] = str(home)
            run = run_in(home)
            self.begin(self.experiment, tell) if run is None else self.go_on(run, tell)

        return act

    def kill(self, home: Path, rng: random.Random, told: Told) -> None:
        """Begin, kill, go on, perhaps kill again, until it is done."""
        kills = had = 0
        while (run := run_in(home)) is None or run.manifest["status"] != "done":
            if run is None and home.exists():
                shutil.rmtree(home)  # what was killed before it began is begun anew
            if kills and rng.random() > AGAIN:
                assert in_child(lambda: self._act(home)(lambda _: None)) == 0
                break
            (phase,) = rng.choices(list(SHARES), list(SHARES.values()))
            phase = phase if phase in self.seconds else Phase.START
            at = rng.random() * self.seconds[phase]
            how = Watched(self._act(home)).killed(phase, at)
            assert how in (0, -signal.SIGKILL)
            if how:
                kills += 1
                hit = place(run_in(home))
                told.places[hit] += 1
                had += hit in ("stepping", "finishing")
        run = run_in(home)
        if run.kind == "sweep":
            run = tuichaos.resume(run)  # nothing is left to do but to tidy what a kill left
        else:
            with pytest.raises(InputError, match="is done"):  # it is tidied, too
                resume.resume(run)
            had = any(entry["step"] for entry in run.manifest.get("resumed", []))  # checkpoints
        assert run.manifest["status"] == "done"
        assert everything(run.path) == self.files
        told.kills += kills
        told.killed += kills > 0  # one that was done before its kill came was not
        told.again += kills > 1
        told.went_on += bool(kills and had)


def soaked(tables, how, total, folder, seed) -> Told:
    """Kill so many, of all cases in turn."""
    rng, told = random.Random(seed), Told()
    made: dict[str, Case] = {}
    for number, name in enumerate(itertools.cycle(tables)):
        if name not in made:
            act = how(name) if callable(how) else how
            made[name] = Case(tables[name], act, folder / f"usual{number}")
        home = folder / f"home{number}"
        made[name].kill(home, rng, told)
        shutil.rmtree(home)
        if told.killed == total:
            break
    print(f"\n{told}; of {len(made)} kinds")
    if total >= MANY:
        assert told.went_on > total / 2
        assert told.again > total / 10
        assert told.places["stepping"] > told.kills / 2
    return told


@pytest.fixture(autouse=True)
def small_frames(monkeypatch):
    """And small tiles: kills and checkpoints find many places; bits do not depend on it."""
    monkeypatch.setattr(block_shape, "FRAME_STEPS", 32)
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 16)
    monkeypatch.setattr(tiled_run, "TILE_MOST", 16)


def test_killed_runs_go_on_to_the_same_files(tmp_path):
    told = soaked(RUNS, RUN, KILLS, tmp_path, seed=7)
    assert told.went_on >= 1


def test_killed_sweeps_go_on_to_the_same_files(tmp_path):
    def how(name):
        return BY_WORKERS if name == "workers" else SWEEP

    soaked(SWEEPS, how, KILLS, tmp_path, seed=8)


def test_killed_runs_of_the_explorer_go_on_to_the_same_files(tmp_path):
    """They go on in the explorer; the bytes are those of a run without a screen."""
    soaked({"explored": EXPLORED}, EXPLORER, KILLS, tmp_path, seed=9)
    headless = runner.run(resolve(EXPLORED, {"record.checkpoint": OFTEN}), out=tmp_path / "usual")
    (explored,) = (tmp_path / "usual0").glob("runs/*")
    assert everything(headless.path) == everything(explored)
