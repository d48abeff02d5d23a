"""Lyapunov spectrum: k tangents of each reference, made orthogonal at every step by QR.

Q(t+1)·R(t+1) = DF(x(t))·Q(t); λ_i is the mean of ln|R_ii| per unit of time (Shimada and
Nagashima 1979, Prog. Theor. Phys. 61, 1605–1616; Benettin et al. 1980, Meccanica 15,
9–20). The Kaplan–Yorke dimension is j + Σ_{i≤j} λ_i/|λ_{j+1}| for the largest j whose sum is
not negative (Kaplan and Yorke 1979, Lect. Notes Math. 730, 204–227); the sum of the positive
exponents bounds the entropy rate from above (Ruelle 1978).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tuichaos.errors import InputError
from tuichaos.frames import BlockOrbit, Frame
from tuichaos.instruments.base import Findings, Instrument, Setup
from tuichaos.instruments.statistics import bootstrap_blocks, t_interval
from tuichaos.levels import COLLAPSE_UNITS, FLOOR_UNITS
from tuichaos.randomness import Purpose, generator
from tuichaos.systems.tangents import push

BLOCKS = 64  # consecutive spans that are resampled for an interval
LEAST = 2  # steps of a span: below, there is no interval
TRACE = 200  # steps at which the running exponents are kept


def settings(switch: Any, references: int, dimension: int) -> tuple[int, int]:
    """How many exponents of how many references ``measure.spectrum`` asks for."""
    table = switch if isinstance(switch, Mapping) else {}
    return table.get("count", dimension), min(table.get("references", references), references)


class Spectrum(Instrument):
    """λ_1 ≥ … ≥ λ_k of each reference, averaged from ``measure.discard``, by which time the
    frame has aligned itself; intervals by bootstrap over BLOCKS consecutive spans (Carlstein
    1986, Ann. Stat. 14, 1171–1179).

    An orbit that diverges has no spectrum. A direction whose length falls below
    COLLAPSE_UNITS units in the last place in one step tells only rounding (its exponent is
    −∞): it and those after it are empty, and counted as collapsed.
    """

    carries = True

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        dimension = setup.system.dimension
        self.count, self.references = settings(
            setup.experiment.measure.spectrum, setup.references, dimension
        )
        if self.count > dimension:
            raise InputError(
                f"measure.spectrum: {self.count} exponents of a system of dimension {dimension}"
            )
        self.discard = setup.experiment.measure.discard
        span = setup.steps - self.discard
        trace = np.unique(np.geomspace(1, span, TRACE).astype(int)) + self.discard
        edges = np.linspace(self.discard, setup.steps, BLOCKS + 1).round().astype(int)
        self.edges = edges.tolist() if span >= LEAST * BLOCKS else []
        self.trace = [int(step) for step in trace]
        self.marks = {self.discard, *self.trace, *self.edges}
        self.frames: dict[int, torch.Tensor] = {}
        self.total = np.zeros((self.references, self.count))
        self.at: dict[int, np.ndarray] = {}
        self.read_to = 0
        self.collapsed = np.zeros((self.references, self.count), dtype=bool)

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        ends = orbit.steps[-1] == self.setup.steps  # the last state takes no further step
        steps = len(orbit.steps) - int(ends)
        logs = np.full((len(orbit.steps), own, self.count), np.nan)
        if own and steps:
            logs[:steps] = self._along(orbit, own, steps)
        return {"spectrum": logs}

    def _along(self, orbit: BlockOrbit, own: int, steps: int) -> np.ndarray:
        """ln|R_ii| of each step, (steps, own, count)."""
        states = orbit.states[:, :own].nan_to_num()
        image = push(orbit.system, orbit.stepper, states, steps)
        q = self.frames.get(orbit.first)
        if q is None:
            q = self._first(orbit.first, own, states)
        diagonals = states.new_empty(steps, own, self.count)
        for t in range(steps):
            q, r = torch.linalg.qr(image(t, q).nan_to_num().transpose(1, 2))
            q = q.transpose(1, 2)
            diagonals[t] = r.diagonal(dim1=1, dim2=2)
        self.frames[orbit.first] = q.contiguous()
        logs = diagonals.abs().log()
        # The step that leaves for infinity, or comes from there, has no growth.
        alive = orbit.alive[:, :own]
        gone = ~alive[:steps].clone()
        gone[: len(alive) - 1] |= ~alive[1 : steps + 1]
        return logs.masked_fill(gone[:, :, None], torch.nan).cpu().numpy().astype(np.float64)

    def _first(self, first: int, own: int, states: torch.Tensor) -> torch.Tensor:
        """Orthonormal vectors (own, count, dimension), drawn for each reference."""
        seed, dimension = self.setup.experiment.seed, states.shape[2]
        rows = []
        for reference in range(first, first + own):
            draw = generator(seed, Purpose.SPECTRUM, reference)
            square = np.linalg.qr(draw.standard_normal((dimension, dimension)))[0]
            rows.append(square[:, : self.count].T)
        return torch.tensor(np.array(rows), dtype=states.dtype, device=states.device)

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        ends = frame.steps[-1] == self.setup.steps
        growth = frame["spectrum"][: len(frame.steps) - ends].copy()
        with np.errstate(invalid="ignore"):
            self.collapsed |= (growth < np.log(COLLAPSE_UNITS * self.setup.unit)).any(axis=0)
        growth[~np.isfinite(growth)] = np.nan
        totals = np.add.accumulate(np.concatenate([self.total[None], growth]))
        self.total = totals[-1]
        self.read_to = int(frame.steps[-1])
        for row, step in enumerate(frame.steps):
            if int(step) in self.marks:
                self.at[int(step)] = totals[row]
        return {}

    def findings(self) -> Findings:
        exponents = self._between(self.discard, self.read_to)
        low, high = self._intervals(exponents)
        told = exponents if self.edges else np.full(exponents.shape, np.nan)
        dimension = np.array([kaplan_yorke(row, self._whole) for row in told])
        positive = _positive_sum(told)
        columns = ["reference", "index", "exponent", "low", "high", "collapsed"]
        rows = [
            [r, i + 1, exponents[r, i], low[r, i], high[r, i], int(self.collapsed[r, i])]
            for r in range(self.references)
            for i in range(self.count)
        ]
        trace = [
            [step, r, *self._between(self.discard, step)[r]]
            for step in self.trace
            if step in self.at
            for r in range(self.references)
        ]
        heads = ["step", "reference", *(f"lyapunov{i + 1}" for i in range(self.count))]
        return Findings(
            summary={"spectrum": self._summary(exponents, low, dimension, positive)},
            tables={"spectrum.csv": (columns, rows), "spectrum-trace.csv": (heads, trace)},
        )

    @property
    def _whole(self) -> bool:
        return self.count == self.setup.system.dimension

    def _between(self, start: int, end: int) -> np.ndarray:
        """Exponents (references, count) over steps ``start`` to ``end``; NaN if not reached,
        if the orbit diverged before, and from a collapsed direction on."""
        if start not in self.at or end <= start:
            return np.full(self.total.shape, np.nan)
        total = self.total if end == self.read_to else self.at[end]
        found = (total - self.at[start]) / ((end - start) * self.setup.time_step)
        # A rate of less than a rounding error a step is 0, as of a quantity that is conserved.
        noise = FLOOR_UNITS * self.setup.unit / self.setup.time_step
        found = np.where(np.abs(found) < noise, 0.0, found)
        return np.where(np.logical_or.accumulate(self.collapsed, axis=1), np.nan, found)

    def _intervals(self, exponents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """95 % intervals, two arrays (references, count); NaN where the run is too short or
        was ended before."""
        if not self.edges or not all(edge in self.at for edge in self.edges):
            blank = np.full(exponents.shape, np.nan)
            return blank, blank.copy()
        pairs = itertools.pairwise(self.edges)
        spans = np.stack([self._between(a, b) for a, b in pairs], axis=1)
        found = [bootstrap_blocks(span, self.setup.experiment.seed) for span in spans]
        return np.stack([f[0] for f in found]), np.stack([f[1] for f in found])

    def _summary(
        self, exponents: np.ndarray, low: np.ndarray, dimension: np.ndarray, positive: np.ndarray
    ) -> dict[str, Any]:
        good = np.isfinite(exponents[:, 0])
        finite = [column[np.isfinite(column)] for column in exponents.T]
        return {
            "mean": [float(column.mean()) if len(column) else np.nan for column in finite],
            "ci95": [t_interval(column) for column in finite],
            "kaplan_yorke": _mean(dimension),
            "positive_sum": _mean(positive),
            "positive": _mean(
                np.where(good & bool(self.edges), (exponents > 0).sum(axis=1), np.nan)
            ),
            "above_zero": _mean(np.where(np.isfinite(low[:, 0]), (low > 0).sum(axis=1), np.nan)),
            "sum": _mean(exponents.sum(axis=1)) if self._whole else np.nan,
            "exponents": self.count,
            "dimension": self.setup.system.dimension,
            "count": int(good.sum()),
            "total": self.references,
            "collapsed": int(self.collapsed.any(axis=1).sum()),
            "window": [self.discard, self.read_to],
            # Of so few steps the exponents are those of the frame's start: no sums of them.
            "reason": None if self.edges else f"fewer than {LEAST * BLOCKS} steps",
        }


def kaplan_yorke(exponents: np.ndarray, whole: bool) -> float:
    """The Kaplan–Yorke dimension of exponents (k,), sorted downwards here; the dimension of
    the space where even all of them (``whole``) do not sum below 0; NaN where that cannot
    be told, of a NaN or of too few exponents."""
    if not np.isfinite(exponents).all() or not len(exponents):
        return float("nan")
    down = np.sort(exponents)[::-1]
    sums = np.cumsum(down)
    below = np.flatnonzero(sums < 0)
    if not len(below):
        return float(len(down)) if whole else float("nan")
    j = int(below[0])
    return float(j + (sums[j - 1] / abs(down[j]) if j else 0.0))


def _positive_sum(exponents: np.ndarray) -> np.ndarray:
    """Sum of the positive exponents (references,), NaN where the first is unknown."""
    total = np.where(exponents > 0, exponents, 0.0).sum(axis=1)
    return np.where(np.isfinite(exponents[:, 0]), total, np.nan)


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")
