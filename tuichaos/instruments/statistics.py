"""Means with error bars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tuichaos.common.rng import Purpose, generator

RESAMPLES = 2000


def t_interval(values: np.ndarray) -> list[float] | None:
    """95 % interval of the mean of independent values (n,) by Student's t, the one that charts
    draw step by step; None for fewer than two: one value does not tell how it varies."""
    count = len(values)
    if count < 2:
        return None
    from scipy.special import stdtrit

    mean = float(values.mean())
    half = float(stdtrit(count - 1, 0.975) * values.std(ddof=1) / math.sqrt(count))
    return [mean - half, mean + half]


def bootstrap_blocks(spans: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile bootstrap interval of the means of columns (n, k) of span means in order
    of time, as low (k,) and high (k,): blocks that follow each other are resampled whole
    (Carlstein 1986), the same for every column. NaN in a column makes its interval NaN."""
    n = len(spans)
    draws = generator(seed, Purpose.BOOTSTRAP, 2).integers(n, size=(RESAMPLES, n))
    counts = np.stack([np.bincount(draw, minlength=n) for draw in draws]) / n
    return tuple(np.quantile(counts @ spans, [0.025, 0.975], axis=0))


ANY = (-math.inf, math.inf)


def mean_and_interval(values: np.ndarray, bounds: tuple[float, float] = ANY) -> dict[str, Any]:
    """``mean``, ``ci95`` (of the mean), ``median`` and ``count`` of the finite values (n,).

    ``bounds``: between which every value lies by its nature (a share, a count of n); the
    interval is cut there.
    """
    values = values[np.isfinite(values)]
    interval = t_interval(values)
    if interval is not None:
        interval = [min(max(end, bounds[0]), bounds[1]) for end in interval]
    return {
        "mean": float(values.mean()) if len(values) else math.nan,
        "ci95": interval,
        "median": median(values),
        "count": len(values),
    }


def share_interval(count: int, total: int) -> list[float] | None:
    """95 % interval of the probability that gave ``count`` of ``total`` independent cases
    (Wilson 1927, J. Am. Stat. Assoc. 22, 209–212; near 0 and 1, where it would hold rare cases
    in as little as 84 %, with the ends of Brown, Cai, DasGupta 2001, Stat. Sci. 16, 101–133,
    sec. 4.1.1); None of no case."""
    if not total:
        return None
    z = 1.959964  # 97.5 % point of the normal law
    share, weight = count / total, z * z / total
    middle = (share + weight / 2) / (1 + weight)
    half = math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    # At either end the interval reaches it, but for rounding.
    low = 0.0 if count == 0 else min(middle - half, _rare(count, total))
    high = 1.0 if count == total else max(middle + half, 1 - _rare(total - count, total))
    return [low, high]


# Means of a Poisson law at which 1, 2, 3 or more cases have probability .05.
RARE = (0.051293, 0.355362, 0.817691)


def _rare(count: int, total: int) -> float:
    """The probability of which so few cases tell; 1 where they are not few."""
    few = count <= (3 if total > 50 else 2)
    return RARE[count - 1] / total if few else 1.0


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
