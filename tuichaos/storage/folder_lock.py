"""The lock of a run folder: who is at work on it, and the heartbeat that shows it.

The file ``lock`` holds the owner; its time is set anew every HEARTBEAT seconds. Whether an
owner is alive is not asked of clocks, which machines set differently and turn back: on this
machine the process is looked for, on another one the heartbeat is watched for a while.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuichaos.common.atomic_files import NO_ROOM, reason, replace_text
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.limits import read_text

NAME = "lock"
HEARTBEAT = 2.0  # seconds
MAX_LOCK = 10_000  # bytes
WATCH = 3 * HEARTBEAT  # of an owner on another machine


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[str]:
    """Hold the lock of a folder; yields what is to be said of a stale one that was taken
    over, else nothing. InputError, naming the owner, while another process is at work, or
    where nothing may be written; RunFailed where there is no room for it."""
    path = folder / NAME
    try:
        words = _take(path)
    except OSError as error:
        kind = RunFailed if error.errno in NO_ROOM else InputError
        raise kind(f"{folder}: cannot be written: {reason(error)}") from None
    end = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, end), name="tuichaos-heartbeat", daemon=True)
    beat.start()
    try:
        yield words
    finally:
        end.set()
        beat.join()
        if _owner(path) == _self():
            with contextlib.suppress(OSError):
                path.unlink()


def is_held(folder: Path) -> bool | None:
    """Whether a process of this machine is at work on a folder; one of another machine
    counts as at work. None where there is no lock."""
    owner = _owner(folder / NAME)
    if owner is None:
        return None
    return owner.get("host") != platform.node() or _runs(owner)


def _take(path: Path) -> str:
    """Write the lock, alone among the processes of this machine while it is looked at."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        words = _stale(path) if path.exists() else ""
        replace_text(path, json.dumps(_self()))
    finally:
        os.close(descriptor)
    return words


def _stale(path: Path) -> str:
    """Words on a lock whose owner is gone; InputError if it is not."""
    owner = _owner(path)
    if owner is None:
        return "a lock that cannot be read was taken over"
    name = f"process {owner.get('pid')} on {owner.get('host')}"
    alive = _runs(owner) if owner.get("host") == platform.node() else _beats(path)
    if alive:
        raise InputError(f"{path.parent}: {name} is at work on it")
    return f"the lock of {name}, which is gone, was taken over"


def _beats(path: Path) -> bool:
    """Whether the heartbeat of a process elsewhere goes on."""
    with contextlib.suppress(FileNotFoundError):
        before, end = path.stat().st_mtime_ns, time.monotonic() + WATCH
        while time.monotonic() < end:
            time.sleep(HEARTBEAT / 8)
            if path.stat().st_mtime_ns != before:
                return True
    return False


def _beat(path: Path, end: threading.Event) -> None:
    while not end.wait(HEARTBEAT):
        with contextlib.suppress(OSError):
            os.utime(path)


def _owner(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read_text(path, MAX_LOCK))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _self() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": platform.node(), "began": _began(os.getpid())}


def _runs(owner: dict[str, Any]) -> bool:
    """Whether the very process is there, and not another one of its number."""
    pid = owner.get("pid")
    if not isinstance(pid, int) or pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except PermissionError:
        pass
    began = _began(pid)
    return began is None or owner.get("began") in (None, began)


def _began(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None where that is not told."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
