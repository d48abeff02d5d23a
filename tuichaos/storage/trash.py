"""Runs that were deleted and can be brought back: a folder within that of the runs, in which
each has a numbered folder of its own, so that names may come twice.

What listings look for, a manifest.json one folder down, is two folders down here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tuichaos.common.errors import InputError
from tuichaos.common.paths import runs_home
from tuichaos.storage.run_folders import check_ended, delete
from tuichaos.storage.run_reader import Run, open_run

NAME = ".trash"
MAX_RUNS = 20
MAX_BYTES = 1_000_000_000  # of all of them together; of the oldest nothing is kept beyond


def fits(run: Run) -> bool:
    """Whether a run is small enough to be kept here."""
    return _size(run.path) <= MAX_BYTES


def discard(run: Run) -> bool:
    """Delete a run that has ended; whether it can be brought back. InputError where it is
    still running, or stays for another reason."""
    if not fits(run):
        delete(run)
        return False
    check_ended(run)
    folder = run.path.parent / NAME
    try:
        run.path.rename(_slot(folder) / run.path.name)
        _tidy(folder)
    except OSError as error:
        raise InputError(f"{run.path.name}: {error.strerror}") from None
    return True


def restore() -> Run:
    """Bring back the run that was deleted last; InputError where there is none, or where
    another one has its name now."""
    for slot in _slots(runs_home() / NAME):
        for path in slot.iterdir():
            target = runs_home() / path.name
            if os.path.exists(target):
                raise InputError(f"{path.name}: there is one of that name; give it another first")
            try:
                path.rename(target)
                slot.rmdir()
            except OSError as error:
                raise InputError(f"{path.name}: {error.strerror}") from None
            return open_run(target)
    raise InputError("no deleted run is left to be brought back")


def _slots(folder: Path) -> list[Path]:
    """The numbered folders, newest first."""
    try:
        found = [path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def _slot(folder: Path) -> Path:
    """A new folder for one run."""
    folder.mkdir(exist_ok=True)
    number = next((int(path.name) for path in _slots(folder)), 0)
    while True:
        number += 1
        try:
            (folder / str(number)).mkdir()
        except FileExistsError:  # another process was faster
            continue
        return folder / str(number)


def _tidy(folder: Path) -> None:
    """Let go for good of the oldest, where there are too many or they take too much room."""
    total = 0
    for k, slot in enumerate(_slots(folder)):
        total += _size(slot)
        if k >= MAX_RUNS or total > MAX_BYTES:
            shutil.rmtree(slot, ignore_errors=True)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder, and in those within it."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total
