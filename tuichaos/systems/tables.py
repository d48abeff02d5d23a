"""Tables of numbers in text files as people have them: which column is what, and every guess.

A CSV says neither its separator nor whether its first line is a header, nor which column is an
index. Each of these is guessed from the first rows, and each guess is told. What can be read in
two ways is refused, with both.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tuichaos.common.errors import InputError, nearest
from tuichaos.common.text import clean
from tuichaos.systems import decoding, odd_features

MAX_NUMBERS = 5_000_000  # of a table; an npz may have more
MAX_COLUMNS = 100_000
HEAD = 200  # rows that guesses are made from
HEAD_BYTES = 3_000_000
BLOCK = 1 << 22  # bytes at a time; a line is shorter
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = {"", "?", "na", "n/a", "nan", "null", "none", "-", "."}
NAMELESS = re.compile(r"(Unnamed: \d+)?")
THREE = re.compile(r"\d{3}(\.\d+)?")  # what follows a thousands separator
LEADING = re.compile(r"[+-]?\d{1,3}")  # what stands before one
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # a decimal comma, or a thousands separator
MINUS = "\u2212"  # as typesetters write it; no number has it


@dataclass(frozen=True)
class Look:
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


@dataclass(frozen=True)
class Table:
    """``x`` (samples, features) float64; ``target``: numbers (samples,) float64, or texts.

    ``told``: the guesses in words; ``warnings``; ``facts``: the guesses for manifest.json.
    """

    x: np.ndarray
    target: np.ndarray | list[str]
    told: list[str]
    warnings: list[str]
    facts: dict[str, object] = field(default_factory=dict)


def read(path: str, where: str, target: str | int | None) -> Table:
    """The numbers of a table; InputError, beginning with ``where``, for what is none.

    ``target``: a column by its name or its number from 0, from the end if negative; None for
    the last one.
    """
    text = decoding.read(path, where)
    try:
        return _table(text, where, target)
    except InputError as error:
        if text.content.startswith(b"#"):
            raise InputError(f"{error}; line 1 begins with #: leave comments out") from None
        raise


def _table(text: decoding.Text, where: str, target: str | int | None) -> Table:
    look = _look(text.content, where)
    look = _headed(text.content, look, target)
    chosen = None if target is None else _column(look, target, where)
    odd = _odd_columns(text.content, look, chosen, where)
    wanted = _default(look, odd) if chosen is None else chosen
    numbers, kept = _read(text.content, look, {wanted, *odd}, where)
    features = [k for k in range(look.width) if k not in {wanted, *odd}]
    dropped, back = _judged(look, odd, kept, where)
    for column, values in back:
        features.append(column)
        numbers = np.concatenate([numbers, values[:, None]], axis=1)
    order = np.argsort(features, kind="stable")
    numbers, features = np.ascontiguousarray(numbers[:, order]), [features[k] for k in order]
    if not features:
        raise InputError(f"{where}: no column is left beside {look.name(wanted)}, the target")
    found = _numbers(kept[wanted], look.decimal)
    texts = [cell.strip() for cell in kept[wanted].to_pylist()] if found is None else found
    told = _told(text, look, dropped, wanted, target)
    return Table(
        numbers,
        texts,
        told,
        [
            *_warnings(look, features, numbers),
            *_one_hot(look, features, numbers, wanted, found),
            *_grouped(text.content, look, {wanted, *odd} if found is None else set(odd)),
        ],
        {
            "separator": look.separator,
            "header": look.has_header,
            "decimal": look.decimal,
            "encoding": text.encoding or "UTF-8",
            "packing": text.packing or None,
            "left_out": [column for column, _ in dropped],
            "target": wanted,
            "features": features,
            "names": look.first if look.has_header else None,
        },
    )


def line_of(path: str, where: str, column: int, wanted: Sequence[str]) -> int | None:
    """The first line whose cell in ``column`` is one of ``wanted``, for a message."""
    content = decoding.read(path, where).content
    look = _look(content, where)
    for line, row in _rows(content, look):
        if column < len(row) and row[column].strip().lower() in wanted:
            return line
    return None


# --- guesses -----------------------------------------------------------------------------


def _look(content: bytes, where: str) -> Look:
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
    return Look(best, [c.strip() for c in rows[0]], _is_header(rows, decimal), decimal, skip)


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
    numeric = sum(_is_number(cell) or _is_number(cell, comma) for cell in cells)
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
    numbers = [k for k, c in enumerate(first) if _is_number(c.replace(MINUS, "-"), decimal)]
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
    return bool(cells) and all(_is_number(cell, decimal) for cell in cells)


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


def _headed(content: bytes, look: Look, target: str | int | None) -> Look:
    """The same with a header, where the first row is one of numbers: its target occurs nowhere
    else, and each other one at least twice."""
    column = None if look.has_header else _place(look, target)
    if column is None or not _may_head(look.first, column, look.decimal):
        return look
    counts = Counter(row[column].strip() for _, row in _rows(content, look) if column < len(row))
    alone = look.first[column]
    if counts.pop(alone, 0) != 1 or not counts or min(counts.values()) < 2:
        return look
    return replace(look, has_header=True, alone=alone)


def _place(look: Look, target: str | int | None) -> int | None:
    """The target's column, if the first row is a header or if it is none."""
    if target is None:
        return look.width - 1
    if isinstance(target, int) and -look.width <= target < look.width:
        return target % look.width
    return look.first.index(str(target)) if look.first.count(str(target)) == 1 else None


