"""Orbits whose verdict is known without the rule that is tested: by a closed form, or by what an
orbit a hundred times longer does (``LONG``; test_labelled_orbits.py computes those again in NumPy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONG = "an orbit a hundred times longer"


@dataclass(frozen=True)
class Labelled:
    """``words``: the verdicts that are right; ``why``: how that is known."""

    name: str
    words: tuple[str, ...]
    why: str
    steps: int = 2000
    references: int = 4
    overrides: Mapping[str, Any] = field(default_factory=dict)


def system(name: str, words: str, why: str, steps: int = 2000, start: Any = None, **parameters):
    """A reference system, or one of labelled_maps."""
    own = name[0].isupper()
    overrides = {
        "system.name": f"labelled_maps:{name}" if own else name,
        "system.parameters": parameters,
    }
    if start is not None:
        overrides["system.start"] = start
    said = ", ".join(f"{key} = {value}" for key, value in parameters.items())
    title = f"{name} {said}" + (f" from {start}" if start is not None else "")
    return Labelled(title, tuple(words.split("|")), why, steps, overrides=overrides)


def network(name: str, words: str, why: str, steps: int, references: int = 4, **overrides: Any):
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return Labelled(name, tuple(words.split("|")), why, steps, references, keys)


CASCADE = "Feigenbaum's cascade: this period between two doublings (May 1976)"
CONJUGATE = "conjugate to the logistic map at r = 4: λ = ln 2"
TENT = "λ = −p ln p − (1 − p) ln(1 − p) > 0, ergodic"
INVARIANT = "a circle homeomorphism of irrational rotation number"
FIXED = "a contraction has one fixed point"
NEUTRAL = "the leading exponent is 0, along a curve of minima"

MAPS = [
    # chaos
    system("Tent", "chaotic", TENT, 1000, p=0.3),
    system("Tent", "chaotic", TENT, 50_000, p=0.0005),
    system("Tent", "chaotic", TENT, 100_000, p=0.0002),
    system("Tent", "chaotic", TENT, 20_000, p=0.002),
    system("logistic", "chaotic", "λ = ln 2", 1000, r=4.0),
    system("logistic", "chaotic", LONG, 5000, r=3.9),
    system("logistic", "chaotic", LONG, 5000, r=3.7),
    system("logistic", "chaotic", LONG, 5000, r=3.58),
    system("logistic", "chaotic", LONG + "; type-I intermittency below 1 + √8", 20_000, r=3.8282),
    system("logistic", "chaotic", LONG + "; behind the interior crisis at 3.8568", 10_000, r=3.858),
    system("logistic", "chaotic", LONG + "; in narrow bands", 50_000, r=3.57),
    system("logistic", "chaotic", LONG + "; in six narrow bands", 20_000, r=3.8495),
    system("Offset", "chaotic", CONJUGATE, offset=2e6),
    system("Offset", "chaotic", CONJUGATE, offset=0.0),
    system("ConstantLoss", "chaotic", "the cat map: λ = ln((3 + √5)/2)"),
    system("cat", "chaotic", "λ = ln((3 + √5)/2)", 1000),
    system("Driven", "chaotic", LONG, n=8, r=4.0),
    system("Driven", "chaotic", LONG, n=3, r=4.0),
    system("Standard", "chaotic", "λ ≈ ln(k/2) (Chirikov 1979)", 5000, k=8.0),
    system("Ikeda", "chaotic", "λ ≈ 0.51 (Ikeda et al. 1980)", 3000, u=0.9),
    system("henon", "chaotic", "λ = 0.4192", 3000),
    system("lorenz", "chaotic", "λ = 0.906 per unit of time", 20_000),
    system("Ricker", "chaotic", LONG, r=3.0),
    system("quartic", "chaotic", LONG, a=1.5),
    system("quartic", "chaotic", LONG, a=1.9),
    system("softmax-map", "chaotic", "λ = 0.2359, from 1e8 steps", 3000, eta_eff=10.0),
    system("DelayedLogistic", "chaotic", "the strange attractor near a = 2.27", 5000, a=2.27),
    # cycles
    system("logistic", "periodic-1", "|f′| = 0.6 at the fixed point", r=2.6),
    system("logistic", "periodic-2", CASCADE, r=3.1),
    system("logistic", "periodic-4", CASCADE, r=3.5),
    system("logistic", "periodic-8", CASCADE, 5000, r=3.55),
    system("logistic", "periodic-16", CASCADE, 5000, r=3.5665),
    system("logistic", "periodic-32", CASCADE, 10_000, r=3.5692),
    system("logistic", "periodic-64", CASCADE, 20_000, r=3.5698),
    system("logistic", "periodic-128", CASCADE, 30_000, r=3.56991),
    system("logistic", "periodic-256", CASCADE, 100_000, r=3.5699395),
    system("logistic", "periodic-512", CASCADE, 200_000, r=3.5699442),
    system("logistic", "periodic-3", "the window from 1 + √8", 5000, r=3.83),
    system("logistic", "periodic-5", "the window at 3.738", 5000, r=3.7389),
    system("logistic", "periodic-6", "the doubling of the 3-cycle at 3.8415", 5000, r=3.845),
    system("Ricker", "periodic-2", LONG, r=2.3),
    system("Ricker", "periodic-4", LONG, r=2.6),
    system("quartic", "periodic-2", "2-cycle from a = 1 to √5 − 1", a=1.1),
    system("quartic", "saddle-escape", "leaves 0 fast in a long run", 20_000, a=0.5, start=[1e-9]),
    system(
        "quartic", "periodic-2", "the same, from beside the unstable point", a=1.1, start=[1 + 1e-8]
    ),
    system("quartic", "periodic-4", "4-cycle up to 1.2880", a=1.27),
    system("PseudoHuber", "periodic-2", "±√(η²/4 − 1), multiplier 1 − 8/9 …, loss η/2", eta=3.0),
    system("PseudoHuber", "periodic-2", "the same", eta=2.2),
    system("softmax-map", "periodic-3", "3-cycle (table of dead networks)", 3000, eta_eff=15.0),
    system("softmax-map", "periodic-3", "3-cycle, which it nears slowly", 3000, eta_eff=25.0),
    system("softmax-map", "periodic-2", "2-cycle from 5.916 on", 3000, eta_eff=6.5),
    system("softmax-map", "periodic-2", "two classes flip", eta_eff=12.0, fractions=[1.0, 1.0]),
    system(
        "quadratic",
        "periodic-2",
        "ηh = 2: a coordinate flips for ever",
        600,
        curvatures=[2.5, 1.0],
        eta=0.8,
    ),
    system("cat", "undecided", "rests on 0, which is unstable", 300, start=[0.0, 0.0]),
    # contraction, rounding floor
    system("Affine", "periodic-1", FIXED, c=0.5),
    system("Affine", "periodic-1", FIXED, c=-0.5, b=1e8),
    system("Affine", "periodic-1", FIXED + ", which it nears slowly", c=0.999),
    system("Affine", "periodic-1", FIXED + ", which it nears slowly", c=-0.999),
    system("Affine", "periodic-1", "the identity", c=1.0, b=0.0),
    system("Cubic", "periodic-1|marginal", "goes to 0 as 1/√(2t)", 5000),
    # quasi-periodic
    system("Circle", "quasi-periodic", INVARIANT, 3000, w=0.6180339887498949, k=0.5),
    system("Circle", "quasi-periodic", "an irrational rotation", 3000, w=0.41421356237309515),
    system("Circle", "quasi-periodic", "an irrational rotation", 3000, w=0.14159265358979312),
    system("Torus", "quasi-periodic", "two irrational rotations", 20_000),
    system("Circle", "marginal|periodic-1000", "repeats after 1,000 steps", 6000, w=0.007),
    system("Tower", "marginal|quasi-periodic", "all exponents 0; neighbours part as t²", 2000),
    system("Tower", "marginal|quasi-periodic", "the same, longer", 20_000),
    system("InStep", "undecided", "two rotations in step, which a nudge would part", 3000),
    system("Shear", "quasi-periodic|marginal", "rotations; neighbours part as t", 2000),
    system("Shear", "quasi-periodic|marginal", "rotations; neighbours part as t", 200),
    system("DelayedLogistic", "quasi-periodic", "invariant circle above a = 2", 5000, a=2.05),
    system("DelayedLogistic", "quasi-periodic", "invariant circle above a = 2", 5000, a=2.1),
    system("DelayedLogistic", "quasi-periodic|marginal", "the same, short", 200, a=2.1),
    # descent
    system("quartic", "monotone", "the loss falls at every step", a=0.5),
    system("quartic", "monotone", "the loss falls at every step", a=0.1),
    system("quadratic", "monotone", "|1 − ηh| < 1", curvatures=[1.0, 0.01], eta=0.5),
    system("quartic", "catapult", "over the hill, then λ = ln|1 − 2a| < 0", a=0.9, start=[1.3]),
    system("quartic", "saddle-escape", "leaves 0 at ln 1.1, the loss falls", a=0.1, start=[1e-8]),
    system("quartic", "saddle-escape", "leaves 0 at ln 1.3, the loss falls", a=0.3, start=[-1e-9]),
    system(
        "product",
        "saddle-escape",
        "leaves the saddle at 0, the loss falls",
        start=[1e-8, 1e-8],
        factors=2,
        eta=0.2,
    ),
    system("product", "marginal", NEUTRAL, 3000, start=[0.5, 0.3], factors=2, eta=0.2),
    # divergence
    system("quartic", "diverged", "above a = 2", a=2.1),
    system("quadratic", "diverged", "|1 − ηh| = 1.5", 4000, curvatures=[2.5], eta=1.0),
    system("Affine", "undecided", "diverges, in 7e5 steps", 5000, c=1.001, b=0.0),
    system("Slows", "marginal", "runs on as the square root of time", 5000, p=1.0),
    system("Slows", "marginal", "runs on as a power of time", 3000, p=0.5),
    system("Slows", "marginal", "runs on as a power of time", 3000, p=2.0),
    system("SlowsBeside", "marginal", "its state has no end", 4000, r=3.2),
    system("SlowsBeside", "marginal", "its state has no end", 4000, r=2.5),
    system("Slow", "undecided", "grows for ever", c=0.05),
    system("Ramp", "undecided", "chaotic, until r passes 4", r=3.9, slope=1e-6),
]

STUCK = [*[0.0] * 16, *[40.0] * 2, *[-40.0] * 2, *[0.0] * 12]  # 4 hidden units, 2 of them on
IRIS = {"data.name": "iris", "data.class_counts": [41, 40, 39], "network.hidden": [4]}
DEAD = "no sample moves a unit: the class-fraction map"
ALIKE = {"data.name": "inline", "data.x": [[1.0], [1.0]], "data.y": [0, 1], "data.train": 2}

NETWORKS = [
    network("stuck, η_eff = 3", "dead-network", DEAD, 1000, 2, **IRIS,
            system__start=[*STUCK, 0.1, 0.0, -0.1], optimizer__learning_rate=1.0),
    network("stuck, η_eff = 15", "dead-network", DEAD, 1000, 2, **IRIS,
            system__start=[*STUCK, 3.0, -1.0, -2.0], optimizer__learning_rate=5.0),
    network("saturated units that tell blobs apart", "marginal|monotone|catapult",
            "all samples are told apart", 1000, 10, data__name="blobs", network__hidden=[3],
            data__parameters={"spread": 0.2, "centers": 2}, network__init_scale=6.0,
            optimizer__learning_rate=0.3),
    network("tanh from 1e-8", "saddle-escape", "the loss never rises", 5000,
            network__activation="tanh", network__init_scale=1e-8, optimizer__learning_rate=0.05),
    network("contradictory labels", "periodic-2", "logits flip at a constant loss", 1000,
            **ALIKE, network__hidden=[], optimizer__learning_rate=12.0),
    network("iris, η = 0.01", "marginal", "neither part nor meet (arXiv 2404.05782)", 1500,
            data__class_counts=[41, 40, 39], optimizer__learning_rate=0.01),
]  # fmt: skip

ORBITS = [*MAPS, *NETWORKS]
