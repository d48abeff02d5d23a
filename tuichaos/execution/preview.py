"""The tables and numbers of a run that goes on: what its folder would hold if it ended now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuichaos.config.experiment import Experiment

Rows = tuple[list[str], list[list[Any]]]


@dataclass(frozen=True)
class Preview:
    """``rows``: file name → (columns, rows); ``summary`` as it would be written."""

    experiment: Experiment
    summary: Mapping[str, Any]
    rows: Mapping[str, Rows]
    time_step: float | None = None

    def has(self, name: str) -> bool:
        """Whether there is such a table."""
        return name in self.rows

    def table(self, name: str) -> dict[str, np.ndarray]:
        """Each column as (rows,), as ``Run.table`` reads it back; columns of words left out."""
        columns, rows = self.rows[name]
        first = rows[0] if rows else [0.0] * len(columns)
        found = {}
        for k, column in enumerate(columns):
            if not isinstance(first[k], str):
                values = np.array([row[k] for row in rows], dtype=np.float64)
                found[column] = np.where(np.isfinite(values), values, np.nan)
        return found
