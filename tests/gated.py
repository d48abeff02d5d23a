"""A logistic map that a worker process makes only once a gate is open: a file that is there. So
a test acts in the middle of a sweep, however fast or busy the machine is."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from waiting import wait_for

from tuichaos.systems.reference_registry import reference_system

BEHIND = 3.5  # the gate are larger values


def make(r: float, gate: str = ""):
    """The map at r; ``gate`` names the file."""
    if gate and r > BEHIND and multiprocessing.parent_process() is not None:
        wait_for(Path(gate).exists)
    return reference_system("logistic", {"r": r})
