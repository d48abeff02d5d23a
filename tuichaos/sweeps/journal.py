"""Rows of a sweep: what a point found, flat, and the journal they are kept in as they come."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from tuichaos.common.atomic_files import settle
from tuichaos.common.errors import InputError
from tuichaos.common.limits import check_file
from tuichaos.common.text import clean, cleaned

JOURNAL = "points.jsonl"
MAX_BYTES = 1_000_000_000  # orbits of a diagram are in it
MAX_LINE = 100_000_000  # bytes of a row: the orbit of one point
MAX_LISTED = 100  # entries of a list that get a column each
WORDS = ("regime", "verdict")  # texts that are results
NOT_NUMBERS = ("name", "reason")  # texts, or null
INTERVAL = "ci95"
SETTLE_SECONDS = 1.0  # a loss of power costs the points of so long, at most


@dataclass(frozen=True)
class Row:
    """A point that has ended: ``numbers`` by their dotted names, None where there is none;
    ``reason`` in words where it failed; ``noise_floor``: the certificate holds.

    Of a point of an orbit diagram: ``orbit`` {"fresh": …}, or {"up": …} and {"down": …} for
    orbits that are continued, each a list of the values that are drawn for each reference,
    oldest first, None where it has diverged; ``ends`` likewise the last state of each
    reference (None if it has diverged), only of small systems."""

    point: int
    status: str  # done or failed
    reason: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    noise_floor: bool = True
    orbit: Mapping[str, Any] = field(default_factory=dict)
    ends: Mapping[str, Any] = field(default_factory=dict)


def flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a summary by their dotted names, and the verdict as text.

    An interval [low, high] becomes ``.low`` and ``.high``, other lists of numbers are
    counted from 0; lists of tables, other texts and what is counted by a sentence are left
    out.
    """
    return dict(_flat(summary, ""))


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    last = name.rpartition(".")[2]
    if isinstance(value, Mapping):
        for key, item in value.items():
            if " " in str(key) or key in NOT_NUMBERS:
                continue
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif value is None and last.endswith(INTERVAL):
        yield from ((f"{name}.low", None), (f"{name}.high", None))
    elif isinstance(value, list):
        yield from _listed(value, name, last)
    elif isinstance(value, bool):
        yield name, int(value)
    elif value is None or isinstance(value, int | float) or last in WORDS:
        yield name, value


def _listed(items: list, name: str, last: str) -> Iterator[tuple[str, Any]]:
    plain = all(item is None or isinstance(item, int | float) for item in items)
    if last.endswith(INTERVAL) and plain and len(items) == 2:
        yield from zip((f"{name}.low", f"{name}.high"), items, strict=True)
    elif last.endswith(INTERVAL):  # a list of intervals
        for k, item in enumerate(items[:MAX_LISTED]):
            yield from _flat(item, f"{name.removesuffix(last)}{k}.{last}")
    elif plain:
        for k, item in enumerate(items[:MAX_LISTED]):
            yield from _flat(item, f"{name}.{k}")


def _row(table: Any) -> Row:
    """A row as it was kept; ValueError or TypeError for what is none."""
    row = Row(**table)
    kinds = (isinstance(row.numbers, dict), isinstance(row.orbit, dict), isinstance(row.ends, dict))
    texts = isinstance(row.reason, str) and row.status in ("done", "failed")
    if isinstance(row.point, bool) or not isinstance(row.point, int) or row.point < 0:
        raise ValueError("a point is a number from 0 up")
    if not (all(kinds) and texts and isinstance(row.noise_floor, bool)):
        raise ValueError("not a row")
    if not all(isinstance(v, int | float | str | None) for v in row.numbers.values()):
        raise ValueError("numbers that are none")
    return replace(row, reason=clean(row.reason), numbers=cleaned(row.numbers))


class Journal:
    """points.jsonl: a line for each point that has ended, appended as they end, in any order.

    What a process that was killed, or a loss of power, left half written is cut off: points
    from the first line on that cannot be read are done again. It is on the disk every
    SETTLE_SECONDS.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self.fault = ""  # in words, where whole lines were lost
        self._end = 0  # bytes that could be read
        self._settle_at = 0.0
        self.rows: dict[int, Row] = {}
        self.failed: set[int] = set()
        self.parted: set[int] = set()  # their noise floor is not 0
        self._read()

    def append(self, row: Row) -> None:
        """Keep a row; it is on its way to the disk when this returns, or on it."""
        kept = {name: getattr(row, name) for name in Row.__dataclass_fields__}
        for name in ("orbit", "ends"):
            if not kept[name]:
                del kept[name]
        line = json.dumps(kept, ensure_ascii=False, allow_nan=False) + "\n"
        with open(self.path, "a", encoding="utf-8", newline="\n") as file:
            file.write(line)
            if time.monotonic() >= self._settle_at:
                settle(file)
                self._settle_at = time.monotonic() + SETTLE_SECONDS
        self._take(row)

    def settle(self) -> None:
        """Have all rows on the disk."""
        with contextlib.suppress(FileNotFoundError), open(self.path, "ab") as file:  # no row yet
            settle(file)

    def _take(self, row: Row) -> None:
        self.rows[row.point] = row
        (self.failed.add if row.status == "failed" else self.failed.discard)(row.point)
        (self.parted.discard if row.noise_floor else self.parted.add)(row.point)

    def _read(self) -> None:
        try:
            check_file(self.path)
            if self.path.stat().st_size > MAX_BYTES:
                raise InputError(f"{self.path}: is larger than {MAX_BYTES // 10**6} MB")
            with open(self.path, "rb") as file:
                self._read_rows(file)
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from None

    def _read_rows(self, file: BinaryIO) -> None:
        """Take the rows of whole lines, up to the first that is none."""
        while (line := file.readline(MAX_LINE)).endswith(b"\n"):
            try:
                self._take(_row(json.loads(line)))
            except (ValueError, TypeError, RecursionError):
                break
            self._end += len(line)
        if b"\n" in line or len(line) == MAX_LINE:  # else the last one is not yet whole
            self.fault = f"{self.path}: is damaged after {len(self.rows)} points"

    def mend(self) -> None:
        """Cut off what was left half written, before more is appended."""
        if self.path.exists():
            with open(self.path, "r+b") as file:
                file.truncate(self._end)
