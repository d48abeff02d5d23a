"""A run goes further than planned, to the files of an undisturbed run of so many steps."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import threading

import pytest
from killing import counting_calls, in_child
from test_resume import EVERYTHING, files, small_frames, stopped

from tuichaos.api import verify
from tuichaos.common.errors import InputError
from tuichaos.config.instrument_spec import loaded
from tuichaos.config.instruments import SPECS
from tuichaos.config.loading import resolve
from tuichaos.config.measure import Measure
from tuichaos.config.titles import described
from tuichaos.execution import longer_folder, resume, runner
from tuichaos.instruments.base import Instrument
from tuichaos.storage.checkpoint_store import Store
from tuichaos.storage.run_folders import delete
from tuichaos.storage.run_reader import open_run

# Of the instruments that are on by themselves these depend on the number of steps.
FREE = {"tangent": False, "regime": False}
DEPENDING = {"moving", "spectrum", "orbital", "autocorrelation", "recurrence", "projection"}
DEPENDING |= {"convergence"}
TRAINING = {
    "steps": 60,
    "network": {"hidden": [4]},
    "optimizer": {"learning_rate": 1.5},
    "ensemble": {"references": 5, "twins": 2, "perturb_at": 20},
    "measure": {**FREE, **{k: v for k, v in EVERYTHING.items() if k not in DEPENDING}},
    "record": {"states_every": 7, "every": 3},
}
LATE = {**TRAINING, "ensemble": {"references": 3, "twins": 2, "perturb_at": 55}}
# Sharpness by Lanczos carries vectors along from step to step.
LARGE = {**TRAINING, "network": {"hidden": [30]}, "record": {}}
LARGE["measure"] = {**FREE, "sharpness": {"every": 4, "references": 2}}
HENON = {
    "steps": 900,
    "system": {"name": "henon"},
    "ensemble": {"references": 3, "twins": 2},
    "measure": {**FREE, "period": True, "zero_one": True, "expansion": True},
}
DIVERGING = {
    "steps": 60,
    "system": {"name": "quartic", "parameters": {"a": [1.5, 2.4]}},
    "ensemble": {"references": 2, "twins": 3},
    "measure": FREE,
}
SUITED = {
    "training": TRAINING,
    "late": LATE,
    "lanczos": LARGE,
    "henon": HENON,
    "diverging": DIVERGING,
}
PLAIN = {**TRAINING, "measure": FREE, "record": {}}
ALL = {**PLAIN, "measure": {}}


def whole(experiment, folder, steps):
    return files(runner.run(resolve(experiment, {"steps": steps}), out=folder).path)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", SUITED)
def test_a_done_run_goes_further_from_before_its_end(name, tmp_path, monkeypatch):
    experiment, steps = SUITED[name], 2 * SUITED[name]["steps"] + 5
    expected = whole(experiment, tmp_path / "whole", steps)
    small_frames(monkeypatch, 16)
    run = runner.run(resolve(experiment), out=tmp_path / "part")
    words = []
    done = resume.resume(run, steps=steps, tell=words.append)
    assert words == []
    assert files(done.path) == expected
    assert 0 < done.manifest["resumed"][-1]["step"] < experiment["steps"]
    assert done.manifest["extended"][-1]["to"] == steps
    assert not (done.path / longer_folder.NAME).exists()
    assert [c.name for c in verify(done) if not c.passed] == []
    again = resume.resume(done, steps=steps + 40)
    assert again.manifest["resumed"][-1]["step"] > experiment["steps"]
    assert files(again.path) == whole(experiment, tmp_path / "more", steps + 40)


def test_what_depends_on_the_number_of_steps_is_computed_anew_and_said(tmp_path):
    expected = whole(ALL, tmp_path / "whole", 100)
    run = runner.run(resolve(ALL), out=tmp_path / "part")
    assert not Store(run.path).stems()  # they would be of no use
    words = []
    done = resume.resume(run, steps=100, tell=words.append)
    assert words == [
        "tangent, regime depend on the number of steps: all 100 steps are computed anew"
    ]
    assert files(done.path) == expected


@pytest.mark.parametrize("experiment", [PLAIN, ALL, TRAINING], ids=["plain", "all", "states"])
def test_a_stopped_run_goes_further(experiment, tmp_path, monkeypatch):
    expected = whole(experiment, tmp_path / "whole", 140)
    run = stopped(resolve(experiment), tmp_path / "part", monkeypatch, 2)
    assert 10 < run.manifest["step"] < 55
    done = resume.resume(run, steps=140)
    assert files(done.path) == expected


def test_fewer_steps_than_planned_are_refused(tmp_path, monkeypatch, command):
    run = stopped(resolve(PLAIN), tmp_path / "part", monkeypatch, 2)
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    code, out, err = command("resume", run.path, "--steps", 55)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tuichaos: error: --steps 55 is less than the 60 planned: part goes on")
    assert {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()} == before
    assert not (run.path / longer_folder.NAME).exists()


def test_what_is_there_already_is_refused(tmp_path, monkeypatch, command):
    run = runner.run(resolve(PLAIN), out=tmp_path / "part")
    before = files(run.path)
    for steps in (60, 59, 0, -3):
        code, out, err = command("resume", run.path, "--steps", steps)
        assert (code, out) == (2, "")
        assert err == f"tuichaos: error: --steps {steps}: part has 60 steps already\n"
    part = stopped(resolve(PLAIN), tmp_path / "stopped", monkeypatch, 3)
    with pytest.raises(InputError, match="has 35 steps already"):
        resume.resume(part, steps=35)
    assert files(run.path) == before
    assert not (run.path / longer_folder.NAME).exists()


def test_the_command_says_what_forces_it(tmp_path, command):
    run = runner.run(resolve(ALL), out=tmp_path / "part")
    code, _, err = command("resume", run.path, "--steps", 70)
    assert code == 0
    assert err.splitlines()[0].startswith("tuichaos: tangent, regime depend on the number of")


def test_a_damaged_checkpoint_is_not_used(tmp_path, monkeypatch):
    expected = whole(PLAIN, tmp_path / "whole", 100)
    small_frames(monkeypatch, 16)
    run = runner.run(resolve(PLAIN), out=tmp_path / "part")
    (stem,) = Store(run.path).stems()
    path = Store(run.path).path / f"{stem}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert [c.name for c in verify(run) if c.passed is False] == ["checkpoint"]
    words = []
    done = resume.resume(run, steps=100, tell=words.append)
    assert words == ["no checkpoint can be used: all 100 steps are computed anew"]
    assert files(done.path) == expected


def test_while_it_goes_on_the_run_is_as_it_was(tmp_path, monkeypatch):
    run = runner.run(resolve(ALL), out=tmp_path / "part")
    before = files(run.path)
    stop, seen = threading.Event(), []

    def watch(progress):
        seen.append(files(run.path))
        with pytest.raises(InputError, match="still running"):
            delete(open_run(run.path))
        stop.set()

    small_frames(monkeypatch, 8)
    left = resume.resume(run, steps=100, watch=watch, stop=stop)
    seen[0].pop("lock")
    assert seen[0] == before == files(run.path)
    assert left.status == "done"
    assert [c.name for c in verify(left) if c.passed is False] == []
    done = resume.resume(left)  # without the number: it is known
    assert done.experiment.steps == 100
    assert files(done.path) == whole(ALL, tmp_path / "whole", 100)


def test_another_number_lets_go_of_what_was_begun(tmp_path, monkeypatch):
    run = runner.run(resolve(ALL), out=tmp_path / "part")
    stop, words = threading.Event(), []
    small_frames(monkeypatch, 8)
    resume.resume(run, steps=100, watch=lambda _: stop.set(), stop=stop)
    done = resume.resume(run, steps=90, tell=words.append)
    assert words[0] == "what was computed towards 100 steps is let go"
    assert files(done.path) == whole(ALL, tmp_path / "whole", 90)


MOVES = [(os, "replace"), (os, "rename"), (pathlib.Path, "rmdir"), (shutil, "rmtree")]


def of_the_longer(first, *_):
    return f"{os.sep}{longer_folder.NAME}" in str(first)


def counted(path, kill_at, steps):
    with counting_calls(MOVES, kill_at, of_the_longer):
        resume.resume(open_run(path), steps=steps)


EVERY = pytest.param(1, marks=pytest.mark.soak)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("stride", [4, EVERY])
@pytest.mark.parametrize("experiment", [PLAIN, ALL], ids=["plain", "anew"])
def test_a_kill_at_any_move_is_finished_by_the_next_resume(
    experiment, stride, tmp_path, monkeypatch
):
    """Before every ``stride``-th move into or out of the longer run's folder and removal there,
    in a new process each; some are killed again while they go on."""
    expected = whole(experiment, tmp_path / "whole", 100)
    small_frames(monkeypatch, 16)
    runner.run(resolve(experiment), out=tmp_path / "part")
    at, ended = 1, False
    while not ended:
        path = shutil.copytree(tmp_path / "part", tmp_path / f"part{at}")

        how = in_child(lambda at=at, path=path: counted(path, at, 100))
        ended = how == 0
        assert ended or how == -signal.SIGKILL
        assert open_run(path).status in ("done", "interrupted")
        is_there = (path / longer_folder.NAME / "manifest.json").exists()
        if is_there and at % 3 == 0:
            in_child(lambda path=path: counted(path, 2, None))
        done = open_run(path)
        if done.manifest["status"] != "done" or done.experiment.steps != 100:
            done = resume.resume(done, steps=100)
        with pytest.raises(InputError, match="is done"):
            resume.resume(done)
        assert files(done.path) == expected, at
        assert not any(p.is_dir() and p.name != "checkpoints" for p in path.iterdir()), at
        assert [c.name for c in verify(done) if c.passed is False] == [], at
        at += stride
    assert at > 20


def test_the_rows_of_an_end_are_not_those_of_a_longer_run(tmp_path, monkeypatch):
    """Checkpoints after every frame, steps that ``record.every`` does not divide."""
    experiment = {**TRAINING, "steps": 61}
    experiment["record"] = {**TRAINING["record"], "checkpoint": 1e-9}
    expected = whole(experiment, tmp_path / "whole", 127)
    small_frames(monkeypatch, 16)
    run = runner.run(resolve(experiment), out=tmp_path / "part")
    assert all(int(stem) < 61 for stem in Store(run.path).stems())
    done = resume.resume(run, steps=127)
    assert files(done.path) == expected
    assert 0 < done.manifest["resumed"][-1]["step"] < 61


@pytest.mark.parametrize(
    ("title", "longer"),
    [
        ("", ""),
        ("Iris", "Iris [steps = 90]"),
        ("Iris [steps = 60]", "Iris [steps = 90]"),
        ("Iris [a = 1, steps = 60, b = 2]", "Iris [a = 1, steps = 90, b = 2]"),
        ("Iris [after_steps = 60]", "Iris [after_steps = 60] [steps = 90]"),
        ("Iris [steps = 600]", "Iris [steps = 600] [steps = 90]"),
    ],
)
def test_the_title_says_how_many_steps_there_are(title, longer, tmp_path):
    """And published figures, which were of fewer steps, do not stand beside it."""
    made = resolve({**PLAIN, "title": title, "paper": {"nmle.mean": "0.3"}})
    run = runner.run(made, out=tmp_path / "run")
    assert run.experiment.paper
    for steps in (80, 90):
        run = resume.resume(run, steps=steps)
    assert (run.experiment.steps, run.experiment.title) == (90, longer)
    assert run.manifest["title"] == (longer or described(run.experiment))
    assert not run.experiment.paper


def test_more_steps_than_there_is_room_for_are_refused(tmp_path, command):
    path = runner.run(
        resolve({"steps": 20, "ensemble": {"references": 2}}), out=tmp_path / "a"
    ).path
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    code, out, err = command("resume", path, "--steps", 10**15)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "record.every = " in err
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_every_instrument_that_depends_on_the_steps_names_its_key():
    """``resume --steps`` tells by it why all is computed anew; Memory is there for others."""
    for spec in SPECS:
        loaded(spec.make) if spec.make else None
    left, found = [Instrument], {}
    while left:
        kinds = left.pop().__subclasses__()
        left += kinds
        ours = [kind for kind in kinds if kind.__module__.startswith("tuichaos.instruments.")]
        found |= {kind.__name__: kind.key for kind in ours if kind.depends_on_steps}
    assert found.pop("Memory") == found.pop("OfSeries") == ""
    assert len(found) >= 9
    assert set(found.values()) <= set(Measure.model_fields)
    assert len(set(found.values())) == len(found)
