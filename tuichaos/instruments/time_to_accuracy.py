"""How many steps training takes until an accuracy is first reached (time to accuracy)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.instruments.base import Findings, Instrument, RunContext, every_of
from tuichaos.instruments.observables import looked_at, score_names
from tuichaos.instruments.statistics import median_interval
from tuichaos.simulation.frames import Frame

ACCURACY = 0.9  # unless another one is asked for


class TimeToAccuracy(Instrument, kept_as="Reach"):
    """The first step at which a reference's accuracy is at least ``accuracy``, on the train
    part and, where there is one, on the test part.

    Columns ``reach_train`` and ``reach_test`` (references,) of exponents.csv: steps counted
    from 0, the initial state; empty where it was never reached, also because the reference
    diverged. With ``every`` = N only every N-th state and the last one are looked at: a step
    that is told is then at most N − 1 too late, and a visit between two looks is not seen.
    That it was reached says nothing of whether the accuracy was kept.

    The median is that of all references, those that never reached it counted as later than
    any that did; so it exists only where more than half did.
    """

    key = "reach"
    depends_on_steps = False

    def __init__(self, context: RunContext) -> None:
        self.context = context
        switch = context.experiment.measure.reach
        self.scores = score_names(context.system)
        if not self.scores:
            raise InputError(
                "measure.reach: needs classes: this system has no accuracy that could be reached"
            )
        self.every = every_of(switch)
        given = switch.get("accuracy", ACCURACY) if isinstance(switch, Mapping) else ACCURACY
        self.accuracy = float(given)
        self.first = {name: np.full(context.references, np.nan) for name in self.scores}
        self.end = -1

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        at = np.flatnonzero(looked_at(frame.steps, self.every, self.context.steps))
        self.end = int(frame.steps[-1])
        for name, first in self.first.items():
            there = frame[name][at] >= self.accuracy  # NaN is not
            fresh = there.any(axis=0) & np.isnan(first)
            first[fresh] = frame.steps[at][np.argmax(there, axis=0)][fresh]
        return {}

    def findings(self) -> Findings:
        columns, summary = {}, {}
        for name, first in self.first.items():
            part = f"reach_{name.removesuffix('_score')}"
            columns[part] = first.copy()
            summary[part] = self._part(first)
        return Findings(exponents=columns, summary=summary)

    def _part(self, first: np.ndarray) -> dict[str, Any]:
        waits = np.where(np.isfinite(first), first, np.inf)
        middle = float(np.median(waits)) if self.end >= 0 else math.nan
        known = math.isfinite(middle)
        low, high = median_interval(waits) if known else (math.nan, math.nan)
        count = int(np.isfinite(first).sum())
        reason = None
        if not known:
            reason = f"{self.accuracy:g} was reached by {count} of {len(first)}: no median"
        return {
            "median": middle if known else math.nan,
            # An upper end that is never: null.
            "median_ci95": [low, high if math.isfinite(high) else math.nan]
            if math.isfinite(low)
            else None,
            "accuracy": self.accuracy,
            "every": self.every,
            "count": count,
            "total": len(first),
            "window": [0, max(0, self.end)],
            "reason": reason,
        }
