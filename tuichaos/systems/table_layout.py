"""How a table in a text file is laid out, guessed from its first rows: separator, header, decimal
sign, and the columns that are no features."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tuichaos.common.errors import InputError, nearest
from tuichaos.common.text import clean

MAX_COLUMNS = 100_000
HEAD = 200  # rows that guesses are made from
HEAD_BYTES = 3_000_000

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = {"", "?", "na", "n/a", "nan", "null", "none", "-", "."}
NAMELESS = re.compile(r"(Unnamed: \d+)?")
THREE = re.compile(r"\d{3}(\.\d+)?")  # what follows a thousands separator
LEADING = re.compile(r"[+-]?\d{1,3}")  # what stands before one
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # a decimal comma, or a thousands separator
MINUS = "\u2212"  # as typesetters write it; no number has it


@dataclass(frozen=True)
class Layout:
    """How a table is read, as guessed from its first rows: ``first`` the cells of its first
    row, ``skip``: lines before it; ``alone``: the target that makes the first row a header of
    numbers, for it occurs nowhere else."""

    separator: str
    first: list[str]
    has_header: bool
    decimal: str
    skip: int = 0
    alone: str = ""

    @property
    def width(self) -> int:
        return len(self.first)

    def name(self, column: int) -> str:
        """A column in words: "column 4 ('class')", counted from 0."""
        named = self.has_header and self.first[column]
        return (
            f"column {column} ({clean(self.first[column], 40)!r})" if named else f"column {column}"
        )


def layout_of(content: bytes, where: str) -> Layout:
    """Separator, header and decimal sign, from the first rows."""
    head = content[:HEAD_BYTES].decode(errors="ignore")
    skip, named = 0, re.match(r"sep=([,;\t])\r?\n", head)  # as spreadsheets write it
    if named:
        skip = 1
        head = head[named.end() :]
    choices = [named[1]] if named else list(SEPARATORS)
    best, score, rows = "", (False, -1.0, 0), []
    for separator in choices:
        found = _head(head, separator, where)
        if not found:
            raise InputError(f"{where}: is empty")
        value = _score(found, separator)
        if value > score:
            best, score, rows = separator, value, found
    if score[2] < 2:
        raise InputError(f"{where}: {_no_separator(head)}")
    if len(rows[0]) > MAX_COLUMNS:
        raise InputError(f"{where}: {len(rows[0]):,} columns; at most {MAX_COLUMNS:,}")
    decimal = "," if best != "," and _has_decimal_commas(content, best) else "."
    return Layout(best, [c.strip() for c in rows[0]], _is_header(rows, decimal), decimal, skip)


def _head(head: str, separator: str, where: str) -> list[list[str]]:
    found: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=separator):
            if row:
                found.append(row)
            if len(found) > HEAD:
                break
    except csv.Error as error:
        raise InputError(f"{where}: cannot be read: {error}") from None
    return found


def _score(rows: list[list[str]], separator: str) -> tuple[bool, float, int]:
    """How well a separator explains the first rows: whether all are of one width, the header
    too; the share of them that have the commonest width, times that of cells which are numbers;
    and that width."""
    later = rows[1:] or rows
    width, count = Counter(map(len, later)).most_common(1)[0]
    width = max(width, len(rows[0])) if len(rows) < 3 else width
    if width < 2:
        return (False, 0.0, width)
    cells = [cell.strip() for row in later for cell in row]
    comma = "." if separator == "," else ","
    numeric = sum(is_number(cell) or is_number(cell, comma) for cell in cells)
    alike = len(set(map(len, rows))) == 1
    return (alike, count / len(later) * (numeric + 1) / (len(cells) + 1), width)


def _no_separator(head: str) -> str:
    words = head.strip("\r\n").splitlines()[0].split()
    found = "line 1: 1 cell where 2 are due: there is no comma, semicolon or tab"
    if len(words) > 1:
        return f"{found} between its {len(words)} words; columns apart by blanks are not read"
    return found


def _has_decimal_commas(content: bytes, separator: str) -> bool:
    cut = re.escape(separator.encode())
    pattern = rb'(?:^|[\r\n"]|%s)\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*(?:$|[\r\n"]|%s)' % (cut, cut)
    return re.search(pattern, content) is not None


def _is_header(rows: list[list[str]], decimal: str) -> bool:
    """Whether the first row names columns: it holds words where the others hold numbers, or
    counts the columns as pandas does that has no names."""
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if not all(cell.isprintable() for cell in first):
        return False
    numbers = [k for k, c in enumerate(first) if is_number(c.replace(MINUS, "-"), decimal)]
    words = [k for k, c in enumerate(first) if k not in numbers and c.lower() not in MISSING]
    empty = [k for k, cell in enumerate(first) if not cell]
    if len(words) + len(empty) == len(first):
        return bool(words)
    if words:
        whole = all(first[k].lstrip("+-").isdecimal() for k in numbers)
        return whole and any(_is_numeric(rest, k, decimal) for k in words)
    return _counts_columns(first, rest)


def _is_numeric(rows: list[list[str]], column: int, decimal: str) -> bool:
    cells = [row[column].strip() for row in rows if column < len(row)]
    cells = [cell for cell in cells if cell.lower() not in MISSING]
    return bool(cells) and all(is_number(cell, decimal) for cell in cells)


def _counts_columns(first: list[str], rest: list[list[str]]) -> bool:
    """Whether a row is 0, 1, 2, … or 1, 2, 3, …: of less than four columns only where the rows
    below are written with fractions, for a sample may be so."""
    named = first[1:] if not first[0] else first
    if not rest or named not in (
        [str(k) for k in range(len(named))],
        [str(k + 1) for k in range(len(named))],
    ):
        return False
    if len(named) >= 4 or not first[0]:
        return True
    features = [cell for row in rest for cell in row[:-1]]
    return all(re.search("[.,eE]", cell) for cell in features)


def headed(content: bytes, layout: Layout, target: str | int | None) -> Layout:
    """The same with a header, where the first row is one of numbers: its target occurs nowhere
    else, and each other one at least twice."""
    column = None if layout.has_header else _place(layout, target)
    if column is None or not _may_head(layout.first, column, layout.decimal):
        return layout
    counts = Counter(
        row[column].strip() for _, row in rows_of(content, layout) if column < len(row)
    )
    alone = layout.first[column]
    if counts.pop(alone, 0) != 1 or not counts or min(counts.values()) < 2:
        return layout
    return replace(layout, has_header=True, alone=alone)


def _place(layout: Layout, target: str | int | None) -> int | None:
    """The target's column, if the first row is a header or if it is none."""
    if target is None:
        return layout.width - 1
    if isinstance(target, int) and -layout.width <= target < layout.width:
        return target % layout.width
    return layout.first.index(str(target)) if layout.first.count(str(target)) == 1 else None


