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

# Twins that meet: a line through ln d that ends at the floor tells a rate only where it is one.
FALL = 3.0  # nats down to the floor from which on twins are taken to meet
BENT = 0.1  # of the slope: how far that at either end of a parabola may lie off
SURE = 0.05  # of the slope: its standard error at most

# A step that shrinks a unit vector below so many units tells only rounding.
COLLAPSE_UNITS = 4

# Nats that nearby orbits gain or lose over a quarter of the run: below, they neither part nor meet.
NEUTRAL_GAIN = 1.0

# Runs as long as the one that was made, within which what a verdict says must last.
AHEAD = 100.0

# Steps that a run has at least where a word on it is said: a quarter is then 16 steps, eight
# spans of two.
MIN_STEPS = 64

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


def is_line(
    n: np.ndarray,
    t: np.ndarray,
    y: np.ndarray,
    tt: np.ndarray,
    ty: np.ndarray,
    t3: np.ndarray,
    t4: np.ndarray,
    tty: np.ndarray,
    yy: np.ndarray,
) -> np.ndarray:
    """Whether points that are told by their sums lie along a line, so that its slope is a rate:
    its standard error is below SURE of it, and a parabola's slopes at both ends lie within
    BENT of it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = t / n, y / n
        s2, s3 = tt / n - a**2, t3 / n - 3 * a * tt / n + 2 * a**3
        s4 = t4 / n - 4 * a * t3 / n + 6 * a**2 * tt / n - 3 * a**4
        c1 = ty / n - a * b
        c2 = tty / n - 2 * a * ty / n + a**2 * b - s2 * b
        slope = c1 / s2
        rest = np.maximum(yy / n - b**2 - slope * c1, 0.0)
        error = np.sqrt(rest / np.maximum(n - 2, 1) / s2)
        curve = (c2 - slope * s3) / (s4 - s2**2 - s3**2 / s2)
        bend = np.abs(curve) * (n - 1)
        size = np.abs(slope)
        straight = (n < MIN_POINTS + 1) | (bend <= BENT * size)
        return (error <= SURE * size) & straight
