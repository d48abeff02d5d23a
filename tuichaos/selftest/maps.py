"""Classic maps and a flow: logistic, skew tent, cat, Hénon, Lorenz."""

from __future__ import annotations

import math

from tuichaos.selftest.checks import Trial, average, exact, published
from tuichaos.selftest.descents import spread
from tuichaos.selftest.readers import spectrum, spectrum_sum, summary, tangent

R, AT = spread({2.6: 2, 3.1: 2, 4.0: 20})

LOGISTIC = Trial(
    "logistic map",
    {
        "system.name": "logistic",
        "system.parameters": {"r": R},
        "ensemble.references": len(R),
        "steps": 6000,
        "measure.discard": 1000,
        "measure.tangent": True,
        "measure.spectrum": True,
        "record.every": 6000,
    },
    tuple(
        check
        for route, read in (("tangent", tangent), ("spectrum", lambda at: spectrum(0, at)))
        for check in (
            exact("r = 2.6: ln 0.6", route, read(AT[2.6]), math.log(0.6)),
            # Over whole turns of the 2-cycle.
            exact("r = 3.1: ½ ln 0.59", route, read(AT[3.1]), math.log(0.59) / 2),
            # The mean's error falls as 1/n here: ln|f′| is ln 2 and a difference.
            average("r = 4: ln 2", route, read(AT[4.0]), math.log(2)),
        )
    ),
)

TENT = Trial(
    "skew tent map, p = 0.3",
    {
        "system.name": "tuichaos.selftest.systems:SkewTent",
        "ensemble.references": 127,
        "steps": 4100,
        "measure.discard": 100,
        "measure.tangent": True,
        "measure.spectrum": True,
        "record.every": 4100,
    },
    (  # σ of the mean is 0.39/√n
        average("λ", "tangent", tangent(), -0.3 * math.log(0.3) - 0.7 * math.log(0.7)),
        average("λ", "spectrum", spectrum(0), -0.3 * math.log(0.3) - 0.7 * math.log(0.7)),
    ),
    long=True,
)

GOLDEN = math.log((3 + math.sqrt(5)) / 2)

CAT = Trial(
    "Arnold's cat map",
    {
        "system.name": "cat",
        "ensemble.references": 2,
        "steps": 300,
        "measure.discard": 100,
        "measure.tangent": True,
        "measure.spectrum": True,
    },
    (
        exact("λ1 = ln((3 + √5)/2)", "tangent", tangent(), GOLDEN),
        exact("λ1", "spectrum", spectrum(0), GOLDEN),
        exact("λ2 = −λ1", "spectrum", spectrum(1), -GOLDEN),
        exact("Kaplan–Yorke", "spectrum", summary("spectrum", "kaplan_yorke"), 2.0),
    ),
)

HENON = Trial(
    "Hénon map, a = 1.4, b = 0.3",
    {
        "system.name": "henon",
        "ensemble.references": 127,
        "steps": 6500,
        "measure.discard": 500,
        "measure.tangent": True,
        "measure.spectrum": True,
        "record.every": 6500,
    },
    (  # σ of the mean is 0.37/√n
        published("λ1", "tangent", tangent(), 0.41922),
        published("λ1", "spectrum", spectrum(0), 0.41922),
        published("λ2", "spectrum", spectrum(1), -1.62319),
        exact("sum = ln 0.3", "spectrum", spectrum_sum(math.log(0.3)), math.log(0.3), 1e-9),
        published("Kaplan–Yorke", "spectrum", summary("spectrum", "kaplan_yorke"), 1.25827),
    ),
    long=True,
)

LORENZ = Trial(
    "Lorenz flow, per unit of time",
    {
        "system.name": "lorenz",
        "ensemble.references": 15,
        "steps": 26500,
        "measure.discard": 1500,  # laminar starts: an orbit takes some turns to forget its own
        "measure.tangent": True,
        "measure.spectrum": True,
        "record.every": 26500,
    },
    (  # the variance of one orbit's mean over a time T is about (0.021 T + 2.7)/T²: few, long
        published("λ1", "tangent", tangent(), 0.90563, 0.01),
        published("λ1", "spectrum", spectrum(0), 0.90563, 0.01),
        published("λ2", "spectrum", spectrum(1), 0.0, 0.01),
        published("λ3", "spectrum", spectrum(2), -14.57219, 0.01),
        # Runge–Kutta shrinks volumes as the flow does up to its fifth order.
        exact("sum = −41/3", "spectrum", spectrum_sum(-41 / 3), -41 / 3, 1e-3),
        published("Kaplan–Yorke", "spectrum", summary("spectrum", "kaplan_yorke"), 2.06215, 1e-3),
    ),
    long=True,
)

TRIALS = (LOGISTIC, TENT, CAT, HENON, LORENZ)