def _may_head(first: list[str], target: int, decimal: str) -> bool:
    """Whether a first row of numbers, but for its target, may name columns: no name is there
    twice; if the target is a number too, all are whole ones that grow, as years do, for the row
    may as well be the only sample of a class."""
    others = [cell for k, cell in enumerate(first) if k != target]
    if len(set(first)) < len(first) or not all(_is_number(cell, decimal) for cell in others):
        return False
    if first[target].lower() in MISSING:
        return False
    if not _is_number(first[target].replace(MINUS, "-"), decimal):
        return True
    whole = all(cell.isdecimal() for cell in first)
    return whole and len(first) > 2 and sorted(first, key=float) == first


def _column(look: Look, target: str | int, where: str) -> int:
    """The number of the column that a person named."""
    names = look.first if look.has_header else []
    if str(target) in names:
        if names.count(str(target)) > 1:
            raise InputError(f"{where}: data.target: two columns are named {target!r}")
        return names.index(str(target))
    if isinstance(target, str):
        if not look.has_header:
            raise InputError(
                f"{where}: data.target: there is no header line that names {target!r}; "
                f"give the number of the column, from 0 to {look.width - 1}"
            )
        raise InputError(f"{where}: data.target: no column {target!r}; {nearest(target, names)}")
    if not -look.width <= target < look.width:
        raise InputError(
            f"{where}: data.target: there is no column {target}; there are {look.width}, "
            f"from 0 to {look.width - 1}"
        )
    return target % look.width


def _odd_columns(content: bytes, look: Look, target: int | None, where: str) -> list[int]:
    """Columns that may be no features: without a name, or empty. The first one, and the last."""
    rows = _head(content[:HEAD_BYTES].decode(errors="ignore"), look.separator, where)
    rows = rows[look.skip + look.has_header :]
    odd = []
    last = look.width - 1
    if look.has_header and NAMELESS.fullmatch(look.first[0]) and target != 0:
        odd.append(0)
    empty = all(len(row) == look.width and not row[last].strip() for row in rows)
    unnamed = not look.has_header or NAMELESS.fullmatch(look.first[last])
    if rows and empty and unnamed and target != last and last > 1:
        odd.append(last)
    return odd


def _default(look: Look, odd: list[int]) -> int:
    return max(k for k in range(look.width) if k not in odd)


