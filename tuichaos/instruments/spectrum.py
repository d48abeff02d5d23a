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

from tuichaos.common.errors import InputError
from tuichaos.common.rng import Purpose, generator
from tuichaos.common.thresholds import COLLAPSE_UNITS, FLOOR_UNITS
from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.instruments.statistics import bootstrap_blocks, t_interval
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.tangents import push

BLOCKS = 64  # consecutive spans that are resampled for an interval
NEAR = 4  # exponents to either side, whose frames differ alike
LEAST = 2  # steps of a span: below, there is no interval
TRACE = 200  # steps at which the running exponents are kept


def settings(switch: Any, references: int, dimension: int) -> tuple[int, int]:
    """How many exponents of how many references ``measure.spectrum`` asks for."""
    table = switch if isinstance(switch, Mapping) else {}
    return table.get("count", dimension), min(table.get("references", references), references)


class Spectrum(Instrument, kept_as="Spectrum"):
    """λ_1 ≥ … ≥ λ_k of each reference, averaged from ``measure.discard`` and over a few frames of
    tangents that begin independently. Intervals of 95 % are the wider of two, either way: what
    differs along the orbit (bootstrap over BLOCKS consecutive spans of the mean over frames,
    Carlstein 1986, Ann. Stat. 14, 1171–1179), which holds most of what differs between frames
    too, and how far another frame may lie from that mean. For exponents that lie close
    align themselves slowly, in 1/(λ_i − λ_i+1) steps, and until then depend on how the frame
    began.

    An orbit that diverges has no spectrum. A direction whose length falls below
    COLLAPSE_UNITS units in the last place in one step tells only rounding (its exponent is
    −∞): it and those after it are empty, and counted as collapsed.

    References
    ----------
    .. [1] Shimada and Nagashima 1979, Prog. Theor. Phys. 61, 1605–1616; Benettin et al. 1980,
       Meccanica 15, 9–20: λ_i by QR, in nats per unit of time.
    .. [2] Kaplan and Yorke 1979, Lect. Notes Math. 730, 204–227: the dimension j + Σ_{i≤j}
       λ_i/|λ_{j+1}|.
    .. [3] Ruelle 1978: the sum of the positive exponents.
    .. [4] Carlstein 1986, Ann. Stat. 14, 1171–1179: the bootstrap.
    """

    key = "spectrum"
    carries = True

    def __init__(self, context: RunContext) -> None:
        self.context = context
        dimension = context.system.dimension
        self.count, self.references = settings(
            context.experiment.measure.spectrum, context.references, dimension
        )
        if self.count > dimension:
            raise InputError(
                f"measure.spectrum: {self.count} exponents of a system of dimension {dimension}"
            )
        self.discard = context.experiment.measure.discard
        span = context.steps - self.discard
        trace = np.unique(np.geomspace(1, span, TRACE).astype(int)) + self.discard
        edges = np.linspace(self.discard, context.steps, BLOCKS + 1).round().astype(int)
        self.edges = edges.tolist() if span >= LEAST * BLOCKS else []
        self.trace = [int(step) for step in trace]
        self.marks = {self.discard, *self.trace, *self.edges}
        self.frames: dict[int, torch.Tensor] = {}
        self.own_frames = frames_for(self.count)
        self.total = np.zeros((self.references, self.own_frames, self.count))
        self.at: dict[int, np.ndarray] = {}
        self.read_to = 0
        self.collapsed = np.zeros(self.total.shape, dtype=bool)

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        ends = orbit.steps[-1] == self.context.steps  # the last state takes no further step
        steps = len(orbit.steps) - int(ends)
        logs = np.full((len(orbit.steps), own, *self.total.shape[1:]), np.nan)
        if own and steps:
            logs[:steps] = self._along(orbit, own, steps)
        return {"spectrum": logs}

    def _along(self, orbit: BlockOrbit, own: int, steps: int) -> np.ndarray:
        """ln|R_ii| of each step, (steps, own, frames, count)."""
        states = orbit.states[:, :own].nan_to_num()
        vectors = self.own_frames * self.count
        image = push(orbit.system, orbit.stepper, states, steps, vectors)
        q = self.frames.get(orbit.first)
        if q is None:
            q = self._first(orbit.first, own, states)
        diagonals = states.new_empty(steps, own, *self.total.shape[1:])
        for t in range(steps):
            pushed = image(t, q.flatten(1, 2)).nan_to_num().reshape(q.shape)
            q, r = torch.linalg.qr(pushed.transpose(2, 3))
            q = q.transpose(2, 3)
            diagonals[t] = r.diagonal(dim1=2, dim2=3)
        self.frames[orbit.first] = q.contiguous()
        logs = diagonals.abs().log()
        # The step that leaves for infinity, or comes from there, has no growth.
        alive = orbit.alive[:, :own]
        gone = ~alive[:steps].clone()
        gone[: len(alive) - 1] |= ~alive[1 : steps + 1]
        return logs.masked_fill(gone[:, :, None, None], torch.nan).cpu().numpy().astype(np.float64)

    def _first(self, first: int, own: int, states: torch.Tensor) -> torch.Tensor:
        """Orthonormal vectors (own, frames, count, dimension), drawn for each reference."""
        seed, dimension = self.context.experiment.seed, states.shape[2]
        rows = []
        for reference in range(first, first + own):
            for frame in range(self.own_frames):
                key = (reference, frame) if frame else (reference,)
                draw = generator(seed, Purpose.SPECTRUM, *key)
                square = np.linalg.qr(draw.standard_normal((dimension, dimension)))[0]
                rows.append(square[:, : self.count].T)
        found = torch.tensor(np.array(rows), dtype=states.dtype, device=states.device)
        return found.reshape(own, self.own_frames, self.count, dimension)

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        ends = frame.steps[-1] == self.context.steps
        growth = frame["spectrum"][: len(frame.steps) - ends].copy()
        with np.errstate(invalid="ignore"):
            self.collapsed |= (growth < np.log(COLLAPSE_UNITS * self.context.unit)).any(axis=0)
        growth[~np.isfinite(growth)] = np.nan
        totals = np.add.accumulate(np.concatenate([self.total[None], growth]))
        self.total = totals[-1]
        self.read_to = int(frame.steps[-1])
        for row, step in enumerate(frame.steps):
            if int(step) in self.marks:
                self.at[int(step)] = totals[row]
        return {}

    def findings(self) -> Findings:
        by_frame = self._between(self.discard, self.read_to)
        unsorted = by_frame.mean(axis=1)
        order = np.argsort(-unsorted, axis=1, kind="stable")  # NaN goes last
        exponents, early, late, collapsed = (
            np.take_along_axis(rows, order, axis=1)
            for rows in (unsorted, *self._in_time(unsorted), self.collapsed.any(axis=1))
        )
        half = np.stack([half_width(rows) for rows in by_frame])
        half = np.maximum(half, self._noise)
        low = exponents - np.maximum(exponents - early, half)
        high = exponents + np.maximum(late - exponents, half)
        told = exponents if self.edges else np.full(exponents.shape, np.nan)
        dimension = np.array([kaplan_yorke(row, self._whole) for row in told])
        positive = _positive_sum(told)
        columns = ["reference", "index", "exponent", "low", "high", "collapsed"]
        rows = [
            [r, i + 1, exponents[r, i], low[r, i], high[r, i], int(collapsed[r, i])]
            for r in range(self.references)
            for i in range(self.count)
        ]
        trace = [
            [step, r, *self._between(self.discard, step)[r].mean(axis=0)[order[r]]]
            for step in self.trace
            if step in self.at
            for r in range(self.references)
        ]
        heads = ["step", "reference", *(f"lyapunov{i + 1}" for i in range(self.count))]
        return Findings(
            summary={"spectrum": self._summary(exponents, low, high, dimension, positive)},
            tables={"spectrum.csv": (columns, rows), "spectrum-trace.csv": (heads, trace)},
        )

    @property
    def _whole(self) -> bool:
        return self.count == self.context.system.dimension

    def _between(self, start: int, end: int) -> np.ndarray:
        """Exponents (references, frames, count) over steps ``start`` to ``end``; NaN if not
        reached, if the orbit diverged before, and from a collapsed direction on."""
        if start not in self.at or end <= start:
            return np.full(self.total.shape, np.nan)
        total = self.total if end == self.read_to else self.at[end]
        found = (total - self.at[start]) / ((end - start) * self.context.time_step)
        # A rate of less than a rounding error a step is 0, as of a quantity that is conserved.
        found = np.where(np.abs(found) < self._noise, 0.0, found)
        return np.where(np.logical_or.accumulate(self.collapsed, axis=2), np.nan, found)

    @property
    def _noise(self) -> float:
        """What rounding alone makes of a rate."""
        return FLOOR_UNITS * self.context.unit / self.context.time_step

    def _in_time(self, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """95 % intervals of exponents (references, count) from how they differ along the orbit,
        two arrays of that shape; NaN where the run is too short or was ended before."""
        if not self.edges or not all(edge in self.at for edge in self.edges):
            return np.full(mean.shape, np.nan), np.full(mean.shape, np.nan)
        pairs = itertools.pairwise(self.edges)
        spans = np.stack([self._between(a, b).mean(axis=1) for a, b in pairs], axis=1)
        found = [bootstrap_blocks(span, self.context.experiment.seed) for span in spans]
        return tuple(np.stack(ends) for ends in zip(*found, strict=True))

    def _summary(
        self,
        exponents: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        dimension: np.ndarray,
        positive: np.ndarray,
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
            "positive_ci95": self._how_many_positive(low, high),
            "above_zero": _mean(np.where(np.isfinite(low[:, 0]), (low > 0).sum(axis=1), np.nan)),
            "sum": _mean(exponents.sum(axis=1)) if self._whole else np.nan,
            "exponents": self.count,
            "dimension": self.context.system.dimension,
            "count": int(good.sum()),
            "total": self.references,
            "collapsed": int(self.collapsed.any(axis=(1, 2)).sum()),
            "frames": self.own_frames,
            "window": [self.discard, self.read_to],
            # Of so few steps the exponents are those of the frame's start: no sums of them.
            "reason": None
            if self.edges
            else f"fewer than {LEAST * BLOCKS} steps were averaged, too few for intervals",
        }

    def _how_many_positive(self, low: np.ndarray, high: np.ndarray) -> list[float] | None:
        """How many exponents lie above 0 with their whole interval, and with any of it; the
        means over references."""
        known = np.isfinite(low[:, 0])
        if not known.any():
            return None
        return [float((ends[known] > 0).sum(axis=1).mean()) for ends in (low, high)]


def frames_for(count: int) -> int:
    """How many frames: as many as tell how they differ, together with those of exponents nearby."""
    return 2 if count > NEAR else 4


def half_width(by_frame: np.ndarray) -> np.ndarray:
    """Of the i-th largest exponent of one orbit, from its exponents (frames, count): how far that
    of another frame may lie from their mean, 95 % (Student's t; variances pooled over NEAR
    exponents to either side).

    Exponents of each frame are compared in descending order: which vector has which of several
    that are nearly alike is chance, and no difference of the exponents.
    """
    from scipy.special import stdtrit

    frames, count = by_frame.shape
    variance = -np.sort(-by_frame, axis=1)  # NaN goes last
    variance = variance.var(axis=0, ddof=1)
    width = np.full(count, np.nan)
    for i in np.flatnonzero(np.isfinite(variance)):
        own = variance[max(0, i - NEAR) : i + NEAR + 1]
        own = own[np.isfinite(own)]
        t = stdtrit(len(own) * (frames - 1), 0.975)
        width[i] = t * np.sqrt(own.mean() * (1 + 1 / frames))
    return width


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


def kept_bytes(asked: Asked) -> float:
    """Of frames of tangents, and of a Jacobian."""
    first = asked.option("references", asked.references, asked.references)
    count = asked.option("count", asked.dimension, asked.dimension)
    return 8 * (16 * first * count * asked.dimension + 3 * asked.dimension**2)
