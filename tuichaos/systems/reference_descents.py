"""Gradient descent on small losses with known exponents, on which instruments are proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.layout import Piece
from tuichaos.systems.reference_base import ReferenceSystem


@dataclass(frozen=True)
class Quartic(ReferenceSystem):
    """Gradient descent on L(w) = (w² − 1)²/4 with step a: w ← w − a·w·(w² − 1).

    Exponent ln|1 − 2a| for a ≤ 1, ln 3 at a = 2; diverges above.
    """

    dimension = 1

    def step(self, x: Tensor) -> Tensor:
        return x - self["a"] * x * (x * x - 1)

    @property
    def stable_sharpness(self) -> Tensor:
        return 2 / self.parameters["a"]

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(0, 1, 1)

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        return {"loss": ((x * x - 1) ** 2 / 4)[:, 0], **super().observe(x)}


@dataclass(frozen=True)
class Quadratic(ReferenceSystem):
    """Gradient descent on ½ Σ h_i x_i², with heavy-ball momentum: v ← βv + hx, x ← x − ηv.

    Exponents ln|1 − ηh_i|; with momentum ln of the moduli of the roots of
    z² − (1 + β − ηh)z + β. The state is x, and behind it v when β > 0 (v starts at 0).
    """

    curvatures: tuple[float, ...] = (1.0,)
    momentum: bool = False

    @property
    def dimension(self) -> int:
        return len(self.curvatures) * (1 + self.momentum)

    @property
    def layout(self) -> tuple[Piece, ...]:
        size = (len(self.curvatures),)
        velocity = (Piece("velocity.x", size, "optimizer"),)
        return (Piece("x", size),) + velocity * self.momentum

    def step(self, x: Tensor) -> Tensor:
        h = torch.tensor(self.curvatures, dtype=x.dtype, device=x.device)
        if not self.momentum:
            return x - self["eta"] * (h * x)
        position, velocity = x.chunk(2, dim=1)
        velocity = self["beta"] * velocity + h * position
        return torch.cat([position - self["eta"] * velocity, velocity], dim=1)

    @property
    def stable_sharpness(self) -> Tensor:
        beta = self.parameters["beta"] if self.momentum else 0
        return (2 + 2 * beta) / self.parameters["eta"]

    def start(self, rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(len(self.curvatures))
        return np.concatenate([x, np.zeros_like(x)]) if self.momentum else x

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        h = torch.tensor(self.curvatures, dtype=x.dtype, device=x.device)
        position = x[:, : len(self.curvatures)]
        return {"loss": 0.5 * (h * position * position).sum(1), **super().observe(x)}


@dataclass(frozen=True)
class Product(ReferenceSystem):
    """Gradient descent on ½(x₁·…·x_k − 1)², the loss of a deep linear network of one unit a
    layer: x_i ← x_i − η·(P − 1)·P/x_i.

    Starts on the diagonal, and stays there: P/x_i has the same bits for equal x_i. Its
    first doubling there is at η = 2/k.
    """

    factors: int = 2

    @property
    def dimension(self) -> int:
        return self.factors

    def step(self, x: Tensor) -> Tensor:
        product = x.prod(dim=1, keepdim=True)
        return x - self["eta"] * (product - 1) * product / x

    @property
    def stable_sharpness(self) -> Tensor:
        return 2 / self.parameters["eta"]

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return np.full(self.factors, rng.uniform(0.5, 1.5))

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        return {"loss": 0.5 * (x.prod(dim=1) - 1) ** 2, **super().observe(x)}


@dataclass(frozen=True)
class SoftmaxMap(ReferenceSystem):
    """Training of a network whose hidden units are all saturated: all samples share logits z,
    and z ← z − η_eff·(softmax(z) − f), with the class fractions f and η_eff = η(1 + k) for k
    units that are stuck on.

    The sum of z is conserved: one exponent is 0. The fixed point z = ln f is stable up to
    η_eff = 2/λmax(diag f − ffᵀ), 5.916 for fractions 41, 40, 39 of 120.
    """

    fractions: tuple[float, ...] = (41 / 120, 40 / 120, 39 / 120)

    @property
    def dimension(self) -> int:
        return len(self.fractions)

    def _fractions(self, x: Tensor) -> Tensor:
        return torch.tensor(self.fractions, dtype=x.dtype, device=x.device)

    def step(self, x: Tensor) -> Tensor:
        return x - self["eta_eff"] * (torch.softmax(x, dim=1) - self._fractions(x))

    @property
    def stable_sharpness(self) -> Tensor:
        return 2 / self.parameters["eta_eff"]

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        loss = -(self._fractions(x) * torch.log_softmax(x, dim=1)).sum(1)
        return {"loss": loss, **super().observe(x)}
