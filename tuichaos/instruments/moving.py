"""Finite-time exponents of the tangent in windows that move along the run.

λ(t; w) = (ln‖v(t + w)‖₂ − ln‖v(t)‖₂)/w per unit of time: the same logarithms of lengths as in
rates.csv, so that windows that coincide have the same bits. When chaos is transient this shows
when it ends (Lai and Tél 2011, Transient Chaos, ch. 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.summary_statistics import summarise
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.statistics import mean_and_interval, median
from tuichaos.instruments.tangent import TangentExponent
from tuichaos.simulation.frames import Frame

WIDTH = 50  # steps of a window
EVERY = 10  # steps from one to the next
MAX_WINDOWS = 2000  # of a reference; beyond, the stride grows to a multiple of itself
MAX_ROWS = 50_000  # of moving.csv, about 2 MB: with many references there are fewer windows
LEAST_WINDOWS = 20  # of a reference, however many references


class Moving(Instrument, kept_as="Moving"):
    """Windows of ``measure.moving.width`` steps that begin every ``every`` steps from 0 on,
    whatever ``measure.discard``; those that end by the end of the run.

    Read from the tangent's instrument, which folds before. moving.csv is sorted by start,
    then reference; a reference that diverged, or whose tangent collapsed, is empty from there
    on. Memory: two numbers a window and reference, 0.8 MB up to 2 500 references.

    References
    ----------
    .. [1] Lai and Tél 2011, Transient Chaos, ch. 1: finite-time exponents, in nats per unit of
       time.
    """

    key = "moving"
    not_kept = ("_cached",)

    def __init__(self, context: RunContext, tangent: TangentExponent | None) -> None:
        if tangent is None:
            raise InputError("measure.moving: needs the tangent; set measure.tangent = true too")
        self.context = context
        self.tangent = tangent
        switch = context.experiment.measure.moving
        self.width, every = option(switch, "width", WIDTH), option(switch, "every", EVERY)
        windows = max(0, (context.steps - self.width) // every + 1)
        most = min(MAX_WINDOWS, max(LEAST_WINDOWS, MAX_ROWS // context.references))
        self.stride = every * max(1, math.ceil(windows / most))
        starts = range(0, context.steps - self.width + 1, self.stride)
        self.marks = {*starts, *(start + self.width for start in starts)}
        self.starts = list(starts)
        self.at: dict[int, np.ndarray] = {}
        self.read_to = -1
        self._cached: tuple[int, Findings] | None = None

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        for row, step in enumerate(frame.steps.tolist()):
            if step in self.marks:
                self.at[step] = self.tangent.lengths[row].copy()
        self.read_to = int(frame.steps[-1])
        return {}

    def exponents(self) -> tuple[np.ndarray, np.ndarray]:
        """The first steps (n,) of the windows seen so far, and the exponents (n, references)
        per unit of time."""
        starts = [s for s in self.starts if s + self.width <= self.read_to]
        if not starts:
            return np.empty(0, dtype=int), np.empty((0, self.context.references))
        first = np.stack([self.at[s] for s in starts])
        last = np.stack([self.at[s + self.width] for s in starts])
        return np.array(starts), (last - first) / (self.width * self.context.time_step)

    def findings(self) -> Findings:
        if self._cached is None or self._cached[0] != self.read_to:
            self._cached = (self.read_to, self._findings())
        return self._cached[1]

    def _findings(self) -> Findings:
        starts, found = self.exponents()
        rows = [
            [start, start + self.width, reference, value]
            for start, values in zip(starts.tolist(), found.tolist(), strict=True)
            for reference, value in enumerate(values)
        ]
        columns = ["start", "end", "reference", "lyapunov"]
        summary = {"moving": self._summary(starts, found)}
        return Findings(summary=summary, tables={"moving.csv": (columns, rows)})

    def _summary(self, starts: np.ndarray, found: np.ndarray) -> dict[str, Any]:
        """Of each reference the share of windows above 0, the largest, smallest and median
        one; over references the mean share and the medians of the others."""
        some = np.isfinite(found).any(axis=0) if len(found) else np.zeros(found.shape[1], bool)
        own = found[:, some]
        share = np.empty(0)
        if own.size:
            with np.errstate(invalid="ignore"):
                share = (own > 0).sum(axis=0) / np.isfinite(own).sum(axis=0)
        above = mean_and_interval(share, (0.0, 1.0))
        extremes = {"largest": np.nanmax, "smallest": np.nanmin, "median": np.nanmedian}
        until, why = self._positive_until(starts, found)
        return {
            "above_zero": above["mean"],
            "above_zero_ci95": above["ci95"],
            **{k: median(f(own, axis=0)) if own.size else np.nan for k, f in extremes.items()},
            "last_positive_end": until,
            "last_positive_end_reason": why,
            "width": self.width,
            "every": self.stride,
            "windows": len(starts),
            "count": int(some.sum()),
            "total": self.context.references,
            "window": [0, int(starts[-1]) + self.width if len(starts) else 0],
            "reason": None if some.any() else self._why_none(),
        }

    def _positive_until(
        self, starts: np.ndarray, found: np.ndarray
    ) -> tuple[int | None, str | None]:
        """The end of the last window in which the mean over references is above 0 beyond
        doubt: the lower bound of its 95 % interval (Student's t, references independent) is."""
        if found.shape[1] < 2:
            return None, "one reference"
        if not len(found):
            return None, "no window"
        low = summarise(found, averaged=True)[1]
        with np.errstate(invalid="ignore"):
            positive = np.flatnonzero(low > 0)
        if not len(positive):
            return None, "no window whose mean over references is above 0 beyond its 95 % interval"
        return int(starts[positive[-1]]) + self.width, None

    def _why_none(self) -> str:
        if self.context.steps < self.width:
            return f"the run has {self.context.steps} steps, fewer than a window of {self.width}"
        if self.read_to < self.width:
            return f"no whole window of {self.width} steps yet"
        return (
            f"every reference diverged, or its tangent vector shrank to 0, within {self.width} "
            "steps"
        )
