"""Levels that instruments and charts share: where a distance, or a growth, tells something.

Apart from the instruments, so that a screen can know them before torch is loaded.
"""

from __future__ import annotations

import numpy as np

# The growth window: above the rounding floor of FLOOR_UNITS·u·S and below the growth limit,
# GROWTH_LIMIT·S, where S is the largest L1 norm so far and u the unit in the last place of 1.
FLOOR_UNITS = 100
GROWTH_LIMIT = 1e-3
MIN_POINTS = 3  # few, for a longer minimum would leave out the fastest twins

# A step that shrinks a unit vector below so many units tells only rounding.
COLLAPSE_UNITS = 4

# Nats that nearby orbits gain or lose over a quarter of the run: below, they neither part nor meet.
NEUTRAL_GAIN = 1.0

# Batch means: consecutive spans whose rates give the error of one orbit's exponent.
BATCHES = 20
T_975 = 2.093  # 97.5 % point of Student's t with BATCHES − 1 = 19 degrees of freedom


def batch_edges(start: int, end: int, every: int) -> np.ndarray:
    """The steps (≤ BATCHES + 1,) that bound the spans of batch means from ``start`` to ``end``:
    evenly spaced, at recorded steps (multiples of ``every``) where these are dense enough, so
    that a chart of recorded steps and the engine have the same spans."""
    spaced = np.linspace(start, end, BATCHES + 1)
    grain = every if end - start >= 2 * BATCHES * every else 1
    inner = np.round(spaced[1:-1] / grain) * grain
    return np.unique(np.concatenate([[start], inner, [end]]).astype(np.int64))
