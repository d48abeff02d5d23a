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

from tuichaos.common.thresholds import AHEAD, MIN_STEPS
from tuichaos.instruments.evidence import (
    Evidence,
    Window,
    decisive_window,
    largest_folded,
    largest_gain,
    passed_at,
    window,
)
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
SLOWED = 1.0  # nats, that the speed has fallen by since it was highest: the orbit comes to rest
LONG_TRAINING = 10_000  # steps: chaos of training often passes after hundreds or thousands
WAKES = 1.0  # nats that a dead network may gain within AHEAD times as many steps
FEW_RISES = 0.02  # share of the steps in which the loss of what leaves a saddle may rise
CHANGES = 1.5  # times, by which a loss that rests may differ in the last quarter
OFTEN = 0.05  # share of steps in which a loss that hovers rises
HOVERS = (0.9, 1.1)  # η·λmax/2 at the edge of stability
AWAY = 10.0  # times
LATE = 0.75  # where the last quarter begins

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
    decisive = decisive_window(evidence, late)
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
