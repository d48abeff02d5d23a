"""What a screen keeps of a run while it grows: each column as median and percentiles."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from tuichaos.charts import Curve
from tuichaos.watching import Progress

MOST_POINTS = 32768
QUANTILES = (10.0, 50.0, 90.0)


@dataclass(frozen=True)
class Band:
    """One column over time: ``steps`` (T,), and over references the 10th percentile, the
    median and the 90th, each (T,), NaN where nothing was measured."""

    steps: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray

    def curves(self, count: int) -> list[Curve]:
        """As curves: the median, and the percentiles when there are several references."""
        name = f"median of {count}" if count > 1 else "reference 0"
        median = Curve(name, self.steps, self.median)
        if count == 1:
            return [median]
        return [median, Curve("10 %", self.steps, self.low), Curve("90 %", self.steps, self.high)]


class LiveSeries:
    """Bands of all columns of a run; fed by its thread, read by the screen.

    Memory is bounded: beyond MOST_POINTS neighbouring points are joined, the percentiles by
    the least and the largest, so that spikes stay visible.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps = np.empty(0)
        self._bands: dict[str, np.ndarray] = {}
        self.version = 0
        self.latest: Progress | None = None

    def add(self, progress: Progress) -> None:
        """Take in one frame (called in the run's thread)."""
        fresh = {name: _quantiles(values) for name, values in progress.columns.items()}
        with self._lock:
            old = len(self._steps)
            self._steps = np.concatenate([self._steps, progress.steps])
            for name, band in fresh.items():
                before = self._bands.get(name, np.full((3, old), np.nan))
                self._bands[name] = np.concatenate([before, band], axis=1)
            if len(self._steps) > MOST_POINTS:
                self._thin()
            self.latest = progress
            self.version += 1

    def band(self, name: str) -> Band:
        """One column so far; empty when it was not measured."""
        with self._lock:
            band = self._bands.get(name, np.full((3, len(self._steps)), np.nan))
            return Band(self._steps, *band)

    def last(self, name: str) -> float:
        """The newest median that is a number, NaN when there is none."""
        median = self.band(name).median
        finite = median[np.isfinite(median)]
        return float(finite[-1]) if len(finite) else float("nan")

    def finite(self, name: str) -> list[float]:
        """The medians of a column that are numbers."""
        median = self.band(name).median
        return median[np.isfinite(median)].tolist()

    def _thin(self) -> None:
        even = len(self._steps) // 2 * 2
        self._steps = self._steps[:even:2]
        for name, band in self._bands.items():
            pairs = band[:, :even].reshape(3, -1, 2)
            low = np.fmin(pairs[0, :, 0], pairs[0, :, 1])
            high = np.fmax(pairs[2, :, 0], pairs[2, :, 1])
            self._bands[name] = np.stack([low, pairs[1, :, 0], high])


def _quantiles(values: np.ndarray) -> np.ndarray:
    """10th, 50th and 90th percentile over references (T, n) as (3, T), of the finite ones."""
    if np.isfinite(values).all():
        return np.percentile(values, QUANTILES, axis=1)
    found = np.full((3, len(values)), np.nan)
    some = np.isfinite(values).any(axis=1)
    if some.any():
        held = np.where(np.isfinite(values[some]), values[some], np.nan)
        found[:, some] = np.nanpercentile(held, QUANTILES, axis=1)
    return found
