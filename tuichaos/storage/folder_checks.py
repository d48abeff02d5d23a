"""What is refused of a folder that a run is read from: links, devices, what was not written so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tuichaos.common.atomic_files import NO_ROOM
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.text import clean


def check_entries(path: Path, deep: bool = False) -> None:
    """Raise InputError for a folder that holds anything but plain files and folders: to go on
    with a run would write through a link, and reading a pipe may have no end. ``deep``: also
    in the folders within it."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if not (is_folder or entry.is_file(follow_symlinks=False)):
                    raise InputError(f"{path}: {entry.name} is a link or a device, not a file")
                if deep and is_folder:
                    check_entries(Path(entry.path), deep)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """What is raised in here of a folder's files is the folder's fault: they parse, and yet
    are not what was written, in one of the many ways there are. InputError says so."""
    try:
        yield
    except (InputError, RunFailed, BrokenPipeError):  # who reads our output may have had enough
        raise
    except MALFORMED as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:  # it is no file that is read
            raise
        words = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: is damaged: {clean(words, 200)}") from error


MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
MALFORMED += (MemoryError, OSError)
