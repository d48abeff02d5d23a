"""Small maps with named parameters: what reference systems have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tuichaos.systems.base import System


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

    def changed(self, parameters: Mapping[str, object]) -> ReferenceSystem:
        made = dict(self.parameters)
        for name, value in parameters.items():
            old = made[name]
            made[name] = torch.tensor(value, dtype=old.dtype, device=old.device)
        return replace(self, parameters=made)

    def to(self, device: torch.device, dtype: torch.dtype) -> ReferenceSystem:
        moved = {k: p.to(device, dtype) for k, p in self.parameters.items()}
        return replace(self, parameters=moved)
