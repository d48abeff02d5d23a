"""Minibatches: which samples a step sees, known for any step without those before.

The draws of an epoch are keyed by the seed and the epoch, with ``noise = "own"`` also by the
reference: all that belongs to a reference, its twins, tangents and the witness of its bits,
sees the same batch, and a run goes on from any step.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from tuichaos.common.rng import Purpose, generator


@dataclass(frozen=True)
class Batches:
    """Batches of ``size`` of ``count`` samples.

    ``sampling``: ``shuffle``, each epoch a new order of all samples, whose last batch is short
    where the size does not divide the count, or left out (``drop_last``); ``independent``, each
    sample drawn by itself, with replacement. ``noise``: ``common``, all references see the same
    batches; ``own``, each its own.
    """

    seed: int
    count: int
    size: int
    sampling: str = "shuffle"
    drop_last: bool = False
    noise: str = "common"

    @property
    def steps_an_epoch(self) -> int:
        if self.sampling == "shuffle" and self.drop_last:
            return self.count // self.size
        return math.ceil(self.count / self.size)

    def length(self, step: int) -> int:
        """How many samples the batch of a step has."""
        if self.sampling == "independent" or self.drop_last:
            return self.size
        place = step % self.steps_an_epoch
        return min(self.size, self.count - place * self.size)

    def at(self, step: int, reference: int = 0) -> np.ndarray:
        """The samples (length,) that a step sees, by their numbers in the train part."""
        epoch, place = divmod(step, self.steps_an_epoch)
        key = (reference,) if self.noise == "own" else ()
        first = place * self.size
        return _epoch(self, epoch, key)[first : first + self.length(step)]


@functools.lru_cache(maxsize=4096)
def _epoch(batches: Batches, epoch: int, key: tuple[int, ...]) -> np.ndarray:
    """The samples of an epoch, in the order in which they are seen."""
    rng = generator(batches.seed, Purpose.BATCHES, epoch, *key)
    if batches.sampling == "shuffle":
        found = rng.permutation(batches.count)
    else:
        found = rng.integers(0, batches.count, batches.steps_an_epoch * batches.size)
    found.setflags(write=False)
    return found
