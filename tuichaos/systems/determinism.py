"""Whether a user's map is one: the same states go to the same states, each row on its own.

Exponents, twins and verdicts mean nothing otherwise: a map that draws random numbers, that
depends on a time it keeps to itself, or whose rows see each other is found before it runs.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.base import System

ROWS = 5  # states that are looked at side by side
STEPS = 16  # along their orbits
SEED = 0
# A row may round otherwise beside others; units in the last place of the largest number there.
ROUNDING_UNITS = 1e4


def nondeterminism(system: System) -> str:
    """What was seen of a map that is not a deterministic map of single states; "" for one where
    nothing was. Steps the system: give it one that is not used afterwards.
    """
    rng = np.random.default_rng(SEED)
    starts = [np.asarray(system.start(rng), dtype=np.float64) for _ in range(ROWS)]
    orbit = [torch.from_numpy(np.stack(starts))]
    for _ in range(STEPS):
        ahead = system.step(orbit[-1])
        if not torch.isfinite(ahead).all():
            break
        orbit.append(ahead)
    for x, ahead in itertools.pairwise(orbit):
        if not torch.equal(system.step(x), ahead):
            return (
                "two calls of step on the same states differ: it is random, or depends on a time "
                "of its own"
            )
    for x, ahead in itertools.pairwise(orbit):
        for row in range(ROWS):
            if not _close(system.step(x[row].repeat(2, 1))[0], ahead[row]):
                return f"row {row} of step depends on the rows beside it"
    return ""


def _close(a: Tensor, b: Tensor) -> bool:
    unit = torch.finfo(b.dtype).eps
    return bool((a - b).abs().max() <= ROUNDING_UNITS * unit * max(1.0, float(b.abs().max())))
