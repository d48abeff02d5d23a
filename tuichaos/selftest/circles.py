"""Orbits on a circle, rigid or with a twist: stability of twins, projection, a cosine."""

from __future__ import annotations

import math

from tuichaos.selftest.checks import Check, Reader, Trial, exact, word
from tuichaos.selftest.readers import row, stability, summary, tangent, verdict
from tuichaos.selftest.systems import ROUND, TURNS

STEPS = 4 * ROUND - 1  # four times around: every point of the circle is there four times


def _turn(name: str, twist: float, checks: tuple[Check, ...], **measured: object) -> Trial:
    return Trial(
        name,
        {
            "system.name": "tuichaos.selftest.systems:Turn",
            "system.parameters": {"twist": twist},
            "ensemble.twins": 3,
            "ensemble.perturbation": 0.02,
            "steps": STEPS,
            **{f"measure.{key}": value for key, value in measured.items()},
        },
        checks,
    )


def _explained(component: int) -> Reader:
    return summary("projection", "explained", component)


RIGID = _turn(
    "rotation of the plane by 2π·34/89",
    0.0,
    (
        exact("λ1 = 0", "tangent", tangent(), 0.0),
        word("twins stay near", "orbital", stability(0), "same time"),
        word("neither part nor meet", "regime", verdict(), "marginal"),
        *(exact(f"explained by axis {k + 1}", "projection", _explained(k), 0.5) for k in range(2)),
        *(
            exact(
                f"ρ({k}) of the state",
                "autocorrelation",
                row("autocorrelation.csv", 0, "state", lag=k),
                math.cos(2 * math.pi * TURNS / ROUND * k),
            )
            for k in (1, 5)
        ),
    ),
    tangent=True,
    regime=True,
    orbital=True,
    projection={"points": STEPS + 1},
    autocorrelation={"lags": 5},
    discard=2 * ROUND,
)

TWISTED = _turn(
    "rotation with a twist: twins run ahead on it",
    1.0,
    (word("twins run ahead", "orbital", stability(0), "the orbit"),),
    orbital=True,
)

TRIALS = (RIGID, TWISTED)
