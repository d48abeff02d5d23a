"""A System: a map over a batch of states, with what the instruments need to know of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError

# Levels of function transforms (torch.func, forward-mode differentiation) are global in torch:
# one thread at a time, which may nest them.
TRANSFORMS = threading.RLock()


@dataclass(frozen=True)
class Piece:
    """One named part of a state vector, for example ``layers.0.weight (10, 4)``."""

    name: str
    shape: tuple[int, ...]
    kind: str = "parameter"  # "weight", "bias" or "parameter"; "optimizer" for velocities

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def layer(self) -> int:
        """The number of the linear layer that a weight or bias belongs to."""
        return int(self.name.split(".")[-2])

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.shape))})"


def spans(layout: tuple[Piece, ...]) -> list[tuple[Piece, slice]]:
    """Each piece with the slice of the state vector that holds it."""
    found, offset = [], 0
    for piece in layout:
        found.append((piece, slice(offset, offset + piece.size)))
        offset += piece.size
    return found


@dataclass(frozen=True)
class HiddenLayer:
    """``output`` and ``slope`` of a layer's activation, (replicas, units, samples)."""

    output: Tensor
    slope: Tensor


class SystemProtocol(Protocol):
    """The least that a user's own system must have; everything else has a default."""

    dimension: int

    def step(self, x: Tensor) -> Tensor:
        """Map states (replicas, dimension) to the next states, same shape."""


class System:
    """A discrete dynamical system x(t+1) = F(x(t)) over a batch of states.

    Subclass it and write ``dimension`` and ``step``; the rest has defaults. ``step`` must
    treat each row on its own and be built of differentiable torch operations: tangents are
    its ``torch.func.jvp``.
    """

    dimension: int

    def step(self, x: Tensor) -> Tensor:
        """Map states (replicas, dimension) to the next states, same shape."""
        raise NotImplementedError

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """DF(x)·v for states and tangent vectors (replicas, dimension)."""
        with TRANSFORMS:
            return torch.func.jvp(self.step, (x,), (v,))[1]

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """Draw one initial state (dimension,); the default is N(0, 1)."""
        return rng.standard_normal(self.dimension)

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        """Observables of states (replicas, dimension): name → (replicas,).

        They become columns of series.csv. The default is the state itself, x0, x1, …
        """
        return {f"x{k}": x[:, k] for k in range(min(self.dimension, 16))}

    @property
    def observables(self) -> tuple[str, ...]:
        """The names that ``observe`` gives."""
        return tuple(self.observe(torch.zeros(2, self.dimension, dtype=torch.float64)))

    @property
    def layout(self) -> tuple[Piece, ...]:
        """The pieces of a state, in order."""
        return (Piece("x", (self.dimension,)),)

    @property
    def is_network(self) -> bool:
        """Whether a state holds the weights of a network (weight norm, distance by layer)."""
        return False

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """Units of each hidden layer; none for a system without."""
        return ()

    def hidden_units(self, x: Tensor) -> list[HiddenLayer]:
        """What the hidden units say to the training samples, at states (replicas, dimension)."""
        return []

    def output_spread(self, x: Tensor) -> Tensor:
        """By how much the outputs of a network differ between training samples, at states
        (replicas, dimension): (replicas,), in units of the range of its targets; ∞ without."""
        return torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)

    def least_loss_of_alike(self, spread: float) -> float:
        """A bound from below on the loss of a network whose ``output_spread`` is ``spread`` at
        most; −∞ where that is not known."""
        return -math.inf

    @property
    def time_step(self) -> float:
        """The time a step takes: 1 for a map; exponents are per unit of time."""
        return 1.0

    @property
    def stable_sharpness(self) -> Tensor | None:
        """The largest eigenvalue of the Hessian of the loss at which a minimum is still stable,
        () or (references,): 2/η of gradient descent. None where that is not known."""
        return None

    def take(self, index: Tensor) -> System:
        """The system of a batch whose row k has the parameters of reference ``index[k]``."""
        return self

    def changed(self, parameters: Mapping[str, object]) -> System:
        """The same system with other values of some parameters, for changes while it runs."""
        raise InputError(f"{type(self).__name__} has no parameter that can change while it runs")

    def to(self, device: torch.device, dtype: torch.dtype) -> System:
        """The same system with its constants on ``device`` in ``dtype``."""
        return self

    def stepper_numbers(self, rows: int, references: int, steps: int) -> int:
        """How many numbers a stepper of so many rows holds beside their states, with tangents
        of so many of them."""
        return 2 * (steps + 1) * rows * self.dimension

    def shared_numbers(self) -> int:
        """How many numbers all steppers share."""
        return 0

    def look_numbers(self, states: int) -> int:
        """How many numbers ``output_spread`` of so many states makes."""
        return 0

    @property
    def block_rows(self) -> int:
        """How many replicas one block should hold at most, for speed."""
        return 64


