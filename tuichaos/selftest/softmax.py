"""The softmax map: what a network does whose hidden units are all saturated."""

from __future__ import annotations

import numpy as np

from tuichaos.selftest.checks import Reader, Trial, exact, published
from tuichaos.selftest.readers import last, spectrum, summary, tangent, threshold
from tuichaos.storage.run_reader import Run

IRIS = [41, 40, 39]  # the paper's train part
UNEVEN = [5, 3, 2]


def entropy(counts: list[int]) -> float:
    """The loss at the fixed point, in nats."""
    f = np.array(counts) / sum(counts)
    return float(-(f * np.log(f)).sum())


def curvatures(counts: list[int]) -> np.ndarray:
    """The eigenvalues of diag f − ffᵀ but the 0 of the conserved sum, ascending."""
    f = np.array(counts) / sum(counts)
    return np.linalg.eigvalsh(np.diag(f) - np.outer(f, f))[1:]


def _contraction(k: int, eta: float) -> float:
    return sorted(np.log(np.abs(1 - eta * curvatures(UNEVEN))).tolist(), reverse=True)[k]


FIXED = Trial(
    "softmax map, fixed point, fractions .5 .3 .2",
    {
        "system.name": "softmax-map",
        "system.parameters": {"eta_eff": 3.0, "fractions": UNEVEN},
        "steps": 1500,
        "measure.discard": 1000,
        "measure.tangent": True,
        "measure.spectrum": True,
        "measure.dimensions": True,
        "record.every": 100,
    },
    (
        exact("loss: entropy of f", "loss", last("loss", entropy(UNEVEN)), entropy(UNEVEN)),
        exact("λ1 = 0, the conserved sum", "tangent", tangent(), 0.0),
        exact("λ1 = 0, the conserved sum", "spectrum", spectrum(0), 0.0),
        exact("λ2", "spectrum", spectrum(1), _contraction(0, 3.0)),
        exact("λ3", "spectrum", spectrum(2), _contraction(1, 3.0)),
        exact(
            "curvatures near 0",
            "dimensions",
            summary("dimensions", "near_zero_curvatures"),
            1.0,
            0.0,
        ),
        exact(
            "exponents near 0",
            "dimensions",
            summary("dimensions", "near_zero_exponents"),
            1.0,
            0.0,
        ),
    ),
)

SETTLED = Trial(
    "softmax map at η_eff = 5, fractions 41, 40, 39",
    {
        "system.name": "softmax-map",
        "system.parameters": {"eta_eff": 5.0, "fractions": IRIS},
        "ensemble.references": 20,
        "steps": 1000,
        "record.every": 1000,
    },
    (published("loss", "loss", last("loss", 1.0984), 1.0984, 5e-5),),
)

CRITICAL = 2 / float(curvatures(IRIS)[-1])  # 5.916
GRID = [CRITICAL * (0.99 + 0.004 * k) for k in range(6)]

STABLE = Trial(
    "softmax map, where its fixed point loses stability",
    {
        "system.name": "softmax-map",
        "system.parameters": {"eta_eff": GRID, "fractions": IRIS},
        "system.start": [0.1, -0.05, 0.0],
        "ensemble.references": len(GRID),
        "steps": 6000,
        "record.every": 3000,
    },
    (
        published(
            "η_eff = 2/λmax",
            "loss",
            lambda run: threshold(GRID, run.series["loss"][-1] - entropy(IRIS) > 1e-9),
            5.916,
            2.1e-3 * 5.916,
        ),
    ),
)

# --- chaos -------------------------------------------------------------------------------


def starts(count: int, spread: float) -> list[list[float]]:
    """Logits about the fixed point, the same at every call."""
    return (spread * np.random.default_rng(0).standard_normal((count, 3))).round(3).tolist()


