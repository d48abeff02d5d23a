"""What is kept of every orbit over equal spans of the run, in memory that does not grow."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from tuichaos.common.thresholds import FLOOR_UNITS
from tuichaos.storage.checkpoint_encoding import kept

SPANS = 32  # that are judged; eight of them are the last quarter
FINE = 8  # spans that are kept for each that is judged: a run may be judged before its end


@dataclass(frozen=True)
class Spans:
    """Some spans, bounded by ``edges`` (n + 1,) in steps; of each, for every reference:

    ``growth`` (n, references): sum of ln of the tangent's growth, nats; ``begins``, ``ends``,
    ``best``: the largest such sum of the first steps of the span, of its last, and of any in a
    row, none among them. ``rises``, ``falls``: steps that raised or lowered the signal beyond
    rounding. ``slowest``, ``fastest``, ``speedup`` (n, references, P): the least and largest
    logarithm of |x(t+1) − x(t)| of each projection, and by how much it rose at most from an
    earlier step to a later one. ``heights``: the largest size of the signal. ``sums`` (n,
    references, P + 1): of projections and signal over its states.
    """

    edges: np.ndarray
    growth: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    best: np.ndarray
    rises: np.ndarray
    falls: np.ndarray
    slowest: np.ndarray
    fastest: np.ndarray
    speedup: np.ndarray
    heights: np.ndarray
    sums: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.edges)


@kept("SpanRecord")
class SpanRecord:
    """Folds frames into spans; everything is added one by one, so that nothing depends on
    where frames end."""

    def __init__(self, steps: int, references: int, components: int, unit: float) -> None:
        edges = np.linspace(0, steps, min(FINE * SPANS, steps) + 1).round().astype(int)
        self.edges = np.unique(edges)
        self.unit = unit
        shape = (len(self.edges) - 1, references)
        self.growth = np.zeros(shape)
        self.highest, self.lowest = np.zeros(shape), np.zeros(shape)  # of the sum so far
        self.best = np.zeros(shape)
        self.rises, self.falls = np.zeros(shape), np.zeros(shape)
        each = (*shape, components)
        self.slowest, self.fastest = np.full(each, np.inf), np.full(each, -np.inf)
        self.speedup = np.zeros(each)
        self.heights = np.zeros(shape)
        self.sums = np.zeros((*shape, components + 1))
        self.before = np.full((references, components + 1), np.nan)
        self.largest = np.zeros(references)  # size of the signal so far

    def add(
        self, steps: np.ndarray, states: np.ndarray, signal: np.ndarray, growth: np.ndarray | None
    ) -> None:
        """Take in consecutive ``steps`` (T,): projections (T, references, P), the scalar series
        and the growth from each step to the next (T, references)."""
        both = np.concatenate([states, signal[:, :, None]], axis=2)
        # The last state belongs to the last span, and takes no further step.
        states_in = np.minimum(self._span(steps), len(self.edges) - 2)
        for span, rows in _runs(states_in):
            self.sums[span] = _added(self.sums[span], both[rows])
            sizes = np.nan_to_num(np.abs(signal[rows]), posinf=0.0)
            self.heights[span] = np.maximum(self.heights[span], sizes.max(axis=0))
        if growth is not None:
            own = steps < self.edges[-1]
            for span, rows in _runs(self._span(steps[own])):
                self._grow(span, growth[own][rows])
        self._moves(steps, np.concatenate([self.before[None], both]))
        self.before = both[-1]

    def _grow(self, span: int, growth: np.ndarray) -> None:
        with np.errstate(invalid="ignore"):
            total = np.add.accumulate(np.concatenate([self.growth[span][None], growth]))
            lowest = np.fmin.accumulate(np.concatenate([self.lowest[span][None], total]))
            rise = np.fmax.reduce((total - lowest[:-1])[1:], axis=0)
        self.best[span] = np.fmax(self.best[span], rise)
        self.highest[span] = np.fmax(self.highest[span], np.fmax.reduce(total, axis=0))
        self.growth[span], self.lowest[span] = total[-1], lowest[-1]

    def _span(self, steps: np.ndarray) -> np.ndarray:
        """The span that each step begins in."""
        return np.searchsorted(self.edges, steps, side="right") - 1

    def _moves(self, steps: np.ndarray, both: np.ndarray) -> None:
        """What the steps that end in this frame did: ``both`` begins one step earlier."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            moved = np.diff(both, axis=0)
            signal = np.abs(both[1:, :, -1])
            sizes = np.fmax.accumulate(np.concatenate([self.largest[None], signal]))
            floor = FLOOR_UNITS * self.unit * sizes[1:]
            # What did not move at all moved by less than half a unit in its last place.
            least = 0.5 * self.unit * np.abs(both[1:, :, :-1])
            speed = np.log(np.maximum(np.abs(moved[:, :, :-1]), least))
            rose, fell = moved[:, :, -1] > floor, moved[:, :, -1] < -floor
        self.largest = sizes[-1]
        first = int(steps[0] == 0)  # no step led to the state it starts from
        for span, rows in _runs(self._span(steps[first:] - 1)):
            rows = slice(rows.start + first, rows.stop + first)
            self.rises[span] += rose[rows].sum(axis=0)
            self.falls[span] += fell[rows].sum(axis=0)
            self._speeds(span, speed[rows])

    def _speeds(self, span: int, speed: np.ndarray) -> None:
        lowest = np.fmin.accumulate(np.concatenate([self.slowest[span][None], speed]))
        with np.errstate(invalid="ignore"):
            rise = np.fmax.reduce(speed - lowest[:-1], axis=0)  # from an earlier step to a later
        self.speedup[span] = np.fmax(self.speedup[span], rise)
        self.slowest[span] = lowest[-1]
        self.fastest[span] = np.fmax(self.fastest[span], np.fmax.reduce(speed, axis=0))

    def judged(self, end: int) -> Spans:
        """SPANS spans over what was run up to step ``end``, where there are so many."""
        last = int(np.searchsorted(self.edges, end, side="right")) - 1
        edges = np.unique(np.linspace(0, last, SPANS + 1).round().astype(int))
        if len(edges) < 2:
            edges = edges[:1]

        def joined(rows: np.ndarray, how: np.ufunc) -> np.ndarray:
            return how.reduceat(rows[:last], edges[:-1]) if len(edges) > 1 else rows[:0]

        begins, ends, best = self._joined_growth(edges)
        return Spans(
            edges=self.edges[edges],
            growth=joined(self.growth, np.add),
            begins=begins,
            ends=ends,
            best=best,
            rises=joined(self.rises, np.add),
            falls=joined(self.falls, np.add),
            slowest=joined(self.slowest, np.fmin),
            fastest=joined(self.fastest, np.fmax),
            speedup=self._joined_speedup(edges),
            heights=joined(self.heights, np.maximum),
            sums=joined(self.sums, np.add),
        )

    def _joined_growth(self, edges: np.ndarray) -> np.ndarray:
        """``begins``, ``ends`` and ``best`` of joined spans, (3, n, references)."""
        found = np.zeros((3, max(0, len(edges) - 1), self.growth.shape[1]))
        for k, (a, b) in enumerate(itertools.pairwise(edges)):
            total = np.zeros(self.growth.shape[1])
            begins, ends, best = found[:, k]
            for j in range(a, b):
                with np.errstate(invalid="ignore"):
                    own_ends = self.growth[j] - self.lowest[j]
                    best[:] = np.fmax.reduce([best, self.best[j], ends + self.highest[j]])
                    begins[:] = np.fmax(begins, total + self.highest[j])
                    ends[:] = np.maximum(ends + self.growth[j], own_ends)
                    total += self.growth[j]
        return found

    def _joined_speedup(self, edges: np.ndarray) -> np.ndarray:
        found = [
            largest_speedup(self.slowest[a:b], self.fastest[a:b], self.speedup[a:b])[-1]
            for a, b in itertools.pairwise(edges)
        ]
        return np.array(found).reshape(len(found), *self.speedup.shape[1:])


def largest_speedup(slowest: np.ndarray, fastest: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Of consecutive spans (n, …): by how much the logarithm of the speed rose at most between
    two steps of the spans up to each one (n, …)."""
    lowest = np.minimum.accumulate(slowest)
    with np.errstate(invalid="ignore"):
        across = fastest[1:] - lowest[:-1]
    across = np.concatenate([within[:1], np.where(np.isnan(across), 0.0, across)])
    return np.maximum.accumulate(np.maximum(within, across))


def _runs(spans: np.ndarray) -> list[tuple[int, slice]]:
    """Each value of ascending numbers (T,), with where it stands."""
    if not len(spans):
        return []
    values, starts = np.unique(spans, return_index=True)
    stops = [*starts[1:], len(spans)]
    return [(int(v), slice(int(a), int(b))) for v, a, b in zip(values, starts, stops, strict=True)]


def _added(total: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``total`` and rows (n, …), added one by one in their order."""
    return np.add.accumulate(np.concatenate([total[None], rows]))[-1]
