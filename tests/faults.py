"""Faults put in on purpose: a disk that fills up, memory that is not there."""

from __future__ import annotations

import builtins
import errno
import io
import os

from tuichaos.storage import run_writer


class FullFile(io.TextIOWrapper):
    """A file on a disk with room for ``room`` more characters."""

    room = 0

    def write(self, text: str) -> int:
        if len(text) > self.room:
            super().write(text[: self.room])
            super().flush()
            self.room = 0
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.buffer.name))
        self.room -= len(text)
        return super().write(text)


def fill_disk(monkeypatch, room: int) -> None:
    """Let series.csv have ``room`` characters and no more."""

    def opened(path, mode="r", **arguments):
        if not str(path).endswith("series.csv") or "w" not in mode:
            return builtins.open(path, mode, **arguments)
        file = FullFile(builtins.open(path, "w+b"), encoding="utf-8", newline="\n")  # noqa: SIM115
        file.room = room
        return file

    monkeypatch.setattr(run_writer, "open", opened, raising=False)
