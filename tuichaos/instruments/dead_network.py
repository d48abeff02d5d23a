"""A network whose inputs no longer matter, and the map that gradient descent then is.

With the last hidden layer stuck and k units of it on, all samples share their logits z and
gradient descent is the class-fraction map z ← z − η_eff·(softmax(z) − f) with
η_eff = η·(1 + k), or η·k without biases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuichaos.common.thresholds import AHEAD
from tuichaos.instruments.period import size

LATE = 0.75  # of the run: a network that died later is not yet dead
HALF = 0.5  # of the run, whose rest tells whether units still move
DRIFT = 0.01
DRIFT_STEPS = 256  # at the end of the run that are looked at
DRIFT_PERIOD = 16  # the longest cycle that may drift


@dataclass(frozen=True)
class DeadNetwork:
    """Dead since step ``stuck_since``; ``stuck_on`` units of the last hidden layer on since
    ``k_since``, NaN where another layer is the stuck one; ``eta_eff`` of the map;
    ``is_firm``: no unit of it can wake within AHEAD runs as long; ``level_cycle``: after how many
    steps the loss repeats, None where it does not."""

    stuck_since: float
    stuck_on: float
    k_since: float
    eta_eff: float
    is_firm: bool
    level_cycle: int | None = None

    @property
    def facts(self) -> dict[str, float]:
        names = ("stuck_since", "stuck_on", "k_since", "eta_eff")
        return {name: getattr(self, name) for name in names}

    def behaviour(self, end: np.ndarray, cycle: int | None, *, is_chaotic: bool) -> str:
        """What the state (m, P) does at the last steps: units that are all but stuck still
        move, so a cycle that drifts by less than DRIFT of its range is told as one, and said to
        be drifting unless the loss repeats with it."""
        end = end[-DRIFT_STEPS:]
        if len(end) < 2 * DRIFT_PERIOD:
            return "k has just changed"
        reach = DRIFT * np.maximum(np.ptp(end, axis=0), DRIFT * size(end))
        near = (
            j for j in range(1, DRIFT_PERIOD + 1) if (np.abs(end[j:] - end[:-j]) <= reach).all()
        )
        found = cycle if cycle is not None else next(near, None)
        if found is not None:
            word = "fixed" if found == 1 else f"periodic-{found}"
            return word if found in (cycle, self.level_cycle) else f"{word} (drifting)"
        return "chaotic" if is_chaotic else "wandering"


def dead_network(
    looked: np.ndarray,
    dead: np.ndarray,
    stuck_on: np.ndarray,
    moved: np.ndarray,
    steps: int,
    eta: float,
    bias: bool,
    level_cycle: int | None = None,
) -> DeadNetwork | None:
    """What is to be said of a network that was seen ``dead`` (n,) at steps ``looked`` with
    ``stuck_on`` units on; None for one whose inputs matter at the end, or mattered late.
    ``moved`` (n, layers): the largest |Δ ln slope| in a layer since the look before, ∞ where it
    was not stuck. A unit that stirred in between counts from then on."""
    if not len(dead) or not dead[-1]:
        return None
    alive = np.flatnonzero(~dead)
    first = int(alive[-1]) + 1 if len(alive) else 0
    if looked[first] > LATE * steps:
        return None
    since = float(looked[first])
    on = stuck_on
    other = np.flatnonzero(dead & (on != on[-1]) & ~(np.isnan(on) & np.isnan(on[-1])))
    k_since = max(since, float(looked[other[-1] + 1]) if len(other) else 0.0)
    eta_eff = eta * (bias + float(on[-1])) if not math.isnan(on[-1]) else math.nan
    is_firm = _is_firm(looked[first:], moved[first:], steps)
    return DeadNetwork(since, float(on[-1]), k_since, eta_eff, is_firm, level_cycle)


def _is_firm(looked: np.ndarray, moved: np.ndarray, steps: int) -> bool:
    """Whether all units of the last of the stuck layers stay stuck for AHEAD runs. Those of
    layers before it are still because no gradient comes through, not by themselves.

    The gradient that moves a saturated unit is in proportion to its slope s, which falls
    exponentially with what the unit is given: so 1/s changes by an equal amount in every step,
    up or down as the samples pull it, and which way they pull may turn at any time. What 1/s
    has changed by, over its size, is the shortest time to its end over the time that was seen.
    """
    late = looked >= HALF * steps
    if late.sum() < 2:
        return False
    seen = looked[late][-1] - looked[late][0]
    change = moved[late][1:].sum(axis=0)  # of ln s, to and fro; ∞ where it was not stuck
    stuck = change[np.isfinite(change)]
    return bool(len(stuck) and stuck[-1] <= seen / (AHEAD * steps))
