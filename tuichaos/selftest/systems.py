"""Systems that only the self-test runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.base import System


@dataclass(frozen=True)
class SkewTent(System):
    """x/p below p, (1 − x)/(1 − p) above: exponent −p ln p − (1 − p) ln(1 − p). Successive
    slopes are independent, so the error of a mean is that of independent draws."""

    p: float = 0.3
    dimension = 1

    def step(self, x: Tensor) -> Tensor:
        return torch.where(x < self.p, x / self.p, (1 - x) / (1 - self.p))

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(0, 1, 1)


TURNS, ROUND = 34, 89  # the circle of radius 1 closes after so many turns, in so many steps


@dataclass(frozen=True)
class Turn(System):
    """Rotation of the plane by 2π·34/89 and, with a ``twist``, by twist·(r² − 1) more: states
    on another radius r stay on their circle and run ahead, or behind, on it. Exponents 0."""

    twist: float = 0.0
    dimension = 2

    def step(self, x: Tensor) -> Tensor:
        u, w = x[:, :1], x[:, 1:]
        angle = 2 * math.pi * TURNS / ROUND + self.twist * (u * u + w * w - 1)
        sine, cosine = torch.sin(angle), torch.cos(angle)
        return torch.cat([u * cosine - w * sine, u * sine + w * cosine], dim=1)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        angle = rng.uniform(0, 2 * math.pi)
        return np.array([math.cos(angle), math.sin(angle)])
