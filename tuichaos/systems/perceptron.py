"""The fast path of perceptron training: buffers allocated once, tangents linearised by hand.

It computes the same map as ``TrainingSystem.step`` (tests bind the two to 1e-15, and the
tangents to ``torch.func.jvp`` at 1e-12), many times faster. The loops are in kernels.py.
Three choices carry it:

* features before samples, and the bias as one more column of the weights against a row of
  ones, so that a layer is one batched product forward and one for its gradient;
* the samples are padded to a multiple of LANE with copies of the first, of weight zero:
  vector instructions then never meet an odd end, where other instructions would round
  differently, so the bits of a replica do not depend on its place in the batch;
* at least two rows: a batch of one may take another route through the BLAS.

The rest is MKL's promise to round alike wherever a result lies in memory, which
tuichaos/__init__.py asks for: the gradients of two neighbours are not aligned alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tuichaos.systems.activations import FROM_OUTPUT
from tuichaos.systems.base import Piece, spans
from tuichaos.systems.kernels import (
    Backward,
    Forward,
    Orbit,
    Scores,
    Tangents,
    compiled,
    descend,
    survey,
)
from tuichaos.systems.networks import Perceptron
from tuichaos.systems.stepping import Stretch, padded
from tuichaos.systems.training import Samples, TrainingSystem

LANE = 32
ALIGNMENT = 8  # numbers; pieces of the packed state begin at multiples of 64 bytes (float64)


class PackedLayout:
    """Where each entry of a state sits in the packed form: layer by layer a matrix
    (out, in + 1) with the bias as last column, padded with zeros to ALIGNMENT.

    ``positions`` (dimension,): the packed place of each entry. ``width``: the packed length.
    """

    def __init__(self, network: Perceptron, device: torch.device) -> None:
        self.matrices: list[tuple[int, tuple[int, int]]] = []
        self.inputs = network.widths[:-1]
        self.dimension = network.dimension
        offset = 0
        for rows, columns in network.shapes:
            shape = (rows, columns + network.bias)
            self.matrices.append((offset, shape))
            offset += math.ceil(math.prod(shape) / ALIGNMENT) * ALIGNMENT
        self.width = offset
        order = torch.cat([self._places(piece) for piece, _ in spans(network.layout)])
        self.positions = order.to(device)

    def _places(self, piece: Piece) -> Tensor:
        layer = int(piece.name.split(".")[1])
        offset, shape = self.matrices[layer]
        grid = offset + torch.arange(math.prod(shape)).reshape(shape)
        inputs = self.inputs[layer]
        return (grid[:, inputs] if piece.kind == "bias" else grid[:, :inputs]).flatten()

    def pack(self, x: Tensor, out: Tensor) -> None:
        """States (…, dimension) into packed states (…, width)."""
        out.zero_().index_copy_(-1, self.positions, x)

    def unpack(self, packed: Tensor, out: Tensor) -> Tensor:
        """Packed states (…, width) into states (…, dimension); both contiguous."""
        flat = out.view(-1, out.shape[-1])
        torch.index_select(packed.view(-1, self.width), 1, self.positions, out=flat)
        return out

    def views(self, packed: Tensor) -> list[Tensor]:
        """The matrices (rows, out, in + 1) inside packed states (rows, width)."""
        return [
            packed[:, offset : offset + math.prod(shape)].view(-1, *shape)
            for offset, shape in self.matrices
        ]

    def inward(self, matrices: list[Tensor]) -> list[Tensor]:
        """Matrices (rows, out, in + 1) without their bias and turned: (rows, in, out)."""
        both = zip(matrices, self.inputs, strict=True)
        return [m[:, :, :inputs].transpose(1, 2) for m, inputs in both]


class Inputs:
    """Samples padded to a multiple of LANE, with a row of ones for the bias.

    ``weight`` (samples,) is 1/n for the n real samples and 0 for the padding, which copies
    the first sample so that it is finite whenever the real ones are.
    """

    def __init__(self, samples: Samples, bias: bool) -> None:
        count = samples.x.shape[1]
        self.count = count
        size = math.ceil(count / LANE) * LANE
        real = torch.arange(size, device=samples.x.device)
        order = torch.where(real < count, real, 0)
        x = samples.x[:, order]
        self.x = torch.cat([x, torch.ones_like(x[:1])]) if bias else x.contiguous()
        self.targets = samples.targets[:, order].contiguous()
        self.weight = (real < count).to(x.dtype) / count
        self.labels = None if samples.labels is None else samples.labels[order]


def forward_buffers(network: Perceptron, inputs: Inputs, rows: int) -> Forward:
    """Buffers for ``rows`` replicas on these inputs."""
    size = inputs.x.shape[1]
    z = [inputs.x.new_empty(rows, out, size) for out in network.widths[1:]]
    a, h = [inputs.x.expand(rows, *inputs.x.shape)], []
    for width in network.widths[1:-1]:
        a.append(inputs.x.new_ones(rows, width + network.bias, size))
        h.append(a[-1][:, :width])
    return Forward(network.activation, z, a, h)


def backward_buffers(loss: str, f: Forward, inputs: Inputs) -> Backward:
    """Buffers for the gradients of what ``f`` computes."""
    rows = len(f.z[0])
    # A derivative that reads h alone leaves the buffer of z free for delta.
    reuse = f.activation in FROM_OUTPUT
    delta = [z if reuse else torch.empty_like(z) for z in f.z[:-1]] + [torch.empty_like(f.z[-1])]
    turned = [inputs.x.T.contiguous().expand(rows, -1, -1)]
    turned += [a.transpose(1, 2) for a in f.a[1:]]
    return Backward(
        loss,
        inputs.targets,
        inputs.weight,
        inputs.targets * inputs.weight,
        inputs.x.new_empty(rows, 1, inputs.x.shape[1]),
        delta,
        [torch.empty_like(z) for z in f.z[:-1]],
        turned,
        [a.new_empty(rows, d.shape[1], a.shape[1]) for a, d in zip(f.a, delta, strict=True)],
    )


def tangent_buffers(
    f: Forward, b: Backward, packing: PackedLayout, references: int, steps: int
) -> Tangents:
    """Buffers for tangents of the first ``references`` rows (0 for none)."""
    packed = b.weight.new_zeros(references, packing.width)
    v = packing.views(packed)
    da = [torch.zeros_like(a[:references]) for a in f.a[1:]]  # their rows of ones stay 0
    hidden = [z[:references] for z in f.z[:-1]]
    return Tangents(
        references,
        packed,
        v,
        packing.inward(v),
        [torch.empty_like(z[:references]) for z in f.z],
        da,
        [a[:, : z.shape[1]] for a, z in zip(da, hidden, strict=True)],
        [torch.empty_like(z) for z in hidden],
        [torch.empty_like(z) for z in hidden],
        [torch.empty_like(g[:references]) for g in b.gradient],
        b.weight.new_empty(steps, references),
    )


class Workspace:
    """All buffers and views to advance one block of exactly ``rows`` replicas."""

    def __init__(
        self, system: TrainingSystem, packing: PackedLayout, rows: int, references: int, steps: int
    ) -> None:
        inputs = Inputs(system.train, system.network.bias)
        self.packing = packing
        self.forward = forward_buffers(system.network, inputs, rows)
        self.backward = backward_buffers(system.loss, self.forward, inputs)
        self.tangents = tangent_buffers(self.forward, self.backward, packing, references, steps)
        self.history = inputs.x.new_zeros(steps + 1, rows, packing.width)
        self.orbit = inputs.x.new_empty(steps + 1, rows, packing.dimension)
        self.weights = [packing.views(state) for state in self.history]
        self.inward = [packing.inward(matrices) for matrices in self.weights]
        # Compiled code could fuse operations on an accelerator, and round otherwise.
        self.descend = compiled(descend) if inputs.x.device.type == "cpu" else descend

    def advance(
        self, x: Tensor, rates: list[Tensor], steps: int, tangents: Tensor | None
    ) -> Stretch:
        self.packing.pack(x, self.history[0])
        if tangents is not None:
            self.packing.pack(tangents, self.tangents.packed)
        orbit = Orbit(self.weights, self.inward, rates)
        self.descend(self.forward, self.backward, orbit, self.tangents, steps)
        states = self.packing.unpack(self.history[: steps + 1], self.orbit[: steps + 1])
        if tangents is None:
            return Stretch(states)
        v = self.packing.unpack(self.tangents.packed, torch.empty_like(tangents))
        return Stretch(states, self.tangents.lengths[:steps].log(), v)


class Observer:
    """Loss and accuracies of many states, ``rows`` at a time through one forward pass."""

    def __init__(self, system: TrainingSystem, packing: PackedLayout, rows: int) -> None:
        self.loss = system.loss
        self.packing = packing
        self.parts = []
        for name, samples in (("train", system.train), ("test", system.test)):
            if samples is not None:
                inputs = Inputs(samples, system.network.bias)
                buffers = forward_buffers(system.network, inputs, rows)
                self.parts.append((name, inputs, buffers, torch.empty_like(buffers.z[-1])))
        self.survey = compiled(survey) if packing.positions.device.type == "cpu" else survey

    def observe(self, states: Tensor) -> dict[str, Tensor]:
        """States (count, dimension) → losses and accuracies, each (count,)."""
        count = len(states)
        packed = states.new_empty(max(2, count), self.packing.width)
        self.packing.pack(padded(states, len(packed)), packed)
        shapes = [(offset, *shape) for offset, shape in self.packing.matrices]
        found = {}
        for name, inputs, buffers, scratch in self.parts:
            known = inputs.labels is not None
            scores = Scores(
                self.loss,
                inputs.targets,
                inputs.weight,
                inputs.labels if known else inputs.weight,
                scratch,
                known,
                packed.new_empty(len(packed)),
                packed.new_empty(len(packed)),
            )
            self.survey(buffers, shapes, packed, scores)
            found["loss" if name == "train" else "test_loss"] = scores.losses[:count]
            if known:
                # A count of hits is exact; dividing it last gives the nearest fraction.
                found[f"{name}_accuracy"] = scores.hits[:count] / inputs.count
        return found


class PerceptronStepper:
    """Advances and observes blocks of perceptrons; see the head of this file."""

    def __init__(self, system: TrainingSystem, rows: int, steps: int, device: torch.device) -> None:
        self.system = system
        self.steps = steps
        # On an accelerator every block has one shape, so that every product takes one route.
        self.fixed_rows = rows if device.type != "cpu" else None
        self.packing = PackedLayout(system.network, device)
        self.observer = Observer(system, self.packing, max(2, system.block_rows))
        self.workspaces: dict[tuple[int, int], Workspace] = {}
        self._make = (system, rows, 1, device)
        self._aside: PerceptronStepper | None = None

    @property
    def aside(self) -> PerceptronStepper:
        if self._aside is None:
            self._aside = PerceptronStepper(*self._make)
        return self._aside

    def advance(
        self, system: TrainingSystem, x: Tensor, steps: int, tangents: Tensor | None
    ) -> Stretch:
        count = len(x)
        rows = self.fixed_rows or max(2, count)
        references = 0 if tangents is None else max(2, len(tangents))
        workspace = self._workspace(rows, min(references, rows))
        rates = _rates(system, count, rows)
        if tangents is not None:
            kept = len(tangents)
            tangents = padded(tangents, references)
        stretch = workspace.advance(padded(x, rows), rates, steps, tangents)
        orbit = stretch.orbit[:, :count]
        if tangents is None:
            return Stretch(orbit)
        return Stretch(orbit, stretch.growth[:, :kept], stretch.tangents[:kept])

    def observe(self, system: TrainingSystem, states: Tensor) -> dict[str, Tensor]:
        found = self.observer.observe(states.reshape(-1, states.shape[2]))
        return {name: values.reshape(states.shape[:2]) for name, values in found.items()}

    def _workspace(self, rows: int, references: int) -> Workspace:
        key = (rows, references)
        if key not in self.workspaces:
            self.workspaces[key] = Workspace(self.system, self.packing, *key, self.steps)
        return self.workspaces[key]


def _rates(system: TrainingSystem, count: int, rows: int) -> list[Tensor]:
    """η of each layer (rows, 1, 1); one tensor where all layers have the same."""

    def column(rate: Tensor) -> Tensor:
        return padded(rate.reshape(-1, 1, 1).expand(count, 1, 1), rows)

    if system.has_one_rate:
        return [column(system.learning_rate)] * len(system.network.shapes)
    return [column(rate) for rate in system.layer_rates]
