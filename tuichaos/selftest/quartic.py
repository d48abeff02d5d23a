"""The quartic and the product: descents whose exponents are known along a whole route to chaos."""

from __future__ import annotations

import math

import numpy as np

from tuichaos.selftest.checks import Reader, Trial, average, exact, published
from tuichaos.selftest.readers import (
    mean,
    spectra,
    spectrum,
    tangent,
    threshold,
)
from tuichaos.storage.run_reader import Run


def along(a: float) -> float:
    """The quartic's exponent where there is a closed form: the fixed point up to a = 1, the
    2-cycle up to √5 − 1 (w₀w₁ = 1/a, w₀² + w₁² = 1 + 1/a), and the Chebyshev map at a = 2."""
    if a == 2:
        return math.log(3)
    if a <= 1:
        return math.log(abs(1 - 2 * a))
    return math.log(abs(9 - 2 * (1 + a) ** 2)) / 2


def across(a: float) -> float:
    """⟨ln|1 − a + a·w²|⟩ along the quartic's orbit, where there is a closed form."""
    return math.log(3 - 2 * a) / 2 if 1 < a < math.sqrt(5) - 1 else 0.0


def spread(counts: dict[float, int]) -> tuple[list[float], dict[float, range]]:
    """A parameter for each reference, so many of each value, and where each value is."""
    values: list[float] = []
    places = {}
    for value, count in counts.items():
        places[value] = range(len(values), len(values) + count)
        values += [value] * count
    return values, places


# σ of the mean of n steps is 0.40/√n at a = 1.5 and 0.41/√n at 1.9; at 2 it falls as 1/n.
A, AT = spread({0.7: 1, 1.1: 1, 1.5: 61, 1.9: 61, 2.0: 3})

QUARTIC = Trial(
    "quartic (w² − 1)²/4",
    {
        "system.name": "quartic",
        "system.parameters": {"a": A},
        "ensemble.references": len(A),
        "steps": 10000,
        "measure.discard": 500,
        "measure.tangent": True,
        "record.every": 10000,
    },
    (
        exact("λ(0.7) = ln|1 − 2a|", "tangent", tangent(AT[0.7]), along(0.7)),
        exact("λ(1.1), 2-cycle", "tangent", tangent(AT[1.1]), along(1.1)),
        published("λ(1.5)", "tangent", tangent(AT[1.5]), 0.491),
        published("λ(1.9)", "tangent", tangent(AT[1.9]), 0.878),
        average("λ(2) = ln 3", "tangent", tangent(AT[2.0]), along(2)),
    ),
    long=True,
)

STARTS = 200  # over the well, 0 < w < √2
FALLING = [round(0.8185 + 0.001 * k, 4) for k in range(21)]


def _rises(run: Run) -> float:
    """The step a from which the loss rises at some time from some start in the well."""
    loss = run.series["loss"]
    rose = (np.diff(loss, axis=0) > 1e-12).any(axis=0)  # the rounding of a settled loss aside
    return threshold(FALLING, rose.reshape(len(FALLING), STARTS).any(axis=1))


MONOTONE = Trial(
    "quartic, loss from 200 starts in the well",
    {
        "system.name": "quartic",
        "system.parameters": {"a": [a for a in FALLING for _ in range(STARTS)]},
        "system.start": [
            [math.sqrt(2) * (k + 0.5) / STARTS] for _ in FALLING for k in range(STARTS)
        ],
        "ensemble.references": len(FALLING) * STARTS,
        "steps": 20,
    },
    (exact("falls up to a = 2√2 − 2", "loss", _rises, 2 * math.sqrt(2) - 2, 1e-3),),
)

DOUBLING = [round(0.99 + 0.004 * k, 4) for k in range(6)]
SECOND = math.sqrt(5) - 1


def _doubles(values: list[float], period: int, first: int = 0) -> Reader:
    """Where on a grid of parameters, those of the references from ``first`` on, the loss no
    longer returns after ``period`` steps."""

    def read(run: Run) -> float:
        loss = run.series["loss"][:, first : first + len(values)]
        apart = np.abs(loss[-1] - loss[-1 - period]) > 1e-6
        return threshold(values, apart)

    return read


GRID = [*DOUBLING, *(SECOND * factor for factor in DOUBLING)]
MIDDLE = len(DOUBLING)

