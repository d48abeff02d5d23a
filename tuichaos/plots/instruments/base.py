"""What a chart of an instrument's own table needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from tuichaos.config.experiment import Experiment

ZERO = (("zero", 0.0),)  # a level of charts


class Tables(Protocol):
    """Whatever has tables: a kept run, or one that goes on."""

    @property
    def experiment(self) -> Experiment: ...

    @property
    def summary(self) -> Mapping[str, Any]: ...

    @property
    def time_step(self) -> float | None: ...

    def has(self, name: str) -> bool:
        """Whether that CSV was measured."""

    def table(self, name: str) -> dict[str, np.ndarray]:
        """Each column of an instrument's own CSV as (rows,)."""
