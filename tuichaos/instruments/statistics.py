"""Means with error bars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tuichaos.randomness import Purpose, generator

RESAMPLES = 2000


def bootstrap_interval(values: np.ndarray, seed: int) -> list[float] | None:
    """95 % percentile bootstrap interval of the mean of independent values (n,), widened for
    few (see ``widening``).

    None for fewer than two: one value does not tell how it varies.
    (Efron and Tibshirani, An Introduction to the Bootstrap, ch. 13.)
    """
    count = len(values)
    if count < 2:
        return None
    rng = generator(seed, Purpose.BOOTSTRAP)
    at_once = max(1, 1_000_000 // count)  # resamples, so that memory stays flat
    means = []
    for first in range(0, RESAMPLES, at_once):
        size = (min(at_once, RESAMPLES - first), count)
        means.append(values[rng.integers(count, size=size)].mean(axis=1))
    means = np.concatenate(means)
    low, high = np.quantile(means, [0.025, 0.975])
    mean, factor = values.mean(), widening(count)
    return [float(mean - factor * (mean - low)), float(mean + factor * (high - mean))]


def widening(count: int) -> float:
    """By how much a percentile bootstrap interval of the mean of ``count`` ≥ 2 values is too
    narrow: √(n/(n − 1)), since resampled means spread like the values about their own mean,
    times the ratio of Student's to the normal quantile (Hesterberg 2015, Am. Stat. 69,
    371–386). Without it four values cover 80 % instead of 95 %; it is 1.003 for 500.
    """
    from scipy.special import ndtri, stdtrit

    quantiles = stdtrit(count - 1, 0.975) / ndtri(0.975)
    return float(quantiles * math.sqrt(count / (count - 1)))


def bootstrap_rows(rows: np.ndarray, seed: int) -> np.ndarray:
    """95 % percentile bootstrap intervals (n, 2) of the means of rows (n, m), m ≥ 3, widened
    as by ``widening``.

    Every row is resampled by the same draws. A row with a NaN has a NaN interval.
    """
    n, m = rows.shape
    if m < 3:
        return np.full((n, 2), np.nan)
    draws = generator(seed, Purpose.BOOTSTRAP, 1).integers(m, size=(RESAMPLES, m))
    counts = np.stack([np.bincount(draw, minlength=m) for draw in draws]) / m
    intervals = np.full((n, 2), np.nan)
    for k in np.flatnonzero(np.isfinite(rows).all(axis=1)):
        found = np.quantile(counts @ rows[k], [0.025, 0.975])
        mean = rows[k].mean()
        intervals[k] = mean + widening(m) * (found - mean)
    return intervals


def bootstrap_blocks(spans: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile bootstrap interval of the means of columns (n, k) of span means in order
    of time, as low (k,) and high (k,): blocks that follow each other are resampled whole
    (Carlstein 1986), the same for every column. NaN in a column makes its interval NaN."""
    n = len(spans)
    draws = generator(seed, Purpose.BOOTSTRAP, 2).integers(n, size=(RESAMPLES, n))
    counts = np.stack([np.bincount(draw, minlength=n) for draw in draws]) / n
    return tuple(np.quantile(counts @ spans, [0.025, 0.975], axis=0))


ANY = (-math.inf, math.inf)


def mean_and_interval(
    values: np.ndarray, seed: int, bounds: tuple[float, float] = ANY
) -> dict[str, Any]:
    """``mean``, ``ci95`` (of the mean), ``median`` and ``count`` of the finite values (n,).

    ``bounds``: between which every value lies by its nature (a share, a count of n); the
    interval of a few, widened for their number, is cut there.
    """
    values = values[np.isfinite(values)]
    interval = bootstrap_interval(values, seed)
    if interval is not None:
        interval = [min(max(end, bounds[0]), bounds[1]) for end in interval]
    return {
        "mean": float(values.mean()) if len(values) else math.nan,
        "ci95": interval,
        "median": median(values),
        "count": len(values),
    }


def median(values: np.ndarray) -> float:
    """The median of the finite values, NaN when there is none."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else math.nan


def median_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval of the median of independent values (n,), infinite ones allowed: the pair of
    values, as many from below as from above, that holds the median of the law they are drawn
    from with probability ``level`` at least, whatever the law (NaN, NaN where n is too small:
    below 6 for 95 %). The k-th smallest lies above it with probability P[B < k], B binomial
    (n, ½); with ties the interval is no less safe. (Conover, Practical Nonparametric
    Statistics, ch. 3.2.)
    """
    from scipy.special import bdtr

    count = len(values)
    # The k-th value from either end, k as large as P[B < k] < (1 − level)/2 allows.
    k = int((bdtr(np.arange(count), count, 0.5) < (1 - level) / 2).sum())
    if not k:
        return math.nan, math.nan
    ordered = np.sort(values)
    return float(ordered[k - 1]), float(ordered[count - k])
