"""Several tangents of each orbit, carried one step: DF(x)·Q for whole frames of vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tuichaos.systems.base import System
from tuichaos.systems.stepping import JACOBIAN_DIMENSION, GenericStepper, Stepper, jacobians

# Vectors (references, k, dimension) at the time t of an orbit → their images, same shape.
Push = Callable[[int, Tensor], Tensor]


def push(system: System, stepper: Stepper, orbit: Tensor, steps: int) -> Push:
    """How vectors are carried along states (T, references, dimension), one step at a time.

    Small systems by their Jacobians, made for ``steps`` times at once; others by the
    stepper, one reference at a time with its vectors as the tangents of a block, so that
    neither other references nor their number change a bit.
    """
    if orbit.shape[2] <= JACOBIAN_DIMENSION and isinstance(stepper, GenericStepper):
        matrices = jacobians(system, orbit[:steps])
        return lambda t, q: (matrices[t][:, None] * q[:, :, None, :]).sum(-1)
    stepper = stepper.aside
    own = torch.arange(orbit.shape[1], device=orbit.device)
    systems = [system.take(own[r : r + 1]) for r in range(orbit.shape[1])]

    def image(t: int, q: Tensor) -> Tensor:
        out = torch.empty_like(q)
        for r, part in enumerate(systems):
            x = orbit[t, r].expand(q.shape[1], -1)
            stretch = stepper.advance(part, x, 1, q[r])
            torch.mul(stretch.tangents, stretch.growth[0].exp()[:, None], out=out[r])
        return out

    return image
