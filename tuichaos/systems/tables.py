"""Tables of numbers in text files as people have them: which column is what, and every guess.

A CSV says neither its separator nor whether its first line is a header, nor which column is an
index. Each of these is guessed from the first rows, and each guess is told. What can be read in
two ways is refused, with both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.text import clean
from tuichaos.systems import decoding, odd_features
from tuichaos.systems.table_cells import as_numbers, numbers_of
from tuichaos.systems.table_layout import (
    GROUPED,
    NAMELESS,
    SEPARATORS,
    Layout,
    column_of,
    default_column,
    headed,
    layout_of,
    odd_columns,
    rows_of,
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
    layout = layout_of(text.content, where)
    layout = headed(text.content, layout, target)
    chosen = None if target is None else column_of(layout, target, where)
    odd = odd_columns(text.content, layout, chosen, where)
    wanted = default_column(layout, odd) if chosen is None else chosen
    numbers, kept = numbers_of(text.content, layout, {wanted, *odd}, where)
    features = [k for k in range(layout.width) if k not in {wanted, *odd}]
    dropped, back = _judged(layout, odd, kept, where)
    for column, values in back:
        features.append(column)
        numbers = np.concatenate([numbers, values[:, None]], axis=1)
    order = np.argsort(features, kind="stable")
    numbers, features = np.ascontiguousarray(numbers[:, order]), [features[k] for k in order]
    if not features:
        raise InputError(f"{where}: no column is left beside {layout.name(wanted)}, the target")
    found = as_numbers(kept[wanted], layout.decimal)
    texts = [cell.strip() for cell in kept[wanted].to_pylist()] if found is None else found
    told = _told(text, layout, dropped, wanted, target)
    return Table(
        numbers,
        texts,
        told,
        [
            *_warnings(layout, features, numbers),
            *_one_hot(layout, features, numbers, wanted, found),
            *_grouped(text.content, layout, {wanted, *odd} if found is None else set(odd)),
        ],
        {
            "separator": layout.separator,
            "header": layout.has_header,
            "decimal": layout.decimal,
            "encoding": text.encoding or "UTF-8",
            "packing": text.packing or None,
            "left_out": [column for column, _ in dropped],
            "target": wanted,
            "features": features,
            "names": layout.first if layout.has_header else None,
        },
    )


def line_of(path: str, where: str, column: int, wanted: Sequence[str]) -> int | None:
    """The first line whose cell in ``column`` is one of ``wanted``, for a message."""
    content = decoding.read(path, where).content
    layout = layout_of(content, where)
    for line, row in rows_of(content, layout):
        if column < len(row) and row[column].strip().lower() in wanted:
            return line
    return None


# --- guesses -----------------------------------------------------------------------------


def _judged(
    layout: Layout, odd: list[int], kept: dict[int, object], where: str
) -> tuple[list[tuple[int, str]], list[tuple[int, np.ndarray]]]:
    """Of the odd columns those that are left out, with the reason, and those that are features
    nevertheless, with their numbers."""
    dropped, back = [], []
    for column in odd:
        cells = [cell.strip() for cell in kept[column].to_pylist()]
        values = as_numbers(kept[column], layout.decimal)
        if not any(cells):
            dropped.append((column, "is empty: a separator ends each line"))
        elif values is None and len(set(cells)) == len(cells):
            dropped.append((column, "has no name and another word in each row: row names"))
        elif values is None:
            raise InputError(
                f"{where}: {layout.name(column)} has no name and does not hold numbers"
            )
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
    layout: Layout,
    dropped: list[tuple[int, str]],
    target: int,
    asked: str | int | None,
) -> list[str]:
    words = [word for word in (text.packing, text.encoding) if word]
    words.append(f"separator {SEPARATORS[layout.separator]}")
    if layout.alone:
        alone = clean(layout.alone, 40)
        words.append(
            f"line {layout.skip + 1} is taken as a header: its target, {alone!r}, "
            "occurs nowhere else"
        )
    else:
        words.append("the first line is a header" if layout.has_header else "no header line")
    if layout.decimal == ",":
        words.append("decimal commas")
    words += [f"{layout.name(column)} {why}, left out" for column, why in dropped]
    how = "as asked" if asked is not None else "the last one"
    return [*words, f"target {layout.name(target)}, {how}"]


def _warnings(layout: Layout, features: list[int], x: np.ndarray) -> list[str]:
    found = odd_features.warnings(x, [layout.name(k) for k in features], first=features[0] == 0)
    if layout.has_header and NAMELESS.fullmatch(layout.first[features[0]]):
        found.append(f"column {features[0]} has no name; it is taken as a feature")
    if layout.has_header:
        names = Counter(layout.first[k].strip() for k in range(layout.width))
        twice = [clean(name, 40) for name, count in names.items() if name and count > 1]
        if twice:
            called = odd_features.some([repr(name) for name in twice])
            found.append(f"several columns are called {called}; all are kept")
    return found


def _one_hot(
    layout: Layout, features: list[int], x: np.ndarray, target: int, values: np.ndarray | None
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


def _grouped(content: bytes, layout: Layout, texts: set[int]) -> list[str]:
    """A warning where all decimal commas may separate thousands."""
    if layout.decimal != ",":
        return []
    rows, shown = rows_of(content, layout), ""
    if layout.has_header:
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


# --- what is refused ---------------------------------------------------------------------