@dataclass(frozen=True)
class Scored:
    """Observables of the first ``references`` rows of a stretch at some of its steps:
    ``at`` (T,), whether a step is one of them; ``values``, each (times, references), of these
    steps alone, once they are known: all observables or some of them."""

    references: int
    at: np.ndarray
    values: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Stretch:
    """A stretch of T steps of one block.

    ``orbit`` (T + 1, rows, dimension) begins with the given states. ``growth``
    (T, references) is ln ‖v(t+1)‖₂ − ln ‖v(t)‖₂ of the tangent vectors of the first rows,
    ``tangents`` (references, dimension) their unit vectors at the end; both None when no
    tangent was asked for. ``scored``: observables that were found on the way. The tensors may
    be scratch memory: valid until the next call.
    """

    orbit: Tensor
    growth: Tensor | None = None
    tangents: Tensor | None = None
    scored: Scored | None = None


class Stepper(Protocol):
    """Advances blocks of replicas; owns scratch memory, so one is used by one thread."""

    def advance(
        self,
        system: System,
        x: Tensor,
        steps: int,
        tangents: Tensor | None,
        scored: Scored | None = None,
    ) -> Stretch:
        """``steps`` steps of states (rows, dimension) under ``system`` (whose parameters are
        those of the rows), with unit tangents (references, dimension) of the first rows.
        ``scored``: what will be observed; where that is cheaper on the way, the stretch has
        it, to the bit as ``observe`` gives it."""

    @property
    def aside(self) -> Stepper:
        """Another one that takes one step at a time, whose scratch memory is its own: for
        instruments that step while the block's orbit, which is scratch memory too, is still
        being looked at."""

    def observe(
        self, system: System, states: Tensor, known: Collection[str] = ()
    ) -> dict[str, Tensor]:
        """Observables (T, references) of states (T, references, dimension), under the system
        whose parameters are those of the references; those that are ``known`` from the way
        of a stretch may be left out."""


def padded(x: Tensor, rows: int) -> Tensor:
    """``x`` with its first row repeated below until it has ``rows`` rows.

    Batches of one fixed shape give each row the same bits in whatever company: the last
    elements of an odd-sized array go through other instructions than the rest.
    """
    missing = rows - x.shape[0]
    return x if missing == 0 else torch.cat([x, x[:1].expand(missing, *x.shape[1:])])


def parameter_mask(layout: tuple[Piece, ...]) -> np.ndarray:
    """Which entries of a state are parameters (not optimizer state): (dimension,) bool."""
    return np.concatenate([np.full(p.size, p.kind != "optimizer") for p in layout])


def perturbed_mask(layout: tuple[Piece, ...], which: str) -> np.ndarray:
    """Which entries a twin's perturbation moves: (dimension,) bool.

    ``which`` is "weights" (all parameters but biases; the paper's choice) or "all".
    """
    mask = parameter_mask(layout)
    if which == "weights":
        mask &= np.concatenate([np.full(p.size, p.kind != "bias") for p in layout])
    return mask
