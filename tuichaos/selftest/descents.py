"""Gradient descent on small losses: quadratic, heavy ball, quartic, product."""

from __future__ import annotations

import math

import numpy as np

from tuichaos.selftest.checks import Check, Reader, Trial, average, exact, published
from tuichaos.selftest.readers import (
    column,
    mean,
    row,
    spectra,
    spectrum,
    spectrum_sum,
    summary,
    tangent,
    threshold,
)
from tuichaos.storage.run_reader import Run

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

# --- quartic -----------------------------------------------------------------------------


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

# --- quartic: where its loss stops falling, doubles, diverges ----------------------------

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

# --- product -----------------------------------------------------------------------------


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


# --- a superstable point: no number is the answer ----------------------------------------

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
