"""A run that was stopped, or killed, goes on to the files of an undisturbed one."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from killing import die, in_child

from tuichaos import api
from tuichaos.common.errors import InputError
from tuichaos.config.loading import resolve
from tuichaos.execution import resume, runner
from tuichaos.instruments.regime import Regime
from tuichaos.storage.checkpoint_store import Store
from tuichaos.storage.run_reader import open_run

EVERYTHING = {
    "spectrum": {"count": 3, "references": 2},
    "moving": True,
    "routes": {"references": 2, "twins": 2},
    "sizes": [1e-10, 1e-6],
    "sharpness": {"every": 4, "count": 2, "references": 2},
    "orbital": {"window": 10, "references": 2},
    "autocorrelation": True,
    "expansion": True,
    "recurrence": True,
    "zero_one": True,
    "period": True,
    "dimensions": True,
    "units": {"every": 3},
    "projection": True,
    "convergence": True,
    "reach": True,
}
TRAINING = {
    "steps": 120,
    "network": {"hidden": [4]},
    "optimizer": {"learning_rate": 1.5},
    "ensemble": {"references": 5, "twins": 2, "perturb_at": 30},
    "measure": EVERYTHING,
    "record": {"states_every": 7, "every": 3},
}
# Above DENSE parameters sharpness goes by Lanczos, which starts from the last vectors.
LARGE = {**TRAINING, "network": {"hidden": [30]}, "steps": 100, "record": {}}
LARGE["measure"] = {"sharpness": {"every": 4, "references": 2}}
HENON = {
    "steps": 700,
    "system": {"name": "henon"},
    "ensemble": {"references": 3, "twins": 2},
    "measure": {"spectrum": True, "period": True, "moving": True, "zero_one": True},
}
SUITED = {"training": TRAINING, "lanczos": LARGE, "henon": HENON}
LORENZ = {"steps": 300, "system": {"name": "lorenz"}, "ensemble": {"references": 2, "twins": 1}}
QUADRATIC = {
    "steps": 200,
    "system": {"name": "quadratic", "parameters": {"curvatures": [1.0, 3.0], "beta": 0.9}},
    "ensemble": {"references": 2, "twins": 1},
    "measure": {"sharpness": True, "spectrum": True},
}
DIVERGING = {"steps": 300, "system": {"name": "quartic", "parameters": {"a": [1.5, 2.4]}}}
DIVERGING["ensemble"] = {"references": 2, "twins": 3}
SUITED |= {"lorenz": LORENZ, "quadratic": QUADRATIC, "diverging": DIVERGING}
CHANGED = {**TRAINING, "measure": {}, "record": {}}
CHANGED["optimizer"] = {"changes": [{"step": 25, "learning_rate": 0.5}]}
SUITED["changed"] = CHANGED


def files(folder: Path) -> dict[str, bytes]:
    """Everything but what tells of times."""
    return {
        p.name: p.read_bytes()
        for p in folder.iterdir()
        if p.is_file() and p.name != "manifest.json"
    }


def stopped(experiment, folder, monkeypatch, at, frame=16):
    """A run of which ``at`` frames were recorded."""
    stop, seen = threading.Event(), []

    def watch(progress):
        seen.append(progress.step)
        if len(seen) == at:
            stop.set()

    small_frames(monkeypatch, frame)
    return runner.run(experiment, out=folder, watch=watch, stop=stop)


def small_frames(monkeypatch, steps):
    monkeypatch.setattr("tuichaos.simulation.block_shape.FRAME_STEPS", steps)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", SUITED)
def test_a_stopped_run_goes_on_to_the_same_files(name, tmp_path, monkeypatch):
    experiment = resolve(SUITED[name])
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    for at in (1, 3):
        part = stopped(experiment, tmp_path / f"part{at}", monkeypatch, at)
        assert part.status == "interrupted"
        assert Store(part.path).stems()
        small_frames(monkeypatch, 11)
        done = resume.resume(open_run(part.path))
        assert done.status == "done"
        assert len(done.manifest["resumed"]) == 1
        assert done.manifest["resumed"][0]["step"] > 0
        assert files(done.path) == whole


def test_it_may_be_stopped_many_times(tmp_path, monkeypatch):
    experiment = resolve(TRAINING)
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    run = stopped(experiment, tmp_path / "part", monkeypatch, 1, frame=9)
    while run.status == "interrupted":
        stop = threading.Event()
        run = resume.resume(open_run(run.path), stop=stop, watch=lambda _, s=stop: s.set())
    assert files(run.path) == whole
    assert len(run.manifest["resumed"]) > 4


def test_checkpoints_in_between_change_no_bit(tmp_path, monkeypatch):
    experiment = resolve(TRAINING)
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    small_frames(monkeypatch, 9)
    often = resolve(TRAINING, {"record.checkpoint": 1e-9})
    written = []
    write = Store.write
    monkeypatch.setattr(
        Store, "write", lambda s, step, *a: (written.append(step), write(s, step, *a))
    )
    found = files(runner.run(often, out=tmp_path / "often").path)
    assert len(written) > 4
    del found["experiment.toml"], whole["experiment.toml"]
    assert found == whole


KILLED = """
import sys, os, signal
from tuichaos.execution import runner
from tuichaos.simulation import block_shape as shapes
from tuichaos.storage.checkpoint_store import Store
from tuichaos.config.loading import load
shapes.FRAME_STEPS = 9
at, folder, file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
seen = []
def watch(progress):
    seen.append(1)
    if len(seen) == at:
        os.kill(os.getpid(), signal.SIGKILL)
