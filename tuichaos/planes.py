"""What a map over the swept keys shows: the numbers of its points as classes on colour scales.

Takes the rows of a sweep as they come, whether from a folder or from a simulation that is
still going on. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tuichaos.rasters import RGB, UNKNOWN, Raster, Scale
from tuichaos.sweeps.grid import Axis

# Blue where it goes well, red to yellow where it does not: told apart without seeing red or
# green, and by lightness alone at the boundary, where both are at their ends.
COLD: tuple[RGB, ...] = ((8, 29, 88), (34, 94, 168), (65, 182, 196), (199, 233, 220))
WARM: tuple[RGB, ...] = ((254, 178, 76), (240, 90, 40), (177, 0, 38))
DARK: tuple[RGB, ...] = ((90, 16, 60), (30, 6, 24))
NEGATIVE: tuple[RGB, ...] = ((5, 48, 97), (67, 147, 195), (240, 244, 247))
POSITIVE: tuple[RGB, ...] = ((247, 240, 236), (214, 96, 77), (103, 0, 31))
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

VERDICTS: dict[str, tuple[tuple[RGB, ...], str]] = {
    "monotone": (((0, 114, 178),), "m"),
    "catapult": (((86, 180, 233),), "u"),
    "edge-of-stability": (((0, 158, 115),), "e"),
    "marginal": (((150, 200, 150),), "g"),
    "periodic": (((240, 228, 66), (230, 159, 0)), "23456789p"),
    "transient-chaos": (((204, 121, 167),), "t"),
    "chaotic": (((213, 94, 0),), "c"),
    "dead-network": (((120, 94, 60),), "d"),
    "undecided": (NOTHING, "?"),
    "diverged": (GONE, "#"),
}
MOST_PERIODS = len(CYCLES)  # that have a colour of their own
WIDE = 98  # percentile of the exponents of one sign that ends its scale: a few would hide all
NO_ROW: Mapping[str, Any] = {}


class PlaneValues:
    """The points of a plane as they become known.

    ``value``: convergence, exponent, period or verdict; ``axes``: of the swept keys, one or
    two, as ``sweeps.grid.axes`` gives them. Points are numbered in grid order, the first key
    slowest, as in sweep.csv.
    """

    def __init__(self, value: str, axes: Sequence[Axis], title: str = "") -> None:
        self.value = value
        self.title = title or value
        self.axes = tuple(axes)
        self.shape = tuple(len(axis.values) for axis in self.axes)
        self._rows: dict[int, Mapping[str, Any]] = {}

    def add(self, point: int, numbers: Mapping[str, Any]) -> None:
        """Take in the numbers of one point (``Row.numbers``; empty for a point that failed)."""
        self._rows[point] = numbers

    def add_all(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        for point, numbers in rows:
            self.add(point, numbers)

    def grid(self, name: str) -> np.ndarray:
        """A number of the points (ny, nx), NaN where there is none: y is the second key."""
        found = np.full(int(np.prod(self.shape)), np.nan)
        for point, numbers in self._rows.items():
            value = numbers.get(name)
            if isinstance(value, int | float):
                found[point] = value
        return self._turned(found)

    @property
    def known(self) -> np.ndarray:
        """Which points have a row (ny, nx)."""
        found = np.zeros(int(np.prod(self.shape)), dtype=bool)
        found[list(self._rows)] = True
        return self._turned(found)

    def kinds(self) -> np.ndarray:
        """What each point is, as whole numbers (ny, nx): the classes between which the boundary
        runs. Converged or not; an exponent above 0 or not; the period (0 for none); the
        verdict. −1: not known, −2: no number, −3 (of exponents and periods): diverged."""
        gone = np.isfinite(self.grid("diverged_at"))
        if self.value == "convergence":
            found = self.grid("converged")
        elif self.value == "exponent":
            exponent = self.grid("lyapunov")
            sign = np.where(np.isfinite(exponent), exponent > 0, np.nan)
            found = np.where(gone, -3.0, sign)  # what it grew by until it left is no exponent
        elif self.value == "period":
            period = self.grid("period")
            found = np.where(gone, -3.0, np.where(np.isfinite(period), period, 0.0))
        else:
            found = self._verdicts()[1]
        found = np.where(np.isfinite(found), found, -2.0)
        return np.where(self.known, found, -1.0).astype(np.int64)

    def raster(self) -> Raster:
        """What is known so far, as classes on scales."""
        classes, values, scales = getattr(self, f"_{self.value}")()
        classes = np.where(self.known, classes, UNKNOWN)
        y = self.axes[1] if len(self.axes) == 2 else None
        return Raster(self.title, self.axes[0], y, classes, values, scales)

    def _turned(self, points: np.ndarray) -> np.ndarray:
        return points.reshape(self.shape[0], -1).T

    # --- the four values: classes (ny, nx), values (ny, nx), scales ---

    def _convergence(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        """How far the loss has come down; where it has not, how far up, or when it left."""
        ratio, converged = self.grid("convergence"), self.grid("converged")
        gone = self.grid("diverged_at")
        classes = np.select(
            [converged == 1, np.isfinite(gone), converged == 0], [0, 2, 1], default=3
        )
        low = _least(ratio[(classes == 0) & (ratio > 0)], 1e-3)
        high = _largest(ratio[(classes == 1) & np.isfinite(ratio)], 1e3)
        scales = (
            Scale("converged, loss/first", COLD, ":-=+", low, 1.0, log=True),
            Scale("not converged", WARM, "ox8", 1.0, high, log=True),
            Scale("diverged at step", DARK, "%@#", *_ends(gone), log=True),
            Scale("no number", NOTHING, "?"),
        )
        return classes, np.where(classes == 2, gone, ratio), scales

    def _exponent(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        exponent = self.grid("lyapunov")
        gone = np.isfinite(self.grid("diverged_at"))
        classes = np.select([gone, exponent > 0, exponent <= 0], [2, 1, 0], default=3)
        scales = (
            Scale("exponent", NEGATIVE, "=-:", -_wide(-exponent[classes == 0]), 0.0),
            Scale("exponent", POSITIVE, "ox8", 0.0, _wide(exponent[classes == 1])),
            Scale("diverged", GONE, "#"),
            Scale("no number (superstable)", NOTHING, "?"),
        )
        return classes, exponent, scales

    def _period(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        period = self.grid("period")
        gone = np.isfinite(self.grid("diverged_at"))
        most = MOST_PERIODS
        classes = np.select(
            [period <= most, period > most, gone], [period - 1, most, most + 2], default=most + 1
        )
        own = [Scale(f"{k + 1}", (CYCLES[k],), f"{k + 1}") for k in range(most)]
        high = _largest(period[np.isfinite(period)], most + 2)
        long = Scale("period", LONG, "n", most + 1, high)
        rest = (long, Scale("none", NOTHING, "."), Scale("diverged", GONE, "#"))
        return classes.astype(np.int64), period, (*own, *rest)

    def _verdict(self) -> tuple[np.ndarray, np.ndarray, tuple[Scale, ...]]:
        classes, _, periods = self._verdicts()
        high = _largest(periods[np.isfinite(periods)], 9.0)
        scales = tuple(
            Scale(name, colours, marks, 2.0, max(high, 3.0), log=True)
            for name, (colours, marks) in VERDICTS.items()
        )
        missing = Scale("no verdict", NOTHING, "?")
        classes = np.where(np.isfinite(classes), classes, len(scales)).astype(np.int64)
        return classes, periods, (*scales, missing)

    def _verdicts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The number of each verdict's family, of the verdict itself, and periods (ny, nx)."""
        size = int(np.prod(self.shape))
        families, kinds, periods = (np.full(size, np.nan) for _ in range(3))
        names = list(VERDICTS)
        for point, numbers in self._rows.items():
            verdict = numbers.get("verdict")
            if not isinstance(verdict, str):
                continue
            family, _, period = verdict.partition("-")
            if family != "periodic":
                family, period = verdict, ""
            if family in VERDICTS:
                number = int(period) if period.isdigit() else 0
                families[point] = names.index(family)
                periods[point] = number or np.nan
                kinds[point] = names.index(family) * 1_000 + number
        return self._turned(families), self._turned(kinds), self._turned(periods)


def _least(values: np.ndarray, otherwise: float) -> float:
    return float(min(values.min(), 0.999)) if values.size else otherwise


def _largest(values: np.ndarray, otherwise: float) -> float:
    return float(max(values.max(), 1.001)) if values.size else otherwise


def _ends(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (1.0, 10.0)


def _wide(values: np.ndarray) -> float:
    """The WIDE-th percentile of those above 0."""
    above = values[np.isfinite(values) & (values > 0)]
    return float(np.percentile(above, WIDE)) if above.size else 1.0
