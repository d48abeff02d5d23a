"""What is worth a mark in the distance of twins: the rounding floor, the growth limit, the fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tuichaos.common.thresholds import FALL, FLOOR_UNITS, GROWTH_LIMIT, MIN_POINTS, is_line
from tuichaos.config.experiment import EPSILON, Experiment
from tuichaos.config.reference_parameters import per
from tuichaos.plots.bands import Band
from tuichaos.plots.figure import Curve, Role

COORDINATES = 16  # of a map that are observed


class Source(Protocol):
    """Whatever has columns: a run that goes on, or one that is kept."""

    @property
    def first_diverged(self) -> int | None:
        """The step at which the first reference diverged."""

    @property
    def time_step(self) -> float | None:
        """The time a step of the system takes; None where that is not known."""

    def band(self, name: str) -> Band:
        """A column as a band, all NaN when it was not measured."""


@dataclass(frozen=True)
class Fit:
    """A straight line through ln of the median distance: from step ``start`` to ``end``,
    ``slope`` in nats per unit of time (of a map: a step), ``curve`` to draw it."""

    start: int
    end: int
    slope: float
    curve: Curve


def scale(source: Source) -> np.ndarray:
    """The largest L1 norm so far of the median state: the weight norm, or of a map the sum of
    its coordinates' sizes. (T,), NaN where neither was measured."""
    norm = source.band("weight_norm").middle
    if not np.isfinite(norm).any():
        names = (f"x{k}" for k in range(COORDINATES))
        sizes = [np.abs(source.band(name).middle) for name in names]
        known = [size for size in sizes if np.isfinite(size).any()]
        norm = np.sum(known, axis=0) if known else norm
    return np.fmax.accumulate(norm) if len(norm) else norm


def growth_limit(source: Source) -> tuple[int, float] | None:
    """The step at which the median twin reached the growth limit, a thousandth of the scale, and
    that distance; None before."""
    distance = source.band("distance")
    middle, level = distance.middle, GROWTH_LIMIT * scale(source)
    with np.errstate(invalid="ignore"):
        full = np.flatnonzero(middle > level)
    return (int(distance.steps[full[0]]), float(level[full[0]])) if len(full) else None


def rounding_floor(source: Source, experiment: Experiment) -> float | None:
    """The distance below which rounding dominates, 100·u·S for the largest scale so far."""
    norm = scale(source)
    norm = norm[np.isfinite(norm)]
    return FLOOR_UNITS * EPSILON[experiment.dtype] * float(norm.max()) if len(norm) else None


def fit(source: Source, experiment: Experiment) -> Fit | None:
    """The line through ln of the median distance from the perturbation until it first leaves
    the band between floor and growth limit; None with fewer than 3 points there, or where it
    falls to the floor along what is no line.

    For the eye: exponents with errors and counts come from each twin (see ``growth``).
    """
    distance = source.band("distance")
    since = distance.steps >= experiment.ensemble.perturb_at
    x, d = distance.steps[since], distance.middle[since]
    size = scale(source)[since]
    if not len(x) or not np.isfinite(size).any():
        return None
    with np.errstate(invalid="ignore"):
        floor = FLOOR_UNITS * EPSILON[experiment.dtype] * size
        inside = (d > 0) & (d >= floor) & (d <= GROWTH_LIMIT * size)
    length = len(x) if inside.all() else int(np.argmin(inside))
    if length < MIN_POINTS:
        return None
    meets = length < len(x) and d[length] < floor[length]
    x, y = x[:length], np.log(d[:length])
    if meets and y[-1] - y[0] < -FALL and not _is_line(x - x[0], y - y[0]):
        return None
    if x[0] == x[-1]:  # of a damaged folder: no line leads through a single step
        return None
    slope, offset = np.polyfit(x - x[0], y, 1)
    ends = np.array([x[0], x[-1]])
    line = np.exp(offset + slope * (ends - x[0]))
    start, end = int(x[0]), int(x[-1])
    # A distance is known to the rounding of the states, and so is what it gains.
    rounding = float((size[:length] / d[:length] + np.abs(y)).max()) * EPSILON[experiment.dtype]
    if abs(slope) * (x[-1] - x[0]) <= 2 * rounding:
        slope = 0.0
    slope /= source.time_step or 1.0
    number = f"{slope:+.3g}" if slope else "0"
    rate = f"{number} nats per {per(experiment.system.name, source.time_step)}"
    name = f"fit {start}–{end}: {rate}"
    return Fit(start, end, float(slope), Curve(name, ends, line, Role.FIT))


def _is_line(x: np.ndarray, y: np.ndarray) -> bool:
    x = x.astype(np.float64)
    terms = (x, y, x * x, x * y, x**3, x**4, x * x * y, y * y)
    return bool(is_line(np.float64(len(x)), *(term.sum() for term in terms)))
