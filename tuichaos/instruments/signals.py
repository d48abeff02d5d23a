"""The scalar series that several instruments read: the loss at every step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuichaos.instruments.base import Instrument, RunContext
from tuichaos.instruments.observables import signal_name
from tuichaos.simulation.frames import Frame

MAX_STEPS = 200_000  # that are kept, the newest ones
REFERENCES = 4  # that are analysed unless more are asked for


class Signals(Instrument, kept_as="Signals"):
    """Keeps ``frame["signal"]`` of the first references; no numbers of its own.

    ``series(n)`` gives their newest MAX_STEPS values. Folded before those who read it.
    """

    depends_on_steps = False
    needs_signal = True

    def __init__(self, context: RunContext, references: int) -> None:
        self.context = context
        self.name = signal_name(context.system)
        self.references = min(references, context.references)
        self._parts: list[np.ndarray] = []
        self.end = -1  # the last step that was seen

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        self._parts.append(frame["signal"][:, : self.references].copy())
        self.end = int(frame.steps[-1])
        if sum(map(len, self._parts)) > 2 * MAX_STEPS:
            self._parts = [np.concatenate(self._parts)[-MAX_STEPS:]]
        return {}

    @property
    def start(self) -> int:
        """The step of the first value of ``series``."""
        return self.end + 1 - len(self.series(1))

    def series(self, references: int) -> np.ndarray:
        """(T, references), consecutive steps, NaN from where a reference has diverged."""
        if not self._parts:
            return np.empty((0, min(references, self.references)))
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0][-MAX_STEPS:, :references]