DOUBLES = Trial(
    "quartic, doublings",
    {
        "system.name": "quartic",
        "system.parameters": {"a": GRID},
        "system.start": [0.4],
        "ensemble.references": len(GRID),
        "steps": 4001,
    },
    (
        exact("period 2 from a = 1", "loss", _doubles(GRID[:MIDDLE], 1), 1.0, 2.1e-3),
        exact(
            "period 4 from a = √5 − 1", "loss", _doubles(GRID[MIDDLE:], 2, MIDDLE), SECOND, 2.6e-3
        ),
    ),
)


def _diverged(first: int, count: int) -> Reader:
    """The share of some references that diverged."""
    return lambda run: mean(
        np.isfinite(run.exponents["diverged_at"])[first : first + count].astype(float)
    )


BEYOND = Trial(
    "quartic, divergence",
    {
        "system.name": "quartic",
        "system.parameters": {"a": [2.0] * 50 + [2.1] * 50},
        "ensemble.references": 100,
        "steps": 3000,
        "record.every": 1000,
        "measure.tangent": True,
    },
    (
        exact("share diverged at a = 2", "survival", _diverged(0, 50), 0.0, 0.0),
        exact("share diverged at a = 2.1", "survival", _diverged(50, 50), 1.0, 0.0),
    ),
)


def _off_diagonal(run: Run) -> float:
    """The largest |x − y| at the recorded steps."""
    return float(np.abs(run.series["x0"] - run.series["x1"]).max())


# Across the diagonal σ is 0.99/√n at η = 1.5: the logarithm has a pole on the attractor.
P, PAT = spread({0.7: 1, 1.1: 1, 1.5: 190, 1.9: 66, 2.0: 4})

PRODUCT = Trial(
    "product ½(xy − 1)², on the diagonal",
    {
        "system.name": "product",
        "system.parameters": {"eta": P, "factors": 2},
        "system.start": [[w, w] for w in np.linspace(0.3, 0.7, len(P)).tolist()],
        "ensemble.references": len(P),
        "steps": 10000,
        "measure.discard": 500,
        "measure.spectrum": True,
        "record.every": 10000,
    },
    (
        exact("λ1, η = 0.7: neutral", "spectrum", spectrum(0, PAT[0.7]), 0.0),
        exact("λ2, η = 0.7", "spectrum", spectrum(1, PAT[0.7]), along(0.7)),
        exact("λ1, η = 1.1: across", "spectrum", spectrum(0, PAT[1.1]), across(1.1)),
        exact("λ2, η = 1.1", "spectrum", spectrum(1, PAT[1.1]), along(1.1)),
        published("λ1, η = 1.5", "spectrum", spectrum(0, PAT[1.5]), 0.491),
        published("λ2, η = 1.5: across", "spectrum", spectrum(1, PAT[1.5]), -0.743),
        published("λ1, η = 1.9", "spectrum", spectrum(0, PAT[1.9]), 0.878),
        published("λ2, η = 1.9: across", "spectrum", spectrum(1, PAT[1.9]), -0.213),
        average("λ1, η = 2", "spectrum", spectrum(0, PAT[2.0]), along(2)),
        average("λ2, η = 2: across", "spectrum", spectrum(1, PAT[2.0]), across(2)),
        exact("x − y on the diagonal", "orbit", _off_diagonal, 0.0, 0.0),
    ),
    long=True,
)


def _first_doubling(factors: int) -> Trial:
    return Trial(
        f"product of {factors}, first doubling",
        {
            "system.name": "product",
            "system.parameters": {
                "eta": [2 / factors * value for value in DOUBLING],
                "factors": factors,
            },
            "system.start": [0.9] * factors,
            "ensemble.references": len(DOUBLING),
            "steps": 4001,
            "measure.discard": 3000,
            "measure.spectrum": True,
        },
        (
            exact("at ηk/2 = 1", "loss", _doubles(DOUBLING, 1), 1.0, 2.1e-3),
            exact(
                f"λ{factors} = ln|1 − kη| at .99",
                "spectrum",
                lambda run: mean(spectra(run)[:1, -1]),
                math.log(2 * 0.99 - 1),
            ),
        ),
    )


SUPERSTABLE = Trial(
    "quartic at a = 0.5, superstable: −∞",
    {
        "system.name": "quartic",
        "system.parameters": {"a": 0.5},
        "ensemble.references": 5,
        "steps": 200,
        "measure.tangent": True,
        "measure.spectrum": True,
    },
    (
        exact(
            "share without a number",
            "tangent",
            lambda run: mean(np.isnan(run.exponents["lyapunov"]).astype(float)),
            1.0,
            0.0,
        ),
        exact(
            "share without a number",
            "spectrum",
            lambda run: mean(np.isnan(spectra(run)[:, 0]).astype(float)),
            1.0,
            0.0,
        ),
    ),
)
