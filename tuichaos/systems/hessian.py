"""The Hessian of the loss that a system descends, by definition, for any system that has one.

``Gradient`` is the definition: forward-mode differentiation (``torch.func.jvp``) of the
reverse-mode gradient of the observable ``loss``, exact (Pearlmutter 1994, Neural Comput. 6,
147–160). Faster forms (mlp/fast_hessian.py) are bound to it by tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.base import TRANSFORMS, System
from tuichaos.systems.generic_stepper import jacobians
from tuichaos.systems.layout import parameter_mask


@dataclass(frozen=True)
class Gradient(System):
    """∇L of a system's observable ``loss`` as a map of states, so that its derivative is the
    Hessian of the loss. Optimizer state has slope 0: the loss does not read it."""

    inner: System

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    def step(self, x: Tensor) -> Tensor:
        """∇L (replicas, dimension) of states (replicas, dimension)."""
        with TRANSFORMS:
            return torch.func.grad(lambda states: self.inner.observe(states)["loss"].sum())(x)

    def take(self, index: Tensor) -> Gradient:
        return Gradient(self.inner.take(index))


class Hessian(Protocol):
    """The Hessian of the loss over the n parameters (optimizer state left out), at one state
    after another. One is used by one thread."""

    def at(self, system: System, x: Tensor) -> None:
        """Go to the state x (dimension,) of one reference, under its system."""

    def product(self, v: Tensor) -> Tensor:
        """H·v of vectors (k, n), same shape."""

    def matrix(self) -> Tensor:
        """H (n, n), symmetric to the bit; for small systems."""


class DefinedHessian:
    """The Hessian of any system with a loss, by definition."""

    def __init__(self, system: System) -> None:
        self.parameters = torch.from_numpy(np.flatnonzero(parameter_mask(system.layout)))

    def at(self, system: System, x: Tensor) -> None:
        self.gradient, self.x = Gradient(system), x

    def product(self, v: Tensor) -> Tensor:
        own = self.parameters.to(v.device)
        rows = torch.zeros(len(v), dtype=torch.int64, device=v.device)
        x = self.x.repeat(len(v), 1)
        whole = torch.zeros_like(x).index_copy_(1, own, v)
        return self.gradient.take(rows).tangent(x, whole)[:, own]

    def matrix(self) -> Tensor:
        size = len(self.parameters)
        return symmetric(self.product(torch.eye(size, dtype=self.x.dtype, device=self.x.device)))


def defined_matrices(system: System, states: Tensor) -> Tensor:
    """H at states (T, references, dimension) as (T, references, n, n), by definition; for
    systems of few dimensions."""
    own = torch.from_numpy(np.flatnonzero(parameter_mask(system.layout))).to(states.device)
    whole = jacobians(Gradient(system), states)
    return symmetric(whole[..., own[:, None], own])


def symmetric(matrix: Tensor) -> Tensor:
    """The mean of matrices (…, n, n) and their transposes, which differ by rounding."""
    return 0.5 * (matrix + matrix.transpose(-1, -2))
