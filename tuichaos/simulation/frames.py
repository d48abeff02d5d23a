"""What passes from the simulation to whoever measures: block orbits and frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.systems.base import System
from tuichaos.systems.stepper_protocol import Scored, Stepper


@dataclass(frozen=True)
class BlockOrbit:
    """What a probe sees: the orbits of one block over T steps. Scratch memory: copy to keep.

    The frames of a block come in order, one at a time.

    Attributes
    ----------
    first : int
        The number of the block's first reference, of r.
    steps : ndarray
        (T,).
    states : Tensor
        Of the references (T, r, dimension).
    twins : Tensor, optional
        (T, r, twins, dimension); None while the twins are still the references themselves.
    growth : Tensor, optional
        ln of the tangent's growth from each step to the next (T, r), in nats; NaN where the run
        ends, None without tangents.
    alive : Tensor
        Whether the reference is still finite (T, r).
    system : System
        With the parameters of these references, at the time of the first of the steps: at
        that of the k-th state it is ``system.later(k)``.
    stepper : Stepper
        That advances this block.
    found : Mapping of str to ndarray
        What the probes before have seen of it (T, r, …).
    scored : Scored, optional
        Observables of some steps, where the stepper found them on the way.
    """

    first: int
    steps: np.ndarray
    states: Tensor
    twins: Tensor | None
    growth: Tensor | None
    alive: Tensor
    system: System
    stepper: Stepper
    found: Mapping[str, np.ndarray]
    scored: Scored | None = None

    def observe(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the system's observables at some times.

        Parameters
        ----------
        times : ndarray
            Indices into ``steps``, (times,).

        Returns
        -------
        dict of str to ndarray
            Each (times, r).
        """
        if self.scored is None:
            return self._looked_at(times)
        inside = times < len(self.scored.at)
        known = inside & self.scored.at[np.where(inside, times, 0)]
        if not known.any():
            return self._looked_at(times)
        place = np.cumsum(self.scored.at)[times[known]] - 1
        early = {name: values.numpy()[place] for name, values in self.scored.values.items()}
        early |= self._looked_at(times[known], early.keys())
        if known.all():
            return early
        rest = self._looked_at(times[~known])
        return {name: _merged(known, early[name], rest[name]) for name in rest}

    def _looked_at(self, times: np.ndarray, known: Collection[str] = ()) -> dict[str, np.ndarray]:
        states = self.states[torch.from_numpy(times)]
        found = self.stepper.observe(self.system, states, known)
        return {name: values.cpu().numpy() for name, values in found.items()}


def _merged(first: np.ndarray, ours: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Rows (T, …): ``ours`` where ``first`` (T,), the others elsewhere."""
    found = np.empty((len(first), *ours.shape[1:]), ours.dtype)
    found[first], found[~first] = ours, others
    return found


# Which of some steps (T,) are observed, as booleans.
Observed = Callable[[np.ndarray], np.ndarray]
Probe = Callable[[BlockOrbit], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Frame:
    """What all probes saw over some steps; ``frame[name]`` is one of its arrays.

    Attributes
    ----------
    steps : ndarray
        (T,).
    values : Mapping of str to ndarray
        (T, references, …); one with fewer times than ``steps`` belongs to those its probe chose.
    """

    steps: np.ndarray
    values: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]
