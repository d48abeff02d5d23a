"""Several tangents of each orbit, carried one step: DF(x)·Q for whole frames of vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tuichaos.systems.base import System
from tuichaos.systems.generic_stepper import JACOBIAN_DIMENSION, GenericStepper, jacobians
from tuichaos.systems.stepper_protocol import Stepper

# Vectors (references, k, dimension) at the time t of an orbit → their images, same shape.
Push = Callable[[int, Tensor], Tensor]


def push(system: System, stepper: Stepper, orbit: Tensor, steps: int, vectors: int) -> Push:
    """How ``vectors`` of each reference are carried along states (T, references, dimension), one
    step at a time.

    Small systems by their Jacobians, made for ``steps`` times at once; others by the
    stepper, in blocks whose rows are vectors, each with its state: as in every block, what
    else is in it changes no bit.
    """
    if orbit.shape[2] <= JACOBIAN_DIMENSION and isinstance(stepper, GenericStepper):
        matrices = jacobians(system, orbit[:steps])
        return lambda t, q: (matrices[t][:, None] * q[:, :, None, :]).sum(-1)
    stepper, rows = stepper.aside, max(2, system.block_rows)
    whose = torch.arange(orbit.shape[1], device=orbit.device).repeat_interleave(vectors)
    parts = [(slice(k, k + rows), whose[k : k + rows]) for k in range(0, len(whose), rows)]
    blocks = [(place, part, system.take(part)) for place, part in parts]

    def image(t: int, q: Tensor) -> Tensor:
        out = torch.empty_like(q)
        flat, images = q.flatten(0, 1), out.view(-1, q.shape[2])
        for place, part, own in blocks:
            stretch = stepper.advance(own.later(t), orbit[t].index_select(0, part), 1, flat[place])
            torch.mul(stretch.tangents, stretch.growth[0].exp()[:, None], out=images[place])
        return out

    return image
