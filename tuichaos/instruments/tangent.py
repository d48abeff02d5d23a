"""The leading Lyapunov exponent from a renormalised tangent vector.

v(t+1) = DF(x(t))·v(t), rescaled to length 1 at every step (Benettin et al. 1980, Meccanica
15, 9–20, part 2; the derivative is that of the step itself). The mean of the logarithms of
the lengths is the exponent; means over windows of time show chaos that passes.

The first vector v(0) of reference ``i``, at step 0, can be had with NumPy alone::

    sequence = np.random.SeedSequence(seed, spawn_key=(4, i))  # 4: Purpose.TANGENT
    drawn = np.random.Generator(np.random.PCG64(sequence)).standard_normal(m)
    v = np.zeros(dimension)
    v[moved] = drawn  # in the order of the state (layout)
    v /= np.linalg.norm(v)  # L2; then rounded to the experiment's dtype

``seed`` is the experiment's; ``moved`` are the ``m`` entries that ``ensemble.perturb`` moves:
with "weights" no biases, and never the state of an optimizer; all entries of a map. ln‖v(t)‖₂ is
the sum of the logarithms of the lengths before they are made 1. At step t the column
``lyapunov`` is (ln‖v(t)‖ − ln‖v(discard)‖)/((t − discard)·time_step), with the states x(t) those
of series and states.npz; a rate in rates.csv likewise between the ends of its window.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuichaos.common.thresholds import BATCHES, COLLAPSE_UNITS, T_975, batch_edges
from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.instruments.statistics import mean_and_interval, median
from tuichaos.simulation.frames import BlockOrbit, Frame

FEW = 5  # references: fewer that differ tell no spread
ALIKE = 1e-9  # of the largest rate, by which those that are equal may differ


class TangentExponent(Instrument, kept_as="TangentExponent"):
    """Running exponent in nats a step, averaged from ``measure.discard``, and rates.

    A step that shrinks the vector below COLLAPSE_UNITS units in the last place tells nothing
    but rounding (at a superstable point the exponent is −∞): the vector counts as collapsed
    and its exponent is empty from there, never a number.

    References
    ----------
    .. [1] Benettin et al. 1980, Meccanica 15, 9–20, part 2: the mean of ln‖DF(x(t))·v(t)‖.
    """

    key = "tangent"

    def __init__(self, context: RunContext) -> None:
        self.context = context
        measure = context.experiment.measure
        self.discard = measure.discard
        edges = sorted({edge for edge in measure.windows if edge < context.steps} | {context.steps})
        self.windows = list(itertools.pairwise(edges))
        every = context.experiment.record.every
        self.batches = batch_edges(self.discard, context.steps, every).tolist()
        self.marks = {*edges, *self.batches}
        self.log_length = np.zeros(context.references)
        self.lengths = np.empty((0, context.references))  # ln‖v‖ at the steps of the last frame
        self.at: dict[int, np.ndarray] = {}
        self.running = np.full(context.references, np.nan)
        self.read_to = self.discard
        self.collapsed_at = np.full(context.references, np.nan)

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        return {"growth": orbit.growth.cpu().numpy().astype(np.float64)}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        ends = frame.steps[-1] == self.context.steps  # the last state takes no further step
        growth = frame["growth"][: len(frame.steps) - ends].copy()
        with np.errstate(invalid="ignore"):
            lost = growth < math.log(COLLAPSE_UNITS * self.context.unit)
        broken = lost | ~np.isfinite(growth)
        first = np.argmax(broken, axis=0)
        for reference in np.flatnonzero(broken.any(axis=0) & np.isfinite(self.log_length)):
            # Only what breaks first counts: a length that overflowed leaves a zero behind.
            if lost[first[reference], reference]:
                self.collapsed_at[reference] = frame.steps[first[reference]]
        growth[broken] = np.nan
        # ln‖v‖ at each step of the frame, added one by one whatever the frames' length.
        lengths = np.add.accumulate(np.concatenate([self.log_length[None], growth]))
        self.log_length = lengths[-1]
        self.read_to = int(frame.steps[-1])
        lengths = self.lengths = lengths[: len(frame.steps)]
        for row, step in enumerate(frame.steps):
            if int(step) in self.marks:
                self.at[int(step)] = lengths[row]
        return {"lyapunov": self._running(frame.steps, lengths)}

    def _running(self, steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        running = np.full(lengths.shape, np.nan)
        since = steps - self.discard
        after = since > 0
        if after.any():
            time = since[after, None] * self.context.time_step
            running[after] = (lengths[after] - self.at[self.discard]) / time
            # Keep the last number of each reference: one that diverges is read before.
            last = len(steps) - 1 - np.argmax(np.isfinite(running[::-1]), axis=0)
            newest = running[last, np.arange(running.shape[1])]
            self.running = np.where(np.isfinite(newest), newest, self.running)
        return running

    def columns(self) -> dict[str, np.ndarray]:
        """The columns of exponents.csv, (references,)."""
        collapsed = np.isfinite(self.collapsed_at)
        return {
            "lyapunov": np.where(collapsed, np.nan, self.running),
            "lyapunov_error": self._error(),
            "collapsed_at": self.collapsed_at,
        }

    def findings(self) -> Findings:
        columns = self.columns()
        exponent, error = columns["lyapunov"], columns["lyapunov_error"]
        collapsed = np.isfinite(self.collapsed_at)
        rates = {window: self._rate(*window) for window in self.windows}
        least = self.context.unit / self.context.time_step  # a rounding error a step tells nothing
        alive = np.where(np.isfinite(self.log_length), exponent, np.nan)
        return Findings(
            exponents=columns,
            summary={
                "lyapunov": self._summary(_told(alive, least), error, int(collapsed.sum())),
                "rates": {
                    f"{a}-{b}": {
                        **_mean_rate(_told(rate, least), rates[self.windows[-1]]),
                        "total": self.context.references,
                    }
                    for (a, b), rate in rates.items()
                },
            },
            tables={"rates.csv": _rates_table(rates)},
        )

    def _summary(self, exponents: np.ndarray, error: np.ndarray, collapsed: int) -> dict:
        found = _mean_rate(exponents, exponents)
        if found["count"] == 1:  # no ensemble to resample: the error in time is all there is
            half = T_975 * error[np.isfinite(exponents)][0]
            if np.isfinite(half):
                found["ci95"] = [found["mean"] - half, found["mean"] + half]
        window = [self.discard, self.read_to]
        return {**found, "total": self.context.references, "window": window, "collapsed": collapsed}

    def _error(self) -> np.ndarray:
        """Standard error of each exponent (references,) from BATCHES consecutive spans (the
        method of batch means); NaN when they are too short or not all there."""
        edges = self.batches
        if len(edges) <= BATCHES or not all(edge in self.at for edge in edges):
            return np.full(self.context.references, np.nan)
        rates = np.stack([self._rate(a, b) for a, b in itertools.pairwise(edges)], axis=1)
        return rates.std(axis=1, ddof=1) / math.sqrt(BATCHES)

    def _rate(self, start: int, end: int) -> np.ndarray:
        """(ln‖v(end)‖ − ln‖v(start)‖)/(time between) of each reference; NaN if not reached."""
        if start not in self.at or end not in self.at:
            return np.full(self.context.references, np.nan)
        return (self.at[end] - self.at[start]) / ((end - start) * self.context.time_step)


def _mean_rate(rates: np.ndarray, later: np.ndarray) -> dict[str, Any]:
    """The mean of rates (references,) with its interval; without one where most are equal and
    few are not, as those of rare events over few steps: how many there are the interval cannot
    know. Where all are equal, those of ``later`` steps tell whether they always are."""
    found = mean_and_interval(rates)
    others = _others(rates)
    if 2 * others < found["count"] and others < FEW and (others or _others(later)):
        found["ci95"] = None
    return found


def _others(rates: np.ndarray) -> int:
    """How many differ from the median, beyond rounding."""
    rates = rates[np.isfinite(rates)]
    return int((np.abs(rates - median(rates)) > ALIKE * np.abs(rates).max(initial=0.0)).sum())


def _told(rates: np.ndarray, least: float) -> np.ndarray:
    """Rates, with 0 for those of a size below ``least``."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(rates) < least, 0.0, rates)


def _rates_table(rates: Mapping[tuple[int, int], np.ndarray]) -> tuple[list[str], list[list]]:
    rows = []
    for (start, end), values in rates.items():
        rows += [[reference, start, end, float(v)] for reference, v in enumerate(values)]
    rows.sort(key=lambda row: (row[0], row[1]))
    return ["reference", "start", "end", "lyapunov"], rows
