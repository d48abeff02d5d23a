"""The newest states of the first references, for instruments that need whole states."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Instrument, RunContext
from tuichaos.instruments.series_window import MAX_NEWEST
from tuichaos.simulation.frames import BlockOrbit, Frame

BYTES = 8_000_000  # of states that are kept of one reference
LEAST = 50  # states; fewer would tell nothing, and none are kept


class Memory(Instrument, kept_as="Memory"):
    """Keeps the newest ``capacity`` states of the first references in a ring; no numbers of
    its own. At most BYTES a reference, however long the run: MAX_NEWEST states of up to 200
    numbers, fewer of larger ones, none above 20 000. The ring's size does not depend on how
    many references there are, so neither do the numbers made of it.
    """

    def __init__(self, context: RunContext, references: int) -> None:
        self.references = min(references, context.references)
        self.dimension = context.system.dimension
        capacity = min(BYTES // (8 * self.dimension), MAX_NEWEST, context.steps + 1)
        small = BYTES // (8 * self.dimension) < LEAST
        self.capacity = 0 if small else capacity
        self.end = -1  # the last step that was seen
        self._ring = np.empty((self.capacity, self.references, self.dimension))

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        if not self.capacity:
            return {}
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        newest = orbit.states[-self.capacity :, :own]
        return {"newest_states": newest.cpu().numpy().astype(np.float64)}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        self.end = int(frame.steps[-1])
        if self.capacity:
            states = frame["newest_states"]
            self._ring[frame.steps[-len(states) :] % self.capacity] = states
        return {}

    def states(self, reference: int, start: int) -> tuple[int, np.ndarray]:
        """The first step and the states (T, dimension) of a reference from step ``start`` to
        the last one, as far back as they are kept."""
        first = max(0, start, self.end + 1 - self.capacity)
        steps = np.arange(first, self.end + 1) if self.capacity else np.empty(0, dtype=int)
        return first, self._ring[steps % max(self.capacity, 1), reference]


def kept_bytes(asked: Asked) -> float:
    """Of the states that an instrument of the whole state looks at."""
    first = asked.option("references", 4, asked.references)
    return first * min(BYTES, 8 * asked.dimension * min(MAX_NEWEST, asked.steps + 1))
