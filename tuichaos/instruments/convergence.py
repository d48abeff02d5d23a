"""Whether training converged: the losses at the end against the first one.

The measure of Sohl-Dickstein (arXiv 2402.06184, section 3): a run counts as converged if the
mean of its last losses is below its first loss, and as diverged otherwise, which includes every
run that did not stay finite.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.statistics import median
from tuichaos.simulation.frames import BlockOrbit, Frame

LAST = 20  # losses that are averaged, as in the source


class Convergence(Instrument, kept_as="Convergence"):
    """Mean of the last losses (of the states at the last LAST steps) over the first loss.

    Columns of exponents.csv: ``convergence`` (the ratio; empty where the loss did not stay
    finite), ``converged`` (1 below a ratio of 1, else 0; empty before the end of the run) and
    ``late_loss`` (the mean of the last losses, not the last one).

    References
    ----------
    .. [1] Sohl-Dickstein 2024, arXiv 2402.06184, section 3: the measure.
    """

    key = "convergence"

    def __init__(self, context: RunContext) -> None:
        if "loss" not in context.system.observables:
            raise InputError("measure.convergence: this system has no loss")
        self.context = context
        self.last = option(context.experiment.measure.convergence, "last", LAST)
        if self.last > context.steps:
            raise InputError(
                f"measure.convergence: last = {self.last} losses need steps of at least as many"
            )
        self.first = np.full(context.references, np.nan)
        self.late: list[np.ndarray] = []

    def _wanted(self, steps: np.ndarray) -> np.ndarray:
        return np.flatnonzero((steps == 0) | (steps > self.context.steps - self.last))

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        times = self._wanted(orbit.steps)
        return {"end_loss": orbit.observe(times)["loss"]} if len(times) else {}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        for step, row in zip(
            frame.steps[self._wanted(frame.steps)], frame.values.get("end_loss", ()), strict=True
        ):
            if step == 0:
                self.first = row.astype(np.float64)
            else:
                self.late.append(row.astype(np.float64))
        return {}

    def findings(self) -> Findings:
        complete = len(self.late) == self.last
        final = np.full(self.context.references, np.nan)
        if complete:
            with np.errstate(invalid="ignore", over="ignore"):
                # One by one, so that no number depends on how many references there are.
                final = np.add.accumulate(np.stack(self.late))[-1] / self.last
                ratio = final / self.first
            final = np.where(np.isfinite(final), final, np.nan)
        else:
            ratio = np.full(self.context.references, np.nan)
        ratio = np.where(np.isfinite(ratio), ratio, np.nan)
        converged = np.where(ratio < 1, 1.0, 0.0) if complete else np.full(len(ratio), np.nan)
        count = int(np.isfinite(ratio).sum())
        part = {
            "ratio_median": median(ratio),
            "converged": int(converged.sum()) if complete else None,
            "count": count,
            "total": len(ratio),
            "window": [self.context.steps + 1 - self.last, self.context.steps]
            if complete
            else None,
            "reason": None
            if count
            else "the loss did not stay finite"
            if complete
            else "the run has not reached its last step",
        }
        return Findings(
            exponents={"convergence": ratio, "converged": converged, "late_loss": final},
            summary={"convergence": part},
        )


def kept_bytes(asked: Asked) -> float:
    """Of the late losses of all references."""
    return 8 * asked.references * asked.option("last", LAST, asked.steps)
