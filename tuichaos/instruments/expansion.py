"""Local expansion rates of the loss series (arXiv 2404.05782, at large learning rates).

Neighbours of time i are all j ≠ i with |L_j − L_i| < RADIUS, those next in time among them
(the paper leaves none out: where the loss creeps, neighbours are mostly those, and the rate
is near 0). d_n(i) is the mean over them of |L_{i+n} − L_{j+n}|; a line is fitted to ln d_n(i)
for n = 1 … m − 1, m = 5 … 25, and the m with the largest R² gives the rate of time i. It is
significant if the slope over n = 1 … 10 differs from 0 with p ≤ 0.05. The same is done for
the mean of ln d_n(i) over all i, which gives one rate of the whole window (Kantz 1994, Phys.
Lett. A 185, 77–87).

What it cannot do: the radius is a length of the loss, whatever its range; the largest R²
leans to short windows, and local rates kept for their significance to large ones; and one
number is no state: two states of equal loss need not be near each other (a coordinate of a
flow passes each value upwards and downwards), so the rate is a sign of expansion more than
an exponent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuichaos.instruments.base import Findings
from tuichaos.instruments.series_window import OfSeries, SeriesWindow, Unmeasured, summary

RADIUS = 5e-5
SHORTEST, LONGEST = 4, 24  # points of a fit: n = 1 … m − 1 for m = 5 … 25
TESTED = 10  # points of the test: n = 1 … 10
SIGNIFICANT = 0.05
MAX_PAIRS = 20_000  # of neighbours; of more, as on a cycle, so many at even ranks
LEAST_PAIRS = 10  # below, the mean distance is that of a few accidents
LEAST = 100  # steps


@dataclass(frozen=True)
class Fit:
    """Lines through ln d_n of k curves: the rate of the best window a step, how many points
    it has, its R², and the p-value of the slope over n = 1 … 10; each (k,), NaN where none."""

    rate: np.ndarray
    length: np.ndarray
    r_squared: np.ndarray
    p_value: np.ndarray

    @property
    def significant(self) -> np.ndarray:
        """(k,) bool."""
        return self.p_value <= SIGNIFICANT


@dataclass(frozen=True)
class Expansion:
    """Of one window: ``curve`` (LONGEST,) geometric mean of d_n(i) over the times i and its
    ``whole`` fit; ``times`` (k,) that have neighbours, how many, and their ``local`` fits."""

    pairs: int
    curve: np.ndarray
    whole: Fit
    times: np.ndarray
    neighbours: np.ndarray
    local: Fit


class ExpansionRates(OfSeries, kept_as="ExpansionRates"):
    """Rates over the newest MAX_NEWEST steps in nats a step (of a flow: per unit of time).

    References
    ----------
    .. [1] Danovski, Soriano and Lacasa 2024, arXiv 2404.05782, at large learning rates: local
       rates.
    .. [2] Kantz 1994, Phys. Lett. A 185, 77–87: the rate of the whole part.
    """

    depends_on_steps = False
    key = "expansion"

    def measured(self, part: SeriesWindow) -> tuple[SeriesWindow, Expansion]:
        part.require(LEAST)
        return part, expansion(part.values, part.floor)

    def collected(self, found: Sequence[Any], window: list[int] | None) -> Findings:
        step = self.context.time_step
        local: list[list[Any]] = []
        curves: list[list[Any]] = []
        columns: dict[str, list[float]] = {name: [] for name in NAMES}
        for reference, one in enumerate(found):
            if isinstance(one, str):
                continue
            part, numbers = one
            local += _local_rows(reference, part.start, numbers, step)
            curves += _curve_rows(reference, numbers)
            for name, value in _numbers(numbers, step).items():
                columns[name].append(value)
        sure = sum(p <= SIGNIFICANT for p in columns["p_value"])
        part = {"significant": sure, **summary(found, window, columns)}
        return Findings(
            summary={"expansion": part},
            tables={"expansion.csv": (HEADS, local), "expansion-curve.csv": (CURVE, curves)},
        )


NAMES = ("rate", "r_squared", "p_value", "length", "pairs", "local_rate", "local_significant")
HEADS = ["reference", "step", "neighbours", "rate", "length", "r_squared", "p_value"]
HEADS += ["significant"]
CURVE = ["reference", "n", "distance", "fitted"]


def _numbers(one: Expansion, step: float) -> dict[str, float]:
    good = np.isfinite(one.local.p_value)
    sure = one.local.significant
    return {
        "rate": float(one.whole.rate[0]) / step,
        "r_squared": float(one.whole.r_squared[0]),
        "p_value": float(one.whole.p_value[0]),
        "length": float(one.whole.length[0]),
        "pairs": one.pairs,
        "local_rate": float(np.mean(one.local.rate[sure])) / step if sure.any() else math.nan,
        "local_significant": float(sure.sum() / good.sum()) if good.any() else math.nan,
    }


def _local_rows(reference: int, start: int, one: Expansion, step: float) -> list[list[Any]]:
    fit = one.local
    columns = (fit.rate / step, fit.length, fit.r_squared, fit.p_value)
    numbers = np.stack(columns, axis=1).tolist()
    steps, near = (one.times + start).tolist(), one.neighbours.tolist()
    sure = fit.significant.astype(int).tolist()
    rows = zip(steps, near, numbers, sure, strict=True)
    return [
        [reference, t, k, row[0], int(row[1]) if row[1] == row[1] else row[1], *row[2:], s]
        for t, k, row, s in rows
    ]


def _curve_rows(reference: int, one: Expansion) -> list[list[Any]]:
    """d_n, and the line where it was fitted."""
    n = np.arange(1, LONGEST + 1)
    length = one.whole.length[0]
    used = n <= length
    logs = np.log(one.curve[used])
    middle = logs.mean() - one.whole.rate[0] * n[used].mean()
    line = np.full(LONGEST, np.nan)
    line[used] = np.exp(middle + one.whole.rate[0] * n[used])
    return [
        [reference, int(k), float(d), float(f)] for k, d, f in zip(n, one.curve, line, strict=True)
    ]


def expansion(x: np.ndarray, floor: float = 0.0, radius: float = RADIUS) -> Expansion:
    """Expansion rates of a series (T,), T > LONGEST.

    Distances up to ``floor`` tell only rounding: a time's curve ends before its first one,
    and where more than half of the curves end early there is no rate. Unmeasured if so, or if
    there are too few pairs. O(T ln T) for the neighbours, found by sorting, and MAX_PAIRS
    distances at a time.
    """
    usable = len(x) - LONGEST
    first, second = neighbours(x[:usable], radius)
    if len(first) < LEAST_PAIRS:
        raise Unmeasured(
            f"fewer than {LEAST_PAIRS} pairs of steps have losses within {radius:g} of each other"
        )
    count = np.bincount(first, minlength=usable) + np.bincount(second, minlength=usable)
    times = np.flatnonzero(count)
    near = np.empty((len(times), LONGEST))
    for n in range(1, LONGEST + 1):
        apart = np.abs(x[first + n] - x[second + n])
        total = np.bincount(first, apart, usable) + np.bincount(second, apart, usable)
        near[:, n - 1] = total[times] / count[times]
    apart = (near > floor).all(axis=1)
    if apart.mean() <= 0.5:
        raise Unmeasured("neighbours meet exactly: the orbit repeats itself")
    curve = np.exp(np.log(near[apart]).mean(axis=0))
    return Expansion(
        len(first), curve, fit(curve[None], 0.0), times, count[times], fit(near, floor)
    )


def neighbours(x: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of times (i, j), i ≠ j, with |x_i − x_j| < radius, each once: two (pairs,); of
    more than MAX_PAIRS only so many, evenly spread over all in order of their values."""
    order = np.argsort(x, kind="stable")
    ranked = x[order]
    beyond = np.searchsorted(ranked, ranked + radius, side="left")
    ahead = np.maximum(beyond - np.arange(len(x)) - 1, 0)
    ends = np.cumsum(ahead)
    total = int(ends[-1]) if len(ends) else 0
    chosen = np.arange(min(total, MAX_PAIRS))
    if total > MAX_PAIRS:
        chosen = chosen * total // MAX_PAIRS
    left = np.searchsorted(ends, chosen, side="right")
    gap = chosen - (ends[left] - ahead[left]) + 1
    return order[left], order[left + gap]


