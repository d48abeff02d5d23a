"""Charts of an orbit diagram: the cloud of last values, and exponent and period below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import per
from tuichaos.config.sweep_axes import axes
from tuichaos.plots.figure import Curve, Picture
from tuichaos.storage.run_reader import Run
from tuichaos.sweeps.journal import Journal, Row
from tuichaos.sweeps.points import Grid, Point

VIEWS = ("diagram", "exponent", "period")
DECADES = 2  # positive values this far apart are drawn on a logarithmic axis
# Cells of a chart in which points of both directions are at one place, across and up.
CELLS = (200, 120)
SAME = 0.01  # of the range: exponents nearer than this are drawn as one line
NAMES = {"fresh": "last values", "up": "up", "down": "down, where it differs"}

Rows = Mapping[int, Row]


def is_diagram(run: Run) -> bool:
    """Whether a sweep is an orbit diagram."""
    return run.experiment.diagram.observable != "none"


def pictures(run: Run, what: str) -> list[Picture]:
    """The charts of a kept diagram: ``default`` is the diagram with the exponent below it on
    the same axis. InputError where there is nothing to draw."""
    made = Grid(run.experiment, tuple(axes(run.experiment.sweep)))
    return of_rows(made, Journal(run.path).rows, what, run.time_step)


def of_rows(made: Grid, rows: Rows, what: str, time_step: float | None = None) -> list[Picture]:
    """The same of rows that are at hand; ``time_step`` of the system where it is known."""
    experiment = made.experiment
    wanted = VIEWS[:2] if what == "default" else (what,)
    found = [_DRAWN[name](experiment, made.points, rows) for name in wanted]
    unit = per(experiment.system.name, time_step)
    found = [replace(picture, title=picture.title.replace("{per}", unit)) for picture in found]
    if not any(np.isfinite(curve.y).any() for picture in found for curve in picture.curves):
        raise InputError(f"--what {what}: has no number in this diagram")
    axis = axes(experiment.sweep)[0]
    label = f"log10 {axis.key}" if axis.log else axis.key
    ends = np.array([min(axis.values), max(axis.values)], dtype=float)
    ends = np.log10(ends) if axis.log else ends
    x_range = (float(ends[0]), float(ends[1])) if ends[1] > ends[0] else None
    found = [replace(picture, x_label=label, x_range=x_range) for picture in found]
    if len(found) > 1:  # the lower one may be too low a chart for the name of its axis
        found[-1] = replace(found[-1], title=f"{found[-1].title}; across: {label}")
    return found


def _diagram(experiment: Experiment, points: Sequence[Point], rows: Rows) -> Picture:
    clouds = {
        name: _cloud(experiment, points, rows, name)
        for name in experiment.diagram.directions or NAMES
    }
    clouds = {name: cloud for name, cloud in clouds.items() if len(cloud[0])}
    y = np.concatenate([cloud[1] for cloud in clouds.values()] or [np.empty(0)])
    y = y[np.isfinite(y)]
    wide = bool(len(y)) and y.min() > 0 and y.max() > 10.0**DECADES * y.min()
    log = wide and experiment.diagram.observable == "loss"  # states have no natural zero
    if len(clouds) > 1:
        clouds = {**clouds, "down": _elsewhere(clouds["down"], clouds["up"], log)}
    curves = [Curve(NAMES[name], x, y, joined=False) for name, (x, y) in clouds.items()]
    diagram = experiment.diagram
    title = f"{experiment.called}: the last {diagram.last} values of {diagram.observable}"
    return Picture(title, curves, log)


def _cloud(
    experiment: Experiment, points: Sequence[Point], rows: Rows, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """All values of a direction, with the place of each on the axis."""
    x, y = [np.empty(0)], [np.empty(0)]
    for index in sorted(rows):
        for values in rows[index].orbit.get(name, ()):
            x.append(np.full(len(values), points[index].values[0], dtype=float))
            y.append(np.array(values, dtype=float))  # None becomes NaN
    return _placed(experiment, np.concatenate(x)), np.concatenate(y)


def _placed(experiment: Experiment, x: np.ndarray) -> np.ndarray:
    return np.log10(x) if axes(experiment.sweep)[0].log else x


def _elsewhere(
    cloud: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], log: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The points of a cloud that lie in no cell, nor beside one, that another has points in."""
    stacked = np.stack([np.concatenate([a, b]) for a, b in zip(cloud, other, strict=True)])
    with np.errstate(divide="ignore", invalid="ignore"):
        stacked[1] = np.log10(stacked[1]) if log else stacked[1]
    low = np.nanmin(stacked, axis=1)
    width = np.maximum(np.nanmax(stacked, axis=1) - low, 1e-300)
    cells = np.floor((stacked - low[:, None]) / width[:, None] * np.array(CELLS)[:, None])
    count = len(cloud[0])
    taken = {
        (column, row + beside)
        for column, row in cells[:, count:].T.tolist()
        for beside in (-1, 0, 1)
    }
    apart = np.array([tuple(cell) not in taken for cell in cells[:, :count].T.tolist()], bool)
    return cloud[0], np.where(apart, cloud[1], np.nan)


def _exponent(experiment: Experiment, points: Sequence[Point], rows: Rows) -> Picture:
    curves = _curves(experiment, points, rows, "lyapunov", joined=True)
    if len(curves) > 1:
        up, down = curves
        spread = np.nanmax(np.abs(np.concatenate([up.y, down.y])), initial=0.0)
        same = np.abs(up.y - down.y) <= SAME * spread
        curves = [up, replace(down, y=np.where(same, np.nan, down.y))]
    return Picture("leading exponent, nats per {per}", curves, levels=(("zero", 0.0),))


def _period(experiment: Experiment, points: Sequence[Point], rows: Rows) -> Picture:
    curves = _curves(experiment, points, rows, "period", joined=False)
    return Picture(f"{experiment.called}: period, where it has settled", curves, log=True)


def _curves(
    experiment: Experiment, points: Sequence[Point], rows: Rows, column: str, *, joined: bool
) -> list[Curve]:
    """A number of each value, a curve for each direction."""
    order = sorted(rows, key=lambda index: points[index].values[0])
    x = _placed(experiment, np.array([points[index].values[0] for index in order], dtype=float))
    curves = []
    for direction in experiment.diagram.directions or ("fresh",):
        name = column if direction == "fresh" else f"{direction}.{column}"
        y = np.array([_number(rows[index].numbers.get(name)) for index in order], dtype=float)
        shown = NAMES[direction] if direction != "fresh" else column.replace("lyapunov", "λ")
        curves.append(Curve(shown, x, y, joined=joined))
    return curves


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


_DRAWN = {"diagram": _diagram, "exponent": _exponent, "period": _period}
