"""Kills at chosen places, and signals that end a run or a sweep cleanly."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys

import pytest
from killing import by_command, counting_calls, die, ended, in_child, running
from test_disk import everything
from test_resume import TRAINING, files, small_frames
from waiting import MAX_SECONDS, wait_for

import tuichaos
from tuichaos.common.errors import InputError
from tuichaos.config.loading import resolve
from tuichaos.execution import resume, runner
from tuichaos.storage import checkpoint_store, run_writer
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps.orbit_diagram import diagram_files

OFTEN = {"record.checkpoint": 1e-9}


def named(part):
    return lambda *arguments: part in str(arguments[0])


def anything(*_):
    return True


def half_written(monkeypatch):
    """Die in the middle of the fourth series of rows: half of them are on the disk."""
    lines, seen = run_writer.series_lines, []

    def cut(*arguments):
        text = lines(*arguments)
        seen.append(1)
        if len(seen) == 4:
            folder = os.environ["CUT"]
            with open(os.path.join(folder, "series.csv"), "a") as file:
                file.write(text[: len(text) // 2])
            die()
        return text

    monkeypatch.setattr(run_writer, "series_lines", cut)


PLACES = {
    # name: (functions, which calls count, at which call it dies)
    "before the arrays of a checkpoint": ([(checkpoint_store, "save_file")], anything, 3),
    "arrays are written, not yet named": ([(checkpoint_store, "_settle")], anything, 3),
    "between arrays and JSON": ([(checkpoint_store, "replace_text")], anything, 3),
    "JSON is written, not yet named": ([(os, "replace")], named("checkpoints"), 6),
    "between the rename and the tidy": ([(checkpoint_store.Store, "keep")], anything, 3),
    "in the middle of the tidy": ([(checkpoint_store.Path, "unlink")], named("safetensors"), 1),
    "before the tables": ([(run_writer, "write_table")], named("exponents.csv"), 1),
    "exponents.csv is written, not yet named": ([(os, "replace")], named("exponents.csv"), 1),
    "between exponents.csv and summary.json": ([(os, "replace")], named("summary.json"), 1),
    "before states.npz is named": ([(os, "replace")], named("states.npz"), 1),
    "before the manifest says done": ([(os, "replace")], named("manifest.json"), 2),
    "the manifest says done": ([(checkpoint_store.Store, "clear")], anything, 1),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    return files(runner.run(resolve(TRAINING, OFTEN), out=path).path)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("place", [*PLACES, "half of the rows"])
def test_a_kill_at_a_chosen_place(place, whole, tmp_path, monkeypatch):
    small_frames(monkeypatch, 16)
    folder = tmp_path / "run"

    def act():
        if place not in PLACES:
            os.environ["CUT"] = str(folder)
            half_written(monkeypatch)
            runner.run(resolve(TRAINING, OFTEN), out=folder)
            return
        functions, among, at = PLACES[place]
        with counting_calls(functions, at, among):
            runner.run(resolve(TRAINING, OFTEN), out=folder)

    assert in_child(act) == -signal.SIGKILL
    run = open_run(folder)
    if place == "the manifest says done":
        assert run.status == "done"
        with pytest.raises(InputError, match="is done"):
            resume.resume(run)
    else:
        assert run.status == "killed"
        assert resume.resume(run).manifest["resumed"][0]["step"] > 0
    assert files(folder) == whole
    assert not (folder / "checkpoints").exists()


# --- sweeps ------------------------------------------------------------------------------

SWEEPS = {
    "keep": (
        {
            "steps": 40,
            "ensemble": {"references": 3, "twins": 2},
            "record": {"states_every": 10},
            "sweep": {"optimizer.learning_rate": [0.1, 0.5, 1.0, 2.0, 4.0]},
        },
        True,
    ),
    "plane": (
        {
            "steps": 60,
            "network": {"hidden": [3]},
            "ensemble": {"references": 1, "twins": 0},
            "plane": {"value": "convergence"},
            "sweep": {
                "optimizer.learning_rate": {"log": [0.1, 10.0, 8]},
                "network.init_scale": {"linear": [0.5, 2.0, 8]},
            },
        },
        False,
    ),
    "diagram": (
        {
            "steps": 60,
            "network": {"hidden": [3]},  # too large for its bifurcations to be refined
            "ensemble": {"references": 1, "twins": 0},
            "diagram": {"observable": "loss", "last": 8, "continued": "both"},
            "sweep": {"optimizer.learning_rate": {"log": [0.1, 10.0, 9]}},
        },
        False,
    ),
}
SWEEP_PLACES = (
    "in the middle of the journal",
    "between the journal and sweep.csv",
    "before the manifest says done",
    "before summary.json",
)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The files of an undisturbed sweep, by name; each is run once."""

    @functools.cache
    def made(name):
        table, keep = SWEEPS[name]
        out = tmp_path_factory.mktemp("usual") / name
        return everything(tuichaos.sweep(resolve(table), out=out, keep=keep).path)

    return made