def fit(distances: np.ndarray, floor: float) -> Fit:
    """The best line through ln of each row of distances (k, LONGEST) after n = 1, 2, … steps,
    the points from the first one that is not above the floor left out."""
    above = np.logical_and.accumulate(distances > floor, axis=1)
    points = above.sum(axis=1)
    y = np.log(np.where(above, distances, 1.0))
    slope, r_squared = _lines(y)
    lengths = np.arange(1, LONGEST + 1)
    allowed = (lengths >= SHORTEST) & (lengths <= points[:, None])
    best = np.where(allowed, np.nan_to_num(r_squared, nan=0.0), -1.0).argmax(axis=1)
    rows = np.arange(len(y))
    good = points >= SHORTEST
    p = _p_value(slope[:, TESTED - 1], r_squared[:, TESTED - 1], TESTED)
    return Fit(
        np.where(good, slope[rows, best], np.nan),
        np.where(good, lengths[best], np.nan),
        np.where(good, r_squared[rows, best], np.nan),
        np.where(points >= TESTED, p, np.nan),
    )


def _lines(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and R² of the least-squares lines through the first 1, 2, … points of each row of
    y (k, n) at 1, 2, …: two (k, n), NaN where there is no line."""
    y = y - y[:, :1]  # smaller numbers cancel less
    n = np.arange(1, y.shape[1] + 1, dtype=np.float64)
    sums = [np.cumsum(term, axis=1) for term in (y, y * y, n * y)]
    mean = sums[0] / n
    with np.errstate(invalid="ignore", divide="ignore"):
        xx = n * (n * n - 1) / 12
        xy = sums[2] - (n + 1) / 2 * sums[0]
        yy = np.maximum(sums[1] - n * mean * mean, 0.0)
        return xy / xx, np.minimum(xy * xy / (xx * yy), 1.0)


def _p_value(slope: np.ndarray, r_squared: np.ndarray, points: int) -> np.ndarray:
    """Two-sided p-value of slopes ≠ 0 by Student's t with ``points`` − 2 degrees of freedom."""
    from scipy.special import stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.sqrt(r_squared * (points - 2) / (1 - r_squared))
    p = 2 * stdtr(points - 2, -t)
    return np.where(slope == 0, 1.0, p)
