"""The points of an orbit diagram: the last values of an observable, with exponent and period.

Here each value of the parameter starts afresh; see continuation.py for orbits that go on from one
value to the next.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.execution.plan import Plan
from tuichaos.instruments.base import RunContext
from tuichaos.instruments.pca import principal
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.orbit_diagram.end_of_orbit import KeptStates, LastValues
from tuichaos.sweeps.orbit_diagram.observable import KEY, Component, component_number, observable
from tuichaos.sweeps.points import Base, Grid, Point
from tuichaos.sweeps.tiled_run import in_points, planned, simulate
from tuichaos.systems.base import parameter_mask

FRESH = "fresh"  # the name of orbits that start afresh at each value

Columns = Mapping[str, np.ndarray]  # (references,) by name


def run_fresh(
    base: Base, threads: int | None, tile: Sequence[Point], stop: threading.Event
) -> Generator[float, None, list[Row]]:
    """Run one tile; yields how much is done, in points, and returns its rows; none when
    ``stop`` was set before the end. Raises RunFailed."""
    ready = planned(base, tile, threads)
    own = ready.ensemble.own
    last = last_values(base, ready)
    outcome = yield from in_points(simulate(ready, own, [last], stop), len(tile))
    if outcome is None:
        return []
    names, table = outcome.tables["exponents.csv"]
    whole = {n: np.array([row[k] for row in table], float) for k, n in enumerate(names)}
    values, periods = last.values, last.periods()
    rows = []
    for k, point in enumerate(tile):
        mine = slice(k * own, (k + 1) * own)
        numbers = numbers_of({n: whole[n][mine] for n in COLUMNS}, periods[mine])
        orbit = {FRESH: listed(values[:, mine].T)}
        ends = {FRESH: states_of(last.ends[mine])} if last.keeps_ends else {}
        rows.append(Row(point.index, "done", "", numbers, outcome.noise_floor, orbit, ends))
    return rows


def last_values(base: Base, ready: Plan) -> LastValues:
    """What keeps the drawn values of a plan."""
    context = RunContext(ready.experiment, ready.built.system)
    drawn = observable(context.system, base.diagram.observable, base.component)
    return LastValues(context, drawn, base.diagram.last)


# --- what a row has -------------------------------------------------------------------------

COLUMNS = ("lyapunov", "lyapunov_error", "collapsed_at", "diverged_at")
SUPERSTABLE = "superstable: a step left of a tangent only rounding, and the exponent is −∞"


def numbers_of(columns: Columns, periods: Sequence[int | None]) -> dict[str, Any]:
    """The numbers of one value: of its only reference, or medians over those that have one
    with their count; the commonest period; why there is no exponent."""
    found: dict[str, Any] = {}
    for name in ("lyapunov", "lyapunov_error"):
        known = columns[name][np.isfinite(columns[name])]
        found[name] = float(np.median(known)) if len(known) else None
        if len(periods) > 1:
            found[f"{name}_count"] = len(known)
    diverged, collapsed = (np.isfinite(columns[n]) for n in ("diverged_at", "collapsed_at"))
    lost = columns["diverged_at"][diverged]
    found["diverged_at"] = int(np.median(lost)) if len(lost) else None
    if len(periods) > 1:
        found["diverged_at_count"] = len(lost)
    found["period"] = _commonest([p for p in periods if p])
    found["lyapunov_reason"] = None
    if found["lyapunov"] is None:
        found["lyapunov_reason"] = "diverged" if diverged.any() else "no number"
        if collapsed.any():
            found["lyapunov_reason"] = SUPERSTABLE
    return found


def _commonest(values: Sequence[int]) -> int | None:
    """The commonest of some periods, of equally common ones the smallest."""
    return max(Counter(sorted(values)).items(), key=lambda p: p[1])[0] if values else None


def listed(values: np.ndarray) -> list[list[float | None]]:
    """Rows of numbers, None where there is none."""
    return [[v if v == v else None for v in row] for row in values.tolist()]


def states_of(ends: np.ndarray) -> list[list[float] | None]:
    """The last states, None for one that has diverged."""
    return [row.tolist() if np.isfinite(row).all() else None for row in ends]


# --- principal components -------------------------------------------------------------------

PILOT_VALUES = 17  # of the parameter, evenly chosen, its ends among them
PILOT_STATES = 64  # of each reference at each of them
PILOT_BYTES = 256_000_000


def with_component(made: Grid, threads: int | None) -> Grid:
    """The same with the principal component that a diagram draws, if it draws one.

    The components are those of the last states at PILOT_VALUES values, started afresh, pooled
    over values and references: known before the first point is drawn, and the same however
    the points are then shared out. InputError where there is none.
    """
    name, base = made.experiment.diagram.observable, made.base
    if not name.startswith("component."):
        return made
    count = len(base.path)
    chosen = sorted({k * (count - 1) // (PILOT_VALUES - 1) for k in range(PILOT_VALUES)})
    parts = [_pilot(base, [base.path[k]], threads) for k in chosen]
    states = np.concatenate([part for part, _ in parts])
    unit = parts[0][1].unit
    number = component_number(parts[0][1].system, name)
    plane = principal(states, number, unit) if len(states) > 1 else None
    if plane is None or not plane.components[number - 1].any():
        raise InputError(f"{KEY}: {name}: the last states do not spread in so many directions")
    direction, explained = plane.components[number - 1], plane.explained[number - 1]
    component = Component(tuple(plane.mean.tolist()), tuple(direction.tolist()), float(explained))
    return replace(made, component=component)


def _pilot(
    base: Base, points: Sequence[Point], threads: int | None
) -> tuple[np.ndarray, RunContext]:
    """The last parameters (n, parameters) of all references at some points."""
    ready = planned(base, points, threads)
    context = RunContext(ready.experiment, ready.built.system)
    mask = parameter_mask(context.system.layout)
    size = 8 * PILOT_VALUES * PILOT_STATES * context.references * int(mask.sum())
    if size > PILOT_BYTES:
        raise InputError(
            f"{KEY}: components of so large a system would keep {size / 1e9:.1f} GB of states; "
            "draw loss, weight_norm or one entry"
        )
    kept = KeptStates(context, mask, base.diagram.last, PILOT_STATES)
    for _ in simulate(ready, ready.ensemble.own, [kept], threading.Event()):
        pass
    return kept.states, context
