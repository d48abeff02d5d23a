"""Pausing, stepping and changing the learning rate while a simulation runs."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from waiting import MAX_SECONDS

import tuichaos
from tuichaos import InputError
from tuichaos.execution.plan import plan
from tuichaos.instruments.base import Instrument
from tuichaos.simulation.run_control import RunControl


class Losses(Instrument):
    """Keeps losses."""

    def __init__(self):
        self.steps, self.losses = [], []

    def probe(self, orbit):
        return {"loss": orbit.observe(np.arange(len(orbit.steps)))["loss"]}

    def take(self, frame):
        self.steps.append(frame.steps)
        self.losses.append(frame["loss"])

    @property
    def all(self):
        return np.concatenate(self.steps).tolist(), np.concatenate(self.losses)


def simulation(control=None, **overrides):
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    keys = {"steps": 300, "ensemble.references": 4, "measure.tangent": False, **keys}
    losses = Losses()
    return plan(tuichaos.resolve({}, keys)).simulation([losses], control), losses


def test_frames_of_any_length_give_the_same_orbit():
    free, expected = simulation()
    for frame in free.frames():
        expected.take(frame)
    control = RunControl(paused=True)
    stepped, losses = simulation(control)
    counts = iter([1, 2, 7, 40, 250])
    control.step(next(counts))
    for frame in stepped.frames():
        losses.take(frame)
        control.step(next(counts, 1))
    assert losses.all[0] == expected.all[0] == list(range(301))
    assert [len(s) for s in losses.steps[:4]] == [2, 2, 7, 40]  # the start as well
    assert np.array_equal(losses.all[1], expected.all[1])


def test_the_first_step_is_taken_also_where_twins_are_perturbed_at_it():
    control = RunControl(paused=True)
    stepped, _ = simulation(control, ensemble__perturb_at=1)
    control.step()
    frames = stepped.frames()
    assert [int(next(frames).steps[-1]) for _ in range(2)] == [0, 1]
    control.stop()
    assert not list(frames)


def test_a_paused_simulation_waits_and_goes_on():
    control = RunControl(paused=True)
    paused, losses = simulation(control)

    def consume():
        for frame in paused.frames():
            losses.take(frame)

    worker = threading.Thread(target=consume)
    worker.start()
    time.sleep(0.3)
    assert losses.steps == []
    control.resume()
    worker.join(MAX_SECONDS)
    assert losses.all[0] == list(range(301))


def test_stopping_ends_a_paused_simulation():
    control = RunControl(paused=True)
    paused, _ = simulation(control)
    worker = threading.Thread(target=lambda: list(paused.frames()))
    worker.start()
    control.stop()
    worker.join(MAX_SECONDS)
    assert not worker.is_alive()


def test_planned_changes_are_a_change_of_the_map(simulate):
    base = {"steps": 90, "ensemble.references": 3, "record.states_every": 1}
    changes = [{"step": 30, "learning_rate": 0.25}, {"step": 31, "learning_rate": 2}]
    run = simulate({**base, "optimizer.changes": changes})
    states = torch.from_numpy(run.states["states"])
    system = plan(run.experiment).built.system
    for t, rate in ((29, 1.0), (30, 0.25), (31, 2.0), (80, 2.0)):
        expected = system.changed({"learning_rate": rate}).step(states[t])
        assert (states[t + 1] - expected).abs().max() < 1e-14 * expected.abs().max()
    again = simulate({**base, "optimizer.changes": changes})
    assert (again.path / "series.csv").read_bytes() == (run.path / "series.csv").read_bytes()
    plain = simulate(base)
    assert np.array_equal(plain.series["loss"][:31], run.series["loss"][:31])
    assert not np.array_equal(plain.series["loss"][31:], run.series["loss"][31:])


def test_a_request_is_a_change_at_a_step_that_can_be_planned():
    live, losses = simulation(steps=900)
    for number, frame in enumerate(live.frames()):
        losses.take(frame)
        if number == 0:
            live.request({"learning_rate": 0.1})
    ((step, change),) = live.changes.items()
    assert change == {"learning_rate": 0.1}
    changes = [{"step": step, **change}]
    planned, expected = simulation(steps=900, optimizer__changes=changes)
    for frame in planned.frames():
        expected.take(frame)
    assert np.array_equal(losses.all[1], expected.all[1])


@pytest.mark.parametrize(
    "changes",
    [
        [{"step": 200, "learning_rate": 1}],
        [{"step": 5, "learning_rate": 1}, {"step": 5, "learning_rate": 2}],
        [{"step": -1, "learning_rate": 1}],
        [{"step": 3, "learning_rate": 0}],
        [{"step": 3}],
        [{"step": 3, "learning_rate": [1.0]}],
        [3],
        3,
    ],
)
def test_changes_that_make_no_sense(changes):
    with pytest.raises(InputError, match=r"optimizer\."):
        tuichaos.resolve({}, {"optimizer.changes": changes})
