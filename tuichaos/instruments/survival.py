"""Which references stay finite, and when the others leave. Divergence is data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.simulation.frames import Frame


class Survival(Instrument, kept_as="Survival"):
    """``diverged_at``: the first step at which a reference holds a number that is not finite."""

    depends_on_steps = False

    def __init__(self, context: RunContext) -> None:
        self.diverged_at = np.full(context.references, np.nan)

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        lost = ~frame["alive"]
        fresh = lost.any(axis=0) & np.isnan(self.diverged_at)
        first = frame.steps[np.argmax(lost, axis=0)]
        self.diverged_at[fresh] = first[fresh]
        return {}

    @property
    def count(self) -> int:
        """How many references have left so far."""
        return int(np.isfinite(self.diverged_at).sum())

    @property
    def first(self) -> int | None:
        """The step of the first that left."""
        return int(np.nanmin(self.diverged_at)) if self.count else None

    def findings(self) -> Findings:
        lost = self.diverged_at[np.isfinite(self.diverged_at)]
        when = {
            "first": int(lost.min()) if len(lost) else None,
            "median": float(np.median(lost)) if len(lost) else None,
            "last": int(lost.max()) if len(lost) else None,
        }
        return Findings(
            exponents={"diverged_at": self.diverged_at},
            summary={"diverged": len(lost), "diverged_at": when},
        )
