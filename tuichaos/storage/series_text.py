"""The text of series.csv: its columns in order, its head, its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# The columns that are always there.
LEADING = ("loss", "distance", "lyapunov", "train_accuracy", "test_accuracy", "weight_norm")
MANY = 50_000  # numbers at once from which the quicker way is worth loading its library
# Between these, and where it is no whole number, pyarrow writes a number as repr does.
PLAIN_LOW, PLAIN_HIGH = 1e-4, 1e9


def series_columns(columns: Iterable[str]) -> list[str]:
    """The columns of series.csv in order: the common ones always, then distances by layer,
    then a system's own observables."""
    rest = [name for name in columns if name not in LEADING]
    layers = [name for name in rest if name.startswith("distance.")]
    return [*LEADING, *layers, *(name for name in rest if name not in layers)]


def series_head(columns: Iterable[str]) -> str:
    """The first line of series.csv."""
    return ",".join(["reference", "step", *columns]) + "\n"


def series_lines(
    steps: np.ndarray,
    kept: np.ndarray,
    columns: Mapping[str, np.ndarray],
    names: Iterable[str],
    references: int,
) -> str:
    """Lines of series.csv: of steps (T,) those at ``kept``, with columns (T, references)."""
    blank = np.full((len(kept), references), np.nan)
    cells = [columns[name][kept] if name in columns else blank for name in names]
    if len(cells) * blank.size >= MANY:
        return _many_lines(steps[kept], cells, references)
    table = np.stack(cells, -1)
    table[~np.isfinite(table)] = np.nan
    lines = []
    for step, rows in zip(steps[kept].tolist(), table.tolist(), strict=True):
        for reference, row in enumerate(rows):
            lines.append(f"{reference},{step},{','.join(map(repr, row))}\n")
    return "".join(lines).replace("nan", "")


def _many_lines(steps: np.ndarray, cells: list[np.ndarray], references: int) -> str:
    """The same text, column by column."""
    import pyarrow
    import pyarrow.compute as arrow

    texts = [
        arrow.cast(pyarrow.array(np.tile(np.arange(references), len(steps))), pyarrow.string()),
        arrow.cast(pyarrow.array(np.repeat(steps, references)), pyarrow.string()),
        *(_texts(np.ascontiguousarray(cell, dtype=np.float64).ravel()) for cell in cells),
    ]
    lines = arrow.binary_join_element_wise(*texts, ",")
    return "\n".join([*lines.to_pylist(), ""])


def _texts(values: np.ndarray) -> Any:
    """Each number (n,) as ``repr`` writes it, the shortest text that reads back as the same;
    empty where it is not finite."""
    import pyarrow
    import pyarrow.compute as arrow

    finite = np.isfinite(values)
    if not finite.any():
        return pyarrow.repeat(pyarrow.scalar(""), len(values))
    found = arrow.cast(pyarrow.array(np.where(finite, values, 0.5)), pyarrow.string())
    size = np.abs(values)
    plain = (size >= PLAIN_LOW) & (size < PLAIN_HIGH) & (np.trunc(values) != values)
    if plain.all():
        return found
    others = [repr(value) for value in values[~plain].tolist()]
    words = ["" if text in ("nan", "inf", "-inf") else text for text in others]
    return arrow.replace_with_mask(found, pyarrow.array(~plain), pyarrow.array(words))
