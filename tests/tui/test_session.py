"""A run in its own thread: started, paused, stepped, changed, stopped, failing."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from waiting import MAX_SECONDS, wait_for

import tuichaos
from tuichaos.simulation.simulation import Simulation
from tuichaos.tui.live_series import LiveSeries
from tuichaos.tui.run_session import ENDED, Session, Status
from tuichaos.tui.run_state import RunState


@pytest.fixture
def start(tmp_path):
    sessions = []

    def go(**arguments):
        overrides = {"ensemble.references": 6, "steps": 4000, **arguments.pop("overrides", {})}
        experiment = tuichaos.resolve({}, overrides)
        seen = []
        session = Session(experiment, seen.append, out=tmp_path / f"s{len(sessions)}", **arguments)
        sessions.append(session)
        return session, seen

    yield go
    for session in sessions:
        session.stop()
        assert session.join(MAX_SECONDS)


def test_runs_to_the_end_like_a_headless_run(start, tmp_path):
    session, seen = start(overrides={"steps": 300})
    assert session.join(MAX_SECONDS)
    assert session.status == Status.DONE
    assert session.step == 300 == seen[-1].step
    headless = tuichaos.run(tuichaos.load(session.path / "experiment.toml"), out=tmp_path / "h")
    for name in ("series.csv", "exponents.csv", "summary.json"):
        assert (session.path / name).read_bytes() == (headless.path / name).read_bytes()


@pytest.mark.slow
def test_pause_nudge_resume_gives_the_bytes_of_its_experiment_toml(start, tmp_path):
    session, _ = start(overrides={"steps": 1500})
    wait_for(lambda: session.step > 100)
    session.pause()
    assert session.status == Status.PAUSED
    session.change_learning_rate(0.7)
    session.advance(3)
    session.change_learning_rate(0.5)
    session.resume()
    assert session.join(MAX_SECONDS)
    assert session.status == Status.DONE
    experiment = tuichaos.load(session.path / "experiment.toml")
    assert 1 <= len(experiment.optimizer.changes) <= 2
    assert experiment.optimizer.changes[-1].learning_rate == 0.5
    headless = tuichaos.run(experiment, out=tmp_path / "h")
    for name in ("series.csv", "exponents.csv", "summary.json"):
        assert (session.path / name).read_bytes() == (headless.path / name).read_bytes(), name


def test_stepping(start):
    session, seen = start(paused=True)
    wait_for(lambda: session.status == Status.PAUSED)
    session.advance(1)
    wait_for(lambda: len(seen) == 1)
    session.advance(5)
    wait_for(lambda: len(seen) == 2)
    time.sleep(0.2)
    assert [len(progress.steps) for progress in seen] == [2, 5]  # the first has the start as well


def test_stopping_keeps_what_was_computed(start):
    session, _ = start(overrides={"steps": 10**7})
    wait_for(lambda: session.step > 200)
    session.stop()
    assert session.join(MAX_SECONDS)
    assert session.status == Status.INTERRUPTED
    run = tuichaos.open_run(session.path)
    assert run.manifest["status"] == "interrupted"
    assert run.steps[-1] == run.manifest["step"] == session.step


def test_failures_are_told(start):
    broken, _ = start(overrides={"system.name": "maps:Failing", "measure.tangent": False})
    assert broken.join(MAX_SECONDS)
    assert broken.status == Status.FAILED
    assert "the map broke" in broken.reason
    refused, _ = start(overrides={"data.class_counts": [60, 30, 30]})
    assert refused.join(MAX_SECONDS)
    assert refused.status in ENDED
    assert "class_counts" in refused.reason
    assert refused.path is None


def test_a_session_goes_on_with_a_run_that_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("tuichaos.simulation.block_shape.FRAME_STEPS", 10)
    experiment = tuichaos.resolve({}, {"ensemble.references": 3, "steps": 120})
    whole = tuichaos.run(experiment, out=tmp_path / "whole").path
    stop = threading.Event()
    tuichaos.run(experiment, out=tmp_path / "part", stop=stop, watch=lambda _: stop.set())
    frames = []
    session = Session(experiment, frames.append, goes_on=tmp_path / "part")
    assert session.join(MAX_SECONDS)
    assert session.status == Status.DONE, session.reason
    seen = np.concatenate([frame.steps for frame in frames])
    assert seen.tolist() == list(range(121))
    assert frames[0].replica_steps == 0
    assert (tmp_path / "part" / "series.csv").read_bytes() == (whole / "series.csv").read_bytes()


def test_a_run_that_is_done_cannot_go_on(tmp_path):
    experiment = tuichaos.resolve({}, {"ensemble.references": 3, "steps": 20})
    tuichaos.run(experiment, out=tmp_path / "whole")
    session = Session(experiment, lambda _: None, goes_on=tmp_path / "whole")
    assert session.join(MAX_SECONDS)
    assert session.status == Status.FAILED
    assert "is done" in session.reason


@pytest.mark.slow
def test_a_rate_that_was_changed_is_the_one_that_is_nudged_when_a_run_goes_on(tmp_path):
    """Also before its libraries are loaded, and where a change that was planned comes after."""
    changes = [{"step": 20, "learning_rate": 0.5}, {"step": 5000, "learning_rate": 0.2}]
    experiment = tuichaos.resolve(
        {"optimizer": {"learning_rate": 0.1, "changes": changes}},
        {"ensemble.references": 2, "steps": 200_000, "record.every": 1000},
    )
    stop = threading.Event()
    watch = lambda p: stop.set() if p.step > 100 else None  # noqa: E731
    part = tuichaos.run(experiment, out=tmp_path / "part", stop=stop, watch=watch)
    state = RunState(tuichaos.resolve({}))
    state.go_on(part)
    try:
        first = state.rate
        expected = experiment.optimizer.rate_at(part.manifest["step"])
        assert first == experiment.optimizer.rate_at(part.last_step)
        wait_for(lambda: state.session.status == "running" and state.session.step > 6000)
        assert state.rate == 0.2
        assert state.nudge(2) == 0.4
        assert state.rate == 0.4
        wait_for(lambda: len(state.session.experiment.optimizer.changes) > 2)
        assert state.session.experiment.optimizer.changes[-1].learning_rate == 0.4
        assert state.rate == 0.4
        assert expected in (0.5, 0.2)
    finally:
        state.leave()
        assert state.join(MAX_SECONDS)


@pytest.fixture
def state():
    """The run of an explorer, at a learning rate of 0.1; its folder is kept by default."""
    overrides = {"ensemble.references": 2, "ensemble.twins": 1, "steps": 60}
    state = RunState(tuichaos.resolve({"optimizer": {"learning_rate": 0.1}}, overrides))
    yield state
    state.leave()
    assert state.join(MAX_SECONDS)


def kept_changes(state):
    changes = tuichaos.load(state.path / "experiment.toml").optimizer.changes
    return {change.step: change.learning_rate for change in changes}


def test_settings_that_cannot_be_run_are_not_offered(state, home):
    state.step()
    state.experiment = state.experiment.model_copy(update={"steps": 9})
    assert state.headline().endswith("settings changed: r, then space, runs them")
    assert state.headline(faulty=True).endswith("settings changed")


def test_a_rate_behind_the_last_frame_is_said_to_be_too_late(state, home, monkeypatch):
    plain = LiveSeries.add

    def add(live, progress):
        plain(live, progress)
        if progress.step == 60:  # all steps are computed, and the run has not yet ended
            assert state.nudge(2) == 0.2
            assert "lr 0.1, then 0.2" in state.status_line()

    monkeypatch.setattr(LiveSeries, "add", add)
    state.start()
    wait_for(lambda: state.ended)
    assert state.session.status == "done", state.session.reason
    assert kept_changes(state) == {}
    assert state.rate == 0.1
    assert state.experiment.optimizer.learning_rate == 0.2
    assert "· lr 0.1, next run 0.2 ·" in state.status_line()
    words = "The run ended before a step had lr 0.2: it is kept for the next run."
    assert state.sentence().startswith(words)
    assert len(words) < 78  # a line of the narrowest terminal


def test_a_rate_that_was_changed_while_paused_before_a_stop_is_too_late(state, home):
    state.step()
    wait_for(lambda: state.live.latest is not None)
    assert state.nudge(2) == 0.2
    assert state.nudge(2) == 0.4
    assert "lr 0.1, then 0.4" in state.status_line()
    state.stop()
    wait_for(lambda: state.ended)
    assert kept_changes(state) == {}
    assert "· lr 0.1, next run 0.4 ·" in state.status_line()
    assert state.sentence().startswith("The run ended before a step had lr 0.4")


def test_a_rate_that_is_taken_is_named_from_its_step_on(state, home):
    state.step()
    wait_for(lambda: state.live.latest is not None)
    state.nudge(2)
    state.step()
    wait_for(lambda: state.live.latest.step == 2)
    assert "· lr 0.2 ·" in state.status_line()
    state.stop()
    wait_for(lambda: state.ended)
    assert kept_changes(state) == {2: 0.2}
    assert "· lr 0.2 ·" in state.status_line()
    assert "ended before" not in state.sentence()


def test_a_rate_of_a_frame_that_a_stop_drops_is_kept_for_the_run_that_goes_on(
    state, home, monkeypatch
):
    monkeypatch.setattr("tuichaos.simulation.block_shape.FRAME_STEPS", 10)
    change, add = Simulation._change, LiveSeries.add

    def changed(simulation, start):
        if start == 10:
            state.session.change_learning_rate(0.2)
        change(simulation, start)

    def added(live, progress):
        add(live, progress)
        if progress.step == 9:
            state.stop()

    monkeypatch.setattr(Simulation, "_change", changed)
    monkeypatch.setattr(LiveSeries, "add", added)
    state.start()
    wait_for(lambda: state.ended)
    assert state.session.step == 9
    assert kept_changes(state) == {10: 0.2}
    assert "· lr 0.1 ·" in state.status_line()
    words = "The run ended before lr 0.2: if it goes on, that holds from step 10."
    assert state.sentence().startswith(words)


@pytest.mark.parametrize("running", [False, True])
def test_the_rate_is_on_the_narrowest_status_line(state, home, running):
    assert "lr 0.1" in state.status_line(78)
    state.step()
    wait_for(lambda: state.live.latest is not None)
    state.nudge(2)
    assert state.experiment.optimizer.learning_rate == 0.2
    if not running:
        state.stop()
        wait_for(lambda: state.ended)
    asked = "lr 0.1, then 0.2" if running else "lr 0.1, next run 0.2"
    for width in (60, 78):
        assert asked in state.status_line(width)
        assert len(state.status_line(width)) <= width
    optimizer = state.experiment.optimizer.model_copy(update={"learning_rate": 3.0})
    state.experiment = state.experiment.model_copy(update={"optimizer": optimizer})
    assert "next run 3" in state.status_line(78)
    assert "settings changed" in state.headline(60)
    assert len(state.headline(78)) <= 78
