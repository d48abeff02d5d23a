"""Perturbed twins: exponents read from how their distance grows.

A growth window is some tens of steps long, so an exponent of chaos read from it is not the
infinite average; where a distance grows by the same factor at every step it is.
"""

from __future__ import annotations

import math

import numpy as np

from tuichaos.selftest.checks import Check, Reader, Trial, exact, word
from tuichaos.selftest.maps import GOLDEN
from tuichaos.selftest.readers import column, row, stability, summary, worst
from tuichaos.storage.run_reader import Run

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
        exact("ln|1 − ηh|, ηh = 0.5", "growth", column("growth", [0]), math.log(0.5), 1e-3),
        exact("ln|1 − ηh|, ηh = 1.7", "growth", column("growth", [1]), math.log(0.7), 1e-3),
        exact("ln|1 − ηh|, ηh = 2.2", "growth", column("growth", [2]), math.log(1.2)),
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
    (exact("ln 0.6", "growth", summary("growth", "mean"), math.log(0.6), 1e-3),),
)


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
    (exact("ln((3 + √5)/2)", "growth", summary("growth", "mean"), GOLDEN, 0.01),),
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

# --- routes and sizes --------------------------------------------------------------------

PRODUCTS = (0.5, 1.7, 2.05)  # ηh: the last one slow, for rounding grows with the state
SIZES = [1e-8, 1e-6, 1e-4]
ROUNDED = 1e-6  # a step rounds a distance of 1e-8 by about 1e-8 of it


def _route(name: str, reference: int, whole: bool) -> Reader:
    """The rate of one route over the common window, or over the whole run: of the twin where
    it is farthest off."""

    def read(run: Run) -> float:
        table = run.table("routes.csv")
        rates = table[name][table["reference"] == reference][int(whole) :: 2]
        return worst(rates, math.log(abs(1 - PRODUCTS[reference])))

    return read


def _lines() -> list[Check]:
    """On a line every route and every size sees the one exponent there is."""
    checks = []
    for at, product in enumerate(PRODUCTS):
        factor = math.log(abs(1 - product))
        label = f"ηh = {product}"
        # A free twin that comes nearer is followed to a hundred times its rounding.
        near = 1e-3 if factor < 0 else ROUNDED
        checks += [
            exact(f"free, {label}", "routes", _route("free", at, False), factor, near),
            exact(
                f"renormalised, {label}",
                "routes",
                _route("renormalised", at, True),
                factor,
                ROUNDED,
            ),
            exact(f"tangent, {label}", "routes", _route("tangent", at, True), factor),
        ]
    return checks + [
        exact(
            f"ε = {size:.0e}, ηh = 2.05",
            "sizes",
            row("sizes.csv", 2, "growth", perturbation=size),
            math.log(1.05),
            ROUNDED,
        )
        for size in SIZES
    ]


LINE = Trial(
    "quadratic, three routes, ηh = 0.5, 1.7, 2.05",
    {
        "system.name": "quadratic",
        "system.parameters": {"eta": list(PRODUCTS), "curvatures": [1.0]},
        "system.start": [1.0],
        "ensemble.references": len(PRODUCTS),
        "ensemble.twins": 2,
        "steps": 60,
        "measure.routes": True,
        "measure.sizes": SIZES,
        "measure.orbital": {"window": 20},
    },
    (
        *_lines(),
        word("contraction", "orbital", stability(0), "same time"),
    ),
)

STEPS = 300


def _off_the_powers(name: str) -> Reader:
    """A route's rate over the whole run less (ln‖Aᵀδ‖ − ln‖δ‖)/T of the twin's own first
    displacement δ, where that is largest."""

    def read(run: Run) -> float:
        apart = (run.states["twins"][0] - run.states["states"][0][:, None]).reshape(-1, 2)
        power = np.linalg.matrix_power(np.array([[2.0, 1.0], [1.0, 1.0]]), STEPS)
        grown = np.linalg.norm(apart @ power.T, axis=1) / np.linalg.norm(apart, axis=1)
        return worst(run.table("routes.csv")[name][1::2] - np.log(grown) / STEPS, 0.0)

    return read


POWERS = Trial(
    "Arnold's cat map, routes beside powers of its matrix",
    {
        "system.name": "cat",
        "ensemble.references": 2,
        "ensemble.twins": 2,
        "steps": STEPS,
        "record.states_every": STEPS,
        "measure.routes": True,
        "measure.orbital": True,
    },
    (
        exact("renormalised − powers", "routes", _off_the_powers("renormalised"), 0.0, 1e-6),
        exact("tangent − powers", "routes", _off_the_powers("tangent"), 0.0),
        word("chaos", "orbital", stability(0), "neither"),
    ),
)

TRIALS = (QUADRATIC, SETTLED, CAT, HEAVY_BALL, LINE, POWERS)
