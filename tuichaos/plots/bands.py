"""A column over many references as a few curves: what charts show and sentences speak of."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from tuichaos.common.summary_statistics import FEW, percentile
from tuichaos.common.thresholds import BATCHES, T_975, batch_edges
from tuichaos.plots.figure import Curve, Role

AVERAGED = ("lyapunov",)  # columns of estimates: the mean and its interval, not the spread
PLACES = 64  # along a curve, where its interval is computed


@dataclass(frozen=True)
class Band:
    """One column over time: ``steps`` (T,), and ``rows`` (k, T): each reference of a few, or
    the median with the 10th and 90th percentile over references, or the mean of an estimate
    with the 95 % interval of that mean (Student's t, references independent). NaN where
    nothing was measured; ``references`` is how many the rows are from."""

    steps: np.ndarray
    rows: np.ndarray
    references: int
    averaged: bool = False

    def __post_init__(self) -> None:
        length = min(len(self.steps), self.rows.shape[1])
        if length < max(len(self.steps), self.rows.shape[1]):  # one was read while the other grew
            object.__setattr__(self, "steps", self.steps[:length])
            object.__setattr__(self, "rows", self.rows[:, :length])

    @functools.cached_property
    def middle(self) -> np.ndarray:
        """The median or the mean over references (T,)."""
        if self.averaged or self.references > FEW or self.references == 1:
            return self.rows[0]
        return percentile(self.rows.T, 50)

    def measured(self) -> Band:
        """Without the steps between those at which anything was measured, where that is not at
        every recorded step: a curve through what is known."""
        at = np.flatnonzero(np.isfinite(self.rows).any(axis=0))
        if len(at) < 3 or np.median(np.diff(at)) <= 1:
            return self
        return replace(self, steps=self.steps[at], rows=self.rows[:, at])

    def curves(self) -> list[Curve]:
        """The rows with their names and what they are."""
        names = labels(self.references, self.averaged)
        return [
            Curve(name, self.steps, row, role)
            for (name, role), row in zip(names, self.rows, strict=True)
        ]


def labels(references: int, averaged: bool) -> list[tuple[str, Role]]:
    """What the rows of a band are called, and what they are."""
    if references == 1:
        return [("reference 0", Role.MAIN)]
    if averaged:
        bounds = [("95 % low", Role.LOW), ("95 % high", Role.HIGH)]
        return [("mean over references", Role.MAIN), *bounds]
    if references <= FEW:
        return [(f"reference {k}", Role.MAIN) for k in range(references)]
    bounds = [("10 %", Role.LOW), ("90 %", Role.HIGH)]
    return [(f"median of {references}", Role.MAIN), *bounds]


def running_interval(steps: np.ndarray, running: np.ndarray, discard: int) -> list[Curve]:
    """The 95 % interval of one reference's running exponent, at PLACES steps along it.

    ``running`` (T,) is the mean growth a step since ``discard``, so (t − discard) times it is
    the growth up to t: its differences over BATCHES equal spans are batch means, their
    spread gives the error (method of batch means, as in exponents.csv). Spans shorter than
    two recorded points have none.
    """
    good = np.isfinite(running)
    steps, running = steps[good], running[good]
    if len(steps) < 2 * BATCHES:
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        return _batches(steps, running, discard)


def _batches(steps: np.ndarray, running: np.ndarray, discard: int) -> list[Curve]:
    every = int(steps[1] - steps[0])
    total = np.concatenate([[0.0], (steps - discard) * running])
    at = np.concatenate([[discard], steps])
    places = steps[np.linspace(2 * BATCHES - 1, len(steps) - 1, PLACES).astype(int)]
    low, high = np.empty(PLACES), np.empty(PLACES)
    for k, place in enumerate(places):
        edges = batch_edges(discard, int(place), every)
        means = np.diff(np.interp(edges, at, total)) / np.diff(edges)
        half = T_975 * means.std(ddof=1) / np.sqrt(BATCHES)
        middle = np.interp(place, steps, running)
        low[k], high[k] = middle - half, middle + half
    return [Curve("95 % low", places, low, Role.LOW), Curve("95 % high", places, high, Role.HIGH)]
