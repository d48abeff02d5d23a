"""What is known of one reference, span by span, and what follows from it in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuichaos.common.thresholds import NEUTRAL_GAIN
from tuichaos.instruments.dead_network import DeadNetwork
from tuichaos.instruments.span_record import SPANS

NEUTRAL_SWING = math.log(10)  # between any two steps of that quarter

# The exponent is read from the last quarter or, where that does not tell its sign, from the last
# half or the last three quarters: spans, with the 97.5 % point of Student's t for their number.
WINDOWS = {8: 2.365, 16: 2.131, 24: 2.069}


@dataclass(frozen=True)
class Evidence:
    """What is known of one reference.

    ``edges`` (n + 1,) steps that bound n spans; in each of them ``growth`` (n,) of the tangent
    in nats, NaN where unknown, −∞ where it collapsed, with ``begins``, ``ends`` and ``best`` (n,),
    see ``Spans``; ``rises`` and ``falls`` (n,), steps in
    which the loss rose or fell beyond rounding; ``slowest``, ``fastest``, ``speedup`` (n,) of
    the state, see ``Spans``; ``means`` (n, P + 1) of its projections and of the loss, ``spread``
    (P + 1,) their standard deviations at the end; ``heights`` (n,), the largest size of the
    loss. ``motion`` (m, P): the projections at the last steps, m at most a quarter of the run;
    ``unit`` one in the last place of 1. ``is_loss``: the scalar series is a loss; ``fell``: it
    ended below where it began; ``trains``: it is the training of a network. ``sharpness``: the
    mean of η·λmax/2 over the last quarter.
    ``dead``: what is to be said of the network if its inputs no longer matter.
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
    means: np.ndarray
    spread: np.ndarray
    heights: np.ndarray
    motion: np.ndarray
    is_loss: bool
    fell: bool
    trains: bool = False
    time_step: float = 1.0
    unit: float = 2.0**-52
    diverged_at: int | None = None
    sharpness: float = math.nan
    dead: DeadNetwork | None = None


@dataclass(frozen=True)
class Window:
    """The last ``spans`` spans of a run: growth a unit of time with its 95 % interval, and in
    nats over the whole window; ``swing`` is the largest growth or shrinking between two spans."""

    spans: int
    since: int
    exponent: float
    low: float
    high: float
    gain: float
    swing: float

    @property
    def per_quarter(self) -> float:
        """Nats in as many spans as a quarter of the run has."""
        return self.gain * SPANS / 4 / self.spans

    @property
    def is_positive(self) -> bool:
        return self.low > 0 and self.per_quarter > NEUTRAL_GAIN

    @property
    def is_negative(self) -> bool:
        return self.high < 0 and self.per_quarter < -NEUTRAL_GAIN

    @property
    def is_neutral(self) -> bool:
        return abs(self.per_quarter) <= NEUTRAL_GAIN and self.swing <= NEUTRAL_SWING


def window(evidence: Evidence, spans: int) -> Window:
    """The last so many spans as batches (they are equally long but for one step); −∞ where the
    tangent collapsed, NaN where growth is not known."""
    since, end = int(evidence.edges[-1 - spans]), int(evidence.edges[-1])
    growth = evidence.growth[-spans:]
    if np.isneginf(evidence.growth).any():
        return Window(spans, since, *(-math.inf,) * 4, math.inf)
    if not np.isfinite(growth).all():
        return Window(spans, since, *(math.nan,) * 5)
    rates = growth / (np.diff(evidence.edges[-1 - spans :]) * evidence.time_step)
    gain = float(growth.sum())
    mean = gain / ((end - since) * evidence.time_step)
    half = WINDOWS[spans] * float(rates.std(ddof=1)) / math.sqrt(spans)
    return Window(spans, since, mean, mean - half, mean + half, gain, _swing(growth))


def _swing(growth: np.ndarray) -> float:
    """The largest change, up or down, between two edges of spans with growth (n,)."""
    total = np.concatenate([[0.0], np.cumsum(growth)])
    up = (total - np.minimum.accumulate(total)).max()
    down = (np.maximum.accumulate(total) - total).max()
    return float(max(up, down))