def _judged(
    look: Look, odd: list[int], kept: dict[int, object], where: str
) -> tuple[list[tuple[int, str]], list[tuple[int, np.ndarray]]]:
    """Of the odd columns those that are left out, with the reason, and those that are features
    nevertheless, with their numbers."""
    dropped, back = [], []
    for column in odd:
        cells = [cell.strip() for cell in kept[column].to_pylist()]
        values = _numbers(kept[column], look.decimal)
        if not any(cells):
            dropped.append((column, "is empty: a separator ends each line"))
        elif values is None and len(set(cells)) == len(cells):
            dropped.append((column, "has no name and another word in each row: row names"))
        elif values is None:
            raise InputError(f"{where}: {look.name(column)} has no name and does not hold numbers")
        elif kind := _index(values):
            dropped.append((column, f"has no name and {kind}"))
        else:
            back.append((column, values))
    return dropped, back


def _index(values: np.ndarray) -> str:
    """What a column of numbers counts, in words; empty if nothing."""
    if counted := odd_features.counted(values):
        whose = "pandas' index" if counted == "0, 1, 2, …" else "R's row names"
        return f"counts {counted}: {whose}"
    distinct = len(np.unique(values)) == len(values) and (values % 1 == 0).all()
    return "another whole number in each row: an index in another order" if distinct else ""


def _told(
    text: decoding.Text,
    look: Look,
    dropped: list[tuple[int, str]],
    target: int,
    asked: str | int | None,
) -> list[str]:
    words = [word for word in (text.packing, text.encoding) if word]
    words.append(f"separator {SEPARATORS[look.separator]}")
    if look.alone:
        alone = clean(look.alone, 40)
        words.append(
            f"line {look.skip + 1} is taken as a header: its target, {alone!r}, occurs nowhere else"
        )
    else:
        words.append("the first line is a header" if look.has_header else "no header line")
    if look.decimal == ",":
        words.append("decimal commas")
    words += [f"{look.name(column)} {why}, left out" for column, why in dropped]
    how = "as asked" if asked is not None else "the last one"
    return [*words, f"target {look.name(target)}, {how}"]


def _warnings(look: Look, features: list[int], x: np.ndarray) -> list[str]:
    found = odd_features.warnings(x, [look.name(k) for k in features], first=features[0] == 0)
    if look.has_header and NAMELESS.fullmatch(look.first[features[0]]):
        found.append(f"column {features[0]} has no name; it is taken as a feature")
    if look.has_header:
        names = Counter(look.first[k].strip() for k in range(look.width))
        twice = [clean(name, 40) for name, count in names.items() if name and count > 1]
        if twice:
            called = odd_features.some([repr(name) for name in twice])
            found.append(f"several columns are called {called}; all are kept")
    return found


def _one_hot(
    look: Look, features: list[int], x: np.ndarray, target: int, values: np.ndarray | None
) -> list[str]:
    """A warning of last columns that hold a single 1 in each row."""
    columns = {column: x[:, place] for place, column in enumerate(features)}
    if values is not None:
        columns[target] = values
    total, last = np.zeros(len(x)), max(columns)
    for first in sorted(columns, reverse=True):
        total = total + columns[first]
        if not np.isin(columns[first], (0, 1)).all() or (total > 1).any():
            return []
        if first < last and (total == 1).all():
            return [
                f"columns {first} to {last} hold a single 1 in each row: if they are one-hot "
                "classes, write the class into one column"
            ]
    return []


def _grouped(content: bytes, look: Look, texts: set[int]) -> list[str]:
    """A warning where all decimal commas may separate thousands."""
    if look.decimal != ",":
        return []
    rows, shown = _rows(content, look), ""
    if look.has_header:
        next(rows)
    for _, row in rows:
        for column, cell in enumerate(row):
            if column in texts or "," not in cell:
                continue
            if not GROUPED.fullmatch(cell.strip()):
                return []
            shown = shown or cell.strip()
    return (
        [
            f"all decimal commas are followed by three digits, as in {shown!r}: if they separate "
            "thousands, write the numbers without them"
        ]
        if shown
        else []
    )


