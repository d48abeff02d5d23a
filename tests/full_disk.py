"""A disk that is full, or refuses, from the N-th time on that something is written below a
folder: a real one where it may be mounted, else the errors are put in."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR
BALLAST = "ballast"


class Disk:
    """Counts what is written below ``root``: files opened for writing, renames, new folders,
    flushes to the disk and rows. At number ``at`` it calls ``act``; call ``watch`` once, in a
    process of its own."""

    def __init__(self, root: Path, at: int, act: Callable[[], None], always: bool = False) -> None:
        self.root = str(root) + os.sep
        self.at = at
        self.act = act
        self.always = always  # from then on, but for manifest.json
        self.seen: list[str] = []
        self.acting = False

    def watch(self) -> None:
        sys.addaudithook(self.hear)
        for owner, name in _rows():
            setattr(owner, name, self.counted(getattr(owner, name), name))

    def counted(self, original, name):
        def call(*arguments, **named):
            self.note(f"{name} {self.root}")
            return original(*arguments, **named)

        return call

    def hear(self, event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = any(c in mode for c in "wa+x") if mode else bool(flags and flags & WRITING)
            if writes:
                self.note(f"open {path}")
        elif event in ("os.rename", "os.mkdir"):
            self.note(f"{event} {arguments[0]}")

    def note(self, event: str) -> None:
        if self.acting or self.root not in event or BALLAST in event:
            return
        self.seen.append(event)
        late = self.always and len(self.seen) > self.at and "manifest.json" not in event
        if len(self.seen) == self.at or late:
            self.acting = True
            try:
                self.act()
            finally:
                self.acting = False


def _rows():
    from tuichaos.storage import checkpoint_store, run_writer, saved_states

    yield run_writer.RunWriter, "append"
    yield saved_states.StatesFile, "append"
    yield checkpoint_store, "save_file"
    yield os, "fsync"


def fill(root: Path, leave: int = 0) -> None:
    """Take all room but so many bytes."""
    descriptor = os.open(root / BALLAST, os.O_CREAT | os.O_WRONLY)
    try:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    os.write(descriptor, b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - leave)
    finally:
        os.close(descriptor)


def refuse(number: int) -> Callable[[], None]:
    """Fail with an error of the system's."""

    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


def mounted(path: Path, size: str) -> bool:
    """Whether a small file system of memory could be mounted there."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path]
    try:
        return subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def enlarge(path: Path, size: str) -> None:
    """Make room in a file system of memory."""
    subprocess.run(["mount", "-o", f"remount,size={size}", path], check=True)


def unmount(path: Path) -> None:
    subprocess.run(["umount", path], check=True)
