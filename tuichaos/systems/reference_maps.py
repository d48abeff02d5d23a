"""Classic maps and a flow with known exponents, on which instruments are proved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.reference_base import ReferenceSystem


@dataclass(frozen=True)
class Logistic(ReferenceSystem):
    """x ← r·x·(1 − x) on [0, 1]; exponent ln 2 at r = 4."""

    dimension = 1

    def step(self, x: Tensor) -> Tensor:
        return self["r"] * x * (1 - x)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(0, 1, 1)


@dataclass(frozen=True)
class Henon(ReferenceSystem):
    """x ← 1 − a·x² + y, y ← b·x (Hénon 1976, Commun. Math. Phys. 50, 69–77).

    The exponents sum to ln|b|; at a = 1.4, b = 0.3 they are 0.41922 and −1.62319.
    """

    dimension = 2

    def step(self, x: Tensor) -> Tensor:
        u, w = x[:, :1], x[:, 1:]
        return torch.cat([1 - self["a"] * u * u + w, self["b"] * u], dim=1)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(-0.1, 0.1, 2)


@dataclass(frozen=True)
class Cat(ReferenceSystem):
    """Arnold's cat map, (x, y) ← (2x + y, x + y) mod 1; exponents ±ln((3 + √5)/2)."""

    dimension = 2

    def step(self, x: Tensor) -> Tensor:
        u, w = x[:, :1], x[:, 1:]
        return torch.remainder(torch.cat([2 * u + w, u + w], dim=1), 1.0)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(0, 1, 2)


@dataclass(frozen=True)
class Lorenz(ReferenceSystem):
    """The Lorenz flow, a step being ``dt`` of its time by the classic fourth-order
    Runge–Kutta rule; exponents are per unit of time.

    (Lorenz 1963, J. Atmos. Sci. 20, 130–141.) At 10, 28, 8/3 they are 0.90563, 0 and
    −14.57219, and sum to −(σ + 1 + β).
    """

    dimension = 3
    dt: float = 0.01

    @property
    def time_step(self) -> float:
        return self.dt

    def velocity(self, x: Tensor) -> Tensor:
        """dx/dt of states (replicas, 3)."""
        u, v, w = x[:, :1], x[:, 1:2], x[:, 2:]
        parts = [self["sigma"] * (v - u), u * (self["rho"] - w) - v, u * v - self["beta"] * w]
        return torch.cat(parts, dim=1)

    def step(self, x: Tensor) -> Tensor:
        h = self.dt
        k1 = self.velocity(x)
        k2 = self.velocity(x + h / 2 * k1)
        k3 = self.velocity(x + h / 2 * k2)
        k4 = self.velocity(x + h * k3)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return np.array([1.0, 1.0, 20.0]) + rng.standard_normal(3)
