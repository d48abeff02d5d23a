"""What is known of a plane over the swept keys: the numbers of its points, and their classes.

Takes the rows of a sweep as they come, whether from a folder or from a simulation that is
still going on. Free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.thresholds import T_975
from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import FLOWS, REFERENCE, per
from tuichaos.config.sweep_axes import Axis, axes
from tuichaos.storage.run_reader import Run
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.sweep_reader import read

UNKNOWN = -1  # the class of a point of which nothing is known yet
FAILED = "failed"
MAX_PERIODS = 8  # that are classes of their own
VERDICTS = (
    "monotone",
    "catapult",
    "edge-of-stability",
    "marginal",
    "periodic",
    "transient-chaos",
    "chaotic",
    "dead-network",
    "undecided",
    "diverged",
    "saddle-escape",
    "quasi-periodic",
)
# The names of the classes of each value, by their numbers; FAILED comes behind them.
CLASSES = {
    "convergence": ("converged", "not converged", "diverged", "no number"),
    "exponent": ("stable", "neutral", "unstable", "diverged", "no number (superstable)"),
    "period": (
        *(f"period {k + 1}" for k in range(MAX_PERIODS)),
        "longer",
        "no period",
        "diverged",
    ),
    "verdict": (*VERDICTS, "no verdict"),
}
# An exponent is neutral where nearby orbits gain or lose less than so many nats over the steps
# that are averaged: at that rate 1 nat in a quarter of them, where verdicts say marginal.
NEUTRAL_NATS = 4.0
PERIODS = 10_000  # more than a period that is looked for: verdicts with periods as one number

# The numbers of a point that each value is made of.
NUMBERS = {
    "convergence": ("convergence", "converged", "diverged_at"),
    "exponent": ("lyapunov", "lyapunov_error", "diverged_at"),
    "period": ("period", "diverged_at"),
    "verdict": ("verdict",),
}


class PlaneValues:
    """The points of a plane as they become known.

    ``value``: convergence, exponent, period or verdict; ``axes``: of the swept keys, one or
    two, as ``sweep_axes.axes`` gives them. Points are numbered in grid order, the first key
    slowest, as in sweep.csv. ``averaged``: the time that exponents are averaged over, one
    number or (points,); infinite where the error of a point alone says whether it is neutral.
    ``note``: of what the values are, over which steps.
    """

    def __init__(
        self,
        value: str,
        axes: Sequence[Axis],
        title: str = "",
        averaged: np.ndarray | float = math.inf,
        note: str = "",
    ) -> None:
        self.note = note
        self.value = value
        self.title = title or value
        self.axes = tuple(axes)
        self.shape = tuple(len(axis.values) for axis in self.axes)
        size = math.prod(self.shape)
        self._known = np.zeros(size, dtype=bool)
        self._failed = np.zeros(size, dtype=bool)
        self._numbers = {name: np.full(size, np.nan) for name in NUMBERS[value]}
        self._periods = np.full(size, np.nan)  # of verdicts that have one
        self._averaged = np.broadcast_to(averaged, size)

    @property
    def size(self) -> int:
        """How many points there are."""
        return len(self._known)

    @property
    def count(self) -> int:
        """How many have been added."""
        return int(self._known.sum())

    @property
    def whole(self) -> bool:
        return self.count == self.size

    def add(self, point: int, numbers: Mapping[str, Any]) -> None:
        """Take in the numbers of one point (``Row.numbers``; empty for a point that failed).
        What is no number, or None, is one that does not exist."""
        self._known[point] = True
        self._failed[point] = not numbers
        for name, column in self._numbers.items():
            found = numbers.get(name)
            if isinstance(found, str):
                found, self._periods[point] = _family(found)
            column[point] = math.nan if found is None else found

    def grid(self, name: str) -> np.ndarray:
        """A number of the points (ny, nx), NaN where there is none: y is the second key."""
        return self._turned(self._numbers[name])

    @property
    def known(self) -> np.ndarray:
        """Which points have a row (ny, nx)."""
        return self._turned(self._known)

    def kinds(self) -> np.ndarray:
        """What each point is, as whole numbers (ny, nx): the classes between which the boundary
        runs. Converged or not; an exponent above 0 (1) or not, or neutral (0), so that the noise
        about 0 makes no boundary; the period (0 for none); the verdict. −1: not known, −2: no
        number, −3 (of exponents and periods): diverged."""
        if self.value == "convergence":
            found = self.grid("converged")
        elif self.value == "verdict":
            found = self.grid("verdict") * PERIODS + np.nan_to_num(self._turned(self._periods))
        else:
            own = self.grid("lyapunov" if self.value == "exponent" else "period")
            if self.value == "exponent":
                own = np.where(np.isfinite(own), (own > 0) & ~self.neutral, np.nan)
            else:
                own = np.nan_to_num(own)
            # What an exponent was until its orbit left is none of the orbit.
            found = np.where(np.isfinite(self.grid("diverged_at")), -3.0, own)
        found = np.where(np.isfinite(found) & ~self._turned(self._failed), found, -2.0)
        return np.where(self.known, found, -1.0).astype(np.int64)

    @property
    def bounds(self) -> np.ndarray:
        """The size (ny, nx) that an exponent must exceed not to be neutral: NEUTRAL_NATS over
        the time averaged, or what its 95 % interval from batch means spans to either side."""
        with np.errstate(divide="ignore"):
            gain = NEUTRAL_NATS / self._turned(self._averaged)
        return np.fmax(gain, T_975 * self.grid("lyapunov_error"))

    @property
    def neutral(self) -> np.ndarray:
        """Which exponents (ny, nx) are not told from 0."""
        with np.errstate(invalid="ignore"):
            return np.abs(self.grid("lyapunov")) <= self.bounds

    def neutral_bounds(self) -> list[float] | None:
        """The smallest and the largest bound of points that have an exponent."""
        known = np.isfinite(self.grid("lyapunov")) & ~np.isfinite(self.grid("diverged_at"))
        own = self.bounds[known]
        return [float(own.min()), float(own.max())] if own.size else None

    def counts(self) -> dict[str, int]:
        """How many points there are of each class that has some, by its name."""
        classes = self.classes()
        counted = {name: int((classes == k).sum()) for k, name in enumerate(self.class_names)}
        return {name: count for name, count in counted.items() if count}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, by their numbers."""
        return (*CLASSES[self.value], FAILED)

    def classes(self) -> np.ndarray:
        """The class of each point (ny, nx), as the number of its name; UNKNOWN for a point that
        has no row yet."""
        found = getattr(self, f"_{self.value}_classes")()
        found = np.where(self._turned(self._failed), len(CLASSES[self.value]), found)
        return np.where(self.known, found, UNKNOWN).astype(np.int64)

    def values(self) -> np.ndarray:
        """The number of each point (ny, nx) that tells it from others of its class: the loss
        ratio, or the step of divergence; the exponent; the period."""
        if self.value == "convergence":
            gone = self.grid("diverged_at")
            return np.where(np.isfinite(gone), gone, self.grid("convergence"))
        if self.value == "verdict":
            return self._turned(self._periods)
        return self.grid("lyapunov" if self.value == "exponent" else "period")

    def _convergence_classes(self) -> np.ndarray:
        gone, converged = np.isfinite(self.grid("diverged_at")), self.grid("converged")
        return np.select([gone, converged == 1, converged == 0], [2, 0, 1], default=3)

    def _exponent_classes(self) -> np.ndarray:
        exponent, gone = self.grid("lyapunov"), np.isfinite(self.grid("diverged_at"))
        unknown = np.isnan(exponent)
        return np.select([gone, unknown, self.neutral, exponent > 0], [3, 4, 1, 2], default=0)

    def _period_classes(self) -> np.ndarray:
        period, gone, most = self.grid("period"), np.isfinite(self.grid("diverged_at")), MAX_PERIODS
        conditions = [gone, period <= most, period > most]
        return np.select(conditions, [most + 2, period - 1, most], default=most + 1)

    def _verdict_classes(self) -> np.ndarray:
        families = self.grid("verdict")
        return np.where(np.isfinite(families), families, len(VERDICTS))

    def _turned(self, points: np.ndarray) -> np.ndarray:
        return points.reshape(self.shape[0], -1).T


