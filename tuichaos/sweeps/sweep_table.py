"""sweep.csv: one row per point in grid order, written from the journal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.atomic_files import replace_text
from tuichaos.common.text import cell
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.points import Grid
from tuichaos.sweeps.sweep_reader import NAME

TEXTS = ("status", "reason")


def columns(grid: Grid, rows: Mapping[int, Row]) -> list[str]:
    """point, swept keys, status, reason, then every number in the order the points have them.

    A name under which some points have parts (``regimes.chaotic``) and others nothing at all
    (``regimes``) is that of its parts.
    """
    found = dict.fromkeys(name for k in sorted(rows) for name in rows[k].numbers)
    parents = {name[:at] for name in found for at, c in enumerate(name) if c == "."}
    kept = [name for name in found if name not in parents]
    return ["point", *grid.keys, *TEXTS, *kept]


def lines(grid: Grid, rows: Mapping[int, Row]) -> list[dict[str, Any]]:
    """The points that have ended as {column: value}, in grid order; None where empty."""
    names = columns(grid, rows)[1 + len(grid.keys) + len(TEXTS) :]
    found = []
    for index in sorted(rows):
        row, values = rows[index], grid.points[index].values
        line = {"point": index, **dict(zip(grid.keys, values, strict=True))}
        line |= {"status": row.status, "reason": row.reason or None}
        found.append(line | {name: row.numbers.get(name) for name in names})
    return found


def text(grid: Grid, rows: Mapping[int, Row]) -> str:
    """sweep.csv: the points that have ended, in grid order."""
    found = io.StringIO(newline="")
    writer = csv.writer(found, lineterminator="\n")
    writer.writerow(map(cell, columns(grid, rows)))
    for line in lines(grid, rows):
        writer.writerow(map(_cell, line.values()))
    return found.getvalue()


def write(folder: Path, grid: Grid, rows: Mapping[int, Row]) -> None:
    """Write sweep.csv in one piece."""
    replace_text(folder / NAME, text(grid, rows))


def _cell(value: Any) -> str:
    """Shortest round-trip floats, whole numbers plain, empty for what does not exist."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(value) if isinstance(value, int | float) else cell(str(value))
