"""The memory of perceptron training: packed states, padded samples, buffers of the passes.

Samples are padded to a multiple of LANE with copies of the first, of weight zero: vector
instructions then never meet an odd end, where other instructions would round differently, so
the bits of a replica do not depend on its place in the batch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from tuichaos.systems.layout import Piece, spans
from tuichaos.systems.mlp.activations import FROM_OUTPUT
from tuichaos.systems.mlp.kernels import Backward, Forward, Tangents
from tuichaos.systems.mlp.network import Perceptron
from tuichaos.systems.parts import ALIGNMENT, LANE, part_size
from tuichaos.systems.samples import Samples


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


# Of a network and a device, made once: it holds places alone.
layout_of = functools.lru_cache(maxsize=16)(PackedLayout)


class Inputs:
    """Samples ``first`` to ``first + size`` padded to ``size``, with a row of ones for the bias.

    ``weight`` (size,) is 1/n for real samples, n of them in all parts together, and 0 for the
    padding, which copies the first of all so that it is finite whenever the real ones are.
    """

    def __init__(self, samples: Samples, bias: bool, first: int, size: int) -> None:
        count = samples.x.shape[1]
        self.count = count
        real = torch.arange(first, first + size, device=samples.x.device)
        order = torch.where(real < count, real, 0)
        x = samples.x[:, order]
        self.x = torch.cat([x, torch.ones_like(x[:1])]) if bias else x.contiguous()
        self.targets = samples.targets[:, order].contiguous()
        self.weight = (real < count).to(x.dtype) / count
        self.labels = None
        if samples.labels is not None:  # none is the label of the padding
            self.labels = torch.where(real < count, samples.labels[order], -1)

    @functools.cached_property
    def turned(self) -> Tensor:
        """``x`` with samples first."""
        return self.x.T.contiguous()

    @functools.cached_property
    def weighted_targets(self) -> Tensor:
        return self.targets * self.weight


def in_parts(network: Perceptron, samples: Samples) -> list[Inputs]:
    """All samples, as many at a time as ``part_size`` tells; made once."""
    count = samples.x.shape[1]
    size = part_size(network, count)
    key = size, network.bias
    if key not in samples.cut:
        parts = [Inputs(samples, network.bias, first, size) for first in range(0, count, size)]
        samples.cut[key] = parts
    return samples.cut[key]


def whole(network: Perceptron, samples: Samples) -> Inputs:
    """All samples in one part."""
    count = samples.x.shape[1]
    return Inputs(samples, network.bias, 0, math.ceil(count / LANE) * LANE)


New = Callable[..., Tensor]  # an uninitialised tensor of a shape


class Pool:
    """Memory that workspaces of several shapes take turns with: the k-th tensor of each lies
    where the k-th of the others does. ``outgrown``: one was too large, and its place is new."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._places: list[Tensor] = []
        self.begin()

    def begin(self) -> None:
        """The next tensor is the first of another workspace."""
        self._next, self.outgrown = 0, False

    def __call__(self, *shape: int) -> Tensor:
        count = math.prod(shape)
        if self._next == len(self._places):
            self._places.append(self._like.new_empty(count))
        elif len(self._places[self._next]) < count:
            self._places[self._next] = self._like.new_empty(count)
            self.outgrown = True
        place = self._places[self._next]
        self._next += 1
        return place[:count].view(shape)

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return sum(map(len, self._places))


def forward_buffers(
    network: Perceptron, inputs: list[Inputs], rows: int, new: New
) -> list[Forward]:
    """Buffers for ``rows`` replicas on parts of samples, one after another in the same ones."""
    size = inputs[0].x.shape[1]
    z = [new(rows, out, size) for out in network.widths[1:]]
    a, h = [], []
    for width in network.widths[1:-1]:
        a.append(new(rows, width + network.bias, size).fill_(1.0))
        h.append(a[-1][:, :width])
    return [
        Forward(network.activation, z, [part.x.expand(rows, *part.x.shape), *a], h)
        for part in inputs
    ]


def backward_buffers(
    loss: str, forward: list[Forward], inputs: list[Inputs], new: New
) -> list[Backward]:
    """Buffers for the gradients of what ``forward`` computes: each part's share in its own
    ``gradient``, those of all but the first in the same ones."""
    f = forward[0]
    rows, size = f.z[0].shape[0], f.z[0].shape[2]
    # A derivative that reads h alone leaves the buffer of z free for delta.
    reuse = f.activation in FROM_OUTPUT
    delta = [z if reuse else new(*z.shape) for z in f.z[:-1]] + [new(*f.z[-1].shape)]
    signal, scale = [new(*z.shape) for z in f.z[:-1]], new(rows, 1, size)
    later = [a.transpose(1, 2) for a in f.a[1:]]
    gradients = [
        [new(rows, d.shape[1], a.shape[1]) for a, d in zip(f.a, delta, strict=True)]
        for _ in inputs[:2]
    ]
    return [
        Backward(
            loss,
            part.targets,
            part.weight,
            part.weighted_targets,
            scale,
            delta,
            signal,
            [part.turned.expand(rows, -1, -1), *later],
            gradients[min(k, 1)],
        )
        for k, part in enumerate(inputs)
    ]


def tangent_buffers(
    f: Forward, b: list[Backward], packing: PackedLayout, references: int, steps: int, new: New
) -> list[Tangents]:
    """Buffers for tangents of the first ``references`` rows (0 for none), for each part."""
    packed = new(references, packing.width).fill_(0.0)
    v = packing.views(packed)
    # Their rows of ones stay 0.
    da = [new(references, *a.shape[1:]).fill_(0.0) for a in f.a[1:]]
    hidden = [(references, *z.shape[1:]) for z in f.z[:-1]]
    dh = [a[:, : z[1]] for a, z in zip(da, hidden, strict=True)]
    dz = [new(references, *z.shape[1:]) for z in f.z]
    dsignal, ddelta = ([new(*shape) for shape in hidden] for _ in range(2))
    lengths = new(steps, references)
    images = [[new(references, *g.shape[1:]) for g in b[0].gradient] for _ in b[:2]]
    return [
        Tangents(
            references,
            packed,
            v,
            packing.inward(v),
            dz,
            da,
            dh,
            dsignal,
            ddelta,
            images[min(k, 1)],
            lengths,
        )
        for k in range(len(b))
    ]
