"""The numbers of a table in a text file, and in words which cell or row is none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.text import clean
from tuichaos.systems.table_layout import (
    HEAD,
    LEADING,
    MINUS,
    MISSING,
    THREE,
    Layout,
    is_number,
    rows_of,
)

MAX_NUMBERS = 5_000_000  # of a table; an npz may have more
BLOCK = 1 << 22  # bytes at a time; a line is shorter


def settled() -> None:
    """Wait for the thread that reads ahead: a program that ends while it is still at work is
    aborted by the library. There is one such thread, so that it is done once it has done more."""
    import pyarrow
    from pyarrow import csv as reader

    reader.read_csv(pyarrow.BufferReader(b"a\n1\n"), reader.ReadOptions(use_threads=False))


def numbers_of(
    content: bytes, layout: Layout, texts: set[int], where: str
) -> tuple[np.ndarray, dict[int, object]]:
    """All columns but ``texts`` as (rows, columns) float64, and those as they are written.
    A block at a time: in memory as numbers, not as text."""
    import pyarrow
    from pyarrow import csv as reader

    pyarrow.set_io_thread_count(1)
    names = [f"c{k}" for k in range(layout.width)]
    blocks, kept, rows = [], {k: [] for k in texts}, 0
    try:
        stream = reader.open_csv(
            pyarrow.BufferReader(content),
            reader.ReadOptions(
                use_threads=False, block_size=BLOCK, column_names=names, skip_rows=layout.skip
            ),
            reader.ParseOptions(delimiter=layout.separator, newlines_in_values=True),
            reader.ConvertOptions(
                strings_can_be_null=False, column_types=dict.fromkeys(names, pyarrow.string())
            ),
        )
        for number, block in enumerate(stream):
            block = block.slice(int(layout.has_header and not number))
            rows += len(block)
            if rows * layout.width > MAX_NUMBERS:
                raise InputError(f"{where}: more than {MAX_NUMBERS:,} numbers; use an npz file")
            columns = {k: block.column(k) for k in range(layout.width)}
            found = [as_numbers(c, layout.decimal) for k, c in columns.items() if k not in texts]
            if any(column is None for column in found):
                raise InputError(_bad_cell(content, layout, texts, where))
            blocks.append(np.stack(found, axis=1) if found else np.empty((len(block), 0)))
            for column in texts:
                kept[column].append(columns[column])
    except InputError:
        settled()
        raise
    except pyarrow.ArrowInvalid as error:
        settled()
        raise InputError(_bad_row(content, layout, where, error)) from None
    if not rows:
        raise InputError(f"{where}: has a header but no rows")
    return np.concatenate(blocks), {k: pyarrow.chunked_array(v) for k, v in kept.items()}


def as_numbers(column: object, decimal: str) -> np.ndarray | None:
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


def _bad_row(content: bytes, layout: Layout, where: str, error: Exception) -> str:
    """The first row of another width, and why that may be."""
    for line, row in rows_of(content, layout):
        if len(row) != layout.width:
            return f"{where}: {_another_width(content, layout, line, row)}"
    return f"{where}: cannot be read: {clean(str(error).splitlines()[0], 200)}"


def _another_width(content: bytes, layout: Layout, line: int, row: list[str]) -> str:
    count, due = len(row), layout.width
    cells = f"{count:,} cell{'s' if count != 1 else ''}"
    if not layout.has_header:
        return f"line {line}: {cells} where {due:,} are due, as in the first row"
    words = f"line {line}: {cells} where the header has {due:,}"
    later = [found for _, found in rows_of(content, layout)][1 : HEAD + 1]
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
    return len(set(cells)) == len(cells) and not any(map(is_number, cells))


def _bad_cell(content: bytes, layout: Layout, texts: set[int], where: str) -> str:
    """The first cell that is no number, and why that may be."""
    rows = rows_of(content, layout)
    if layout.has_header:
        next(rows)
    for line, row in rows:
        if len(row) != layout.width:
            return f"{where}: {_another_width(content, layout, line, row)}"
        for column, cell in enumerate(row):
            if column not in texts and not is_number(cell.strip(), layout.decimal):
                named = f" in {layout.name(column)}" if layout.has_header else ""
                found = f"line {line}: {clean(cell, 40)!r}{named} is not a finite number"
                why = _why(cell.strip(), layout) or _if_target(
                    next(rows, (0, []))[1], layout, column
                )
                return f"{where}: {found}{why}"
    return f"{where}: a column does not hold finite numbers"


def _why(cell: str, layout: Layout) -> str:
    if cell.lower() in MISSING:
        return "; a value is missing: fill it in, or leave the row out"
    if MINUS in cell and is_number(cell.replace(MINUS, "-"), layout.decimal):
        return f"; its minus is the character U+2212: write {cell.replace(MINUS, '-')}"
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", cell):
        return f"; its points separate thousands: write {cell.replace('.', '')}"
    if re.fullmatch(r"[+-]?\d{1,3}([,.' ]\d{3})+([.,]\d+)?", cell):
        return "; write thousands without a separator"
    if layout.decimal == "," and is_number(cell):
        return "; others have a decimal comma, this one a point"
    if layout.separator == "," and is_number(cell, ","):
        return "; a decimal comma needs another separator (semicolon or tab)"
    return ""


def _if_target(below: list[str], layout: Layout, column: int) -> str:
    """What to do with a column of words: it is the target, or none."""
    if len(below) != layout.width or is_number(below[column].strip(), layout.decimal):
        return ""
    name = repr(layout.first[column]) if layout.has_header and layout.first[column] else str(column)
    return f"; features must be numbers. If it is the class: data.target = {name}"


def shown(path: str) -> str:
    """A file's name in a line."""
    return clean(Path(path).name, 60)
