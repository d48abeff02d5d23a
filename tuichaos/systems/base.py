"""A System: a map over a batch of states, with what the instruments need to know of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.systems.layout import Piece

# Levels of function transforms (torch.func, forward-mode differentiation) are global in torch:
# one thread at a time, which may nest them.
TRANSFORMS = threading.RLock()


@dataclass(frozen=True)
class HiddenLayer:
    """What a hidden layer of a network says, and how steeply it would change.

    Attributes
    ----------
    output : Tensor
        Of its activation, (replicas, units, samples).
    slope : Tensor
        Derivative of its activation by its input, (replicas, units, samples).
    """

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

    Attributes
    ----------
    dimension : int
        Numbers of a state.

    Examples
    --------
    >>> import torch, tuichaos
    >>> class Tent(tuichaos.System):
    ...     dimension = 1
    ...
    ...     def step(self, x):
    ...         return torch.where(x < 0.3, x / 0.3, (1 - x) / 0.7)
    >>> x = torch.tensor([[0.15], [0.65]])  # (replicas, dimension)
    >>> Tent().step(x)
    tensor([[0.5000],
            [0.5000]])
    >>> Tent().tangent(x, torch.ones_like(x))
    tensor([[ 3.3333],
            [-1.4286]])
    """

    dimension: int

    def step(self, x: Tensor) -> Tensor:
        """Map states to the next states.

        Parameters
        ----------
        x : Tensor
            States (replicas, dimension), which must stay as they are.

        Returns
        -------
        Tensor
            (replicas, dimension), of the same dtype.
        """
        raise NotImplementedError

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """Map tangent vectors by the derivative of the step, DF(x)·v.

        Parameters
        ----------
        x : Tensor
            States (replicas, dimension).
        v : Tensor
            Tangent vectors (replicas, dimension).

        Returns
        -------
        Tensor
            (replicas, dimension).
        """
        with TRANSFORMS:
            return torch.func.jvp(self.step, (x,), (v,))[1]

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """Draw one initial state; the default is N(0, 1) for each number.

        Parameters
        ----------
        rng : numpy.random.Generator
            Of this reference alone.

        Returns
        -------
        ndarray
            (dimension,), finite.
        """
        return rng.standard_normal(self.dimension)

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        """Compute observables of states, which become columns of series.csv.

        Parameters
        ----------
        x : Tensor
            States (replicas, dimension).

        Returns
        -------
        Mapping of str to Tensor
            Each (replicas,). The default is the state itself, x0, x1, … up to x15.
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
        """Tell what the hidden units say to the training samples.

        Parameters
        ----------
        x : Tensor
            States (replicas, dimension).

        Returns
        -------
        list of HiddenLayer
            With tensors (replicas, units, samples); empty for a system without.
        """
        return []

    def output_spread(self, x: Tensor) -> Tensor:
        """Measure by how much the outputs of a network differ between training samples.

        Parameters
        ----------
        x : Tensor
            States (replicas, dimension).

        Returns
        -------
        Tensor
            (replicas,), in units of the range of its targets; ∞ for a system without.
        """
        return torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)

    def least_loss_of_alike(self, spread: float) -> float:
        """Bound the loss of a network from below where its outputs are alike.

        Parameters
        ----------
        spread : float
            What its ``output_spread`` is at most.

        Returns
        -------
        float
            In the unit of the loss; −∞ where no bound is known.
        """
        return -math.inf

    @property
    def time_step(self) -> float:
        """The time a step takes, 1 for a map; exponents are in nats per unit of time."""
        return 1.0

    @property
    def stable_sharpness(self) -> Tensor | None:
        """The largest eigenvalue of the Hessian of the loss at which a minimum is still stable.

        () or (references,): 2/η of gradient descent; of the preconditioned Hessian where an
        optimizer has a preconditioner. None where that is not known.
        """
        return None

    @property
    def preconditions(self) -> bool:
        """Whether there is a ``preconditioned`` Hessian."""
        return False

    def preconditioned(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        """Tell how an optimizer scales the Hessian H of the loss.

        Parameters
        ----------
        x : Tensor
            States (replicas, dimension), at the time of this system.

        Returns
        -------
        tuple of Tensor, optional
            P (replicas, parameters) and λ (replicas, 1): stability is a matter of
            P^(−1/2)·(H + λ)·P^(−1/2). None for an optimizer without a preconditioner, as by
            default.
        """
        return None

    def take(self, index: Tensor) -> System:
        """Give the system of a batch of which each row has the parameters of one reference.

        Parameters
        ----------
        index : Tensor
            (rows,): row k has the parameters of reference ``index[k]``.

        Returns
        -------
        System
            Of that batch.
        """
        return self

    def changed(self, parameters: Mapping[str, object]) -> System:
        """Give the same system with other values of some parameters, for changes while it runs.

        Parameters
        ----------
        parameters : Mapping of str to object
            New values by name.

        Returns
        -------
        System
            With these values.

        Raises
        ------
        InputError
            It has no parameter that can change while it runs, as by default.
        """
        raise InputError(f"{type(self).__name__} has no parameter that can change while it runs")

    def later(self, steps: int | Tensor) -> System:
        """Give the system as it is some steps later, for a map that depends on the time.

        Parameters
        ----------
        steps : int or Tensor
            From the time of this system on; (rows,) where each row is at another time.

        Returns
        -------
        System
            Whose ``step`` is the one of that time. The default, of a map that does not depend on
            the time, is this system itself.
        """
        return self

    @property
    def autonomous(self) -> bool:
        """Whether the map is the same at every step."""
        return True

    def to(self, device: torch.device, dtype: torch.dtype) -> System:
        """Give the same system with its constants elsewhere.

        Parameters
        ----------
        device : torch.device
            Where they are to be.
        dtype : torch.dtype
            Of their numbers.

        Returns
        -------
        System
            On that device, in that dtype.
        """
        return self

    def stepper_numbers(self, rows: int, references: int, steps: int) -> int:
        """Count the numbers that a stepper holds beside the states of its rows.

        Parameters
        ----------
        rows : int
            Replicas.
        references : int
            Of them, those with a tangent.
        steps : int
            Taken at once.

        Returns
        -------
        int
            Numbers, not bytes.
        """
        return 2 * (steps + 1) * rows * self.dimension

    def shared_numbers(self) -> int:
        """Count the numbers that all steppers share.

        Returns
        -------
        int
            Numbers, not bytes.
        """
        return 0

    def look_numbers(self, states: int) -> int:
        """Count the numbers that ``output_spread`` makes.

        Parameters
        ----------
        states : int
            How many it is asked for.

        Returns
        -------
        int
            Numbers, not bytes.
        """
        return 0

    @property
    def block_rows(self) -> int:
        """How many replicas one block should hold at most, for speed."""
        return 64
