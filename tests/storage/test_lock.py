"""The lock of a run folder: held, stale, and of another machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from tuichaos.common.errors import InputError
from tuichaos.storage import folder_lock
from tuichaos.storage.folder_lock import NAME, is_held, locked


def put(folder, **owner):
    (folder / NAME).write_text(json.dumps(owner))


def test_it_is_there_as_long_as_it_is_held(tmp_path):
    assert is_held(tmp_path) is None
    with locked(tmp_path) as words:
        assert words == ""
        assert is_held(tmp_path)
        with (
            pytest.raises(InputError, match=f"process {os.getpid()} .* is at work on it"),
            locked(tmp_path),
        ):
            pass
        assert is_held(tmp_path)
    assert not (tmp_path / NAME).exists()


def test_of_a_process_that_is_gone_it_is_taken_over_and_said(tmp_path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    pid = int(gone.stdout)
    put(tmp_path, pid=pid, host=platform.node())
    assert is_held(tmp_path) is False
    with locked(tmp_path) as words:
        assert (
            words
            == f"the lock of process {pid} on {platform.node()}, which is gone, was taken over"
        )


def test_another_process_of_the_same_number_is_not_the_owner(tmp_path):
    put(tmp_path, pid=os.getppid(), host=platform.node(), began=1)
    assert is_held(tmp_path) is False
    with locked(tmp_path) as words:
        assert "which is gone" in words


HERE = json.dumps({"pid": 10**20, "host": platform.node(), "began": 5})


BEYOND = [HERE, HERE.replace("1" + "0" * 20, "2147483648")]  # what no process can have


@pytest.mark.parametrize(
    "text", [*BEYOND, "", "[]", "{", '{"pid": "x"}', '{"pid": -1}', '{"pid": 1e300}']
)
def test_what_is_no_lock_is_taken_over(text, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "WATCH", 0.5)  # where the owner may be elsewhere
    (tmp_path / NAME).write_text(text)
    with locked(tmp_path) as words:
        assert "was taken over" in words or not text


def test_a_heartbeat_from_another_machine_is_watched_not_its_clock(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "HEARTBEAT", 0.2)
    monkeypatch.setattr(folder_lock, "WATCH", 0.6)
    put(tmp_path, pid=1, host="elsewhere")
    end = threading.Event()
    year = 365 * 86400

    def beat():
        at = time.time() - year  # its clock is a year behind
        while not end.wait(0.1):
            at += 0.1
            os.utime(tmp_path / NAME, (at, at))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        at_work = pytest.raises(InputError, match="process 1 on elsewhere is at work")
        with at_work, locked(tmp_path):
            pass
    finally:
        end.set()
        thread.join()
    os.utime(tmp_path / NAME, (time.time() + year, time.time() + year))  # or ahead, but silent
    with locked(tmp_path) as words:
        assert "elsewhere, which is gone" in words


def test_two_at_once_are_never_both_let_in(tmp_path):
    """Whoever is in stays until all have said how it went for them."""
    put(tmp_path, pid=os.getppid(), host=platform.node(), began=1)  # a stale one to fight for
    code = (
        "import sys; from pathlib import Path\n"
        "from tuichaos.storage.folder_lock import locked\n"
        "from tuichaos.common.errors import InputError\n"
        "try:\n"
        "    with locked(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()\n"
        "except InputError: print('out', flush=True)"
    )
    call = [sys.executable, "-c", code, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    several = [subprocess.Popen(call, **pipes) for _ in range(3)]
    try:
        assert sorted(one.stdout.readline().strip() for one in several) == ["in", "out", "out"]
    finally:
        for one in several:
            one.kill()
            one.communicate()
