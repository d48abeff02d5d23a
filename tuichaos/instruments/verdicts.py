"""What one reference did, in one word, from evidence; or *undecided*, and what is missing.

The words: **diverged** (not finite any more), **dead-network** (all units of a hidden layer
saturated, so the inputs no longer matter), **periodic-K** (the loss repeats every K steps),
**chaotic** (the exponent of the last quarter lies above 0), **transient-chaos** (nearby orbits
parted by GAIN at first, and no longer do), **monotone** (the loss never rose, the orbit contracts),
**catapult** (the loss rose at first, then fell to the end: Lewkowycz et al. 2020, arXiv
2003.02218), **edge-of-stability** (the loss falls in the long run but rises in many steps, with
η·λmax/2 near 1: Cohen et al. 2021, arXiv 2103.00065), **marginal** (nearby orbits neither
part nor meet).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuichaos.instruments.period import period

NEUTRAL = 0.005  # nats a unit of time: below, nearby orbits neither part nor meet
GAIN = math.log(1e6)  # nats: what is a millionth apart is then as far apart as it gets
SPANS = 32  # that the steps so far are divided into; eight of them are the last quarter
MIN_STEPS = 64  # of a run: a quarter is then 16 steps, eight spans of two
OFTEN = 0.05  # share of steps in which a loss that hovers rises
HOVERS = (0.9, 1.1)  # η·λmax/2 at the edge of stability
MOSTLY = 0.9  # of the looks: a unit that is stuck may stir now and then
AWAY = 10.0  # times
RUNS_AWAY = "the orbit runs away: more steps would tell whether it diverges"
LITTLE = "nearby orbits have not yet parted by 1e6"
UNCLEAR = "the exponent of the last quarter is not told apart from 0"
DRIFT = 0.01
DRIFT_STEPS = 256  # at the end of the run that are looked at
DRIFT_PERIOD = 16  # the longest cycle that may drift
LATE = 0.75  # where the last quarter begins
T_95 = 2.365  # 97.5 % point of Student's t with 7 degrees of freedom: eight spans


@dataclass(frozen=True)
class Evidence:
    """What is known of one reference.

    ``edges`` (n + 1,) steps that bound n spans; ``growth`` (n,) of the tangent in each, nats
    per unit of time, NaN where unknown, −inf where it collapsed. ``rises`` (n,) share of the
    steps in which the loss rose. ``tail`` (m,): the loss, or another observable (``is_loss``
    false), at the last steps, ``scale`` its largest size in the whole run, ``unit`` one in the
    last place of 1. ``looked`` (m,): steps at which the units were looked at, ``dead`` (m,):
    whether all units of a hidden layer were saturated, ``stuck_on`` (m,): how many of the last
    hidden layer were stuck on, NaN where not all of it was saturated. ``heights`` (n,): the
    largest size of the loss in each span.
    ``sharpness``: the mean of η·λmax/2 over the last quarter.
    """

    edges: np.ndarray
    growth: np.ndarray
    rises: np.ndarray
    tail: np.ndarray
    is_loss: bool
    fell: bool
    time_step: float = 1.0
    scale: float | None = None
    unit: float = 2.0**-52
    diverged_at: int | None = None
    looked: np.ndarray | None = None
    dead: np.ndarray | None = None
    stuck_on: np.ndarray | None = None
    heights: np.ndarray | None = None
    eta: float = math.nan
    bias: bool = True
    sharpness: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """``verdict``, and what speaks for it; NaN and "" where something does not apply.

    ``exponent``, ``low``, ``high``: nats a unit of time over the last quarter, with the
    95 % interval of eight spans; ``gain``: the largest growth of a nearby orbit in any stretch,
    nats above NEUTRAL; ``ends_at``: where that stretch ends; ``behaviour``: what a dead network
    does at the end, with ``stuck_on`` units on since ``k_since`` (dead since ``stuck_since``).
    """

    verdict: str
    missing: str = ""
    behaviour: str = ""
    exponent: float = math.nan
    low: float = math.nan
    high: float = math.nan
    gain: float = math.nan
    ends_at: float = math.nan
    period: float = math.nan
    stuck_since: float = math.nan
    stuck_on: float = math.nan
    k_since: float = math.nan
    eta_eff: float = math.nan
    rises: float = math.nan
    sharpness: float = math.nan


@dataclass(frozen=True)
class _Late:
    """The last quarter: exponent with its interval."""

    exponent: float
    low: float
    high: float

    @property
    def positive(self) -> bool:
        return self.low > 0 and self.exponent > NEUTRAL

    @property
    def negative(self) -> bool:
        return self.high < 0 and self.exponent < -NEUTRAL

    @property
    def neutral(self) -> bool:
        return abs(self.exponent) <= NEUTRAL and max(-self.low, self.high) <= 2 * NEUTRAL


def ambiguous(verdict: Verdict) -> bool:
    """Whether the last quarter does not tell the sign of the exponent: its interval has 0 in
    it and is wider than what counts as neutral."""
    return verdict.low < 0 < verdict.high and verdict.high - verdict.low > 4 * NEUTRAL


def judge(evidence: Evidence) -> Verdict:
    """The verdict on one reference."""
    if evidence.diverged_at is not None:
        return Verdict("diverged", ends_at=evidence.diverged_at)
    steps = int(evidence.edges[-1])
    if steps < MIN_STEPS:
        return Verdict("undecided", f"only {steps} of at least {MIN_STEPS} steps")
    if len(evidence.growth) < SPANS:
        return Verdict("undecided", f"only the first {steps} steps of a longer run")
    late, k = _late(evidence), period(evidence.tail, scale=evidence.scale, unit=evidence.unit)
    gain, ends_at = _largest_gain(evidence)
    facts = {
        "exponent": late.exponent,
        "low": late.low,
        "high": late.high,
        "gain": gain,
        "period": math.nan if k is None else k,
        "rises": float(np.mean(evidence.rises[_is_late(evidence)])),
        "sharpness": evidence.sharpness,
    }
    dead = _dead(evidence, late, k)
    if dead:
        return Verdict(**{**facts, **dead})
    chaos = gain >= GAIN
    if _runs_away(evidence):
        word, missing = (
            "undecided",
            "the orbit runs away: more steps would tell whether it diverges",
        )
    elif k is not None and (k > 1 or not evidence.is_loss):
        word, missing = f"periodic-{k}", ""
    elif k == 1 and late.positive:
        word, missing = "undecided", "it rests on an unstable fixed point"
    elif late.positive:
        word, missing = (
            ("chaotic", "") if chaos else ("undecided", "nearby orbits have not yet parted by 1e6")
        )
    elif chaos and (late.neutral or late.negative or k == 1):
        word, missing = "transient-chaos", ""
        facts["ends_at"] = ends_at
    elif chaos:
        word, missing = "undecided", "chaos has passed or comes back: " + UNCLEAR
    else:
        word, missing = _calm(evidence, late, settled=k == 1)
    return Verdict(word, missing, **facts)


def _calm(evidence: Evidence, late: _Late, *, settled: bool) -> tuple[str, str]:
    """The word for an orbit whose neighbours never parted, and what is missing for one."""
    if math.isnan(late.exponent) and not settled:
        return "undecided", "no exponent: measure.tangent is off or the run was cut short"
    if not evidence.is_loss:
        return ("marginal", "") if late.neutral else ("undecided", UNCLEAR)
    late_rises = evidence.rises[evidence.edges[1:] > evidence.edges[-1] / 2]
    if not evidence.rises.any():
        if late.negative or (settled and math.isnan(late.exponent)):
            return "monotone", ""
    elif not late_rises.any() and evidence.fell:
        return "catapult", ""
    elif evidence.fell and evidence.rises[_is_late(evidence)].mean() >= OFTEN:
        if math.isnan(evidence.sharpness):
            return (
                "undecided",
                "the loss hovers: measure.sharpness would tell the edge of stability",
            )
        if HOVERS[0] <= evidence.sharpness <= HOVERS[1]:
            return "edge-of-stability", ""
    if late.neutral:
        return "marginal", ""
    return "undecided", UNCLEAR


def _runs_away(evidence: Evidence) -> bool:
    """Whether the loss ends far above all that was before the last quarter: no attractor."""
    if evidence.heights is None:
        return False
    early = evidence.heights[~_is_late(evidence)]
    return bool(evidence.heights[-1] > AWAY * early.max())


def _is_late(evidence: Evidence) -> np.ndarray:
    """Which spans lie in the last quarter."""
    return evidence.edges[:-1] >= LATE * evidence.edges[-1]


def _late(evidence: Evidence) -> _Late:
    """The exponent of the last quarter, from spans as batches (they are equally long but for
    one step); −∞ where the tangent collapsed."""
    rates = evidence.growth[_is_late(evidence)]
    if np.isneginf(evidence.growth).any():
        return _Late(-math.inf, -math.inf, -math.inf)
    if len(rates) < 2 or not np.isfinite(rates).all():
        return _Late(math.nan, math.nan, math.nan)
    mean, error = float(rates.mean()), float(rates.std(ddof=1)) / math.sqrt(len(rates))
    return _Late(mean, mean - T_95 * error, mean + T_95 * error)


def _largest_gain(evidence: Evidence) -> tuple[float, float]:
    """The largest sum of growth above NEUTRAL over consecutive spans, in nats, and the step at
    which that stretch ends (Kadane's scan); NaN where no growth is known."""
    lengths = np.diff(evidence.edges)
    gains = (evidence.growth - NEUTRAL) * lengths * evidence.time_step
    gains = np.where(np.isnan(gains), -math.inf, gains)
    if not np.isfinite(gains).any():
        return math.nan, math.nan
    best, end, running = 0.0, math.nan, 0.0
    for k, gain in enumerate(gains):
        running = max(0.0, running + gain)
        if running > best:
            best, end = running, float(evidence.edges[k + 1])
    return best, end


def _dead(evidence: Evidence, late: _Late, k: int | None) -> dict:
    """What is to be said of a network whose inputs no longer matter; empty for another one."""
    if evidence.dead is None or evidence.looked is None:
        return {}
    share = np.cumsum(evidence.dead[::-1])[::-1] / np.arange(len(evidence.dead), 0, -1)
    stuck = np.flatnonzero(evidence.dead & (share >= MOSTLY))
    if not evidence.dead[-1] or evidence.looked[stuck[0]] > LATE * evidence.edges[-1]:
        return {}
    since = evidence.looked[stuck[0] :]
    if evidence.stuck_on is None:
        return {"verdict": "dead-network", "stuck_since": float(since[0])}
    on = evidence.stuck_on
    other = np.flatnonzero(evidence.dead & (on != on[-1]) & ~(np.isnan(on) & np.isnan(on[-1])))
    k_since = max(since[0], evidence.looked[other[-1] + 1] if len(other) else 0)
    found = {
        "verdict": "dead-network",
        "stuck_since": float(since[0]),
        "stuck_on": float(on[-1]),
        "k_since": float(k_since),
        "eta_eff": evidence.eta * (evidence.bias + float(on[-1])),
    }
    if k_since > LATE * evidence.edges[-1]:  # the last quarter is of several maps
        late = _Late(math.nan, math.nan, math.nan)
        found |= {"exponent": math.nan, "low": math.nan, "high": math.nan}
    own = max(1, int(evidence.edges[-1] - k_since))
    return {**found, "behaviour": _behaviour(evidence.tail[-min(DRIFT_STEPS, own) :], late, k)}


def _behaviour(end: np.ndarray, late: _Late, k: int | None) -> str:
    """What the class-fraction map does at its last steps (m,): units that are all but stuck
    still move, so a cycle whose levels drift by less than DRIFT of their range is told as
    one."""
    if len(end) < 2 * DRIFT_PERIOD:
        return "k has just changed"
    reach = DRIFT * max(float(np.ptp(end)), DRIFT * float(np.abs(end).max()))
    near = (j for j in range(1, DRIFT_PERIOD + 1) if np.abs(end[j:] - end[:-j]).max() <= reach)
    cycle = k if k is not None else next(near, None)
    if cycle is not None:
        return ("fixed" if cycle == 1 else f"periodic-{cycle}") + (
            " (drifting)" if k is None else ""
        )
    return "chaotic" if late.positive else "wandering"
