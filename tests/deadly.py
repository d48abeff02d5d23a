"""A logistic map that kills the worker process it is made in: once, or without a marker always."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

from tuichaos.systems.reference_registry import reference_system

DEADLY = 3.3


def make(r: float, marker: str = ""):
    """The map at r; ``marker`` names a file that tells that it has killed."""
    if abs(r - DEADLY) < 1e-9 and multiprocessing.parent_process() is not None:
        dead = Path(marker) if marker else None
        if dead is None or not dead.exists():
            if dead is not None:
                dead.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return reference_system("logistic", {"r": r})
