"""What carries many orbits of a system along: what a stepper is, and what it gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.base import System


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
        those of the rows, and whose time that of the states), with unit tangents (references,
        dimension) of the first rows.
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
