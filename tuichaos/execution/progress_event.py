"""What watchers of a run are told: progress bars, screens, callers in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Progress:
    """What a watcher is told after each frame.

    ``columns``: what went to series.csv, (T, references) at the frame's ``steps`` (T,).
    """

    step: int
    total: int
    replica_steps: int
    total_replica_steps: int
    seconds: float
    diverged: int
    first_diverged: int | None
    steps: np.ndarray
    columns: Mapping[str, np.ndarray]
    time_step: float | None = None  # of the system, None where it is not known


Watcher = Callable[[Progress], object]
