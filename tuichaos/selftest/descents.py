"""Gradient descent on small losses: quadratic, heavy ball, quartic, product."""

from __future__ import annotations

import math

import numpy as np

from tuichaos.selftest.checks import Check, Trial, average, exact
from tuichaos.selftest.quartic import (
    BEYOND,
    DOUBLES,
    MONOTONE,
    PRODUCT,
    QUARTIC,
    SUPERSTABLE,
    _first_doubling,
)
from tuichaos.selftest.readers import (
    column,
    row,
    spectrum,
    spectrum_sum,
    summary,
    tangent,
)

# --- quadratic ---------------------------------------------------------------------------

CURVATURES, ETA = [1.0, 2.5, 0.3], 0.5
FACTORS = sorted((math.log(abs(1 - ETA * h)) for h in CURVATURES), reverse=True)

QUADRATIC = Trial(
    "quadratic, curvatures 1, 2.5, 0.3, η = 0.5",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": ETA, "curvatures": CURVATURES},
        "ensemble.twins": 2,
        "steps": 400,
        "measure.discard": 200,
        "measure.tangent": True,
        "measure.spectrum": True,
        "measure.sharpness": {"every": 10, "count": 3},
        "measure.dimensions": True,
    },
    (
        exact("λ1 = ln|1 − ηh|", "tangent", tangent(), FACTORS[0]),
        exact("rate 200–400", "tangent", summary("rates", "200-400", "mean"), FACTORS[0]),
        *(exact(f"λ{k + 1}", "spectrum", spectrum(k), FACTORS[k]) for k in range(3)),
        exact("largest curvature", "sharpness", column("sharpness"), 2.5),
        exact("second one", "sharpness", row("sharpness.csv", 0, "eigenvalue2", step=400), 1.0),
        exact("third one", "sharpness", row("sharpness.csv", 0, "eigenvalue3", step=400), 0.3),
        exact("η·2.5/2", "sharpness", column("eta_sharpness_half"), ETA * 2.5 / 2),
        # One direction outlives the others: the twins' displacement is one-dimensional.
        exact("participation", "dimensions", summary("dimensions", "participation"), 1.0),
    ),
)

SADDLE = Trial(
    "a saddle: curvatures 1, −3",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": 0.1, "curvatures": [1.0, -3.0]},
        "steps": 60,
        "measure.sharpness": {"every": 1, "count": 2},
    },
    (  # an eigensolver for the largest in size says −3
        exact("largest curvature is 1", "sharpness", column("sharpness"), 1.0),
        exact("second one", "sharpness", row("sharpness.csv", 0, "eigenvalue2", step=60), -3.0),
        exact("η·1/2", "sharpness", column("eta_sharpness_half"), 0.05),
    ),
)

FEW = 6  # steps after which no weight has come to 0


def _after(h: float) -> float:
    """Where gradient descent from 1 on ½hx² is after FEW steps."""
    return (1 - ETA * h) ** FEW


def _path(h: float) -> float:
    """The sum of the lengths of these steps, ηh·|1 − ηh|^t."""
    factor = abs(1 - ETA * h)
    return ETA * h * (1 - factor**FEW) / (1 - factor)


def _converged() -> float:
    """The mean loss of the last two states over the first loss."""
    losses = [sum(h * (1 - ETA * h) ** (2 * t) for h in CURVATURES) for t in (0, FEW - 1, FEW)]
    return sum(losses[1:]) / 2 / losses[0]


def _knocked_out(index: int) -> float:
    """L_w/L there."""
    losses = [h * _after(h) ** 2 for h in CURVATURES]
    return 1 - losses[index] / sum(losses)


WEIGHTS = Trial(
    f"quadratic, its weights after {FEW} steps from 1, 1, 1",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": ETA, "curvatures": CURVATURES},
        "system.start": [1.0, 1.0, 1.0],
        "steps": FEW,
        "measure.dimensions": True,
        "measure.convergence": {"last": 2},
    },
    (
        exact("last losses over first", "convergence", column("convergence"), _converged()),
        *(
            exact(f"{label}, h = {h}", "dimensions", row("weights.csv", 0, name, index=k), number)
            for k, h in enumerate(CURVATURES)
            for label, name, number in (
                ("Δ", "delta", 1 - _after(h)),
                ("D", "path", _path(h)),
                ("L_w/L", "knockout", _knocked_out(k)),
            )
        ),
        # The longer its path the farther a weight is in the end, here.
        exact("rank correlation Δ, D", "dimensions", summary("dimensions", "correlation"), 1.0),
    ),
)

CREEPING = Trial(
    "quadratic, ηh = 0.05, its losses all neighbours",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": 0.05, "curvatures": [1.0]},
        "system.start": [0.005],
        "steps": 300,
        "measure.discard": 1,
        "measure.expansion": True,
    },
    (  # L falls by 0.95² a step, and so does any difference of two losses
        exact("2 ln 0.95", "expansion", summary("expansion", "rate"), 2 * math.log(0.95)),
    ),
)

# --- heavy ball --------------------------------------------------------------------------

BETA = 0.5
PRODUCTS = (0.05, 3.02, 1.0)  # ηh: slow real roots, real roots past 2 + 2β, complex roots


def roots(product: float) -> list[float]:
    """ln of the moduli of the roots of z² − (1 + β − ηh)z + β, the larger one first."""
    found = np.roots([1, -(1 + BETA - product), BETA])
    return sorted(np.log(np.abs(found)).tolist(), reverse=True)


def _heavy_ball() -> list[Check]:
    checks = []
    for reference, product in enumerate(PRODUCTS[:2]):
        high, low = roots(product)
        checks += [
            exact(f"λ1, ηh = {product}", "tangent", tangent([reference]), high),
            exact(f"λ1, ηh = {product}", "spectrum", spectrum(0, [reference]), high),
            exact(f"λ2, ηh = {product}", "spectrum", spectrum(1, [reference]), low),
            exact(
                f"ηλ/(2 + 2β), ηh = {product}",
                "sharpness",
                column("eta_sharpness_half", [reference]),
                product / (2 + 2 * BETA),
            ),
        ]
    half = math.log(BETA) / 2
    # Complex roots turn the vectors: a mean is off by a bounded sum over the steps.
    turning = [
        ("λ1", "tangent", tangent([2])),
        ("λ1", "spectrum", spectrum(0, [2])),
        ("λ2", "spectrum", spectrum(1, [2])),
    ]
    for name, route, read in turning:
        checks.append(average(f"{name}, ηh = 1, complex roots", route, read, half, 1e-3))
    total = math.log(BETA)
    return [*checks, exact("sum = ln β", "spectrum", spectrum_sum(total), total)]


HEAVY_BALL = Trial(
    "heavy ball, β = 0.5",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": list(PRODUCTS), "beta": BETA, "curvatures": [1.0]},
        "ensemble.references": len(PRODUCTS),
        "steps": 4000,
        "measure.discard": 500,
        "measure.tangent": True,
        "measure.spectrum": True,
        "measure.sharpness": {"every": 100},
        "record.every": 4000,
    },
    tuple(_heavy_ball()),
)

TRIALS = (
    QUADRATIC,
    SADDLE,
    WEIGHTS,
    CREEPING,
    HEAVY_BALL,
    QUARTIC,
    MONOTONE,
    DOUBLES,
    BEYOND,
    SUPERSTABLE,
    PRODUCT,
    _first_doubling(2),
    _first_doubling(4),
)