CHAOS = Trial(
    "softmax map at η_eff = 10: chaos of a dead network",
    {
        "system.name": "softmax-map",
        "system.parameters": {"eta_eff": 10.0, "fractions": IRIS},
        # Near the fixed point: farther out, some starts end on the 3-cycles.
        "system.start": starts(127, 0.1),
        "ensemble.references": 127,
        "steps": 5500,
        "measure.discard": 500,
        "measure.tangent": True,
        "measure.spectrum": True,
        "measure.autocorrelation": {"lags": 3, "references": 8},
        "record.every": 50,
    },
    (  # σ of the means is 0.24/√n and 0.5/√n
        published("λ1", "tangent", tangent(), 0.235),
        published("λ1", "spectrum", spectrum(0), 0.235),
        published("λ2", "spectrum", spectrum(1), 0.135),
        exact("λ3 = 0, the conserved sum", "spectrum", spectrum(2), 0.0),
        published("lowest loss", "loss", lambda run: _chaotic(run).min(), 1.102, 5e-3),
        published("highest loss", "loss", lambda run: _chaotic(run).max(), 2.382, 5e-3),
        *(  # two digits, read off a figure
            published(
                f"ρ({k})",
                "autocorrelation",
                summary("autocorrelation", f"lag_{k}"),
                number,
                0.02,
            )
            for k, number in enumerate((-0.28, -0.32, 0.17), 1)
        ),
    ),
    long=True,
)


def _chaotic(run: Run) -> np.ndarray:
    return run.series["loss"][20:]


# --- 3-cycles ----------------------------------------------------------------------------

CYCLES: dict[float, tuple[tuple[float, float, float], ...]] = {
    10.0: ((2.90, 2.98, 3.01), (2.92, 2.93, 3.04)),
    15.0: ((3.90, 4.75, 5.83), (4.32, 4.95, 5.36)),
    20.0: ((3.99, 6.32, 8.96), (5.24, 6.64, 7.73)),
    25.0: ((4.04, 7.88, 12.10), (6.09, 8.30, 10.12)),
}
EACH = 24  # starts a value
DIGITS = 5.1e-3  # the published levels have two


def _off(run: Run, at: int, cycle: tuple[float, float, float]) -> np.ndarray:
    """How far the loss levels of each reference of one η_eff are from a published 3-cycle, at
    most (EACH,). Three recorded rows, a number of steps apart that 3 does not divide, are the
    levels of a 3-cycle."""
    levels = np.sort(run.series["loss"][-3:, at * EACH : (at + 1) * EACH], axis=0)
    return np.abs(levels - np.array(cycle)[:, None]).max(axis=0)


def _nearest(at: int, cycle: tuple[float, float, float]) -> Reader:
    return lambda run: float(_off(run, at, cycle).min())


def _known(run: Run) -> float:
    """The share of starts that end on a published 3-cycle, past the chaos at η_eff = 10."""
    found = [
        np.min([_off(run, at, cycle) for cycle in cycles], axis=0) <= DIGITS
        for at, cycles in enumerate(CYCLES.values())
    ]
    return float(np.mean(found[1:]))


def _threes(run: Run) -> float:
    """The share of period 3 at η_eff = 15 and 20, where all have settled."""
    return float((run.table("period.csv")["period"][EACH : 3 * EACH] == 3).mean())


THREES = Trial(
    "softmax map, loss levels of its 3-cycles at η_eff = 10, 15, 20, 25",
    {
        "system.name": "softmax-map",
        "system.parameters": {
            "eta_eff": [eta for eta in CYCLES for _ in range(EACH)],
            "fractions": IRIS,
        },
        "system.start": starts(EACH, 3.0) * len(CYCLES),
        "ensemble.references": EACH * len(CYCLES),
        # The second cycle at 25 draws in by 1e-3 a step only.
        "steps": 20000,
        "measure.period": {"references": EACH * len(CYCLES)},
        "record.every": 1000,
    },
    (
        *(
            published(
                f"{eta:g}: off {' '.join(f'{x:.2f}' for x in cycle)}",
                "loss",
                _nearest(at, cycle),
                0.0,
                DIGITS,
            )
            for at, (eta, cycles) in enumerate(CYCLES.items())
            for cycle in cycles
        ),
        published("share on them from 15 up", "loss", _known, 1.0, 0.0),
        published("period 3: share of 15, 20", "period", _threes, 1.0, 0.0),
    ),
    long=True,
)

TRIALS = (FIXED, SETTLED, STABLE, CHAOS, THREES)
