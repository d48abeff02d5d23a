"""Processes that a test leaves behind: found through all their generations, and ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux: orphans come to this process
KEPT = ("resource_tracker", "forkserver")  # of this process, until it ends


def adopt() -> None:
    """Let processes whose parent dies become children of this one, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def children(pid: int | None = None) -> list[int]:
    """The processes that have one as their parent, or its parent, and so on."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid or os.getpid()]
    while waiting:
        own = parents.get(waiting.pop(), [])
        found += own
        waiting += own
    return found


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
    return ""


def end(before: set[int]) -> list[str]:
    """End what was started since, and tell what it was."""
    found = []
    for pid in children():
        line = command(pid)
        if pid in before or not line or any(name in line for name in KEPT):
            continue
        found.append(line)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(pid, 0)
    return found
