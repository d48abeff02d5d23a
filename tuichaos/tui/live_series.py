"""What a screen keeps of a run while it grows: each column as a band."""

from __future__ import annotations

import threading

import numpy as np

from tuichaos.common.summary_statistics import summarise
from tuichaos.execution.progress_event import Progress
from tuichaos.plots.bands import AVERAGED, Band, labels
from tuichaos.plots.figure import Role

MAX_POINTS = 32768
EARLY_POINTS = 4096  # kept as they are: fits and the growth limit are read there


class LiveSeries:
    """Bands of all columns of a run; fed by its thread, read by the screen.

    Memory is bounded: beyond MAX_POINTS neighbouring points behind the early ones are joined,
    bounds by the least and the largest, so that spikes stay visible.
    """

    def __init__(self, references: int) -> None:
        self.references = references
        self._lock = threading.Lock()
        self._steps = np.empty(0)
        self._rows: dict[str, np.ndarray] = {}
        self._bands: dict[str, Band] = {}  # of a still one: it does not change
        self._still: LiveSeries | None = None
        self.version = 0
        self.latest: Progress | None = None

    @property
    def first_diverged(self) -> int | None:
        return self.latest.first_diverged if self.latest else None

    @property
    def time_step(self) -> float | None:
        return self.latest.time_step if self.latest else None

    def add(self, progress: Progress) -> None:
        """Take in one frame (called in the run's thread)."""
        fresh = {n: summarise(v, n in AVERAGED) for n, v in progress.columns.items()}
        with self._lock:
            old = len(self._steps)
            self._steps = np.concatenate([self._steps, progress.steps])
            for name in self._rows.keys() - fresh.keys():  # not measured in this frame
                known, more = self._rows[name], len(progress.steps)
                fresh[name] = np.full((len(known), more), np.nan)
            for name, rows in fresh.items():
                before = self._rows.get(name, np.full((len(rows), old), np.nan))
                self._rows[name] = np.concatenate([before, rows], axis=1)
            if len(self._steps) > MAX_POINTS:
                self._thin()
            self.latest = progress
            self.version += 1

    def still(self) -> LiveSeries:
        """The series as it is now: columns of one length, whatever is added meanwhile."""
        with self._lock:  # arrays are replaced, never written to
            if self._still is None or self._still.version != self.version:
                found = LiveSeries(self.references)
                found._steps, found._rows = self._steps, dict(self._rows)
                found.version, found.latest = self.version, self.latest
                self._still = found
            return self._still

    def band(self, name: str) -> Band:
        """A column; of a still series one and the same however often it is asked for, so that
        what a chart derives from it is derived once."""
        with self._lock:
            newest = self._bands.get(name)
            if newest is None or newest.steps is not self._steps:
                averaged = name in AVERAGED
                blank = (len(labels(self.references, averaged)), len(self._steps))
                rows = self._rows.get(name, np.full(blank, np.nan))
                newest = Band(self._steps, rows, self.references, averaged)
                self._bands[name] = newest
            return newest

    def last(self, name: str) -> float:
        """The newest median (or mean) that is a number, NaN when there is none."""
        finite = self.finite(name)
        return finite[-1] if finite else float("nan")

    def finite(self, name: str) -> list[float]:
        """The medians (or means) of a column that are numbers."""
        middle = self.band(name).middle
        return middle[np.isfinite(middle)].tolist()

    def _thin(self) -> None:
        early, even = EARLY_POINTS, len(self._steps) // 2 * 2
        self._steps = np.concatenate([self._steps[:early], self._steps[early:even:2]])
        for name, rows in self._rows.items():
            pairs = rows[:, early:even].reshape(len(rows), -1, 2)
            joined = pairs[:, :, 0].copy()
            for k, (_, role) in enumerate(labels(self.references, name in AVERAGED)):
                if role in (Role.LOW, Role.HIGH):
                    join = np.fmin if role == Role.LOW else np.fmax
                    joined[k] = join(pairs[k, :, 0], pairs[k, :, 1])
            self._rows[name] = np.concatenate([rows[:, :early], joined], axis=1)
