"""What goes wrong is said in one line, and what was recorded is kept."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from faults import fill_disk

import tuichaos
from tuichaos.common.limits import size_of
from tuichaos.common.memory import held
from tuichaos.common.out_of_memory import words
from tuichaos.execution import recording
from tuichaos.storage import run_writer
from tuichaos.storage.checkpoint_store import Store
from tuichaos.storage.saved_states import StatesFile

SMALL = {"ensemble.references": 4, "ensemble.twins": 2, "steps": 1500}


def test_a_full_disk_ends_the_run_and_keeps_the_rows(monkeypatch, tmp_path):
    fill_disk(monkeypatch, 100_000)
    with pytest.raises(tuichaos.RunFailed, match="No space left on device") as caught:
        tuichaos.run(tuichaos.preset("quick", SMALL), out=tmp_path / "full")
    assert "\n" not in str(caught.value)
    kept = tuichaos.open_run(tmp_path / "full")
    assert kept.manifest["status"] == "failed"
    assert "No space left" in kept.manifest["reason"]
    assert kept.steps[-1] > 100
    monkeypatch.undo()
    whole = tuichaos.run(tuichaos.preset("quick", SMALL), out=tmp_path / "whole")
    rows = len(kept.steps)
    assert (kept.series["loss"] == whole.series["loss"][:rows]).all()


def test_a_full_disk_on_the_command_line(monkeypatch, tmp_path, command):
    fill_disk(monkeypatch, 1000)
    code, out, err = command("run", "--preset", "quick", "--quiet", "--out", tmp_path / "full")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "No space left on device" in err


@pytest.mark.sampled(2)
@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_a_folder_that_is_taken_away_ends_the_run(how, tmp_path):
    path = tmp_path / "here"
    seen = []

    def watch(progress):
        seen.append(progress)
        if len(seen) == 2:
            shutil.rmtree(path) if how == "deleted" else path.rename(tmp_path / "there")

    experiment = tuichaos.preset("quick", {**SMALL, "record.states_every": 1000})
    with pytest.raises(tuichaos.RunFailed, match=r"here: the run folder was deleted or moved"):
        tuichaos.run(experiment, out=path, watch=watch)
    assert not path.exists()
    assert len(seen) == 2
    if how == "moved":
        assert len(tuichaos.open_run(tmp_path / "there").steps) > 100


def test_another_file_in_its_place_is_left_alone(tmp_path):
    path = tmp_path / "here"

    def watch(progress):
        (path / "series.csv").unlink()
        (path / "series.csv").write_text("mine\n")

    with pytest.raises(tuichaos.RunFailed, match="replaced by another file"):
        tuichaos.run(tuichaos.preset("quick", SMALL), out=path, watch=watch)
    assert (path / "series.csv").read_text() == "mine\n"


def no_memory(*_):
    raise torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.15 GiB "
        "of which 9.00 GiB is free. Of the allocated memory 60.00 GiB is allocated by PyTorch, and "
        "512.00 MiB is reserved by PyTorch but unallocated.\nSee …"
    )


@pytest.mark.parametrize(
    "where",
    ["tuichaos.systems.training.TrainingSystem.to", "tuichaos.simulation.simulation.stepper_for"],
)
def test_out_of_memory_is_said_with_the_size(where, monkeypatch, tmp_path, command):
    monkeypatch.setattr(where, no_memory)
    code, _, err = command("run", "--preset", "quick", "--quiet", "--out", tmp_path / "big")
    assert code == 1
    assert err.count("\n") == 1
    # 80 GiB and more are needed, 69 GiB are there: 0.8·69/80 of 40 references, with 5 twins each.
    assert "out of memory on cpu with 240 replicas: 85.9 GB or more of 74.1 GB" in err
    assert "about 162 replicas would fit: try ensemble.references = 27, fewer" in err
    manifest = json.loads((tmp_path / "big" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert (tmp_path / "big" / "experiment.toml").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CUDA out of memory.", "with 60 replicas; try fewer references or twins"),
        ("Unable to allocate 8.00 TiB for an array with shape (9,)", "not even one reference"),
        (
            "Unable to allocate 1.00 bytes for an array with shape (1,)",
            "with 60 replicas; try fewer",
        ),
        ("", "with 60 replicas; try fewer"),
    ],
)
def test_the_size_that_fits_is_told_where_it_is_known(text, said):
    assert said in words(MemoryError(text), "cpu", 10, 5)


@pytest.mark.skipif(held() is None, reason="the system does not tell")
def test_what_is_held_is_what_is_held_now():
    before = held()
    large = np.ones(25_000_000)
    assert held() > before + 150e6
    del large
    assert held() < before + 50e6


# --- what others do to a folder while a run is at work on it ---------------------------------

TRICKY = {**SMALL, "record.checkpoint": 1e-6, "record.states_every": 100}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The folder of such a run that nobody disturbed; it is only read."""
    out = tmp_path_factory.mktemp("usual") / "run"
    return tuichaos.run(tuichaos.preset("quick", TRICKY), out=out).path


