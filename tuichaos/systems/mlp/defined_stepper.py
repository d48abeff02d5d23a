"""The stepper of perceptrons by optimizers that have no compiled loops: it takes the steps by
their definition, and looks at losses with the buffers of the fast path."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from tuichaos.systems.base import System
from tuichaos.systems.generic_stepper import GenericStepper
from tuichaos.systems.mlp.buffers import in_parts, layout_of
from tuichaos.systems.mlp.scoring import Observer
from tuichaos.systems.training import TrainingSystem


class DefinedStepper(GenericStepper):
    """Of batches that fit into a core's cache, as those of the fast path."""

    def __init__(self, system: TrainingSystem, device: torch.device) -> None:
        super().__init__(max(2, system.block_rows))
        self.packing = layout_of(system.network, device)
        inputs = in_parts(system.network, system.train)
        self.observer = Observer(system, inputs, self.packing, self.rows)

    def observe(
        self, system: System, states: Tensor, known: Collection[str] = ()
    ) -> dict[str, Tensor]:
        weights = states[:, :, : self.packing.dimension].flatten(0, 1)
        found = self.observer.observe(weights, known)
        return {name: values.reshape(states.shape[:2]) for name, values in found.items()}
