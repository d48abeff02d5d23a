"""A system that only the self-test runs."""

from __future__ import annotations

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