runner.run(load(file), out=folder, watch=watch)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed run, its checkpoints after every frame."""
    experiment = resolve(TRAINING, {"record.checkpoint": 1e-9})
    return runner.run(experiment, out=tmp_path_factory.mktemp("whole") / "run").path


def check_goes_on(folder, whole):
    assert open_run(folder).status == "killed"
    done = resume.resume(open_run(folder))
    assert files(done.path) == files(whole)
    words = " ".join(done.manifest["warnings"])
    assert "which is gone, was taken over" in words


@pytest.mark.sampled(3)
@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_killed_run_goes_on_from_its_last_checkpoint(at, whole, tmp_path, monkeypatch):
    small_frames(monkeypatch, 9)
    folder, seen = tmp_path / "part", []

    def watch(progress):
        seen.append(progress.step)
        if len(seen) == at:
            die()

    act = functools.partial(runner.run, open_run(whole).experiment, out=folder, watch=watch)
    assert in_child(act) == -signal.SIGKILL
    check_goes_on(folder, whole)


@pytest.mark.slow
def test_a_process_of_its_own_that_was_killed(whole, tmp_path):
    """The same with nothing in common but the files."""
    file, folder = whole / "experiment.toml", tmp_path / "part"
    killed = subprocess.run([sys.executable, "-c", KILLED, "5", folder, file], check=False)
    assert killed.returncode == -signal.SIGKILL
    check_goes_on(folder, whole)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, monkeypatch):
    experiment = resolve(TRAINING, {"record.checkpoint": 1e-9})
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    part = stopped(experiment, tmp_path / "part", monkeypatch, 5)
    first, last = Store(part.path).stems()
    newest = Store(part.path).path / f"{last}.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")
    done = resume.resume(open_run(part.path))
    assert done.manifest["resumed"][0]["step"] == int(first)
    assert "checksum is wrong" in " ".join(done.manifest["warnings"])
    assert files(done.path) == whole


def test_without_a_checkpoint_it_begins_anew(tmp_path, monkeypatch):
    experiment = resolve(TRAINING)
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    part = stopped(experiment, tmp_path / "part", monkeypatch, 3)
    Store(part.path).clear()
    done = resume.resume(open_run(part.path))
    assert done.manifest["resumed"][0]["step"] == 0
    assert files(done.path) == whole


def test_a_checkpoint_of_a_version_that_kept_other_things_is_not_gone_on_from(
    tmp_path, monkeypatch
):
    experiment = resolve(TRAINING, {"record.states_every": 3})
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    with monkeypatch.context() as earlier:
        state = Regime.state
        fewer = lambda one: {k: v for k, v in state(one).items() if k != "moved"}  # noqa: E731
        earlier.setattr(Regime, "state", fewer)
        part = stopped(experiment, tmp_path / "part", earlier, 3)
    (check,) = [c for c in api.verify(part) if c.name == "checkpoint"]
    assert check.passed is None
    assert "another version of tuichaos: it lacks Regime.moved" in check.words
    done = resume.resume(open_run(part.path))
    assert done.manifest["resumed"][0]["step"] == 0
    (words,) = done.manifest["warnings"]
    assert "written by another version of tuichaos" in words
    assert words.endswith("; all of the run is computed anew")
    assert files(done.path) == whole


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["series.csv", ".twins.part"])
def test_rows_that_are_gone_are_computed_again(name, tmp_path, monkeypatch):
    experiment = resolve(TRAINING, {"record.checkpoint": 1e-9})
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    part = stopped(experiment, tmp_path / "part", monkeypatch, 5)
    grown = part.path / name
    grown.write_bytes(grown.read_bytes()[:50])
    done = resume.resume(open_run(part.path))
    assert done.manifest["resumed"][0]["step"] == 0
    assert "shorter than it was" in " ".join(done.manifest["warnings"])
    assert files(done.path) == whole


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["series.csv", ".states.part"])
def test_rows_that_were_changed_are_computed_again(name, tmp_path, monkeypatch):
    experiment = resolve(TRAINING, {"record.checkpoint": 1e-9})
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    part = stopped(experiment, tmp_path / "part", monkeypatch, 5)
    text = bytearray((part.path / name).read_bytes())
    text[300] ^= 1  # a faulty disk, an editor
    (part.path / name).write_bytes(text)
    done = resume.resume(open_run(part.path))
    assert done.manifest["resumed"][0]["step"] == 0
    assert "does not begin as it did" in " ".join(done.manifest["warnings"])
    assert files(done.path) == whole


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("line", "other", "words"),
    [
        ("seed = 0", "seed = 1", "part: seed of the experiment changed since it began"),
        ("learning_rate = 1.5", "learning_rate = 1.25", "optimizer.learning_rate of"),
        ("steps = 120", "steps = 130", "steps of the experiment"),
    ],
)
def test_another_experiment_does_not_go_on_from_a_checkpoint(
    line, other, words, tmp_path, monkeypatch
):
    part = stopped(resolve(TRAINING), tmp_path / "part", monkeypatch, 3)
    before = files(part.path)
    toml = part.path / "experiment.toml"
    text = toml.read_text()
    assert line in text
    toml.write_text(text.replace(line, other))
    with pytest.raises(InputError, match=words):
        resume.resume(open_run(part.path))
    toml.write_text(text)
    assert files(part.path) == before
    assert resume.resume(open_run(part.path)).status == "done"


def test_other_data_do_not_go_on_from_a_checkpoint(tmp_path, monkeypatch):
    rows = ["x,y,class", *(f"{k / 7},{k * k / 50},{k % 2}" for k in range(40))]
    data = tmp_path / "data.csv"
    data.write_text("\n".join(rows))
    table = {**TRAINING, "measure": {}, "data": {"name": "csv", "path": str(data)}}
    part = stopped(resolve(table), tmp_path / "part", monkeypatch, 3)
    data.write_text("\n".join([*rows, "5,5,1"]))
    with pytest.raises(InputError, match="data of the experiment changed since it began"):
        resume.resume(open_run(part.path))


NONE_KEPT = {**TRAINING, "record": {"checkpoint": 0}}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", ["emptied", "edited"])
def test_another_experiment_does_not_go_on_without_a_checkpoint_either(how, tmp_path, monkeypatch):
    part = stopped(resolve(NONE_KEPT), tmp_path / "part", monkeypatch, 3)
    shutil.rmtree(part.path / "checkpoints")
    toml = part.path / "experiment.toml"
    text = toml.read_text()
    toml.write_text("" if how == "emptied" else text.replace("seed = 0", "seed = 5"))
    before = files(part.path)
    words = r", … of the experiment" if how == "emptied" else r"seed(, data)? of the experiment"
    with pytest.raises(InputError, match=words):
        resume.resume(open_run(part.path))
    with pytest.raises(InputError, match=words):
        resume.resume(open_run(part.path), steps=5000)
    assert files(part.path) == before
    toml.write_text(text)
    whole = runner.run(resolve(NONE_KEPT), out=tmp_path / "whole")
    assert files(resume.resume(open_run(part.path)).path) == files(whole.path)


def test_other_data_do_not_go_on_without_a_checkpoint_either(tmp_path, monkeypatch):
    """Of an older manifest.json, too, which tells of the data alone."""
    data = tmp_path / "data.csv"
    data.write_text("".join(f"{k / 7},{k * k / 50},{k % 2}\n" for k in range(40)))
    table = {**NONE_KEPT, "measure": {}, "data": {"name": "csv", "path": str(data)}}
    part = stopped(resolve(table), tmp_path / "part", monkeypatch, 3)
    shutil.rmtree(part.path / "checkpoints")
    path = part.path / "manifest.json"
    told = {k: v for k, v in json.loads(path.read_text()).items() if k != "planned"}
    data.write_text(data.read_text() + "5,5,1\n")
    for manifest in (path.read_text(), json.dumps(told)):
        path.write_text(manifest)
        with pytest.raises(InputError, match="data of the experiment changed since it began"):
            resume.resume(open_run(part.path))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("damage", ["cut", "gone", "{}", "[]"])
def test_a_manifest_that_is_damaged_is_written_anew_from_a_checkpoint(
    damage, tmp_path, monkeypatch, command
):
    whole = runner.run(resolve(TRAINING), out=tmp_path / "whole")
    part = stopped(resolve(TRAINING), tmp_path / "part", monkeypatch, 3)
    path = part.path / "manifest.json"
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text()[:255] if damage == "cut" else damage)
    assert command("resume", part.path, "--quiet")[0] == 0
    assert files(part.path) == files(whole.path)
    manifest = json.loads(path.read_text())
    assert manifest["status"] == "done"
    assert "was written anew from a checkpoint" in " ".join(manifest["warnings"])
    assert manifest["resumed"][0]["step"] > 0


def test_a_manifest_is_not_made_of_what_tells_nothing(tmp_path, monkeypatch, command):
    part = stopped(resolve(TRAINING), tmp_path / "part", monkeypatch, 3)
    (part.path / "manifest.json").write_text("{")
    toml = (part.path / "experiment.toml").read_text()
    (part.path / "experiment.toml").write_text(toml.replace("seed = 0", "seed = 1"))
    assert command("resume", part.path)[0] == 2  # a checkpoint is of another experiment
    (part.path / "manifest.json").write_text("{")
    shutil.rmtree(part.path / "checkpoints")
    code, _, err = command("resume", part.path)
    assert (code, err.count("\n")) == (2, 1)
    assert (part.path / "manifest.json").read_text() == "{"
    (part.path / "manifest.json").unlink()
    code, _, err = command("resume", part.path)
    assert (code, err.count("\n")) == (2, 1)
    assert "has neither manifest.json nor a checkpoint" in err


def test_a_done_run_has_nothing_left_to_do(tmp_path):
    done = runner.run(resolve(HENON, {"steps": 20}), out=tmp_path / "done")
    with pytest.raises(InputError, match="is done, all 20 steps of it; --steps M goes further"):
        resume.resume(done)
    (done.path / "experiment.toml").write_text("")
    with pytest.raises(InputError, match="of the experiment changed since it began"):
        resume.resume(open_run(done.path))


def test_every_instrument_can_be_kept(tmp_path, monkeypatch):
    """All switches are on above: a new instrument must be among them."""
    from tuichaos.config.measure import Measure

    switches = {n for n, f in Measure.model_fields.items() if isinstance(f.default, bool)}
    on = {n for n, f in Measure.model_fields.items() if f.default is True}
    assert switches <= on | set(EVERYTHING)


def test_a_done_run_whose_rows_are_gone_names_the_way_out(simulate, command):
    run = simulate({"steps": 6, "ensemble.references": 1})
    (run.path / "series.csv").unlink()
    code, _, err = command("resume", run.path)
    assert code == 2
    assert f"series.csv is gone: tuichaos run {run.path / 'experiment.toml'} --out FOLDER" in err