# --- numbers -----------------------------------------------------------------------------


def _settle() -> None:
    """Wait for the thread that reads ahead: a program that ends while it is still at work is
    aborted by the library. There is one such thread, so that it is done once it has done more."""
    import pyarrow
    from pyarrow import csv as reader

    reader.read_csv(pyarrow.BufferReader(b"a\n1\n"), reader.ReadOptions(use_threads=False))


def _read(
    content: bytes, look: Look, texts: set[int], where: str
) -> tuple[np.ndarray, dict[int, object]]:
    """All columns but ``texts`` as (rows, columns) float64, and those as they are written.
    A block at a time: in memory as numbers, not as text."""
    import pyarrow
    from pyarrow import csv as reader

    pyarrow.set_io_thread_count(1)
    names = [f"c{k}" for k in range(look.width)]
    blocks, kept, rows = [], {k: [] for k in texts}, 0
    try:
        stream = reader.open_csv(
            pyarrow.BufferReader(content),
            reader.ReadOptions(
                use_threads=False, block_size=BLOCK, column_names=names, skip_rows=look.skip
            ),
            reader.ParseOptions(delimiter=look.separator, newlines_in_values=True),
            reader.ConvertOptions(
                strings_can_be_null=False, column_types=dict.fromkeys(names, pyarrow.string())
            ),
        )
        for number, block in enumerate(stream):
            block = block.slice(int(look.has_header and not number))
            rows += len(block)
            if rows * look.width > MAX_NUMBERS:
                raise InputError(f"{where}: more than {MAX_NUMBERS:,} numbers; use an npz file")
            columns = {k: block.column(k) for k in range(look.width)}
            found = [_numbers(c, look.decimal) for k, c in columns.items() if k not in texts]
            if any(column is None for column in found):
                raise InputError(_bad_cell(content, look, texts, where))
            blocks.append(np.stack(found, axis=1) if found else np.empty((len(block), 0)))
            for column in texts:
                kept[column].append(columns[column])
    except InputError:
        _settle()
        raise
    except pyarrow.ArrowInvalid as error:
        _settle()
        raise InputError(_bad_row(content, look, where, error)) from None
    if not rows:
        raise InputError(f"{where}: has a header but no rows")
    return np.concatenate(blocks), {k: pyarrow.chunked_array(v) for k, v in kept.items()}


def _numbers(column: object, decimal: str) -> np.ndarray | None:
    """The finite numbers that a column holds; None where a cell is none."""
    import pyarrow
    import pyarrow.compute as compute

    cells = compute.utf8_trim_whitespace(column)
    if decimal == ",":
        if compute.any(compute.match_substring(cells, ".")).as_py():
            return None
        cells = compute.replace_substring(cells, ",", ".")
    if compute.any(compute.starts_with(cells, "+")).as_py():
        cells = compute.replace_substring_regex(cells, r"^\+", "")
    try:
        values = np.asarray(compute.cast(cells, pyarrow.float64()))
    except pyarrow.ArrowInvalid:
        return None
    return values if np.isfinite(values).all() else None


def _is_number(cell: str, decimal: str = ".") -> bool:
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".")
    try:  # not as Python's source may have it, 1_0, nor in the digits of other scripts
        return math.isfinite(float(cell)) and cell.isascii() and "_" not in cell
    except ValueError:
        return False


# --- what is refused ---------------------------------------------------------------------