def decisive_window(evidence: Evidence, late: Window) -> Window:
    """The shortest window in which the exponent is above 0 beyond its interval and which the
    last quarter does not contradict; the last quarter where there is none."""
    if not math.isfinite(late.exponent) or late.is_negative:
        return late
    for spans in WINDOWS:
        longer = window(evidence, spans)
        goes_on = late.low <= longer.exponent <= late.high or late.exponent >= longer.exponent / 4
        if longer.is_positive and goes_on:
            return longer
    return late


def largest_gain(evidence: Evidence) -> float:
    """The largest sum of growth over consecutive steps, in nats (Kadane's scan); NaN where no
    growth is known."""
    if np.isnan(evidence.growth).all():
        return math.nan
    found = running = 0.0
    rows = zip(evidence.growth, evidence.begins, evidence.ends, evidence.best, strict=True)
    for growth, begins, ends, best in rows:
        found = max(found, best, running + begins)
        running = max(running + growth, ends) if math.isfinite(growth) else 0.0
    return found


def passed_at(evidence: Evidence) -> float:
    """The step at which nearby orbits have parted for good: the end of the stretch of spans that
    gained most beyond what a neutral orbit may gain in as many."""
    gains = evidence.growth - NEUTRAL_SWING / (SPANS / 4)
    gains = np.where(np.isnan(gains), -math.inf, gains)
    best, running = 0.0, 0.0
    end = int(np.argmax(evidence.best)) + 1  # where the whole of it lies in one span
    for k, gain in enumerate(gains):
        running = max(0.0, running + gain)
        if running > best:
            best, end = running, k + 1
    return float(evidence.edges[end])


def largest_folded(evidence: Evidence, spans: int = SPANS) -> float:
    """The largest growth, in nats, beyond what the orbit itself sped up over the same stretch
    of the last ``spans`` spans.

    A nearby orbit that parts only because both leave a saddle, or run away, parts as fast as
    the orbit speeds up: x(t+1) − x(t) is carried along like a small displacement. In a bounded
    motion that folds back, the speed stays what it is while displacements grow on. A stretch in
    which the loss only falls counts for nothing: such an orbit never comes back.
    """
    growth, begins, ends, within = (
        np.where(np.isfinite(rows), rows, -math.inf)[-spans:]
        for rows in (evidence.growth, evidence.begins, evidence.ends, evidence.best)
    )
    one_way = (evidence.rises[-spans:] == 0) & (evidence.falls[-spans:] > 0) & evidence.is_loss
    # Row a, column b: from the last steps of span a to the first of span b, and whole spans in
    # between; on the diagonal within a span. Sums go from a on, in that order.
    count = len(growth)
    first, last = np.ogrid[:count, :count]
    between = np.cumsum(np.where(last > first, growth, 0.0), axis=1)
    between = np.concatenate([np.zeros((count, 1)), between[:, :-1]], axis=1)
    gains = ends[:, None] + between + begins
    np.fill_diagonal(gains, within)
    with np.errstate(invalid="ignore"):
        beyond = gains - _speedups(evidence, spans).max(axis=2)
    beyond[np.logical_and.accumulate(one_way | (last < first), axis=1)] = 0.0
    return float(np.nanmax(np.where(last >= first, beyond, 0.0), initial=0.0))


def _speedups(evidence: Evidence, spans: int) -> np.ndarray:
    """By how much each component sped up at most from span a to span b >= a, (spans, spans, P):
    ``largest_speedup`` of the spans from a on, for all a at once."""
    slowest, fastest, within = (
        rows[-spans:] for rows in (evidence.slowest, evidence.fastest, evidence.speedup)
    )
    first, last = np.ogrid[: len(within), : len(within)]
    before, at = (last < first)[:, :, None], (last <= first)[:, :, None]
    lowest = np.minimum.accumulate(np.where(before, math.inf, slowest), axis=1)
    lowest = np.concatenate([lowest[:, :1], lowest[:, :-1]], axis=1)
    with np.errstate(invalid="ignore"):
        across = fastest - lowest
    across = np.where(at, -math.inf, np.where(np.isnan(across), 0.0, across))
    return np.maximum.accumulate(np.where(before, -math.inf, np.maximum(within, across)), axis=1)
