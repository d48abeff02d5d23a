"""What is kept of the end of an orbit: the last values of an observable, and whole states."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from tuichaos.instruments.base import Instrument, RunContext
from tuichaos.instruments.period import period
from tuichaos.instruments.state_tail import projected
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.sweeps.orbit_diagram.observable import Observable

MAX_ENDS = 16  # numbers of a state: only smaller systems have their cycles refined


class LastValues(Instrument, kept_as="LastValues"):
    """An observable at the ``last`` newest states of a run of ``context.steps`` steps, the period
    of those states, and the very last state of a small system.

    ``values`` (last, references), ``ends`` (references, dimension), which is empty for systems
    of more than MAX_ENDS numbers; NaN where one has diverged.
    """

    def __init__(self, context: RunContext, observable: Observable, last: int) -> None:
        self.context = context
        self.observable = observable
        self.last = last
        self.keeps_ends = context.system.dimension <= MAX_ENDS
        self.ends = np.empty((context.references, 0))
        self._parts: list[np.ndarray] = []
        self._states: list[np.ndarray] = []  # numbers of the whole states, see StateTail

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        found = {}
        late = np.flatnonzero(orbit.steps > self.context.steps - self.last)
        if len(late):
            found["drawn"] = self._at(orbit, late)
            states = projected(orbit.states[torch.from_numpy(late)])
            found["drawn.states"] = np.where(np.isnan(found["drawn"])[:, :, None], np.nan, states)
        if orbit.steps[-1] == self.context.steps and self.keeps_ends:
            found["drawn.end"] = orbit.states[-1:].cpu().numpy().astype(np.float64)
        return found

    def _at(self, orbit: BlockOrbit, times: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):
            values = self.observable(orbit, times).astype(np.float64)
        known = orbit.alive.cpu().numpy()[times] & np.isfinite(values)
        return np.where(known, values, np.nan)

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        if "drawn" in frame.values:
            self._parts.append(frame["drawn"])
            self._states.append(frame["drawn.states"])
        if "drawn.end" in frame.values:
            self.ends = frame["drawn.end"][0]
        return {}

    @property
    def values(self) -> np.ndarray:
        return np.concatenate(self._parts or [np.empty((0, self.context.references))])

    def periods(self) -> list[int | None]:
        """The period of the kept states of each reference (see ``period``): the observable that
        is drawn may repeat sooner."""
        if not self._states:
            return [None] * self.context.references
        states = np.concatenate(self._states)
        return [period(states[:, k], unit=self.context.unit) for k in range(states.shape[1])]


class KeptStates(Instrument, kept_as="KeptStates"):
    """The parameters of each reference at up to ``most`` evenly chosen ones of its ``last``
    newest states: ``states`` (n, dimension), those that are finite."""

    def __init__(self, context: RunContext, kept: np.ndarray, last: int, most: int) -> None:
        self.kept = torch.from_numpy(kept)
        chosen = np.linspace(context.steps - last + 1, context.steps, min(last, most))
        self.times = np.unique(chosen.round().astype(np.int64))
        self._parts: list[np.ndarray] = []

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        times = np.flatnonzero(np.isin(orbit.steps, self.times))
        if not len(times):
            return {}
        states = orbit.states[torch.from_numpy(times)].cpu()[:, :, self.kept]
        return {"kept.states": states.numpy().astype(np.float64)}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        if "kept.states" in frame.values:
            self._parts.append(frame["kept.states"])
        return {}

    @property
    def states(self) -> np.ndarray:
        whole = np.concatenate(self._parts)
        rows = whole.transpose(1, 0, 2).reshape(-1, whole.shape[2])
        return rows[np.isfinite(rows).all(axis=1)]
