"""Files that are whole or not there: whatever ends a process, or the power of its machine."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)  # a full disk, a quota
FRESH = ".tmp"  # of a file that is being written beside the one it will replace


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file beside ``path`` that takes its place once it is written and on the disk: a reader
    sees the old one or the new one, and so does who comes after a loss of power. Where it
    cannot be written nothing is left of it."""
    fresh = path.with_name(path.name + FRESH)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with open(fresh, mode, **text) as file:
            yield file
            settle(file)
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):  # it may take the last room there is
            fresh.unlink()
        raise


def replace_text(path: Path, text: str) -> None:
    """Write a file in one piece."""
    with replacing(path) as file:
        file.write(text)


def overwrite_text(path: Path, text: str) -> None:
    """Write over a file that is there, in one stroke and where it lies: for a disk so full
    that a new one cannot be put beside it. OSError where there is none."""
    content = text.encode()
    descriptor = os.open(path, os.O_WRONLY)
    try:
        before = os.fstat(descriptor).st_size
        os.pwrite(descriptor, content.ljust(before), 0)  # blanks at the end of JSON mean nothing
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle(file: IO[Any]) -> None:
    """Have on the disk what was written to a file."""
    file.flush()
    os.fsync(file.fileno())


def settle_folder(path: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    """What a file system has against it, in words."""
    words = error.strerror or str(error) or type(error).__name__
    return f"{words}: {error.filename}" if error.filename else words
