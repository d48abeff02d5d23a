"""What is found of a map as a whole when its last point has ended: summary.json and
boundary.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.atomic_files import replace_text
from tuichaos.storage.run_writer import without_nan
from tuichaos.sweeps import box_counting
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.plane_values import of_experiment
from tuichaos.sweeps.points import Grid

BOUNDARY = "boundary.csv"


def write(folder: Path, grid: Grid, rows: Mapping[int, Row]) -> None:
    """Write both, for a sweep that is a plane; for others nothing."""
    if grid.experiment.plane.value == "none":
        return
    found, (columns, lines) = summary(grid, rows)
    words = json.dumps(without_nan(found), indent=2, ensure_ascii=False, allow_nan=False)
    replace_text(folder / "summary.json", words + "\n")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if cell != cell else repr(cell) for cell in line] for line in lines])
    replace_text(folder / BOUNDARY, text.getvalue())


def summary(
    grid: Grid, rows: Mapping[int, Row]
) -> tuple[dict[str, Any], tuple[list[str], list[list[Any]]]]:
    """summary.json of a plane, and columns and rows of boundary.csv."""
    plane = of_experiment(grid.experiment)
    for point, row in rows.items():
        plane.add(point, row.numbers)
    found = {
        "name": grid.experiment.name,
        "steps": grid.experiment.steps,
        "value": plane.value,
        "points": grid.size,
        "classes": plane.counts(),
    }
    if plane.value == "exponent":
        found["neutral_bounds"] = plane.neutral_bounds()
    uneven = [axis.key for axis in grid.axes if not axis.even]
    if len(grid.axes) == 1:
        part, counted = box_counting.nothing("one key is swept: no plane"), None
    elif uneven:
        part, counted = (
            box_counting.nothing(f"the values of {uneven[0]} are not evenly spaced"),
            None,
        )
    else:
        part, counted = box_counting.dimension(plane.kinds())
    return {**found, "boundary": part}, box_counting.table(counted)
