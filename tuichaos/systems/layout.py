"""The layout of a state vector: its named pieces, and which of its entries are what."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# What torch.optim calls means of squared gradients.
SECOND_MOMENTS = ("exp_avg_sq.", "square_avg.")


@dataclass(frozen=True)
class Piece:
    """One named part of a state vector, for example ``layers.0.weight (10, 4)``.

    Parameters
    ----------
    name : str
        As PyTorch names it.
    shape : tuple of int
        Its numbers stand in the state in C order.
    kind : str
        ``weight``, ``bias`` or ``parameter``; ``optimizer`` for velocities.

    Examples
    --------
    >>> import tuichaos
    >>> piece = tuichaos.Piece("layers.0.weight", (10, 4), "weight")
    >>> piece.size, piece.layer
    (40, 0)
    """

    name: str
    shape: tuple[int, ...]
    kind: str = "parameter"  # "weight", "bias" or "parameter"; "optimizer" for velocities

    @property
    def size(self) -> int:
        """How many numbers of the state it takes."""
        return math.prod(self.shape)

    @property
    def layer(self) -> int:
        """The number of the linear layer that a weight or bias belongs to."""
        return int(self.name.split(".")[-2])

    @property
    def is_second_moment(self) -> bool:
        """Whether it holds means of squared gradients of an optimizer."""
        return self.kind == "optimizer" and self.name.startswith(SECOND_MOMENTS)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.shape))})"


def spans(layout: tuple[Piece, ...]) -> list[tuple[Piece, slice]]:
    """Each piece with the slice of the state vector that holds it."""
    found, offset = [], 0
    for piece in layout:
        found.append((piece, slice(offset, offset + piece.size)))
        offset += piece.size
    return found


def parameter_mask(layout: tuple[Piece, ...]) -> np.ndarray:
    """Which entries of a state are parameters (not optimizer state): (dimension,) bool."""
    return np.concatenate([np.full(p.size, p.kind != "optimizer") for p in layout])


def perturbed_mask(layout: tuple[Piece, ...], which: str) -> np.ndarray:
    """Which entries a twin's perturbation moves: (dimension,) bool.

    ``which`` is "weights" (all parameters but biases; the paper's choice), "all" parameters,
    "state" (of the optimizer alone) or "everything".
    """
    parameters = parameter_mask(layout)
    if which == "state":
        return ~parameters
    if which == "everything":
        return np.ones_like(parameters)
    if which == "weights":
        return parameters & np.concatenate([np.full(p.size, p.kind != "bias") for p in layout])
    return parameters


def second_moments(layout: tuple[Piece, ...]) -> np.ndarray:
    """Which entries are means of squares, and never below 0: (dimension,) bool."""
    return np.concatenate([np.full(p.size, p.is_second_moment) for p in layout])
