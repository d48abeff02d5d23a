"""What is written beside sweep.csv when an orbit diagram is complete."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuichaos.storage.run_writer import write_json, write_table
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.orbit_diagram import bifurcations, cascades
from tuichaos.sweeps.points import Grid
from tuichaos.sweeps.sweep_reader import DIAGRAM

BIFURCATIONS = "bifurcations.csv"
COLUMNS = ("kind", "period", "parameter", "multiplier", "imaginary", "residual", "low", "high")


def write(folder: Path, grid: Grid, rows: Mapping[int, Row], stop: threading.Event) -> bool:
    """Write diagram.csv, bifurcations.csv and summary.json of a complete diagram; nothing for
    another sweep. False if ``stop`` was set before all was written."""
    diagram = grid.base.diagram
    if diagram is None:
        return True
    names = ["value", "direction", "reference", "index", diagram.observable.replace(",", ";")]
    write_table(folder / DIAGRAM, names, _drawn(grid, rows))
    try:
        found = bifurcations.refined(grid, rows, stop)
    except bifurcations.Stopped:
        return False
    write_table(folder / BIFURCATIONS, COLUMNS, map(_row, found.bifurcations))
    component = grid.base.component
    summary = {
        "name": grid.experiment.name,
        "kind": "diagram",
        "key": grid.keys[0],
        "observable": diagram.observable,
        "explained": component.explained if component else None,
        "continued": diagram.continued,
        "points": grid.size,
        "failed": sum(row.status == "failed" for row in rows.values()),
        "diverged": _count(rows, "diverged_at"),
        "started_afresh": _afresh(grid, rows),
        **cascades.summary_parts(found),
    }
    write_json(folder / "summary.json", summary)
    return True


def _drawn(grid: Grid, rows: Mapping[int, Row]) -> Iterator[list[Any]]:
    """The rows of diagram.csv: by value in grid order, direction, reference, and index, that
    counts the last states from 0, the oldest."""
    for point in sorted(rows):
        value = grid.points[point].values[0]
        for direction, references in rows[point].orbit.items():
            for reference, values in enumerate(references):
                for index, drawn in enumerate(values):
                    number = math.nan if drawn is None else drawn
                    yield [value, direction, reference, index, number]


def _row(one: bifurcations.Bifurcation) -> list[Any]:
    multiplier = [one.multiplier.real, one.multiplier.imag]
    return [one.kind, one.period, one.parameter, *multiplier, one.residual, *one.bracket]


def _count(rows: Mapping[int, Row], name: str) -> int:
    """Values at which a number is there, whatever the direction."""
    return sum(
        any(v is not None and k.rpartition(".")[2] == name for k, v in row.numbers.items())
        for row in rows.values()
    )


def _afresh(grid: Grid, rows: Mapping[int, Row]) -> int | None:
    """How often a continued orbit started afresh because it had diverged."""
    directions = grid.base.diagram.directions
    if not directions:
        return None
    names = [f"{direction}.afresh" for direction in directions]
    total = sum(row.numbers.get(name, 0) for row in rows.values() for name in names)
    return total - len(directions) * grid.base.experiment(grid.points[0]).ensemble.references
