"""The ensemble: initial states of references, perturbations of twins, first tangents.

Each draw is keyed by the seed and by what it is for (see rng.py), so it does not
depend on how many references or twins there are, nor on the order of the draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.common.rng import Purpose, generator
from tuichaos.config.experiment import Experiment
from tuichaos.systems.base import System
from tuichaos.systems.layout import Piece, perturbed_mask, second_moments


@dataclass(frozen=True)
class EnsembleDraws:
    """Where references start, how twins are moved and where tangents point first."""

    system: System
    seed: int
    references: int
    twins: int
    perturbation: float
    perturb: str
    perturb_at: int
    given: np.ndarray | None  # (references, dimension), or None to draw

    @property
    def moved(self) -> np.ndarray:
        """Which entries a perturbation moves: (dimension,) bool."""
        return perturbed_mask(self.system.layout, self.perturb)

    def start(self, reference: int) -> np.ndarray:
        """The initial state (dimension,) of one reference."""
        if self.given is not None:
            return self.given[reference]
        return self.system.start(generator(self.seed, Purpose.START, reference))

    def displacements(self, reference: int) -> np.ndarray:
        """What its twins are moved by, (twins, dimension): U(−ε, ε) in each moved entry; see
        ``displaced``."""
        moved = self.moved
        rows = np.zeros((self.twins, len(moved)))
        for twin in range(self.twins):
            rng = generator(self.seed, Purpose.TWIN, reference, twin)
            rows[twin, moved] = rng.uniform(-self.perturbation, self.perturbation, moved.sum())
        return rows

    def tangent(self, reference: int) -> np.ndarray:
        """The first tangent, a unit vector (dimension,), isotropic in the moved entries."""
        moved = self.moved
        v = np.zeros(len(moved))
        v[moved] = generator(self.seed, Purpose.TANGENT, reference).standard_normal(moved.sum())
        return v / np.linalg.norm(v)


def displaced(x: Tensor, moves: Tensor, layout: tuple[Piece, ...]) -> Tensor:
    """States x (…, dimension) moved: second moments v relatively, v·(1 + move), so that they stay
    above 0."""
    squares = second_moments(layout)
    if not squares.any():
        return x + moves
    return x + torch.where(torch.from_numpy(squares).to(x.device), x * moves, moves)


def draws(experiment: Experiment, system: System) -> EnsembleDraws:
    """The draws of an experiment; raises InputError where ``system.start`` does not fit, or there
    is nothing to move."""
    ensemble = experiment.ensemble
    moved = perturbed_mask(system.layout, ensemble.perturb)
    if not moved.any():
        raise InputError(
            f"ensemble.perturb: {ensemble.perturb!r} moves the state of an optimizer, "
            "and there is none"
        )
    if ensemble.twins and not ensemble.perturb_at and (moved & second_moments(system.layout)).any():
        raise InputError(
            "ensemble.perturb_at: second moments are 0 at step 0, and are moved relatively: "
            "let twins begin later, at step 1 or beyond"
        )
    return EnsembleDraws(
        system,
        experiment.seed,
        ensemble.references,
        ensemble.twins,
        ensemble.perturbation,
        ensemble.perturb,
        ensemble.perturb_at,
        _given(experiment.system.start, ensemble.references, system.dimension),
    )


def _given(start: list | None, references: int, dimension: int) -> np.ndarray | None:
    if start is None:
        return None
    rows = start if isinstance(start[0], list) else [start]
    if len(rows) != references and rows is start:
        raise InputError(f"system.start: {len(rows)} states for {references} references")
    for row in rows:
        if len(row) != dimension:
            raise InputError(f"system.start: {len(row)} numbers for a state of {dimension}")
    # One state for all is one in memory, however many they are.
    return np.broadcast_to(np.array(rows, dtype=np.float64), (references, dimension))