def _family(verdict: str) -> tuple[float, float]:
    """The number of a verdict among VERDICTS and its period, each NaN where there is none:
    periodic-3 is periodic, 3."""
    name, _, period = verdict.partition("-")
    if name != "periodic":
        name, period = verdict, ""
    number = VERDICTS.index(name) if name in VERDICTS else math.nan
    return number, float(period) if period.isdecimal() else math.nan


def of_experiment(experiment: Experiment) -> PlaneValues:
    """The plane of an experiment, without a point yet."""
    swept = axes(experiment.sweep)
    time = averaged(experiment, swept)
    value = experiment.plane.value
    return PlaneValues(value, swept, experiment.title, time, note=window(experiment))


def window(experiment: Experiment) -> str:
    """Of what the values of a plane are, and over which steps."""
    own = [key for key in ("measure.discard", "steps") if key in experiment.sweep]
    last = "the last one" if "steps" in own else f"{experiment.steps}"
    if experiment.plane.value != "exponent":
        return f"after {last} steps" if "steps" not in own else "after the steps of each point"
    first = "the first averaged" if "measure.discard" in own else f"{experiment.measure.discard}"
    return f"λ in nats per {per(experiment.system.name)}, over steps {first}–{last}"


def averaged(experiment: Experiment, swept: Sequence[Axis]) -> np.ndarray:
    """The time (points,) over which the exponent of each point is averaged."""
    grids = np.meshgrid(*(axis.values for axis in swept), indexing="ij")
    own = {axis.key: grid.ravel() for axis, grid in zip(swept, grids, strict=True)}
    steps = own.get("steps", experiment.steps)
    discard = own.get("measure.discard", experiment.measure.discard)
    time_step = 1.0
    if experiment.system.name in FLOWS:
        default = experiment.system.parameters.get("dt", REFERENCE[experiment.system.name]["dt"])
        time_step = own.get("system.parameters.dt", default)
    return np.broadcast_to((steps - discard) * time_step, math.prod(len(a.values) for a in swept))


def of_run(run: Run) -> PlaneValues:
    """The plane of a kept sweep, as far as it goes; InputError where it is none."""
    experiment = run.experiment
    if run.kind != "sweep" or experiment.plane.value == "none":
        raise InputError(f"{run.path.name}: is no map; it has no [plane]")
    found = of_experiment(experiment)
    columns = read(run.path)
    known = [name for name in NUMBERS[found.value] if name in columns]
    values = zip(*(columns[name] for name in known), strict=True) if known else ()
    rows = [dict(zip(known, row, strict=True)) for row in values]
    rows = rows or [{}] * len(columns["point"])
    for point, status, numbers in zip(columns["point"], columns["status"], rows, strict=True):
        found.add(int(point), numbers if status == "done" else {})
    return found


def of_rows(experiment: Experiment, rows: Iterable[Row]) -> PlaneValues:
    """The plane of rows that are at hand."""
    found = of_experiment(experiment)
    for row in rows:
        found.add(row.point, row.numbers)
    return found
