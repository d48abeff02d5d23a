"""Bounds of what is read from files: how large, how deep, how long, before memory is taken."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError
from tuichaos.common.text import clean

MAX_EXPERIMENT = 2_000_000  # bytes of a TOML file: a second of parsing; more samples go in an npz
MAX_JSON = 16_000_000  # bytes of manifest.json or summary.json; in memory 50 times as much
MAX_DEPTH = 32  # of tables and lists within each other; a known key has 3
MAX_STEPS = 10**15  # so that products with the number of references stay exact

GIVEN = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")  # by a shell, which sees to their end

# Dotted keys of so many parts: the parser takes time and memory that grow with their square.
PART = r"(?:[\w\"'-]+[ \t]*\.[ \t]*)"
DOTTED = re.compile(rf"(?<![\w\"'-]){PART}{{{MAX_DEPTH}}}")


def read_text(path: Path, most: int) -> str:
    """A text file of at most so many bytes. OSError, or ValueError, a few words, where it is
    larger or not UTF-8; never more is read, also of what has no end."""
    given = str(path).startswith(GIVEN)
    if not given:
        check_file(path)
    with open(path, "rb") as file:
        # Room is taken for as much as may come: of a plain file for no more than it has.
        size = most if given else os.fstat(file.fileno()).st_size
        found = file.read(min(most, size) + 1)
    if len(found) > most:
        raise ValueError(f"is larger than {most / 1e6:,.0f} MB")
    return found.decode("utf-8-sig").replace("\r\n", "\n")


def check_file(path: Path) -> None:
    """Raise OSError for what is no plain file: a pipe or a device may have no end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a plain file", str(path))


PLAIN = (float, str, bool, type(None))


def look_over(table: Mapping[str, Any]) -> None:
    """Raise InputError, naming the key, for what no experiment holds: tables within tables
    without end, and whole numbers beyond 64 bits."""
    waiting: list[tuple[str, Any, int]] = [(str(k), v, 1) for k, v in table.items()]
    while waiting:
        key, value, depth = waiting.pop()
        if type(value) in PLAIN:  # most are: nothing to look for
            continue
        if isinstance(value, int) and value.bit_length() > 63:
            raise InputError(f"{clean(key, 200)}: a whole number beyond 2^63")
        if not isinstance(value, Mapping | list | tuple):
            continue
        if depth > MAX_DEPTH:
            raise InputError(f"{clean(key, 60)}: more than {MAX_DEPTH} tables within each other")
        if isinstance(value, Mapping):
            waiting += [(f"{key}.{name}"[:1000], item, depth + 1) for name, item in value.items()]
        else:  # numbers in a list, which may be millions, have no key of their own
            waiting += [
                (key, item, depth + 1)
                for item in value
                if isinstance(item, Mapping | list | tuple)
                or (isinstance(item, int) and item.bit_length() > 63)
            ]


def shortened(value: object, most: int = 80) -> str:
    """``repr`` for a message, no longer than a line."""
    if isinstance(value, list | tuple | dict | set) and len(value) > most:
        return f"{type(value).__name__} of {len(value):,} entries"
    return clean(repr(value), most)


def size_of(count: float) -> str:
    """Bytes in the unit that suits: ``"1,400,000 GB"``, ``"25 kB"``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.95 * factor:
            digits = 1 if count < 9.5 * factor else 0
            return f"{count / factor:,.{digits}f} {unit}"
    return f"{count:,.0f} bytes"
