"""Reference systems: small maps with known answers, on which instruments are proved.

Each parameter is one number, or one number a reference. Exact exponents: README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tuichaos.parameters import REFERENCE
from tuichaos.systems.base import Piece, System


@dataclass(frozen=True)
class ReferenceSystem(System):
    """A map with named parameters, each a tensor () or (references,)."""

    parameters: Mapping[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        """A parameter as a column that broadcasts against states (replicas, dimension)."""
        return self.parameters[name].reshape(-1, 1)

    def take(self, index: Tensor) -> ReferenceSystem:
        taken = {k: p[index] if p.ndim else p for k, p in self.parameters.items()}
        return replace(self, parameters=taken)

    def to(self, device: torch.device, dtype: torch.dtype) -> ReferenceSystem:
        moved = {k: p.to(device, dtype) for k, p in self.parameters.items()}
        return replace(self, parameters=moved)


@dataclass(frozen=True)
class Logistic(ReferenceSystem):
    """x ← r·x·(1 − x) on [0, 1]; exponent ln 2 at r = 4."""

    dimension = 1

    def step(self, x: Tensor) -> Tensor:
        return self["r"] * x * (1 - x)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(0, 1, 1)


@dataclass(frozen=True)
class Quartic(ReferenceSystem):
    """Gradient descent on L(w) = (w² − 1)²/4 with step a: w ← w − a·w·(w² − 1).

    Exponent ln|1 − 2a| for a ≤ 1, ln 3 at a = 2; diverges above.
    """

    dimension = 1

    def step(self, x: Tensor) -> Tensor:
        return x - self["a"] * x * (x * x - 1)

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

    def start(self, rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(len(self.curvatures))
        return np.concatenate([x, np.zeros_like(x)]) if self.momentum else x

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        h = torch.tensor(self.curvatures, dtype=x.dtype, device=x.device)
        position = x[:, : len(self.curvatures)]
        return {"loss": 0.5 * (h * position * position).sum(1), **super().observe(x)}


def reference_system(name: str, parameters: Mapping[str, object]) -> ReferenceSystem:
    """The reference system of that name, with its checked parameters (see ``parameters``)."""
    values = {**REFERENCE[name], **parameters}
    curvatures = values.pop("curvatures", None)
    tensors = {k: torch.tensor(value, dtype=torch.float64) for k, value in values.items()}
    if name == "logistic":
        return Logistic(tensors)
    if name == "quartic":
        return Quartic(tensors)
    bent = tuple(curvatures if isinstance(curvatures, list) else [curvatures])
    return Quadratic(tensors, tuple(map(float, bent)), bool((tensors["beta"] != 0).any()))
