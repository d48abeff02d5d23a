"""Verdicts on systems that are known to deserve them, and dead networks."""

from __future__ import annotations

import math

from tuichaos.selftest.checks import Reader, Trial, exact, word
from tuichaos.selftest.readers import last, row, summary, verdict
from tuichaos.selftest.softmax import IRIS, entropy

# The quartic's step a, from where, and the word: 0.5 converges in one sweep, at 0.9 an orbit
# from 1.3 goes over the hill first, then come its cascade, chaos and divergence.
CASCADE = (
    (0.5, 0.4, "monotone"),
    (0.9, 1.3, "catapult"),
    (1.1, 0.4, "periodic-2"),
    (1.27, 0.4, "periodic-4"),
    (1.5, 0.4, "chaotic"),
    (1.9, 0.4, "chaotic"),
    (2.1, 0.4, "diverged"),
)

QUARTIC = Trial(
    "quartic, verdicts",
    {
        "system.name": "quartic",
        "system.parameters": {"a": [a for a, _, _ in CASCADE]},
        "system.start": [[w] for _, w, _ in CASCADE],
        "ensemble.references": len(CASCADE),
        "steps": 2000,
        "measure.tangent": True,
        "measure.regime": True,
    },
    tuple(
        word(f"a = {a}, from {start}", "regime", verdict([at]), expected)
        for at, (a, start, expected) in enumerate(CASCADE)
    ),
)

# --- dead networks -----------------------------------------------------------------------

HIDDEN, ON = 4, 2  # units, and how many of them are stuck on
RATES = (1.0, 5.0)  # η_eff = η(1 + k) = 3, a fixed point, and 15, a 3-cycle

# Weights 0, biases of the hidden units far out: no sample moves any.
STUCK = [*[0.0] * 4 * HIDDEN, *[40.0] * ON, *[-40.0] * (HIDDEN - ON), *[0.0] * 3 * HIDDEN]


def _fact(at: int, column: str) -> Reader:
    """A number of regime.csv, which has words too."""
    return lambda run: float(verdict([at], column)(run) or math.nan)


DEAD = Trial(
    "network on iris, all hidden units saturated, 2 of 4 on",
    {
        "data.name": "iris",
        "data.class_counts": IRIS,
        "network.hidden": [HIDDEN],
        "system.start": [[*STUCK, *logits] for logits in ([0.1, 0.0, -0.1], [3.0, -1.0, -2.0])],
        "optimizer.learning_rate": list(RATES),
        "ensemble.references": len(RATES),
        "steps": 1000,
        "measure.tangent": True,
        "measure.regime": True,
        "measure.units": True,
    },
    (
        exact("share saturated", "units", summary("units", "final_share_all"), 1.0, 0.0),
        *(
            exact(
                f"units on, η = {rate:g}", "units", row("units.csv", at, "on", step=1000), ON, 0.0
            )
            for at, rate in enumerate(RATES)
        ),
        word("verdict", "regime", verdict(), "dead-network"),
        exact("k", "regime", _fact(0, "stuck_on"), ON, 0.0),
        *(
            exact(f"η_eff, η = {rate:g}", "regime", _fact(at, "eta_eff"), rate * (1 + ON), 0.0)
            for at, rate in enumerate(RATES)
        ),
        word("behaviour, η_eff = 3", "regime", verdict([0], "behaviour"), "fixed"),
        word("behaviour, η_eff = 15", "regime", verdict([1], "behaviour"), "periodic-3"),
        exact("loss: entropy of f", "loss", last("loss", entropy(IRIS), [0]), entropy(IRIS)),
    ),
)

TRIALS = (QUARTIC, DEAD)
