"""Tables of numbers, read as columns: a piece at a time, and of a table that grows only what is
new. The columns of the newest tables are kept, while they fit.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn, TextIO

import numpy as np

from tuichaos.common.errors import InputError, NoSuchColumn, some
from tuichaos.common.limits import check_file

MAX_LINE = 10_000_000  # characters: a network of 1 000 layers has 2 000 columns
MAX_COLUMNS = 100_000
PIECE = 1 << 22  # bytes that are parsed at once
SMALL = 1 << 18  # bytes: to load the parser of larger pieces takes longer than to do without
MAX_KEPT = 1 << 30  # bytes of columns, of all tables together
MAX_ALONG = 1 << 24  # bytes of a table of which all columns are read when one is asked for
MAX_TABLES = 4
TAIL = 256  # bytes before the end by which a table that grew is known again


class Columns(dict):
    """Columns of a table by name, as users get them.

    Parameters
    ----------
    columns : Mapping of str to ndarray
        Such as (rows,) or (recorded steps, references).
    where : str
        The file, for the message of a column that is not there (NoSuchColumn), which tells those
        that are.
    """

    def __init__(self, columns: Mapping[str, Any], where: str) -> None:
        super().__init__(columns)
        self.where = where

    def __missing__(self, name: object) -> NoReturn:
        hint = some(str(name), list(self), self.where) if self else f"{self.where} has none"
        raise NoSuchColumn(f"{str(name)[:80]!r}: no such column; {hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Columns, (dict(self), self.where)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What goes wrong in here as InputError, in words about the table."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {_words(error)}") from None
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{path}: is damaged: not a table of numbers") from None


def read_table(
    path: Path,
    only: Sequence[str] | None = None,
    most: int | None = None,
    but: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """A CSV of numbers as columns (rows,), NaN for empty fields; ``only`` some of them, or all
    ``but`` some; of the first ``most`` rows. A last row that is not whole (the run is still
    being written) is left out. The arrays are shared, and read-only. InputError if it cannot be
    read.
    """
    with _reading(path):
        check_file(path)
        with _lock:
            table = _tables.get(path)
            if table is None or not table.follow():
                table = Table(path)
            _tables[path] = table
            _tables.move_to_end(path)
            names = [n for n in table.names if (only is None or n in only) and n not in but]
            found = table.columns(names, but)
            _let_go()
    return {name: values[:most] for name, values in found.items()}


def read_pieces(path: Path, most: int | None = None) -> Iterator[dict[str, np.ndarray]]:
    """The same table piece by piece, of which nothing is kept; at least one piece, which may
    have no row."""
    rows = 0
    with _reading(path):
        check_file(path)
        table = Table(path)
        yield {name: np.empty(0) for name in table.names}
        for piece in table.pieces():
            if most is not None and rows >= most:
                return
            found = _numbers(piece, table.names, list(range(len(table.names))))
            left = None if most is None else most - rows
            rows += len(found[0])
            yield {n: column[:left] for n, column in zip(table.names, found, strict=True)}


_tables: OrderedDict[Path, Table] = OrderedDict()
_lock = threading.RLock()


def _let_go() -> None:
    """Forget the tables that were not asked for longest, where they are too many or too large;
    the newest goes as well where it is too large alone."""
    while len(_tables) > MAX_TABLES or sum(t.size for t in _tables.values()) > MAX_KEPT:
        _tables.popitem(last=False)


@dataclass
class Table:
    """A file and what was read of it: ``end``, how far; ``tail``, the bytes before."""

    path: Path
    names: list[str] = field(init=False)
    end: int = 0
    tail: bytes = b""
    kept: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen = _state(self.path)
        with open(self.path, "rb") as file:
            head = file.readline(MAX_LINE)
            self.names = head.decode().rstrip("\n").split(",") if head[-1:] == b"\n" != head else []
            self.start = self.end = len(head) if self.names else 0
        if len(self.names) > MAX_COLUMNS:
            raise InputError(f"{self.path}: is damaged: {len(self.names):,} columns")
        self._whole(head)

    def _whole(self, line: bytes) -> None:
        if len(line) >= MAX_LINE and not line.endswith(b"\n"):
            raise InputError(
                f"{self.path}: is damaged: a line of more than {MAX_LINE:,} characters"
            )

    @property
    def size(self) -> int:
        """Bytes of the columns that are kept."""
        return sum(column.nbytes for column in self.kept.values())

    def follow(self) -> bool:
        """Read on where the file grew; False where it is another one, or was changed."""
        now = _state(self.path)
        if now == self._seen:
            return True
        same_file, grew = now[:2] == self._seen[:2], now[2] > self._seen[2]
        if not (same_file and grew and self.kept and self._ends_alike()):
            return False
        fresh = self._parsed(list(self.kept), self.end, None)
        for name in self.kept:
            self.kept[name] = _joined([self.kept[name], *fresh[name]])
        self._seen = now  # last: what cannot be read now is told each time
        return True

    def _ends_alike(self) -> bool:
        with open(self.path, "rb") as file:
            file.seek(self.end - len(self.tail))
            return file.read(len(self.tail)) == self.tail

    def columns(self, names: Sequence[str], but: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns (rows,) by name. All but some are read along in the same pass, where there is
        room for them."""
        missing = [name for name in names if name not in self.kept]
        if missing:
            # A number is longer in text than in memory, mostly.
            if self._seen[2] <= min(MAX_ALONG, MAX_KEPT):
                missing = [n for n in self.names if n not in self.kept and n not in but]
            end = self.end if self.kept else None
            try:
                fresh = self._parsed(missing, self.start, end)
            except ValueError:  # of a column that nobody asked for, it may be
                missing = [name for name in names if name not in self.kept]
                fresh = self._parsed(missing, self.start, end)
            for name in missing:
                self.kept[name] = _joined(fresh.pop(name))
        return {name: self.kept[name] for name in names}

    def pieces(self) -> Iterator[bytes]:
        """Whole lines, many at once, to the last whole line."""
        with open(self.path, "rb") as file:
            file.seek(self.start)
            yield from self._pieces(file, None)

    def _parsed(
        self, names: Sequence[str], start: int, end: int | None
    ) -> dict[str, list[np.ndarray]]:
        """Columns from one byte to another, or to the last whole line."""
        wanted = [self.names.index(name) for name in names]
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        with open(self.path, "rb") as file:
            file.seek(start)
            last = b""
            for piece in self._pieces(file, None if end is None else end - start):
                for name, column in zip(names, _numbers(piece, self.names, wanted), strict=True):
                    found[name].append(column)
                start, last = start + len(piece), piece[-TAIL:]
        if end is None and last:
            self.end, self.tail = start, last
        return found

    def _pieces(self, file: IO[bytes], most: int | None) -> Iterator[bytes]:
        """Whole lines, many at once, of ``most`` bytes or up to the last whole line."""
        rest = b""
        while most is None or most > 0:
            block = file.read(PIECE if most is None else min(PIECE, most))
            if not block:
                return
            most = None if most is None else most - len(block)
            cut = block.rfind(b"\n") + 1
            if cut:
                yield rest + block[:cut]
                rest = block[cut:]
            else:
                rest += block
                self._whole(rest)