def _rows(content: bytes, look: Look) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line each ends on, slowly: for messages."""
    lines = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=look.separator)
    try:
        for row in lines:
            if row and lines.line_num > look.skip:
                yield lines.line_num, row
    except csv.Error:
        return


def _bad_row(content: bytes, look: Look, where: str, error: Exception) -> str:
    """The first row of another width, and why that may be."""
    for line, row in _rows(content, look):
        if len(row) != look.width:
            return f"{where}: {_another_width(content, look, line, row)}"
    return f"{where}: cannot be read: {clean(str(error).splitlines()[0], 200)}"


def _another_width(content: bytes, look: Look, line: int, row: list[str]) -> str:
    count, due = len(row), look.width
    cells = f"{count:,} cell{'s' if count != 1 else ''}"
    if not look.has_header:
        return f"line {line}: {cells} where {due:,} are due, as in the first row"
    words = f"line {line}: {cells} where the header has {due:,}"
    later = [found for _, found in _rows(content, look)][1 : HEAD + 1]
    if count != due + 1:
        return words
    if not row[-1].strip():
        return f"{words}: a separator ends the line"
    names = "row names without a name, as R's write.table writes them: use col.names = NA"
    thousands = "a thousands separator without quotes, as in 1,763.77"
    longer = [found for found in later if len(found) == count]
    are_names = len(longer) == len(later) and _are_row_names([found[0] for found in longer])
    are_thousands = any(
        all(LEADING.fullmatch(f[k].strip()) and THREE.fullmatch(f[k + 1].strip()) for f in longer)
        for k in range(count - 1)
    )
    if are_names and not are_thousands:
        return f"{words}: likely {names}, or leave them out; else {thousands}"
    if are_thousands and not are_names:
        return f"{words}: likely {thousands}: write 1763.77; else {names}"
    return f"{words}: either {thousands}, or {names}"


def _are_row_names(cells: list[str]) -> bool:
    """Whether cells count from 1, or from 0, or are words, another one in each row."""
    if cells in ([str(k + 1) for k in range(len(cells))], [str(k) for k in range(len(cells))]):
        return True
    return len(set(cells)) == len(cells) and not any(map(_is_number, cells))


def _bad_cell(content: bytes, look: Look, texts: set[int], where: str) -> str:
    """The first cell that is no number, and why that may be."""
    rows = _rows(content, look)
    if look.has_header:
        next(rows)
    for line, row in rows:
        if len(row) != look.width:
            return f"{where}: {_another_width(content, look, line, row)}"
        for column, cell in enumerate(row):
            if column not in texts and not _is_number(cell.strip(), look.decimal):
                named = f" in {look.name(column)}" if look.has_header else ""
                found = f"line {line}: {clean(cell, 40)!r}{named} is not a finite number"
                why = _why(cell.strip(), look) or _if_target(next(rows, (0, []))[1], look, column)
                return f"{where}: {found}{why}"
    return f"{where}: a column does not hold finite numbers"


def _why(cell: str, look: Look) -> str:
    if cell.lower() in MISSING:
        return "; a value is missing: fill it in, or leave the row out"
    if MINUS in cell and _is_number(cell.replace(MINUS, "-"), look.decimal):
        return f"; its minus is the character U+2212: write {cell.replace(MINUS, '-')}"
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", cell):
        return f"; its points separate thousands: write {cell.replace('.', '')}"
    if re.fullmatch(r"[+-]?\d{1,3}([,.' ]\d{3})+([.,]\d+)?", cell):
        return "; write thousands without a separator"
    if look.decimal == "," and _is_number(cell):
        return "; others have a decimal comma, this one a point"
    if look.separator == "," and _is_number(cell, ","):
        return "; a decimal comma needs another separator (semicolon or tab)"
    return ""


def _if_target(below: list[str], look: Look, column: int) -> str:
    """What to do with a column of words: it is the target, or none."""
    if len(below) != look.width or _is_number(below[column].strip(), look.decimal):
        return ""
    name = repr(look.first[column]) if look.has_header and look.first[column] else str(column)
    return f"; features must be numbers. If it is the class: data.target = {name}"


def shown(path: str) -> str:
    """A file's name in a line."""
    return clean(Path(path).name, 60)