def _may_head(first: list[str], target: int, decimal: str) -> bool:
    """Whether a first row of numbers, but for its target, may name columns: no name is there
    twice; if the target is a number too, all are whole ones that grow, as years do, for the row
    may as well be the only sample of a class."""
    others = [cell for k, cell in enumerate(first) if k != target]
    if len(set(first)) < len(first) or not all(is_number(cell, decimal) for cell in others):
        return False
    if first[target].lower() in MISSING:
        return False
    if not is_number(first[target].replace(MINUS, "-"), decimal):
        return True
    whole = all(cell.isdecimal() for cell in first)
    return whole and len(first) > 2 and sorted(first, key=float) == first


def column_of(layout: Layout, target: str | int, where: str) -> int:
    """The number of the column that a person named."""
    names = layout.first if layout.has_header else []
    if str(target) in names:
        if names.count(str(target)) > 1:
            raise InputError(f"{where}: data.target: two columns are named {target!r}")
        return names.index(str(target))
    if isinstance(target, str):
        if not layout.has_header:
            raise InputError(
                f"{where}: data.target: there is no header line that names {target!r}; "
                f"give the number of the column, from 0 to {layout.width - 1}"
            )
        raise InputError(f"{where}: data.target: no column {target!r}; {nearest(target, names)}")
    if not -layout.width <= target < layout.width:
        raise InputError(
            f"{where}: data.target: there is no column {target}; there are {layout.width}, "
            f"from 0 to {layout.width - 1}"
        )
    return target % layout.width


def odd_columns(content: bytes, layout: Layout, target: int | None, where: str) -> list[int]:
    """Columns that may be no features: without a name, or empty. The first one, and the last."""
    rows = _head(content[:HEAD_BYTES].decode(errors="ignore"), layout.separator, where)
    rows = rows[layout.skip + layout.has_header :]
    odd = []
    last = layout.width - 1
    if layout.has_header and NAMELESS.fullmatch(layout.first[0]) and target != 0:
        odd.append(0)
    empty = all(len(row) == layout.width and not row[last].strip() for row in rows)
    unnamed = not layout.has_header or NAMELESS.fullmatch(layout.first[last])
    if rows and empty and unnamed and target != last and last > 1:
        odd.append(last)
    return odd


def default_column(layout: Layout, odd: list[int]) -> int:
    return max(k for k in range(layout.width) if k not in odd)


def is_number(cell: str, decimal: str = ".") -> bool:
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".")
    try:  # not as Python's source may have it, 1_0, nor in the digits of other scripts
        return math.isfinite(float(cell)) and cell.isascii() and "_" not in cell
    except ValueError:
        return False


def rows_of(content: bytes, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line each ends on, slowly: for messages."""
    lines = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=layout.separator)
    try:
        for row in lines:
            if row and lines.line_num > layout.skip:
                yield lines.line_num, row
    except csv.Error:
        return
