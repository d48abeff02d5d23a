"""The noise-floor certificate of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class NoiseFloor:
    """The certificate: an unperturbed twin of reference 0, at the far end of the last block,
    must follow it bit for bit; ``lone``: so must the reference run in a block of its own."""

    largest: float = 0.0
    first_step: int | None = None
    steps: int = 0
    lone: bool = True

    @property
    def holds(self) -> bool:
        return self.first_step is None and self.lone

    def compare(self, start: int, reference: np.ndarray, witness: np.ndarray) -> None:
        """Take in the states (T, dimension) of both from step ``start`` on."""
        same = (reference == witness) | (np.isnan(reference) & np.isnan(witness))
        there = np.flatnonzero(np.isfinite(reference).all(axis=1))
        if len(there):  # what has diverged certifies nothing
            self.steps = start + int(there[-1])
        if same.all():
            return
        wrong = ~same.all(axis=1)
        if self.first_step is None:
            self.first_step = start + int(np.argmax(wrong))
        distance = np.abs(reference - witness)[wrong].sum(axis=1)
        self.largest = max(self.largest, float(np.nan_to_num(distance, nan=np.inf).max()))
