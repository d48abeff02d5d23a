"""What watchers of a run are told: progress bars, screens, callers in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Progress:
    """What a watcher of a run is told after each frame.

    Attributes
    ----------
    step : int
        The newest step of the frame.
    total : int
        Steps of the run.
    replica_steps : int
        Steps of all replicas, references and twins, that this process has taken.
    total_replica_steps : int
        The same once the run is done.
    seconds : float
        Since this process began.
    diverged : int
        References that are not finite any more.
    first_diverged : int, optional
        The first step at which one was not; None while all are finite.
    steps : ndarray
        Steps of the frame (T,), of which those that are recorded have a row in series.csv.
    columns : Mapping of str to ndarray
        What went to series.csv, by column: (T, references), in its units.
    time_step : float, optional
        The time a step of the system takes; None where it is not known.
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
