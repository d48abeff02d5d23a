"""What a map over the swept keys shows: the numbers of its points as classes on colour scales.

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
from tuichaos.plots.raster_renderer import RGB, UNKNOWN, Raster, Scale
from tuichaos.storage.run_reader import Run
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.sweep_reader import read

# Blue where training goes well, red to orange where it leaves, purple between: told apart
# without seeing red or green. Each ends lightest where another class is likely to be next to it.
COLD: tuple[RGB, ...] = ((8, 29, 88), (34, 94, 168), (65, 182, 196), (199, 233, 220))
STUCK: tuple[RGB, ...] = ((206, 150, 214), (122, 1, 119))
SOON_LATE: tuple[RGB, ...] = ((90, 8, 20), (200, 40, 30), (253, 164, 72))
NEGATIVE: tuple[RGB, ...] = ((5, 48, 97), (67, 147, 195), (240, 244, 247))
POSITIVE: tuple[RGB, ...] = ((247, 240, 236), (214, 96, 77), (103, 0, 31))
NEUTRAL: tuple[RGB, ...] = ((150, 200, 150),)  # as of marginal verdicts
NOTHING: tuple[RGB, ...] = ((120, 120, 124),)
GONE: tuple[RGB, ...] = ((24, 24, 26),)

# Eight that differ in lightness as well, after Okabe and Ito 2008.
CYCLES: tuple[RGB, ...] = (
    (0, 114, 178),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (230, 159, 0),
    (213, 94, 0),
    (204, 121, 167),
    (150, 80, 200),
)
LONG: tuple[RGB, ...] = ((200, 200, 200), (240, 240, 240))

# Signs of classes are none of "+-|^>", with which axes, cross and box are drawn in ASCII.
VERDICTS: dict[str, tuple[tuple[RGB, ...], str]] = {
    "monotone": (((0, 114, 178),), "m"),
    "catapult": (((86, 180, 233),), "u"),
    "edge-of-stability": (((0, 158, 115),), "e"),
    "marginal": (NEUTRAL, "g"),
    "periodic": (((240, 228, 66), (230, 159, 0)), "23456789p"),
    "transient-chaos": (((204, 121, 167),), "t"),
    "chaotic": (((213, 94, 0),), "c"),
    "dead-network": (((120, 94, 60),), "d"),
    "undecided": (NOTHING, "?"),
    "diverged": (GONE, "#"),
    "saddle-escape": (((150, 80, 200),), "s"),
    "quasi-periodic": (((0, 190, 190),), "q"),
}
MOST_PERIODS = len(CYCLES)  # that have a colour of their own
WIDE = 98  # percentile of the sizes of exponents that ends their scale: a few would hide all
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
        raster, found = self.raster(), {}
        for number, scale in enumerate(raster.scales):
            if count := int((raster.classes == number).sum()):
                found[scale.name] = count
        return found

    def raster(self) -> Raster:
        """What is known so far, as classes on scales."""
        classes, values, scales = getattr(self, f"_{self.value}")()
        classes = np.where(self._turned(self._failed), len(scales), classes)
        classes = np.where(self.known, classes, UNKNOWN)
        scales = (*scales, Scale("failed", NOTHING, "?"))
        y = self.axes[1] if len(self.axes) == 2 else None
        return Raster(self.title, self.axes[0], y, classes, values, scales, self.note)

    def _turned(self, points: np.ndarray) -> np.ndarray:
        return points.reshape(self.shape[0], -1).T

    # --- the four values: classes (ny, nx), values (ny, nx), scales ---

    def _convergence(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        """How far the loss has come down; where it has not, how far up, or when it left."""
        ratio, converged = self.grid("convergence"), self.grid("converged")
        gone = self.grid("diverged_at")
        classes = np.select(
            [np.isfinite(gone), converged == 1, converged == 0], [2, 0, 1], default=3
        )
        low = _least(ratio[(classes == 0) & (ratio > 0)], 1e-3)
        high = _largest(ratio[(classes == 1) & np.isfinite(ratio)], 1e3)
        unit = "loss/first"
        scales = (
            Scale("converged", COLD, ":;=*", low, 1.0, log=True, unit=unit),
            Scale("not converged", STUCK, "os", 1.0, high, log=True, unit=unit),
            Scale("diverged", SOON_LATE, "#%@", *_ends(gone), log=True, unit="at step"),
            Scale("no number", NOTHING, "?"),
        )
        return classes, np.where(classes == 2, gone, ratio), scales

    def _exponent(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        """Both signs on one scale, as long on either side of 0; what is not told from 0 apart."""
        exponent = self.grid("lyapunov")
        gone = np.isfinite(self.grid("diverged_at"))
        classes = np.select(
            [gone, np.isnan(exponent), self.neutral, exponent > 0], [3, 4, 1, 2], default=0
        )
        end = _wide(np.abs(exponent[classes < 3]))
        bounds = self.neutral_bounds()
        ends = [] if bounds is None else _ends_said(*bounds)
        note = "|λ| up to " + " … ".join(ends) if ends else ""
        # Ranges that do not overlap: with one bound it divides them, else the sign does.
        edge = ends[0] if len(ends) == 1 else "0"
        neutral = f"|λ| ≤ {edge}" if len(ends) == 1 else f"0 within ± {' … '.join(ends)}"
        minus = "-" * (edge != "0")
        below = f"λ {_at_most(exponent, -end)}{-end:.3g} … < {minus}{edge}"
        above = f"λ > {edge} … {end:.3g}{_at_least(exponent, end)}"
        scales = (
            Scale("stable", NEGATIVE, "=~:", -end, 0.0, unit="λ", said=below),
            Scale("neutral", NEUTRAL, "0", note=note, said=neutral if ends else ""),
            Scale("unstable", POSITIVE, "ox8", 0.0, end, unit="λ", said=above),
            Scale("diverged", GONE, "#"),
            Scale("no number (superstable)", NOTHING, "?"),
        )
        return classes, exponent, scales

    def _period(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        period = self.grid("period")
        gone = np.isfinite(self.grid("diverged_at"))
        most = MOST_PERIODS
        classes = np.select(
            [gone, period <= most, period > most], [most + 2, period - 1, most], default=most + 1
        )
        own = [Scale(f"period {k + 1}", (CYCLES[k],), f"{k + 1}") for k in range(most)]
        high = _largest(period[np.isfinite(period)], most + 2)
        long = Scale("longer", LONG, "n", most + 1, high, unit="period")
        rest = (long, Scale("no period", NOTHING, "."), Scale("diverged", GONE, "#"))
        return classes.astype(np.int64), period, (*own, *rest)

    def _verdict(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        families, periods = self.grid("verdict"), self._turned(self._periods)
        high = max(3.0, _largest(periods[np.isfinite(periods)], 3.0))
        scales = tuple(
            Scale(name, colours, marks, 2.0, high, log=True, unit="period")
            for name, (colours, marks) in VERDICTS.items()
        )
        missing = Scale("no verdict", NOTHING, "?")
        classes = np.where(np.isfinite(families), families, len(scales)).astype(np.int64)
        return classes, periods, (*scales, missing)


def _family(verdict: str) -> tuple[float, float]:
    """The number of a verdict among VERDICTS and its period, each NaN where there is none:
    periodic-3 is periodic, 3."""
    name, _, period = verdict.partition("-")
    if name != "periodic":
        name, period = verdict, ""
    number = list(VERDICTS).index(name) if name in VERDICTS else math.nan
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


def _at_most(values: np.ndarray, end: float) -> str:
    """Before the lower end of a scale that some values lie beyond."""
    return "≤ " if (values < end).any() else ""


def _at_least(values: np.ndarray, end: float) -> str:
    """Behind the upper end of a scale that some values lie beyond."""
    return " and above" if (values > end).any() else ""


def _least(values: np.ndarray, otherwise: float) -> float:
    return float(min(values.min(), 0.999)) if values.size else otherwise


def _largest(values: np.ndarray, otherwise: float) -> float:
    return float(max(values.max(), 1.001)) if values.size else otherwise


def _ends(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (1.0, 10.0)


def _ends_said(low: float, high: float) -> list[str]:
    """Two bounds as texts, one where they read alike."""
    return list(dict.fromkeys(f"{end:.2g}" for end in (low, high)))


def _wide(values: np.ndarray) -> float:
    """The WIDE-th percentile of those above 0."""
    above = values[np.isfinite(values) & (values > 0)]
    return float(np.percentile(above, WIDE)) if above.size else 1.0
