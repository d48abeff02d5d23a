"""Many points as one simulation: each is some references among thousands, with parameters of
their own. For planes and diagrams, whose points are a few numbers and not runs.

A reference is its own: its draws are those of a lone run of its point, and its bits do not
depend on its company (see simulation.py). So a point's numbers are those that
``tuichaos run --set`` finds for it, bit for bit.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.rng import Purpose, generator
from tuichaos.config.experiment import Experiment
from tuichaos.config.per_replica_keys import dense_key
from tuichaos.execution.plan import Plan, plan
from tuichaos.execution.preview import Rows
from tuichaos.execution.recording import Recording, prepare
from tuichaos.instruments.base import Instrument
from tuichaos.simulation.ensemble import EnsembleDraws
from tuichaos.simulation.run_control import Cancelled, RunControl
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.points import Base, Grid, Point

TILE_WORK = 400_000  # replica-steps of a tile: about a second, so that pictures grow steadily
TILE_LEAST, TILE_MOST = 32, 4_096  # points
COARSEST = 16  # stride of the points that come first


def tiles(grid: Grid, todo: Sequence[Sequence[Point]]) -> list[list[Point]]:
    """Batches cut into tiles, the coarse points first: those at every 16th value of each key,
    then at every 8th, and so on. Points that go on from each other are one tile."""
    if grid.base.continued:
        return [[point for batch in todo for point in batch]]
    experiment = grid.experiment
    work = max(1, experiment.steps * experiment.ensemble.references)
    size = max(TILE_LEAST, min(TILE_MOST, TILE_WORK // work))
    found = []
    for batch in todo:
        batch = sorted(batch, key=lambda point: _level(grid, point))
        first = sum(_level(grid, point) == 0 for point in batch[:size])
        # The coarsest points by themselves, so that there is a whole picture within a second.
        starts = [0, first] if TILE_LEAST <= first < len(batch) else [0]
        starts += range(starts[-1] + size, len(batch), size)
        found += [batch[a:b] for a, b in itertools.pairwise([*starts, len(batch)])]
    return found


def _level(grid: Grid, point: Point) -> int:
    """0 for the points that come first, then 1, 2, …"""
    index, stride, level = point.index, COARSEST, 0
    places = []
    for axis in reversed(grid.axes):
        index, place = divmod(index, len(axis.values))
        places.append(place)
    while any(place % stride for place in places):
        stride, level = stride // 2, level + 1
    return level


@dataclass(frozen=True)
class PointDraws(EnsembleDraws):
    """Draws of many points: reference k is number k % own of its point, and starts under the
    initial scale of its point (``scales``: one a point, or None where it is not swept)."""

    own: int = 1
    scales: tuple[float, ...] | None = None
    _drawn: dict[tuple[int, float | None], np.ndarray] = field(default_factory=dict)

    def start(self, reference: int) -> np.ndarray:
        if self.given is not None:
            return self.given[reference]
        point, number = divmod(reference, self.own)
        scale = None if self.scales is None else self.scales[point]
        key = (number, scale)
        if key not in self._drawn:  # many points start alike
            system = self.system if scale is None else replace(self.system, init_scale=scale)
            self._drawn[key] = system.start(generator(self.seed, Purpose.START, number))
        return self._drawn[key]

    def displacements(self, reference: int) -> np.ndarray:
        return super().displacements(reference % self.own)

    def tangent(self, reference: int) -> np.ndarray:
        return super().tangent(reference % self.own)


def planned(
    base: Base, points: Sequence[Point], threads: int | None, starts: np.ndarray | None = None
) -> Plan:
    """The plan of a simulation of points that differ in dense keys alone; ``starts``
    (points · references, dimension): states to start from instead of those that are drawn."""
    first = base.experiment(points[0])
    own = first.ensemble.references
    one = plan(first, threads)
    overrides: dict[str, Any] = {"ensemble.references": own * len(points)}
    scales = None
    for k, key in enumerate(base.keys):
        values = [point.values[k] for point in points]
        if len(set(values)) == 1:
            continue
        if not dense_key(first, key):
            raise InputError(f"sweep.{key}: cannot differ between points of one tile")
        if key == "network.init_scale":
            scales = tuple(map(float, values))
        else:
            overrides[key] = [value for value in values for _ in range(own)]
    many = plan(_many(first, overrides), threads)
    drawn = {f: getattr(one.ensemble, f) for f in EnsembleDraws.__dataclass_fields__}
    given = one.ensemble.given
    if starts is not None:
        given = starts
    elif given is not None:
        given = np.tile(given, (len(points), 1))
    drawn |= {"references": own * len(points), "given": given}
    return replace(many, ensemble=PointDraws(**drawn, own=own, scales=scales))


def _many(first: Experiment, overrides: Mapping[str, Any]) -> Experiment:
    from tuichaos.config.loading import valid

    table = first.model_dump()
    table["system"]["start"] = None  # it may be one for each reference of a point
    return valid(table, overrides)


@dataclass(frozen=True)
class Outcome:
    """What a tile found: columns (points, references) by name, and tables with a row for each
    reference as {name: {reference: row}}."""

    columns: Mapping[str, np.ndarray]
    tables: Mapping[str, Rows]
    own: int
    noise_floor: bool = True


def simulate(
    ready: Plan, own: int, extra: Sequence[Instrument], stop: threading.Event
) -> Generator[float, None, Outcome | None]:
    """Run a plan to its end; yields how much is done and returns what was found, None when
    ``stop`` was set before the end. Raises RunFailed."""
    # Hasty: the rest of a frame, or the results, may take longer than who leaves should wait.
    recording = prepare(ready, None, RunControl(stop=stop, at_once=True), extra)
    steps = ready.experiment.steps
    with contextlib.closing(recording.advance(None)) as frames:
        try:
            for _ in frames:
                yield recording.step / steps
        except Cancelled:
            return None
    if recording.step < steps:
        return None
    return _outcome(recording, own)


def _outcome(recording: Recording, own: int) -> Outcome:
    tables = recording.preview.rows
    names, rows = tables["exponents.csv"]
    table = np.array([row[1:] for row in rows], dtype=np.float64)
    columns = {name: table[:, k].reshape(-1, own) for k, name in enumerate(names[1:])}
    measure = recording.plan.experiment.measure
    wanted = [name for switch, names in SHOWN.items() if getattr(measure, switch) for name in names]
    columns = {name: columns[name] for name in (*wanted, *ALWAYS)}
    return Outcome(columns, tables, own, recording.simulation.noise_floor.holds)


# Columns of exponents.csv that a point keeps, by the switch that measures them.
SHOWN = {
    "convergence": ("convergence", "converged", "late_loss"),
    "tangent": ("lyapunov", "lyapunov_error"),
}
ALWAYS = ("diverged_at",)
WHOLE = ("converged", "diverged_at")


def numbers(outcome: Outcome, point: int) -> dict[str, Any]:
    """The numbers of one point of a tile: of its only reference, or medians over those that
    have one with their count; the commonest period and verdict."""
    found: dict[str, Any] = {}
    for name, column in outcome.columns.items():
        values = column[point]
        known = values[np.isfinite(values)]
        middle = _middle(known) if len(known) else None
        found[name] = int(middle) if name in WHOLE and middle is not None else middle
        if outcome.own > 1:
            found[f"{name}_count"] = len(known)
    for file, column in (("period.csv", "period"), ("regime.csv", "verdict")):
        if file in outcome.tables:
            found[column] = _commonest(outcome, file, column, point)
    return found


def _middle(values: np.ndarray) -> float:
    """The median; of a single value, as of most planes, in a hundredth of the time."""
    return float(values[0]) if len(values) == 1 else float(np.median(values))


def _commonest(outcome: Outcome, file: str, column: str, point: int) -> Any:
    names, rows = outcome.tables[file]
    at = names.index(column)
    first = point * outcome.own
    cells = [row[at] for row in rows[first : first + outcome.own]]
    cells = [cell for cell in cells if cell == cell]  # no NaN
    return Counter(cells).most_common(1)[0][0] if cells else None


def in_points(
    running: Generator[float, None, Outcome | None], points: int
) -> Generator[float, None, Outcome | None]:
    """The same simulation, with how much is done told in points."""
    while True:
        try:
            yield next(running) * points
        except StopIteration as end:
            return end.value


def run_tile(
    base: Base, threads: int | None, tile: Sequence[Point], stop: threading.Event
) -> Generator[float, None, list[Row]]:
    """Run one tile; yields how much is done, in points, and returns its rows; none when
    ``stop`` was set before the end. Raises RunFailed."""
    ready = planned(base, tile, threads)
    own = ready.ensemble.own
    outcome = yield from in_points(simulate(ready, own, (), stop), len(tile))
    if outcome is None:
        return []
    floor = outcome.noise_floor
    return [Row(p.index, "done", "", numbers(outcome, k), floor) for k, p in enumerate(tile)]
