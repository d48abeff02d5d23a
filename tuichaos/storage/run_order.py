"""In which order the kept runs began, whatever the clock says: clocks are turned back.

The file ``newest`` beside the folder of the kept runs holds the number of the newest one; each
run keeps its own in manifest.json. Runs of earlier versions have none, and are older than those
that have one.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tuichaos.common.paths import home, runs_home
from tuichaos.storage.run_folders import order, survey

NAME = "newest"
MAX_DIGITS = 18


def number(path: Path | None) -> int | None:
    """The next number for the run folder ``path``; None for one that is not among the kept
    runs, or where the file cannot be written."""
    if path is None:
        return None
    try:
        if path.resolve().parent != runs_home().resolve():
            return None
        return _next(home() / NAME)
    except OSError:
        return None


def _next(path: Path) -> int:
    """Counted under a lock: several runs may begin at a time."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = file.read(MAX_DIGITS)
        # One that is not a number (a crash, an editor) is counted anew from the runs there are.
        newest = int(found) if found.isdigit() else _largest()
        file.seek(0)
        file.truncate()
        file.write(b"%d" % (newest + 1))
    return newest + 1


def _largest() -> int:
    return max((order(run.manifest)[0] for run in survey()[0]), default=0)
