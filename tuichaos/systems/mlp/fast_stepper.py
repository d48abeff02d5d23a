"""The fast path of perceptron training: buffers allocated once, tangents linearised by hand.

It computes the same map as ``TrainingSystem.step`` (tests bind the two to 1e-15, and the
tangents to ``torch.func.jvp`` at 1e-12), many times faster. The loops are in kernels.py, the
memory in buffers.py. Four choices carry it:

* features before samples, and the bias as one more column of the weights against a row of
  ones, so that a layer is one batched product forward and one for its gradient;
* the samples are padded, so that no vector instruction meets an odd end;
* many samples go in parts that stay in a core's cache, and fit into memory;
* at least two rows: a batch of one may take another route through the BLAS.

The rest is MKL's promise to round alike wherever a result lies in memory, which
tuichaos/__init__.py asks for: the gradients of two neighbours are not aligned alike.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from tuichaos.systems.mlp.buffers import (
    Inputs,
    PackedLayout,
    Pool,
    backward_buffers,
    forward_buffers,
    in_parts,
    layout_of,
    tangent_buffers,
)
from tuichaos.systems.mlp.kernels import OrbitBuffers, compiled, descend
from tuichaos.systems.mlp.scoring import Observer, Scoring
from tuichaos.systems.stepper_protocol import Scored, Stretch, padded
from tuichaos.systems.training import TrainingSystem


class Workspace:
    """All buffers and views to advance one block of exactly ``rows`` replicas."""

    def __init__(
        self,
        system: TrainingSystem,
        inputs: list[Inputs],
        packing: PackedLayout,
        rows: int,
        references: int,
        steps: int,
        new: Pool,
    ) -> None:
        self.packing = packing
        self.forward = forward_buffers(system.network, inputs, rows, new)
        self.backward = backward_buffers(system.loss, self.forward, inputs, new)
        self.history = new(steps + 1, rows, packing.width)
        self.orbit = new(steps + 1, rows, packing.dimension)
        self.tangents = tangent_buffers(
            self.forward[0], self.backward, packing, references, steps, new
        )
        self.weights = [packing.views(state) for state in self.history]
        self.inward = [packing.inward(matrices) for matrices in self.weights]
        # Compiled code could fuse operations on an accelerator, and round otherwise.
        self.scoring = Scoring(system, inputs, rows, new)
        self.descend = compiled(descend) if inputs[0].x.device.type == "cpu" else descend

    def advance(
        self,
        x: Tensor,
        rates: list[Tensor],
        steps: int,
        tangents: Tensor | None,
        scored: Scored | None,
    ) -> Stretch:
        self.packing.pack(x, self.history[0])
        own = self.tangents[0]
        if tangents is not None:
            self.packing.pack(tangents, own.packed)
        orbit = OrbitBuffers(self.weights, self.inward, rates)
        scores, at, outputs = self.scoring.begin(scored, steps)
        self.descend(self.forward, self.backward, orbit, self.tangents, scores, at, outputs, steps)
        found = self.scoring.found(scored, scores)
        states = self.packing.unpack(self.history[: steps + 1], self.orbit[: steps + 1])
        if tangents is None:
            return Stretch(states, scored=found)
        v = self.packing.unpack(own.packed, torch.empty_like(tangents))
        return Stretch(states, own.lengths[:steps].log(), v, found)


class PerceptronStepper:
    """Advances and observes blocks of perceptrons; see the head of this file."""

    def __init__(self, system: TrainingSystem, rows: int, steps: int, device: torch.device) -> None:
        self.system = system
        self.steps = steps
        # On an accelerator every block has one shape, so that every product takes one route.
        self.fixed_rows = rows if device.type != "cpu" else None
        self.packing = layout_of(system.network, device)
        self.inputs = in_parts(system.network, system.train)
        self.observer = Observer(system, self.inputs, self.packing, max(2, system.block_rows))
        self.workspaces: dict[tuple[int, int], Workspace] = {}
        self.pool = Pool(self.inputs[0].x)
        self._make = (system, rows, 1, device)
        self._aside: PerceptronStepper | None = None

    @property
    def aside(self) -> PerceptronStepper:
        if self._aside is None:
            self._aside = PerceptronStepper(*self._make)
        return self._aside

    def advance(
        self,
        system: TrainingSystem,
        x: Tensor,
        steps: int,
        tangents: Tensor | None,
        scored: Scored | None = None,
    ) -> Stretch:
        count = len(x)
        rows = self.fixed_rows or max(2, count)
        references = 0 if tangents is None else max(2, len(tangents))
        workspace = self._workspace(rows, min(references, rows))
        rates = _rates(system, count, rows)
        if tangents is not None:
            kept = len(tangents)
            tangents = padded(tangents, references)
        stretch = workspace.advance(padded(x, rows), rates, steps, tangents, scored)
        orbit = stretch.orbit[:, :count]
        if tangents is None:
            return Stretch(orbit, scored=stretch.scored)
        growth, ends = stretch.growth[:, :kept], stretch.tangents[:kept]
        return Stretch(orbit, growth, ends, stretch.scored)

    def observe(
        self, system: TrainingSystem, states: Tensor, known: Collection[str] = ()
    ) -> dict[str, Tensor]:
        found = self.observer.observe(states.reshape(-1, states.shape[2]), known)
        return {name: values.reshape(states.shape[:2]) for name, values in found.items()}

    def _workspace(self, rows: int, references: int) -> Workspace:
        key = (rows, references)
        if key not in self.workspaces:
            self.pool.begin()
            made = Workspace(self.system, self.inputs, self.packing, *key, self.steps, self.pool)
            if self.pool.outgrown:  # the others lie where nobody looks any more
                self.workspaces.clear()
            self.workspaces[key] = made
        return self.workspaces[key]


def _rates(system: TrainingSystem, count: int, rows: int) -> list[Tensor]:
    """η of each layer (rows, 1, 1); one tensor where all layers have the same."""

    def column(rate: Tensor) -> Tensor:
        return padded(rate.reshape(-1, 1, 1).expand(count, 1, 1), rows)

    if system.has_one_rate:
        return [column(system.learning_rate)] * len(system.network.shapes)
    return [column(rate) for rate in system.layer_rates]
