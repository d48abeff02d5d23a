"""A logistic map that takes more memory than a run of it should, in a worker process."""

from __future__ import annotations

import multiprocessing
import time

from tuichaos.systems.reference_registry import reference_system

MODEST = 3.0  # above it is hungry
PIECE, PIECES = 50_000_000, 60


def make(r: float):
    """The map at r; it takes 3 GB, in pieces, so that Dask sees it grow, or the end."""
    if r > MODEST and multiprocessing.parent_process() is not None:
        taken = []
        for _ in range(PIECES):
            taken.append(bytearray(b"x") * PIECE)
            time.sleep(0.05)
    return reference_system("logistic", {"r": r})
