"""The training engine: networks whose training is an exactly known map."""

from __future__ import annotations

import math

import numpy as np

from tuichaos.selftest.checks import Reader, Trial, average, exact, published
from tuichaos.selftest.quartic import across, along, spread
from tuichaos.selftest.readers import (
    column,
    last,
    noise_floor,
    spectra,
    spectrum,
    summary,
    tangent,
)
from tuichaos.storage.run_reader import Run

SCALAR = {
    "data.name": "scalar",
    "network.hidden": [1],
    "network.activation": "linear",
    "network.bias": False,
    "loss.name": "mse",
}


def diagonal(count: int) -> list[list[float]]:
    """Initial states u = v of so many references."""
    return [[w, w] for w in np.linspace(0.3, 0.7, count).tolist()]


# --- along its own orbit, exactly --------------------------------------------------------

RATES = (0.5, 0.7, 1.1, 1.5, 1.9)
DISCARD = 200


def _off_orbit(at: int, index: int) -> Reader:
    """An exponent of the spectrum less the mean of the logarithms of the two closed-form
    factors along the very orbit that was recorded: 1 − a(3w² − 1) along the diagonal,
    1 − a + a·w² across."""

    def read(run: Run) -> float:
        a = RATES[at]
        w = run.states["states"][DISCARD:-1, at, 0]
        factors = (1 - a * (3 * w * w - 1), 1 - a + a * w * w)
        means = sorted((np.log(np.abs(f)).mean() for f in factors), reverse=True)
        return spectra(run)[at, index] - means[index]

    return read


def _off_diagonal(run: Run) -> float:
    """The largest |u − v| of any state."""
    states = run.states["states"]
    return float(np.abs(states[:, :, 0] - states[:, :, 1]).max())


ORBIT = Trial(
    "1-1-1 linear network on its diagonal",
    {
        **SCALAR,
        "system.start": diagonal(len(RATES)),
        "optimizer.learning_rate": list(RATES),
        "ensemble.references": len(RATES),
        "steps": 700,
        "record.states_every": 1,
        "measure.discard": DISCARD,
        "measure.tangent": True,
        "measure.spectrum": True,
        "measure.weight_norm": True,
        "measure.sharpness": {"every": 10},
        "measure.projection": {"references": len(RATES)},
    },
    (
        exact("leading, η = 0.5: neutral", "tangent", tangent([0]), 0.0),
        exact("leading, η = 0.5: neutral", "spectrum", spectrum(0, [0]), 0.0),
        exact("λ2, η = 0.5: −∞, empty", "spectrum", lambda run: _empty(run, 0, 1), 1.0, 0.0),
        exact("leading, η = 0.7: neutral", "tangent", tangent([1]), 0.0),
        exact("λ2, η = 0.7", "spectrum", spectrum(1, [1]), along(0.7)),
        exact("leading, η = 1.1: across", "tangent", tangent([2]), across(1.1)),
        exact("leading, η = 1.1: across", "spectrum", spectrum(0, [2]), across(1.1)),
        exact("λ2, η = 1.1: along", "spectrum", spectrum(1, [2]), along(1.1)),
        *(
            exact(f"λ{index + 1} − its orbit's, η = {rate}", "spectrum", _off_orbit(at, index), 0.0)
            for at, rate in enumerate(RATES[3:], 3)
            for index in range(2)
        ),
        exact("u − v", "orbit", _off_diagonal, 0.0, 0.0),
        exact("|u| + |v|, η = 0.7", "weight_norm", last("weight_norm", 2, [1]), 2.0),
        exact("loss, η = 0.7", "loss", last("loss", 0, [1]), 0.0),
        # At uv = 1 the Hessian is (v², 1; 1, u²).
        exact("u² + v² at the minimum", "sharpness", column("sharpness", [1]), 2.0),
        exact("η·2/2, η = 0.7", "sharpness", column("eta_sharpness_half", [1]), 0.7),
        exact("explained by one line", "projection", summary("projection", "explained", 0), 1.0),
        exact("off the plane", "projection", summary("projection", "off_plane"), 0.0),
        exact("unperturbed twin", "certificate", noise_floor, 0.0, 0.0),
    ),
)


def _empty(run: Run, reference: int, index: int) -> float:
    """1 where an exponent of the spectrum is empty, as it has to be of a superstable point."""
    return float(np.isnan(spectra(run)[reference, index]))