@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", SWEEP_PLACES)
@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_that_is_killed_goes_on_to_the_same_files(name, place, usual, tmp_path):
    table, keep = SWEEPS[name]
    experiment = resolve(table)
    folder = tmp_path / "sweep"
    calls = {
        "between the journal and sweep.csv": ([(os, "replace")], named("sweep.csv"), 1),
        "before the manifest says done": ([(os, "replace")], named("sweep/manifest.json"), 2),
        "before summary.json": ([(diagram_files, "write")], anything, 1),
    }

    def act():
        from tuichaos.sweeps.journal import Journal

        with contextlib.ExitStack() as stack:
            if place in calls:
                stack.enter_context(counting_calls(*_order(calls[place])))
            else:
                append, seen = Journal.append, []

                def cut(journal, row):
                    seen.append(row)
                    if len(seen) == 3:
                        with open(journal.path, "a") as file:
                            file.write('{"point": 2, "status": "do')
                        die()
                    append(journal, row)

                Journal.append = cut
            tuichaos.sweep(experiment, out=folder, keep=keep)

    assert in_child(act) == -signal.SIGKILL
    killed = open_run(folder)
    assert killed.status == "killed"
    done = tuichaos.resume(killed)
    assert done.status == "done"
    assert everything(done.path) == usual(name)


def _order(call):
    functions, among, at = call
    return functions, at, among


@pytest.mark.parametrize("name", SWEEPS)
def test_what_a_loss_of_power_left_of_the_journal_is_used(name, usual, tmp_path):
    table, keep = SWEEPS[name]
    run = tuichaos.sweep(resolve(table), out=tmp_path / "sweep", keep=keep)
    journal = run.path / "points.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]) + b"\0" * len(lines[3]) + b"\n" + b"".join(lines[4:]))
    done = tuichaos.resume(run)
    assert everything(done.path) == usual(name)
    assert "is damaged after 3 points" in " ".join(done.manifest["warnings"])


# --- signals -----------------------------------------------------------------------------

PROGRAM = "from tuichaos.cli.main import main; main()"
LONG = ["--preset", "quick", "--set", "steps=400000", "--set", "ensemble.references=6"]
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def grown(path, size):
    """Whether a file is there and has so many bytes."""
    return lambda: path.exists() and path.stat().st_size > size


def check_interrupted(out, said):
    assert said.count("\n") == 1, said
    assert "tuichaos: error: interrupted at step" in said
    run = open_run(out)
    assert run.manifest["status"] == "interrupted"
    assert not (out / "lock").exists()
    assert checkpoint_store.Store(out).stems()[-1] == f"{run.manifest['step'] + 1:015}"
    assert run.summary["steps"] == run.manifest["step"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_cleanly(number, tmp_path):
    out, said = tmp_path / "run", tmp_path / "said"
    with running(by_command("run", *LONG, "--out", out, "--quiet"), said) as child:
        wait_for(grown(out / "series.csv", 100_000))
        os.kill(child, number)
        assert ended(child) == SIGNALS[number], said.read_text()
    check_interrupted(out, said.read_text())


def test_a_signal_ends_the_command_cleanly(tmp_path):
    """The same of the very command, begun as a shell begins it."""
    out = tmp_path / "run"
    call = [sys.executable, "-c", PROGRAM, "run", *LONG, "--out", str(out)]
    with subprocess.Popen(call, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(grown(out / "series.csv", 100_000))
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=MAX_SECONDS)
        finally:
            process.kill()
    assert process.returncode == SIGNALS[signal.SIGTERM], err
    check_interrupted(out, err)


def test_a_terminal_that_is_gone_ends_no_run_by_its_words(tmp_path):
    """Its other end is closed, so that every word to it fails; then comes the signal."""
    out = tmp_path / "run"
    ours, theirs = os.openpty()

    def act():
        os.close(ours)
        for number in (0, 1, 2):
            os.dup2(theirs, number)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
        by_command("run", *LONG, "--out", out)()

    with running(act) as child:
        os.close(theirs)
        series = out / "series.csv"
        wait_for(grown(series, 50_000))
        os.close(ours)
        wait_for(grown(series, series.stat().st_size + 200_000))
        assert os.waitpid(child, os.WNOHANG)[0] == 0
        os.kill(child, signal.SIGHUP)
        assert ended(child) == 129
    assert open_run(out).manifest["status"] == "interrupted"


def test_nohup_is_heeded(tmp_path):
    out, said = tmp_path / "run", tmp_path / "said"

    def act():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        by_command("run", *LONG, "--out", out, "--quiet")()

    with running(act, said) as child:
        series = out / "series.csv"
        wait_for(grown(series, 50_000))
        os.kill(child, signal.SIGHUP)
        wait_for(grown(series, series.stat().st_size + 100_000))
        os.kill(child, signal.SIGTERM)
        assert ended(child) == 143, said.read_text()


def test_a_signal_ends_a_sweep_cleanly(tmp_path):
    """With workers, which are processes of their own and end with it."""
    out, said = tmp_path / "sweep", tmp_path / "said"
    over = ("--over", "optimizer.learning_rate=linear:0.1:4:16", "--set", "steps=300")
    small = ("--set", "ensemble.references=4", "--set", "ensemble.twins=1", "--workers", 2)
    with running(
        by_command("run", "--preset", "quick", *over, *small, "--out", out), said
    ) as child:
        journal = out / "points.jsonl"
        wait_for(lambda: journal.exists() and journal.read_text().count("\n") >= 2)
        os.kill(child, signal.SIGTERM)
        assert ended(child) == 143, said.read_text()
    assert "interrupted at point" in said.read_text()
    part = open_run(out)
    assert part.manifest["status"] == "interrupted"
    done = tuichaos.resume(part)
    again = tuichaos.sweep(done.experiment, out=tmp_path / "again")
    assert everything(done.path) == everything(again.path)