def _state(path: Path) -> tuple[int, int, int, int]:
    """Device, number, size and time of change of a file."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    found = np.concatenate([np.empty(0), *parts]) if len(parts) != 1 else parts[0]
    found.flags.writeable = False
    return found


def _numbers(piece: bytes, names: Sequence[str], wanted: list[int]) -> list[np.ndarray]:
    """The wanted columns of whole lines."""
    blank = len(names) > 1 and (piece.startswith(b"\n") or b"\n\n" in piece)
    if len(piece) < SMALL or blank:  # a line without a cell would be taken as many empty ones
        return _of_lines(piece, len(names), wanted)
    import pyarrow
    from pyarrow import csv

    labels = [str(k) for k in range(len(names))]
    try:
        table = csv.read_csv(
            io.BytesIO(piece),
            csv.ReadOptions(use_threads=False, column_names=labels, block_size=len(piece)),
            csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                check_utf8=False,
                column_types={labels[k]: pyarrow.float64() for k in wanted},
                include_columns=[labels[k] for k in wanted],
                null_values=[""],
            ),
        )
    except pyarrow.ArrowInvalid:  # what it does not take as a number may be one, or told better
        return _of_lines(piece, len(names), wanted)
    return [np.array(column.to_numpy()) for column in table.columns]


def _of_lines(piece: bytes, width: int, wanted: list[int]) -> list[np.ndarray]:
    """The same by Python alone; ValueError for what is no table of numbers."""
    lines = piece.decode().split("\n")[:-1]
    if any(line.count(",") != width - 1 for line in lines):  # before they are cut
        raise ValueError("a row of another length")
    rows = [line.split(",") for line in lines]
    cells = (float(row[k]) if row[k] else math.nan for k in wanted for row in rows)
    found = np.fromiter(cells, np.float64, len(rows) * len(wanted))
    return list(found.reshape(len(wanted), len(rows)))


def whole_lines(file: TextIO, path: Path) -> Iterator[str]:
    """The lines of a file; InputError for one that no table of ours has. One that is not whole
    is the last: what is added to it while the file is read would seem to be another line."""
    while line := file.readline(MAX_LINE):
        whole = line.endswith("\n")
        if len(line) == MAX_LINE and not whole:
            raise InputError(f"{path}: is damaged: a line of more than {MAX_LINE:,} characters")
        yield line
        if not whole:
            return


def names_of(path: Path) -> list[str]:
    """The names in the first line of a table; none where it is not there yet, or not whole."""
    with open(path, encoding="utf-8") as file:
        line = next(whole_lines(file, path), "")
    return line.rstrip("\n").split(",") if line.endswith("\n") and line != "\n" else []


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
