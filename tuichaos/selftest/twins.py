"""Perturbed twins: exponents read from how their distance grows.

A growth window is some tens of steps long, so an exponent of chaos read from it is not the
infinite average; where a distance grows by the same factor at every step it is.
"""

from __future__ import annotations

import math

import numpy as np

from tuichaos.runs import Run
from tuichaos.selftest.checks import Trial, exact
from tuichaos.selftest.readers import column, summary

QUADRATIC = Trial(
    "quadratic, twins, ηh = 0.5, 1.7, 2.2",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": [0.5, 1.7, 2.2], "curvatures": [1.0]},
        "system.start": [1.0],
        "ensemble.references": 3,
        "ensemble.twins": 4,
        "ensemble.perturbation": 1e-4,
        "steps": 250,
        "measure.growth": True,
        "measure.nmle": True,
        "measure.distance": True,
    },
    (
        exact("ln|1 − ηh|, ηh = 0.5", "twins", column("growth", [0]), math.log(0.5), 1e-3),
        exact("ln|1 − ηh|, ηh = 1.7", "twins", column("growth", [1]), math.log(0.7), 1e-3),
        exact("ln|1 − ηh|, ηh = 2.2", "twins", column("growth", [2]), math.log(1.2)),
        exact("ln|1 − ηh|, ηh = 2.2", "nmle", column("nmle", [2]), math.log(1.2)),
        exact("kept by the filter", "nmle", summary("nmle", "kept"), 1.0, 0.0),
        exact(
            "ln d(200)/d(0), ηh = 2.2",
            "distance",
            lambda run: _growth(run, 2, 200),
            200 * math.log(1.2),
        ),
    ),
)


def _growth(run: Run, reference: int, step: int) -> float:
    distance = run.series["distance"][:, reference]
    return float(np.log(distance[step] / distance[0]))


SETTLED = Trial(
    "logistic map, r = 2.6, twins of the fixed point",
    {
        "system.name": "logistic",
        "system.parameters": {"r": 2.6},
        "ensemble.references": 3,
        "ensemble.twins": 4,
        "ensemble.perturbation": 1e-4,
        "ensemble.perturb_at": 200,
        "steps": 400,
        "measure.growth": True,
    },
    (exact("ln 0.6", "twins", summary("growth", "mean"), math.log(0.6), 1e-3),),
)

GOLDEN = math.log((3 + math.sqrt(5)) / 2)

# A displacement takes two or three steps to turn into the stretched direction, of the 25 that
# the window is long: the slope stays below by about 0.005, whatever is averaged.
CAT = Trial(
    "Arnold's cat map, twins",
    {
        "system.name": "cat",
        "ensemble.references": 100,
        "ensemble.twins": 5,
        "ensemble.perturbation": 1e-13,
        "steps": 60,
        "measure.growth": True,
    },
    (exact("ln((3 + √5)/2)", "twins", summary("growth", "mean"), GOLDEN, 0.01),),
)

HEAVY_BALL = Trial(
    "heavy ball, β = 0.5, ηh = 3.1, twins",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": 3.1, "beta": 0.5, "curvatures": [1.0]},
        "ensemble.references": 3,
        "ensemble.twins": 4,
        "steps": 400,
        "measure.nmle": True,
        "measure.growth": True,
    },
    (
        exact(
            "λ1",
            "nmle",
            summary("nmle", "mean"),
            math.log(max(abs(np.roots([1, 1.6, 0.5])))),
            1e-6,
        ),
    ),
)

TRIALS = (QUADRATIC, SETTLED, CAT, HEAVY_BALL)