@pytest.mark.sampled(5)
@pytest.mark.parametrize("moment", ["_put", "keep", "finish", "write_json", "checksums"])
def test_a_folder_that_is_taken_away_while_it_is_written_ends_the_run(
    moment, tmp_path, monkeypatch
):
    """In the middle of a checkpoint, of the tables, and of the last words."""
    owner = {"_put": Store, "keep": Store, "finish": StatesFile}.get(moment)
    path, gone = tmp_path / "here", []

    def once(*arguments, **named):
        if not gone and (path / "series.csv").exists():
            gone.append(moment)
            shutil.rmtree(path)
        return true(*arguments, **named)

    owner = owner or (run_writer if moment == "write_json" else recording)
    true = getattr(owner, moment)
    monkeypatch.setattr(owner, moment, once)
    with pytest.raises(tuichaos.RunFailed, match="the run folder was deleted or moved"):
        tuichaos.run(tuichaos.preset("quick", TRICKY), out=path)
    assert gone
    assert not path.exists()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("how", ["emptied", "cut", "added to"])
def test_rows_that_another_program_changes_fail_the_run_which_then_goes_on(how, usual, tmp_path):
    path, seen = tmp_path / "here", []

    def watch(progress):
        seen.append(progress)
        if len(seen) == 2:
            with open(path / "series.csv", "r+b") as file:
                file.seek(0, 2)
                file.write(b"mine\n") if how == "added to" else file.truncate(
                    0 if how == "emptied" else 5000
                )

    with pytest.raises(tuichaos.RunFailed, match=r"series\.csv was changed by another program"):
        tuichaos.run(tuichaos.preset("quick", TRICKY), out=path, watch=watch)
    assert tuichaos.open_run(path).manifest["status"] == "failed"
    done = tuichaos.resume(tuichaos.open_run(path))
    for name in ("series.csv", "exponents.csv", "summary.json", "states.npz"):
        assert (done.path / name).read_bytes() == (usual / name).read_bytes(), name


def test_an_experiment_that_is_deleted_is_there_at_the_end(tmp_path):
    path = tmp_path / "here"
    found = tuichaos.run(
        tuichaos.preset("quick", SMALL),
        out=path,
        watch=lambda _: (path / "experiment.toml").unlink(missing_ok=True),
    )
    usual = tuichaos.run(tuichaos.preset("quick", SMALL), out=tmp_path / "usual")
    name = "experiment.toml"
    assert (found.path / name).read_bytes() == (usual.path / name).read_bytes()
    assert found.manifest["files"].keys() == usual.manifest["files"].keys()


# --- what libraries and a user's system raise ------------------------------------------------


@pytest.mark.parametrize("text", ["std::bad_alloc", "can't start new thread"])
def test_lack_of_memory_by_any_name_is_told_as_such(text, tmp_path, monkeypatch, command):
    def failing(*_):
        raise RuntimeError(text)

    monkeypatch.setattr("tuichaos.simulation.simulation.stepper_for", failing)
    code, _, err = command("run", "--preset", "quick", "--out", tmp_path / "a", "--quiet")
    assert code == 1
    assert "out of memory on cpu with 240 replicas" in err


@pytest.mark.parametrize("at", [0, 300])
def test_a_system_that_raises_what_is_no_exception_fails_in_one_line(at, tmp_path, command):
    code, _, err = command(
        "run", "--preset", "henon", "--set", "steps=1000", "--set", "ensemble.references=2",
        "--set", "system.name=maps:Ending", "--set", f"system.parameters={{at={at}}}",
        "--set", "paper={}", "--out", tmp_path / "a", "--quiet",
    )  # fmt: skip
    assert (code, err.count("\n")) == (1 if at else 2, 1), err  # at once: nothing is begun
    assert "Ended" in err
    if at:
        assert tuichaos.open_run(tmp_path / "a").manifest["status"] == "failed"


def test_room_is_told_in_units_that_tell_something():
    sizes = [0, 900, 99_800, 2.51e6, 1.4e18]
    told = ["0 bytes", "900 bytes", "100 kB", "2.5 MB", "1,400,000,000 GB"]
    assert list(map(size_of, sizes)) == told
