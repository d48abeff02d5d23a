"""Workers need semaphores in shared memory: where it is full or may not be written that is
named, and nothing is left."""

from __future__ import annotations

import errno
import importlib
import multiprocessing
import os
import shutil
import subprocess
import sys

import pytest
from waiting import MAX_SECONDS

PROGRAM = "from tuichaos.cli.main import main; main()"
SWEEP = ["run", "--preset", "quick", "--over", "seed=[1,2]", "--set", "steps=20"]
SWEEP += ["--set", "ensemble.references=2", "--workers", "2", "--quiet"]
NAMED = "tuichaos: error: --workers: no semaphore can be had in shared memory (/dev/shm): "
ADVICE = "; free or enlarge it, or leave --workers out: one process then does all points\n"


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOENT, errno.ENOSYS]
)
def test_shared_memory_is_named_and_nothing_is_left(number, command, tmp_path, monkeypatch):
    def refused(*arguments, **named):
        raise OSError(number, os.strerror(number))

    importlib.import_module("sklearn.datasets")  # what asks for one when it is loaded
    multiprocessing.get_context("spawn").Semaphore()
    monkeypatch.setattr("_multiprocessing.SemLock", refused)
    out = tmp_path / "sweep"
    code, said, err = command(*SWEEP, "--out", out)
    assert (code, said, err) == (1, "", f"{NAMED}{os.strerror(number)}{ADVICE}")
    assert not out.exists()


def test_where_it_is_lost_later_the_sweep_can_go_on(command, tmp_path, monkeypatch):
    from tuichaos.sweeps.workers import Processes

    def refused(*arguments, **named):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    plain = Processes.executor

    def executor(self):
        with monkeypatch.context() as patch:
            patch.setattr("_multiprocessing.SemLock", refused)
            return plain(self)

    out = tmp_path / "sweep"
    monkeypatch.setattr(Processes, "executor", executor)
    code, _, err = command(*SWEEP, "--out", out)
    assert (code, err.count("\n")) == (1, 1)
    assert "/dev/shm" in err
    assert f"tuichaos resume {out} goes on" in err
    monkeypatch.undo()
    monkeypatch.setenv("TUICHAOS_HOME", str(tmp_path / "home"))
    from tuichaos.storage.run_reader import open_run
    from tuichaos.sweeps.sweep_runner import resume

    assert resume(open_run(out)).manifest["status"] == "done"


def can_mount():
    call = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
    if not shutil.which("unshare"):
        return False
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="needs a mount of its own")
@pytest.mark.parametrize(
    ("option", "number"), [("size=4k", errno.ENOSPC), ("size=4k,ro", errno.EROFS)]
)
def test_the_real_thing(option, number, tmp_path):
    fill = "head -c 4096 /dev/zero > /dev/shm/full 2>/dev/null; "
    script = f'mount -t tmpfs -o {option} tmpfs /dev/shm && {fill} exec "$@"'
    out = tmp_path / "sweep"
    program = [sys.executable, "-c", PROGRAM, *SWEEP, "--out", str(out)]
    call = ["unshare", "-m", "bash", "-c", script, "bash", *program]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=MAX_SECONDS)
    said = done.stderr[done.stderr.find("tuichaos:") :]
    assert (done.returncode, said) == (1, f"{NAMED}{os.strerror(number)}{ADVICE}")
    assert "joblib" not in done.stderr
    assert not out.exists()
