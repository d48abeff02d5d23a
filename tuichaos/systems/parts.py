"""How many samples go through a network at a time, and how much memory that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuichaos.systems.mlp.activations import FROM_OUTPUT
from tuichaos.systems.mlp.network import Perceptron

LANE = 32
PART = 200_000  # numbers in the layers of one replica, of the samples that go at a time
ALIGNMENT = 8  # numbers; pieces of the packed state begin at multiples of 64 bytes (float64)


def part_size(network: Perceptron, count: int) -> int:
    """How many of ``count`` samples go through a network at a time: a multiple of LANE. Parts
    are of one size, and depend on nothing but the network and the number of samples, so that
    the sums over them have the same bits everywhere."""
    parts = math.ceil(count * sum(network.widths[1:]) / PART)
    return math.ceil(count / parts / LANE) * LANE


@dataclass(frozen=True)
class Sizes:
    """How many numbers the buffers of training hold (buffers.py), for one network on ``count``
    samples, told without any; tests bind it to what they really hold."""

    network: Perceptron
    count: int

    @property
    def part(self) -> int:
        return part_size(self.network, self.count)

    @property
    def parts(self) -> int:
        return math.ceil(self.count / self.part)

    @property
    def _layers(self) -> tuple[int, int, int]:
        """Units of all layers, of the hidden ones, and these with a row of ones each."""
        widths, bias = self.network.widths, self.network.bias
        hidden = widths[1:-1]
        return sum(widths[1:]), sum(hidden), sum(width + bias for width in hidden)

    @property
    def _gradient(self) -> int:
        own = sum(out * (inputs + self.network.bias) for out, inputs in self.network.shapes)
        return own * min(self.parts, 2)

    @property
    def width(self) -> int:
        """Of a packed state."""
        own = (out * (inputs + self.network.bias) for out, inputs in self.network.shapes)
        return sum(math.ceil(size / ALIGNMENT) * ALIGNMENT for size in own)

    @property
    def inputs(self) -> int:
        """Of the samples, with what a backward pass asks of them."""
        first, last = self.network.widths[0] + self.network.bias, self.network.widths[-1]
        return self.parts * self.part * (2 * (first + last) + 1)

    def forward(self, rows: int) -> int:
        units, _, wide = self._layers
        return rows * self.part * (units + wide)

    def backward(self, rows: int) -> int:
        _, hidden, _ = self._layers
        own = hidden if self.network.activation in FROM_OUTPUT else 2 * hidden
        return rows * (self.part * (own + self.network.widths[-1] + 1) + self._gradient)

    def tangents(self, references: int, steps: int) -> int:
        units, hidden, wide = self._layers
        layers = self.part * (units + wide + 2 * hidden)
        return references * (layers + self.width + steps + self._gradient)

    def orbit(self, rows: int, steps: int) -> int:
        return (steps + 1) * rows * (self.width + self.network.dimension)

    def observer(self, rows: int) -> int:
        return self.forward(rows) + rows * self.part * self.network.widths[-1]

    def scoring(self, rows: int) -> int:
        return 2 * rows * self.part * self.network.widths[-1]
