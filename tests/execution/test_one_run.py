"""One run at a time, however fast the next one is asked for."""

from __future__ import annotations

import json
import threading

import pytest
from explorers import burst, explorer
from waiting import MAX_SECONDS, until, wait_for

import tuichaos
from tuichaos.config.presets import preset
from tuichaos.tui.run_state import RunState

LONG = {"ensemble.references": 4, "ensemble.twins": 2, "steps": 10**7}


@pytest.fixture
def state(home):
    made = RunState(preset("quick", LONG))
    yield made
    made.leave()
    assert made.join(MAX_SECONDS)


def at_work():
    return [one for one in threading.enumerate() if one.name == "tuichaos-run"]


def folders(home):
    found = (home / "runs").glob("*/manifest.json")
    return sorted(json.loads(path.read_text())["status"] for path in found)


def test_of_several_that_are_started_at_once_the_last_one_runs(state, home):
    state.start()
    wait_for(lambda: state.session.step > 100)
    first = state.session
    for steps in range(1_000_001, 1_000_030):
        state.experiment = preset("quick", {**LONG, "steps": steps})
        state.start()
        assert len(at_work()) <= 2
    wait_for(lambda: state.live.latest is not None)  # its frames go to the charts that are shown
    assert first.join(0)
    assert state.session.experiment.steps == 1_000_029
    assert folders(home).count("running") == 1


class Held:
    """A session that ends when it is told to."""

    def __init__(self):
        self.end = threading.Event()

    def join(self, timeout):
        return self.end.wait(timeout)

    def stop(self):
        pass


def test_what_is_stopped_before_its_turn_leaves_nothing(state, home):
    held = Held()
    state.leaving = [held]
    for _ in range(5):
        state.start()
        state.reset()
        state.start(paused=True)
        state.stop()
    assert len(state.leaving) <= 10
    wait_for(lambda: not at_work())
    assert folders(home) == []
    state.start()
    state.experiment = preset("quick", {**LONG, "steps": 7})
    state.start()
    assert folders(home) == []
    held.end.set()
    wait_for(state.join)
    assert folders(home) == ["done"]
    assert state.session.step == 7


def test_steps_and_pauses_find_the_run_that_waits(state, home):
    held = Held()
    state.leaving = [held]
    state.toggle()
    state.step()
    state.step()
    held.end.set()
    wait_for(lambda: state.session.step == 2)
    assert state.session.status == "paused"
    state.reset()
    held.end.clear()
    state.leaving.append(held)
    state.start()
    state.toggle()  # paused before it was ready
    state.toggle()  # and on its way again
    held.end.set()
    wait_for(lambda: state.session.step > 100)


def test_a_start_is_not_lost_on_a_run_that_is_ending(state, home):
    state.start()
    wait_for(lambda: state.session.step > 100)
    first = state.session
    state.stop()
    state.toggle()
    assert state.session is not first
    wait_for(lambda: state.session.step > 100)
    assert folders(home) == ["interrupted", "running"]


def test_a_run_that_goes_on_waits_for_its_own_folder(state, home):
    state.start()
    wait_for(lambda: state.session.step > 100)
    run = tuichaos.open_run(state.path)
    state.go_on(run)
    before = state._first
    wait_for(lambda: state.session.status == "failed" or state.session.step > before)
    assert state.session.reason == ""
    wait_for(lambda: folders(home) == ["running"])


async def test_braces_add_up_and_one_run_is_left(home):
    app = explorer(**LONG)
    rate = app.state.experiment.optimizer.learning_rate
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await burst(app, "space")
        await until(lambda: app.state.session.step > 100)
        brace = "right_curly_bracket"
        await burst(app, brace, brace, brace, "left_curly_bracket", brace, "n", "n")
        # Two steps, or two pauses of a run that had begun meanwhile.
        await until(lambda: app.state.session.status == "paused" and app.state.session.step > 1)
        assert app.state.rate == pytest.approx(rate * 1.1**3, rel=1e-4)
        assert len(at_work()) == 1
        await burst(app, brace, "space", "space")
        await until(lambda: app.state.session.step > 100)
        await burst(app, "q")
        await until(lambda: app._exit)
    assert not at_work()
    assert set(folders(home)) == {"interrupted"}