# --- long averages -----------------------------------------------------------------------

E, EAT = spread({1.5: 46, 1.9: 46, 2.0: 3})

AVERAGES = Trial(
    "1-1-1 linear network, averages",
    {
        **SCALAR,
        "system.start": diagonal(len(E)),
        "optimizer.learning_rate": E,
        "ensemble.references": len(E),
        "steps": 10000,
        "measure.discard": 500,
        "measure.tangent": True,
        "record.every": 10000,
    },
    (
        published("leading, η = 1.5", "tangent", tangent(EAT[1.5]), 0.491),
        published("leading, η = 1.9", "tangent", tangent(EAT[1.9]), 0.878),
        average("leading, η = 2: ln 3", "tangent", tangent(EAT[2.0]), math.log(3)),
    ),
    long=True,
)

# --- a straight line through three points ------------------------------------------------

CLASSES = Trial(
    "a layer without hidden units",
    {
        "data.name": "inline",
        "data.x": [[-1.0], [1.0], [2.0], [-3.0]],
        "data.y": [0, 1, 0, 0],
        "data.train": 3,
        "network.hidden": [],
        "network.bias": False,
        "system.start": [-1.0, 1.0],
        "measure.accuracy": True,
        "measure.weight_norm": True,
        "steps": 1,
    },
    (
        exact(
            "x₀ above 0 is class 1",
            "accuracy",
            lambda run: _right(run),
            3 / 4,
        ),
        exact("|w| at the start", "weight_norm", lambda run: run.series["weight_norm"][0, 0], 2.0),
    ),
)


def _right(run: Run) -> float:
    """The share of all samples that are in their class at the start."""
    train, test = (run.series[f"{part}_accuracy"][0, 0] for part in ("train", "test"))
    counts = run.manifest["data"]["train"], run.manifest["data"]["test"]
    return float(train * counts[0] + test * counts[1]) / sum(counts)


# --- two weights that turn a wrong answer around ------------------------------------------

# Classes by the sign of x = ±1: with u = w₁ − w₀ each sample has the loss ln(1 + e^(−u)), so
# u ← u + 2η/(1 + e^u) whatever the split, and every answer is wrong while u < 0.
FROM, RATE = -3.0, 0.1


def _turn() -> int:
    """The first step at which u is above 0."""
    u, steps = FROM, 0
    while u <= 0:
        u, steps = u + 2 * RATE / (1 + math.exp(u)), steps + 1
    return steps


CLIMB = Trial(
    "two classes on two weights, from all wrong",
    {
        "data.name": "inline",
        "data.x": [[-1.0], [1.0], [-1.0], [1.0]],
        "data.y": [0, 1, 0, 1],
        "data.train": 3,
        "network.hidden": [],
        "network.bias": False,
        "system.start": [-FROM / 2, FROM / 2],
        "optimizer.learning_rate": RATE,
        "measure.reach": True,
        "record.every": 50,
        "steps": 50,
    },
    (
        exact("all right from step", "reach", lambda run: run.exponents["reach_train"][0], _turn()),
        exact("  of the test part", "reach", lambda run: run.exponents["reach_test"][0], _turn()),
    ),
)

# --- a wide layer: Lanczos ---------------------------------------------------------------

INPUTS, OUTPUTS = 20, 10  # as many parameters as Lanczos is used for

LINE = Trial(
    f"linear regression, {INPUTS * OUTPUTS} weights",
    {
        "data.name": "inline",
        # Inputs k·e_k/10: curvatures (k/10)²/20, each of them for every output.
        "data.x": [[(k + 1) / 10 * (j == k) for j in range(INPUTS)] for k in range(INPUTS)],
        "data.y": [[0.0] * OUTPUTS] * INPUTS,
        "network.hidden": [],
        "network.bias": False,
        "loss.name": "mse",
        "optimizer.learning_rate": 0.5,
        "measure.sharpness": {"every": 5},
        "steps": 100,
    },
    (
        exact("largest curvature, Lanczos", "sharpness", column("sharpness"), 0.2, 1e-9),
        exact("η·0.2/2", "sharpness", column("eta_sharpness_half"), 0.05, 1e-9),
    ),
)

TRIALS = (ORBIT, AVERAGES, CLASSES, CLIMB, LINE)
