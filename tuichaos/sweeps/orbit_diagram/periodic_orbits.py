"""Periodic orbits by Newton's method: where F^p(x) = x, and how stable they are.

The multipliers of a cycle of period p are the eigenvalues of DF^p(x), the product of the
Jacobians along it; it is stable while all lie inside the unit circle (Kuznetsov, Elements of
Applied Bifurcation Theory, ch. 4). A conserved quantity, or a whole curve of fixed points,
keeps multipliers at exactly 1: these are ``neutral`` and left out of the judgement, and
Newton's step is then the shortest one (least squares), which leaves such directions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.sweeps.orbit_diagram.parameter_family import Family
from tuichaos.systems.base import System

MAX_NEWTON = 30  # steps: it takes four to six, or does not converge
RESIDUAL = 1e-10  # of the size of the cycle: what F^p(x) − x may be, rounding of p steps and more
# Of a singular value of DF^p − 1: less is a neutral direction, which rounding leaves at 1e-14.
# A cycle this near to a fold is not found by these steps, and is not needed (see bifurcations).
SINGULAR = 1e-9
NEUTRAL = 1e-6  # a multiplier this near to 1 is neutral: no orbit settles at so slow a rate
SHORTER = 1e-6  # of its size: a cycle that returns so near after fewer steps is a shorter one
DIFFERENCE = 1e-6  # of the value: step of the central difference by the parameter


@dataclass(frozen=True)
class Cycle:
    """A cycle of period ``len(states)`` at a value: ``states`` (p, d), the matrix DF^p at the
    first of them, its eigenvalues, largest modulus first, without the neutral ones (as many
    as ``neutral``), and max |F^p(x) − x|."""

    value: float
    states: np.ndarray
    matrix: np.ndarray
    multipliers: np.ndarray
    neutral: int
    residual: float

    @property
    def period(self) -> int:
        return len(self.states)

    @property
    def x(self) -> np.ndarray:
        return self.states[0]

    @property
    def size(self) -> float:
        """The largest entry of its states: what is small is so beside it."""
        return max(float(np.abs(self.states).max()), 1e-12)

    @property
    def radius(self) -> float:
        """The largest modulus of its multipliers: stable below 1."""
        return float(np.abs(self.multipliers).max(initial=0.0))

    @property
    def leading(self) -> complex:
        """The multiplier of the largest modulus, of a pair the one above the real axis."""
        if not len(self.multipliers):
            return 0j
        first = complex(self.multipliers[0])
        return complex(first.real, abs(first.imag))

    def apart(self, other: Cycle) -> float:
        """The least distance (largest entry) of its first state from the states of another
        cycle, directions that are neutral to it left out."""
        gaps = other.states - self.x
        if self.neutral:
            _, _, rows = np.linalg.svd(self.matrix - np.eye(len(self.x)))
            loose = rows[len(rows) - self.neutral :]
            gaps = gaps - gaps @ loose.T @ loose
        return float(np.abs(gaps).max(axis=1).min())

    def same(self, other: Cycle) -> bool:
        """Whether another one at this value is the same, from whatever state it is begun."""
        return other.period == self.period and self.apart(other) <= SHORTER * self.size


class Cycles:
    """Finds the cycles of a family of systems."""

    def __init__(self, family: Family) -> None:
        self.family = family

    def orbit(self, values: Sequence[float], x: np.ndarray, steps: int) -> np.ndarray:
        """States (steps + 1, n, d) from states (n, d), each under its own value."""
        return _orbit(self._at(values), torch.from_numpy(x), steps).numpy()

    def find(
        self,
        values: Sequence[float],
        x: np.ndarray,
        period: int,
        neutral: Sequence[int | None] | None = None,
    ) -> list[Cycle | None]:
        """The cycle of that (least) period near each of states (n, d); None where Newton's
        method finds none. ``neutral``: how many multipliers are, where that is known."""
        system = self._at(values)
        x = torch.from_numpy(np.array(x, dtype=np.float64))
        neutral = neutral or [None] * len(x)
        best = np.full(len(x), np.inf)
        found: list[tuple[np.ndarray, np.ndarray] | None] = [None] * len(x)
        for _ in range(MAX_NEWTON):
            orbit = _orbit(system, x, period)
            matrices = _products(system, orbit[:-1])
            gap = (orbit[-1] - orbit[0]).numpy()
            sizes = np.abs(orbit.numpy()).max(axis=(0, 2), initial=1e-12)
            residual = np.abs(gap).max(axis=1)
            better = np.isfinite(matrices).all(axis=(1, 2)) & (residual < best)
            for k in np.flatnonzero(better):
                best[k] = residual[k]
                found[k] = (orbit[:-1, k].numpy(), matrices[k])
            # Once below the bound it goes on as long as it gains by half, to rounding.
            if not (better & ~(residual <= 1e-15 * sizes)).any():
                break
            step = _least_squares(matrices, gap)
            x = x + torch.from_numpy(np.where(better[:, None], step, np.nan))
        return [
            _cycle(value, *one, number, error) if one is not None else None
            for value, one, number, error in zip(values, found, neutral, best, strict=True)
        ]

    def slopes(self, cycles: Sequence[Cycle]) -> np.ndarray:
        """dx/dv (n, d) of cycles of one period along their branches."""
        values = np.array([cycle.value for cycle in cycles])
        x = np.stack([cycle.x for cycle in cycles])
        low, high = self._range
        h = DIFFERENCE * np.maximum(np.abs(values), high - low)
        sides = np.minimum(values + h, high), np.maximum(values - h, low)
        ends = [self.orbit(side.tolist(), x, cycles[0].period)[-1] for side in sides]
        by_value = (ends[0] - ends[1]) / (sides[0] - sides[1])[:, None]
        return _least_squares(np.stack([cycle.matrix for cycle in cycles]), by_value)

    def closing(
        self, values: Sequence[float], x: np.ndarray, period: int, neutral: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """F^p(x) − x (n, d) at states (n, d), and ∏(1 − μ) (n,) over the multipliers that are
        not neutral, which is 0 at a fold; NaN where a number is not finite."""
        system = self._at(values)
        orbit = _orbit(system, torch.from_numpy(np.array(x, dtype=np.float64)), period)
        matrices = _products(system, orbit[:-1])
        folding = np.full(len(matrices), np.nan)
        for k in np.flatnonzero(np.isfinite(matrices).all(axis=(1, 2))):
            factors = 1 - np.linalg.eigvals(matrices[k])
            rest = factors[np.argsort(np.abs(factors))[neutral:]]
            folding[k] = np.prod(rest).real
        return (orbit[-1] - orbit[0]).numpy(), folding

    @property
    def _range(self) -> tuple[float, float]:
        """The ends of the scan: beyond them the map may not be defined."""
        values = [point.values[0] for point in self.family.base.path]
        return float(min(values)), float(max(values))

    def _at(self, values: Sequence[float]) -> System:
        system = self.family.at_each([float(value) for value in values])
        return system.to(torch.device("cpu"), torch.float64)


def _orbit(system: System, x: Tensor, steps: int) -> Tensor:
    states = [x]
    for _ in range(steps):
        states.append(system.step(states[-1]))
    return torch.stack(states)


def _products(system: System, orbit: Tensor) -> np.ndarray:
    """DF^p (n, d, d) at the first of states (p, n, d): one jvp gives all Jacobians."""
    p, n, d = orbit.shape
    index = torch.arange(n).repeat(p * d)
    units = torch.eye(d, dtype=orbit.dtype).repeat_interleave(p * n, 0)
    columns = system.take(index).tangent(orbit.reshape(-1, d).repeat(d, 1), units)
    matrices = columns.reshape(d, p, n, d).permute(1, 2, 3, 0).numpy()
    product = matrices[0]
    with np.errstate(all="ignore"):
        for matrix in matrices[1:]:
            product = matrix @ product
    return product


def _least_squares(matrices: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """The shortest s (n, d) with (DF^p − 1)·s = −gap as nearly as can be; NaN where a number
    is not finite."""
    good = np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(gap).all(axis=1)
    step = np.full(gap.shape, np.nan)
    if good.any():
        inverse = np.linalg.pinv(matrices[good] - np.eye(gap.shape[1]), rcond=SINGULAR)
        step[good] = -(inverse @ gap[good][:, :, None])[:, :, 0]
    return step


def _cycle(
    value: float, states: np.ndarray, matrix: np.ndarray, neutral: int | None, residual: float
) -> Cycle | None:
    """The cycle of these states, None if they do not close or close earlier."""
    size = max(float(np.abs(states).max()), 1e-12)
    if not residual <= RESIDUAL * size:
        return None
    p = len(states)
    for q in range(1, p // 2 + 1):
        if p % q == 0 and np.abs(states[q] - states[0]).max() <= SHORTER * size:
            return None
    multipliers = np.linalg.eigvals(matrix)
    order = np.argsort(np.abs(multipliers - 1))
    if neutral is None:
        neutral = int((np.abs(multipliers - 1) < NEUTRAL).sum())
    rest = multipliers[order[neutral:]].astype(complex)
    rest = rest[np.argsort(-np.abs(rest), kind="stable")]
    return Cycle(float(value), states, matrix, rest, neutral, float(residual))
