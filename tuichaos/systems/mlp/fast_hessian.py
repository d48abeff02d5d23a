"""The Hessian of the training loss of a perceptron, on the buffers of the training step:
products with vectors by its linearised pass, and the whole matrix of a small network by the
response of every unit. Tests bind both to the definition in hessian.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tuichaos.systems.base import System
from tuichaos.systems.mlp.activations import curve, slope
from tuichaos.systems.mlp.buffers import (
    backward_buffers,
    forward_buffers,
    layout_of,
    tangent_buffers,
    whole,
)
from tuichaos.systems.mlp.kernels import Backward, Forward, backward, compiled, forward, tangent
from tuichaos.systems.mlp.losses import loss_curve
from tuichaos.systems.training import TrainingSystem

BUFFER = 250_000  # numbers in the responses of one layer's units, some samples at a time


class PerceptronHessian:
    """The Hessian of the training loss of a perceptron at one state after another.

    ``at`` makes one forward and one backward pass at a state; ``product`` and ``matrix`` then
    tell of that state. The learning rate plays no part. See ``Hessian``.
    """

    def __init__(self, system: TrainingSystem) -> None:
        inputs = whole(system.network, system.train)
        self.packing = layout_of(system.network, inputs.x.device)
        self.new = inputs.x.new_empty
        self.forward = forward_buffers(system.network, [inputs], 1, self.new)[0]
        self.backward = backward_buffers(system.loss, [self.forward], [inputs], self.new)[0]
        self.state = inputs.x.new_zeros(1, self.packing.width)
        self.weights = self.packing.views(self.state)
        self.inward = self.packing.inward(self.weights)
        on_cpu = inputs.x.device.type == "cpu"
        self._passes = [compiled(f) if on_cpu else f for f in (forward, backward, tangent)]
        self._buffers: dict[int, tuple] = {}

    def at(self, system: System, x: Tensor) -> None:
        self.packing.pack(x[None, : self.packing.dimension], self.state)
        self._passes[0](self.forward, self.weights)
        self._passes[1](self.forward, self.backward, self.inward)

    # --- products ---

    def product(self, v: Tensor) -> Tensor:
        """H·v of vectors (k, dimension), by the linearised pass of the training step, for
        which the buffers of the state are seen as those of k rows."""
        f, b, tangents, images = self._wide(len(v))
        self.packing.pack(v, tangents.packed)
        self._passes[2](f, b, tangents, [_rows(m, len(v)) for m in self.inward])
        return self.packing.unpack(images, torch.empty_like(v))

    def _wide(self, count: int) -> tuple:
        """The buffers as those of ``count`` rows, and where the images are packed."""
        if count not in self._buffers:
            f, b = self.forward, self.backward
            f = Forward(
                f.activation, *([_rows(t, count) for t in part] for part in (f.z, f.a, f.h))
            )
            many = [[_rows(t, count) for t in p] for p in (b.delta, b.signal, b.turned, b.gradient)]
            b = Backward(b.loss, b.targets, b.weight, b.weighted_targets, b.scale, *many)
            tangents = tangent_buffers(f, [b], self.packing, count, 0, self.new)[0]
            images = torch.zeros_like(tangents.packed)
            tangents = tangents._replace(dgradient=self.packing.views(images))
            self._buffers[count] = (f, b, tangents, images)
        return self._buffers[count]

    # --- the whole matrix ---

    def matrix(self) -> Tensor:
        """H (dimension, dimension), symmetric to the bit; for small networks.

        A weight moves the pre-activations z of its unit only, by its input a: with the response
        of all later quantities to each unit's z, K = ∂δ/∂z and P = ∂h/∂z sample by sample, the
        block of layers l ≤ m is Σ_n a_l·(K·a_m + δ_m·P), as many passes as there are units
        and not as many as there are weights.
        """
        half = self.state.new_zeros(self.packing.width, self.packing.width)
        for samples in self._spans():
            for (low, high), block in self._blocks(samples):
                place = self._place(half, low, high)
                place.add_(block, alpha=0.5 if low == high else 1.0)
        order = self.packing.positions
        half = half[order[:, None], order]
        return half + half.T

    def _place(self, packed: Tensor, low: int, high: int) -> Tensor:
        """Where the block (out, in, out', in') of two layers is in a packed matrix."""
        (row, rows), (column, columns) = (self.packing.matrices[k] for k in (low, high))
        part = packed[row : row + rows[0] * rows[1], column : column + columns[0] * columns[1]]
        return part.unflatten(1, columns).unflatten(0, rows)

    def _spans(self) -> Iterator[slice]:
        size = self.forward.a[0].shape[2]
        step = max(1, BUFFER // max(z.shape[1] for z in self.forward.z) ** 2)
        return (slice(first, first + step) for first in range(0, size, step))

    def _blocks(self, samples: slice) -> Iterator[tuple[tuple[int, int], Tensor]]:
        """The share of some samples in the blocks (out, in, out', in') of layers l ≤ m."""
        f, b = self.forward, self.backward
        a = [t[0, :, samples] for t in f.a]
        delta = [t[0, :, samples] for t in b.delta]
        slopes, bends = self._derivatives(samples)
        last = len(f.z) - 1
        for low in range(last + 1):
            units = delta[low].shape[0]
            eye = torch.eye(units, dtype=self.state.dtype, device=self.state.device)
            z = {low: eye[:, :, None].expand(units, units, a[0].shape[1])}  # ∂z_m/∂z_l
            hidden = {}
            for m in range(low, last):
                hidden[m] = slopes[m] * z[m]
                z[m + 1] = torch.matmul(self._inner(m + 1), hidden[m])
            p, weight = f.z[last][:, :, samples], b.weight[samples]
            response = loss_curve(b.loss, p, weight, z[last])
            for m in range(last, low - 1, -1):
                if m < last:
                    response = torch.matmul(self._inner(m + 1).T, response)
                    response = slopes[m] * response + bends[m] * z[m]
                block = _contracted(response, a[low], a[m])
                if m > low:  # the bias has no input that could move: its place stays 0
                    moved = _crossed(delta[m], a[low], hidden[m - 1])
                    block[..., : moved.shape[3]] += moved
                yield (low, m), block

    def _inner(self, layer: int) -> Tensor:
        """The weights (out, in) of a layer, without its bias."""
        return self.inward[layer][0].T

    def _derivatives(self, samples: slice) -> tuple[list[Tensor], list[Tensor]]:
        """φ' and φ''·∂L/∂h of each hidden layer, (out, samples)."""
        f, b = self.forward, self.backward
        slopes, bends = [], []
        for k in range(len(f.h)):
            z, h, g, delta = (t[0, :, samples] for t in (f.z[k], f.h[k], b.signal[k], b.delta[k]))
            slopes.append(torch.empty_like(g))
            slope(f.activation, torch.ones_like(g), z, h, slopes[-1])
            bends.append(torch.ones_like(g))
            curve(f.activation, z, h, g, delta, bends[-1])
        return slopes, bends


def _contracted(response: Tensor, a: Tensor, c: Tensor) -> Tensor:
    """Σ_n K[i, j, n]·a[s, n]·c[t, n] as (i, s, j, t)."""
    pairs = (a[:, None] * c).flatten(0, 1)
    found = torch.mm(response.flatten(0, 1), pairs.T)
    return found.view(*response.shape[:2], len(a), len(c)).permute(0, 2, 1, 3)


def _crossed(delta: Tensor, a: Tensor, moved: Tensor) -> Tensor:
    """Σ_n δ[j, n]·a[s, n]·P[i, t, n] as (i, s, j, t)."""
    pairs = (delta[:, None] * a).flatten(0, 1)
    found = torch.mm(moved.flatten(0, 1), pairs.T)
    return found.view(*moved.shape[:2], len(delta), len(a)).permute(0, 3, 2, 1)


def _rows(one: Tensor, count: int) -> Tensor:
    """A batch of one seen as ``count`` rows, without a copy."""
    return one.expand(count, *one.shape[1:])
