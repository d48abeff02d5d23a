"""The newest states of every reference, as a few numbers each: what periods are read from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Instrument, RunContext
from tuichaos.simulation.frames import BlockOrbit, Frame

COMPONENTS = 3
TAIL = 4096  # states that are kept: four times the longest period that is looked for
SLACK = 1.25  # how much longer the kept part may grow before it is cut
AT_ONCE = 200_000  # numbers of states that are projected at once
PURPOSE = (7, 2404)  # of the random directions: the same in every run, whatever its seed


class StateTail(Instrument, kept_as="StateTail"):
    """Keeps ``frame["state_tail"]`` (T, references, P) of the newest TAIL steps; no numbers of
    its own. Folded before those who read it.

    Of a system of at most COMPONENTS numbers it is the state itself; of a larger one COMPONENTS
    projections onto fixed Gaussian directions, optimizer state included. No two states of an
    orbit share them but by accident, so a cycle of the state is a cycle of them and the reverse,
    which a single observable (the loss, the phase of a drive) does not promise.
    """

    depends_on_steps = False

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.components = min(context.system.dimension, COMPONENTS)
        self._parts: list[np.ndarray] = []
        self.end = -1  # the last step that was seen

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        return {"state_tail": projected(orbit.states)}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        self._parts.append(frame["state_tail"])
        self.end = int(frame.steps[-1])
        if sum(map(len, self._parts)) > SLACK * TAIL:
            self._parts = [np.concatenate(self._parts)[-TAIL:]]
        return {}

    def newest(self, reference: int, count: int) -> np.ndarray:
        """(n, P), consecutive steps up to the last one, n at most ``count`` and TAIL."""
        if not self._parts:
            return np.empty((0, self.components))
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0][-min(count, TAIL) :, reference]


def projected(states: Tensor) -> np.ndarray:
    """States (T, r, dimension) along the fixed directions: (T, r, COMPONENTS), or the states
    themselves where they have no more numbers. Row by row sums, so that the numbers of a row do
    not depend on the others."""
    if states.shape[-1] <= COMPONENTS:
        return states.cpu().numpy().astype(np.float64)
    directions = np.random.Generator(np.random.PCG64(PURPOSE)).standard_normal(
        (COMPONENTS, states.shape[-1])
    )
    along = torch.from_numpy(directions).to(states.device, states.dtype)
    found = torch.empty((*states.shape[:2], COMPONENTS), dtype=states.dtype, device=states.device)
    size = max(1, AT_ONCE // states[0].numel())
    for first in range(0, len(states), size):  # a few steps at a time: no copy of all states
        some = states[first : first + size]
        for k in range(COMPONENTS):
            found[first : first + size, :, k] = (some * along[k]).sum(-1)
    return found.cpu().numpy().astype(np.float64)


def kept_bytes(asked: Asked) -> float:
    """Of the newest states of all references."""
    return 8 * asked.references * COMPONENTS * min(asked.steps + 1, SLACK * TAIL)
