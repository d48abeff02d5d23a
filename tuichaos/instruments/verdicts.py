"""What one reference did, in one word, from evidence; or *undecided*, and what is missing.

The words: **diverged** (not finite any more), **dead-network** (a hidden layer stuck, and the
outputs the same for all samples: the inputs no longer matter), **periodic-K** (the state repeats
every K steps, or closes in on a cycle that does), **chaotic** (nearby orbits part, within a
bounded motion that does not drift), **transient-chaos** (they did, and no longer do),
**saddle-escape** (they parted only as the orbit itself left a saddle), **quasi-periodic**,
**monotone** (the loss never rose, the orbit contracts), **catapult** (the loss rose at first,
then fell to the end: Lewkowycz et al. 2020, arXiv 2003.02218), **edge-of-stability** (the loss
falls in the long run but rises in many steps, with η·λmax/2 near 1: Cohen et al. 2021, arXiv
2103.00065), **marginal** (nearby orbits neither part nor meet).

No threshold is a rate: what counts is how many nats nearby orbits gain over the steps that were
run. So a run of more steps decides weaker chaos.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuichaos.common.thresholds import AHEAD, MIN_STEPS, NEUTRAL_GAIN
from tuichaos.instruments.dead_network import DeadNetwork
from tuichaos.instruments.motion import (
    DRIFT_SIZE,
    approached,
    closes_in,
    drifts,
    is_quasi_periodic,
    stays_on_torus,
)
from tuichaos.instruments.period import period
from tuichaos.instruments.span_record import SPANS, largest_speedup

GAIN = math.log(1e6)  # nats: what is a millionth apart is then as far apart as it gets
PASSED = 30.0  # nats that chaos which has passed must have folded: leaving a saddle gains as much
EXACTLY = 0.01  # nats, of that swing: what is conserved, or flips for ever
ROUNDED = 1e-6  # nats over the last quarter that rounding alone may give
RATE_SIZE = 0.5  # standard deviations between spans, by which their growth must drift
LASTS = 3 * GAIN  # nats that the last half must add: memory is lost three times over, so it lasts
APPROACH_GAIN = 0.2  # nats: below, an approach and its rate are not told from none
NEUTRAL_SWING = math.log(10)  # between any two steps of that quarter
SLOWED = 1.0  # nats, that the speed has fallen by since it was highest: the orbit comes to rest
LONG_TRAINING = 10_000  # steps: chaos of training often passes after hundreds or thousands
WAKES = 1.0  # nats that a dead network may gain within AHEAD times as many steps
FEW_RISES = 0.02  # share of the steps in which the loss of what leaves a saddle may rise
CHANGES = 1.5  # times, by which a loss that rests may differ in the last quarter
OFTEN = 0.05  # share of steps in which a loss that hovers rises
HOVERS = (0.9, 1.1)  # η·λmax/2 at the edge of stability
AWAY = 10.0  # times
LATE = 0.75  # where the last quarter begins
# The exponent is read from the last quarter or, where that does not tell its sign, from the last
# half or the last three quarters: spans, with the 97.5 % point of Student's t for their number.
WINDOWS = {8: 2.365, 16: 2.131, 24: 2.069}

RUNS_AWAY = "the orbit runs away: more steps would tell whether it diverges"
LITTLE = "nearby orbits part, but not yet by 1e6: more steps would tell"
LEAVES = "nearby orbits part only as the orbit itself speeds up: it leaves a saddle or runs away"
UNSTABLE = "it stays on an unstable cycle or torus, or moves by less than can be seen"
TOO_LITTLE = "nearby orbits parted and do no longer, too little to tell chaos from leaving a saddle"
DRIFTS = "chaotic so far, but the state still drifts: more steps would tell whether it lasts"
FEW = "chaotic so far, but over few steps: more would tell whether it lasts"
COMES_BACK = "chaos has passed or comes back: more steps would tell"
UNCLEAR = (
    "the interval of the exponent includes 0, and nearby orbits neither stay nor part for good"
)
MEETS = "nearby orbits meet, but the state has not settled: a longer cycle, or more steps needed"
NO_EXPONENT = "no exponent: measure.tangent is off or the run was cut short"
MAY_WAKE = "dead so far, but its stuck units still move: they may wake in a longer run"
HOVERING = "the loss hovers: measure.sharpness would tell the edge of stability"


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
class Verdict:
    """``verdict``, and what speaks for it; NaN and "" where something does not apply.

    ``exponent``, ``low``, ``high``: nats a unit of time from step ``since`` to the end, with the
    95 % interval of the spans in between; ``gain``: the largest growth of a nearby orbit in any
    stretch of spans, nats; ``folded``: the largest growth beyond what the orbit itself sped up;
    ``ends_at``: where nearby orbits have parted for good; ``behaviour``: what a network that is
    dead, or so far, does at the end, with ``stuck_on`` units on since ``k_since`` (dead since
    ``stuck_since``).
    """

    verdict: str
    missing: str = ""
    behaviour: str = ""
    exponent: float = math.nan
    low: float = math.nan
    high: float = math.nan
    since: float = math.nan
    gain: float = math.nan
    folded: float = math.nan
    ends_at: float = math.nan
    period: float = math.nan
    stuck_since: float = math.nan
    stuck_on: float = math.nan
    k_since: float = math.nan
    eta_eff: float = math.nan
    rises: float = math.nan
    sharpness: float = math.nan


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


def is_ambiguous(verdict: Verdict) -> bool:
    """Whether the steps that were run do not tell the sign of the exponent."""
    return verdict.missing in (UNCLEAR, COMES_BACK)


def judge(evidence: Evidence) -> Verdict:
    """The verdict on one reference."""
    if evidence.diverged_at is not None:
        return Verdict("diverged", ends_at=evidence.diverged_at)
    steps = int(evidence.edges[-1])
    if steps < MIN_STEPS:
        return Verdict("undecided", f"only {steps} of at least {MIN_STEPS} steps")
    if len(evidence.growth) < SPANS:
        return Verdict("undecided", f"only the first {steps} steps of a longer run")
    late = window(evidence, SPANS // 4)
    decisive = _decisive(evidence, late)
    gain = largest_gain(evidence)
    folded = largest_folded(evidence) if gain >= GAIN else 0.0
    cycle = period(evidence.motion, unit=evidence.unit)
    facts = {
        "exponent": decisive.exponent,
        "low": decisive.low,
        "high": decisive.high,
        "since": decisive.since,
        "gain": gain,
        "folded": folded,
        "period": math.nan if cycle is None else cycle,
        "rises": float(evidence.rises[-late.spans :].sum() / (steps - late.since)),
        "sharpness": evidence.sharpness,
    }
    if evidence.dead is not None:
        return _dead(evidence, facts, late, cycle)
    word, missing = _word(evidence, late, decisive, gain, folded, cycle)
    if word in ("transient-chaos", "saddle-escape"):
        facts["ends_at"] = passed_at(evidence)
    return Verdict(word, missing, **facts)


def _word(
    evidence: Evidence,
    late: Window,
    decisive: Window,
    gain: float,
    folded: float,
    cycle: int | None,
) -> tuple[str, str]:
    """The word for an orbit that is finite and has its wits, and what is missing for one."""
    if runs_away(evidence):
        return "undecided", RUNS_AWAY
    if decisive.is_positive:
        if cycle is not None or stays_on_torus(evidence.motion):
            return "undecided", UNSTABLE
        if folded < GAIN and _hovers(evidence, late):
            return "edge-of-stability", ""
        return _parting(evidence, gain, folded)
    settles = cycle if _may_settle(late, gain) else None
    if cycle is None and late.high < 0 and late.per_quarter < -APPROACH_GAIN:
        settles = approached(
            evidence.motion, late.exponent * evidence.time_step, int(evidence.edges[-1])
        )
    if settles is not None and (settles > 1 or not evidence.is_loss):
        return f"periodic-{settles}", ""
    if folded >= GAIN:
        dwells = cycle is not None and settles is None
        laminar = late.is_neutral and late.low > 0 and not evidence.is_loss
        if dwells or laminar or not (late.is_neutral or late.is_negative or settles == 1):
            return "undecided", COMES_BACK
        return ("transient-chaos", "") if folded >= PASSED else ("undecided", TOO_LITTLE)
    word, missing = _calm(evidence, late, settled=settles == 1)
    rests = word == "monotone" or (word == "marginal" and _slowed(evidence) >= SLOWED)
    if gain >= GAIN and rests and _sped_up(evidence) >= GAIN / 2:
        return ("undecided", TOO_LITTLE) if _on_its_way(evidence) else ("saddle-escape", "")
    return word, missing


def _on_its_way(evidence: Evidence) -> bool:
    """Whether a loss rose in more than a few steps, so that it was no saddle alone, or is still
    on its way down."""
    if not evidence.is_loss:
        return False
    levels = evidence.means[-SPANS // 4 :, -1]
    moves = bool(evidence.rises.any() and levels.max() > CHANGES * levels.min())
    return moves or bool(evidence.rises.sum() > FEW_RISES * evidence.edges[-1])


def _may_settle(late: Window, gain: float) -> bool:
    """Whether the exponent lets a state that repeats be a cycle to stay on: below 0 beyond its
    interval, exactly 0, or unknown; or neutral where nearby orbits never parted. Else it dwells
    there: in the bottleneck of an intermittency, at a saddle that it leaves again."""
    if math.isnan(late.exponent) or late.high < 0 or late.swing <= EXACTLY:
        return True
    return late.is_neutral and gain < GAIN


def _slowed(evidence: Evidence) -> float:
    """By how much the orbit is slower in the last quarter than it was at its fastest, in nats."""
    fastest = evidence.fastest.max(axis=1)
    fastest = np.where(np.isfinite(fastest), fastest, -math.inf)
    return float(fastest.max() - fastest[-SPANS // 4 :].max())


def _sped_up(evidence: Evidence) -> float:
    """By how much the orbit itself sped up at most, in nats."""
    rows = (evidence.slowest, evidence.fastest, evidence.speedup)
    return float(largest_speedup(*rows)[-1].max())


def _parting(evidence: Evidence, gain: float, folded: float) -> tuple[str, str]:
    """The word where nearby orbits part at the end of the run."""
    if folded < GAIN:
        return "undecided", LEAVES if gain >= GAIN and folded < gain / 2 else LITTLE
    short = evidence.trains and int(evidence.edges[-1]) < LONG_TRAINING
    if short or largest_folded(evidence, SPANS // 2) < LASTS:
        return "undecided", FEW
    rates = (evidence.growth / np.diff(evidence.edges))[SPANS // 2 :, None]
    trend = drifts(rates, rates.std(axis=0) * RATE_SIZE / DRIFT_SIZE)
    if trend or drifts(evidence.means[SPANS // 2 :], evidence.spread):
        return "undecided", DRIFTS
    return "chaotic", ""


def _calm(evidence: Evidence, late: Window, *, settled: bool) -> tuple[str, str]:
    """The word for an orbit whose neighbours do not part, and what is missing for one."""
    if math.isnan(late.exponent) and not settled:
        return "undecided", NO_EXPONENT
    if not evidence.is_loss:
        return _without_a_loss(evidence, late)
    if not evidence.rises.any():
        if late.is_negative or (settled and math.isnan(late.exponent)):
            return "monotone", ""
    elif not evidence.rises[SPANS // 2 :].any() and evidence.fell:
        return "catapult", ""
    elif _winds(evidence, late):
        return "quasi-periodic", ""
    elif _hovers(evidence, late):
        return "edge-of-stability", ""
    elif evidence.fell and _often(evidence, late) and math.isnan(evidence.sharpness):
        return "undecided", HOVERING
    return _without_a_loss(evidence, late)


def _without_a_loss(evidence: Evidence, late: Window) -> tuple[str, str]:
    if _winds(evidence, late):
        return "quasi-periodic", ""
    cycle = closes_in(evidence.motion, int(evidence.edges[-1]))
    if cycle is not None and (cycle > 1 or not evidence.is_loss):
        return f"periodic-{cycle}", ""
    if late.is_neutral:
        return "marginal", ""
    return "undecided", MEETS if late.high < 0 else UNCLEAR


def _winds(evidence: Evidence, late: Window) -> bool:
    """Whether the orbit winds around a torus: neighbours neither part nor meet, at all."""
    is_zero = late.low <= 0 <= late.high or abs(late.gain) <= ROUNDED
    return late.is_neutral and is_zero and is_quasi_periodic(evidence.motion)


def _hovers(evidence: Evidence, late: Window) -> bool:
    """Whether the loss falls in the long run but rises in many steps, at the edge of stability.
    Nearby orbits may part slowly there, as the curvature goes on to grow."""
    at_edge = HOVERS[0] <= evidence.sharpness <= HOVERS[1]
    return at_edge and evidence.is_loss and evidence.fell and _often(evidence, late)


def _often(evidence: Evidence, late: Window) -> bool:
    """Whether the loss rises in many of the late steps."""
    return bool(evidence.rises[-late.spans :].sum() >= OFTEN * (evidence.edges[-1] - late.since))


def _dead(evidence: Evidence, facts: dict, late: Window, cycle: int | None) -> Verdict:
    """A network whose inputs no longer matter: what it does is its behaviour."""
    dead = evidence.dead
    if dead.k_since > LATE * evidence.edges[-1]:  # the last quarter is of several maps
        facts |= dict.fromkeys(("exponent", "low", "high", "since"), math.nan)
        is_chaotic = False
    else:
        is_chaotic = late.is_positive and facts["folded"] >= GAIN
    own = max(1, int(evidence.edges[-1] - dead.k_since))
    behaviour = dead.behaviour(evidence.motion[-own:], cycle, is_chaotic=is_chaotic)
    may_wake = not dead.is_firm or "drifting" in behaviour or _wakes(evidence, late)
    word, missing = ("undecided", MAY_WAKE) if may_wake else ("dead-network", "")
    if math.isnan(dead.stuck_on):
        behaviour = ""
    return Verdict(word, missing, behaviour, **{**facts, **dead.facts})


def _wakes(evidence: Evidence, late: Window) -> bool:
    """Whether what a dead network does at the end is left, slowly, for what it may wake to."""
    gain = late.per_quarter * 4 * AHEAD
    return late.low > 0 and gain > WAKES and not late.is_positive


def runs_away(evidence: Evidence) -> bool:
    """Whether the loss ends far above all that was before the last quarter: no attractor."""
    return bool(evidence.heights[-1] > AWAY * evidence.heights[: -SPANS // 4].max())


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


def _decisive(evidence: Evidence, late: Window) -> Window:
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
