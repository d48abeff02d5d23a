"""A column over many references as a few numbers a step: a median with percentiles, or a mean
with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

QUANTILES = (50.0, 10.0, 90.0)
FEW = 5  # references that are shown one by one
LARGE = 1e150  # squares of larger numbers are beyond all range


def summarise(values: np.ndarray, averaged: bool) -> np.ndarray:
    """The rows (k, T) of a band from values (T, references)."""
    references = values.shape[1]
    if references == 1 or (references <= FEW and not averaged):
        return values.T.copy()
    return _means(values) if averaged else _quantiles(values)


def _means(values: np.ndarray) -> np.ndarray:
    """Mean of the finite ones and its 95 % interval, (3, T)."""
    from scipy.special import stdtrit

    good = np.isfinite(values)
    count = good.sum(axis=1)
    held = np.where(good, values, 0.0)
    size = np.abs(held).max(axis=1, initial=0.0)
    unit = np.where(size > LARGE, size, 1.0)[:, None]
    held = held / unit
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = held.sum(axis=1) / count
        square = (np.where(good, held - mean[:, None], 0.0) ** 2).sum(axis=1)
        half = stdtrit(count - 1, 0.975) * np.sqrt(square / (count - 1) / count)
        return np.stack([mean, mean - half, mean + half]) * unit.ravel()


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Median, 10th and 90th percentile over references, of the finite ones, (3, T)."""
    return _percentiles(values, QUANTILES)


def percentile(values: np.ndarray, q: float) -> np.ndarray:
    """Percentile over references (T,), of the finite ones; NaN where there is none."""
    return _percentiles(values, (q,))[0]


def _percentiles(values: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """Percentiles (len(quantiles), T) of the finite ones of each row of values (T, references),
    interpolated between neighbours; NaN where there is none.

    All rows at once: NumPy's own has a Python call for each row that holds a NaN.
    """
    rows = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)  # NaN goes last
    count = np.isfinite(rows).sum(axis=1)
    found = np.full((len(quantiles), len(rows)), np.nan)
    some = np.flatnonzero(count)
    for k, q in enumerate(quantiles):
        place = q / 100 * (count[some] - 1)
        low = place.astype(np.int64)
        high = np.minimum(low + 1, count[some] - 1)
        a, b = rows[some, low], rows[some, high]
        share = place - low
        with np.errstate(over="ignore", invalid="ignore"):
            between = a + (b - a) * share
        # A difference may be beyond the largest float while what lies between is not.
        far = ~np.isfinite(between)
        found[k, some] = np.where(far, a * (1 - share) + b * share, between)
    return found
