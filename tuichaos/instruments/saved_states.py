"""States of references and twins, saved as the run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuichaos.instruments.base import Instrument, RunContext
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.storage.saved_states import StatesFile
from tuichaos.systems.datasets import Dataset


class SavedStates(Instrument, kept_as="SavedStates"):
    """States of references and twins at the steps of ``record.states_every``, and at the end.

    Until they are perturbed the twins are their reference.
    """

    depends_on_steps = False
    not_kept = ("data", "file")

    def __init__(self, context: RunContext, data: Dataset | None, folder: Path) -> None:
        self.context = context
        self.data = data
        self.file = StatesFile(folder)

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        experiment = self.context.experiment
        kept = orbit.steps % experiment.record.states_every == 0
        kept = np.flatnonzero(kept | (orbit.steps == experiment.steps))
        index = torch.from_numpy(kept)
        states = orbit.states[index]
        twins = states[:, :, None].expand(-1, -1, experiment.ensemble.twins, -1)
        twins = twins if orbit.twins is None else orbit.twins[index]
        return {
            "state_steps": np.repeat(orbit.steps[kept, None], states.shape[1], axis=1),
            "states": states.cpu().numpy().copy(),
            "twins": twins.cpu().numpy().copy(),
        }

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        steps = frame["state_steps"][:, 0].astype(np.int64)
        if len(steps):
            self.file.append(steps, {"states": frame["states"], "twins": frame["twins"]})
        return {}

    def finish(self) -> None:
        """Write states.npz: what was recorded so far."""
        layout = np.array([str(piece) for piece in self.context.system.layout])
        fixed, data = {"layout": layout}, self.data
        if data is not None:
            fixed |= {"x": data.x, "y": data.y, "x_test": data.x_test, "y_test": data.y_test}
        self.file.finish(fixed)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "parts": self.file.sync(), "times": self.file.times}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.file.go_on(state["parts"], state["times"])
