"""Random numbers: every draw depends on the seed and on what it is for, never on order.

The generator of reference ``i`` and twin ``j`` is keyed by (seed, purpose, i, j), so five
references are the first five of five hundred, and more twins leave the others alone.
"""

from __future__ import annotations

import enum

import numpy as np


class Purpose(enum.IntEnum):
    """What a stream of random numbers is for; the numbers are part of the file format."""

    DATA = 0
    SPLIT = 1
    START = 2
    TWIN = 3
    TANGENT = 4
    BOOTSTRAP = 5
    SPECTRUM = 6
    SHUFFLE = 20
    ZERO_ONE = 21
    ROUNDING = 17
    SHARPNESS = 12
    NUDGE = 40
    BATCHES = 50


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """A NumPy generator for one purpose and index (reference, twin, …) under one seed."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), *index))
    return np.random.Generator(np.random.PCG64(sequence))
