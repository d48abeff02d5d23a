"""Multi-layer perceptrons: their layout as a state vector, initial laws and functional form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.base import HiddenLayer
from tuichaos.systems.layout import Piece, spans
from tuichaos.systems.mlp.activations import ACTIVATIONS, activate, slope


@dataclass(frozen=True)
class Perceptron:
    """A multi-layer perceptron as pure shapes: ``widths`` = (inputs, hidden …, outputs).

    A state vector holds ``layers.0.weight (out, in)``, ``layers.0.bias (out)``, … in the
    order and with the shapes of ``torch.nn.Linear``; linear layers counted without gaps.
    """

    widths: tuple[int, ...]
    activation: str = "sigmoid"
    bias: bool = True

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(out, in) of each linear layer."""
        return list(zip(self.widths[1:], self.widths[:-1], strict=True))

    @property
    def layout(self) -> tuple[Piece, ...]:
        pieces = []
        for k, shape in enumerate(self.shapes):
            pieces.append(Piece(f"layers.{k}.weight", shape, "weight"))
            if self.bias:
                pieces.append(Piece(f"layers.{k}.bias", shape[:1], "bias"))
        return tuple(pieces)

    @property
    def dimension(self) -> int:
        return sum(piece.size for piece in self.layout)

    def outputs(self, states: Tensor, x: Tensor) -> Tensor:
        """Outputs (replicas, outputs, samples) of states (replicas, dimension) on inputs
        (inputs, samples); differentiable: this is the definition of the network."""
        function = ACTIVATIONS[self.activation]
        last = len(self.shapes) - 1
        a = x.expand(len(states), *x.shape)
        for k, z in enumerate(self._layers(states)):
            a = z(a) if k == last else function(z(a))
        return a

    def hidden(self, states: Tensor, x: Tensor) -> list[HiddenLayer]:
        """Outputs of the hidden layers, and slopes of their activations there."""
        a, found = x.expand(len(states), *x.shape), []
        for layer in self._layers(states)[:-1]:
            z = layer(a)
            a, rise = torch.empty_like(z), torch.empty_like(z)
            activate(self.activation, z, a)
            slope(self.activation, torch.ones_like(z), z, a, rise)
            found.append(HiddenLayer(a, rise))
        return found

    def _layers(self, states: Tensor) -> list[Callable[[Tensor], Tensor]]:
        """The linear layers of states (replicas, dimension), each with its biases."""
        parts = {piece.name: states[:, span] for piece, span in spans(self.layout)}

        def linear(k: int, shape: tuple[int, int]) -> Callable[[Tensor], Tensor]:
            weight = parts[f"layers.{k}.weight"].reshape(-1, *shape)
            if not self.bias:
                return lambda a: torch.matmul(weight, a)
            bias = parts[f"layers.{k}.bias"][:, :, None]
            return lambda a: torch.matmul(weight, a) + bias

        return [linear(k, shape) for k, shape in enumerate(self.shapes)]


def initial_state(
    network: Perceptron, law: str, scale: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw one state (dimension,) of a network in float64.

    ``normal``: weights N(0, scale²), biases 0 (the paper, with scale 1).
    ``xavier``: weights U(±scale·√(6/(in + out))), biases 0 (Glorot and Bengio 2010, eq. 16).
    ``torch``: weights and biases U(±scale/√in), the law of ``torch.nn.Linear``.
    """
    parts = []
    for piece in network.layout:
        fan_out, fan_in = network.shapes[int(piece.name.split(".")[1])]
        if law == "torch":
            bound = scale / math.sqrt(fan_in)
            parts.append(rng.uniform(-bound, bound, piece.size))
        elif piece.kind == "bias":
            parts.append(np.zeros(piece.size))
        elif law == "xavier":
            bound = scale * math.sqrt(6 / (fan_in + fan_out))
            parts.append(rng.uniform(-bound, bound, piece.size))
        else:
            with np.errstate(over="ignore"):  # a network that diverges at once is data too
                parts.append(scale * rng.standard_normal(piece.size))
    return np.concatenate(parts)
