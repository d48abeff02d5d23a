"""How the exponent of twins depends on the size of the perturbation.

One twin for each size of ``measure.sizes``, moved along the direction of twin 0 (the draw is
the same, scaled), and read by the two estimators of twins: the growth window, which counts
everything, and the paper's best window with its filter. The paper's mean falls with the size
(arXiv 2404.05782, the table of section 4): the larger the perturbation, the shorter the
passage, and the more of it lies beyond the growth limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.instruments.growth import GrowthWindow, between_levels
from tuichaos.instruments.nmle import POINTS, BestWindows, best_windows
from tuichaos.instruments.statistics import mean_and_interval
from tuichaos.simulation.ensemble import displaced, draws
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.storage.checkpoint_encoding import kept
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.layout import parameter_mask
from tuichaos.systems.stepper_protocol import Stepper

REFERENCES = 4  # the first so many: sizes × 4 twins cost as much as a small ensemble
LEAST_UNITS = 4  # as for ensemble.perturbation: below, most entries would not move at all
CHUNK_STEPS = 64  # a call of the stepper
CHUNK_BYTES = 4_000_000  # of states in such a call
LEAST_SIZES = 3  # for a slope over sizes


@kept("Group")
@dataclass
class Group:
    """The twins of one block, (r, sizes, dimension), until nothing more is read from them."""

    not_kept: ClassVar[tuple[str, ...]] = ("stepper",)

    twins: Tensor
    chunk: int
    open: np.ndarray  # (r, sizes): still in the growth window
    scale: np.ndarray  # (r): the largest ‖x‖₁ so far
    done: bool = False
    stepper: Stepper | None = None  # made when it is first needed


class PerturbationSizes(Instrument, kept_as="PerturbationSizes"):
    """Per size and reference the exponent by growth window and by best window, L1 over
    parameters, nats per unit of time; empty where the window has too few points (the size
    is at the rounding floor or the growth limit) or where the reference diverged.

    Twins are followed until all have left their window, and for POINTS steps at least.
    Memory: POINTS distances of each twin, and CHUNK_BYTES of states.

    References
    ----------
    .. [1] Danovski, Soriano and Lacasa 2024, arXiv 2404.05782, the table of section 4: nMLE by
       size.
    """

    key = "sizes"
    depends_on_steps = False
    carries = True
    not_kept = ("_cached", "draws")

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.sizes = sorted(set(context.experiment.measure.sizes))
        least = LEAST_UNITS * context.unit
        if self.sizes[0] < least:
            raise InputError(
                f"measure.sizes: {self.sizes[0]:g} is too small for {context.experiment.dtype}: "
                f"twins need at least {least:.2g}"
            )
        if context.perturb_at >= context.steps:
            raise InputError(f"measure.sizes: ensemble.perturb_at must be below {context.steps}")
        self.references = min(REFERENCES, context.references)
        one = draws(context.experiment, context.system)
        self.draws = [replace(one, twins=1, perturbation=size) for size in self.sizes]
        self.mask = torch.from_numpy(parameter_mask(context.system.layout))
        self.groups: dict[int, Group] = {}
        shape = (self.references, len(self.sizes))
        self.window = GrowthWindow(shape, context.unit, context.time_step)
        self.parts: list[np.ndarray] = []
        self.read_to = -1
        self._cached: tuple[int, Findings] | None = None

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        times = len(orbit.steps)
        distances = np.full((times, own, len(self.sizes)), np.nan)
        scale = np.full((times, own), np.nan)
        if own:
            states = orbit.states[:, :own]
            scale = _numbers(self._parameters(states).abs().sum(-1))
            self._follow(orbit, states, distances, scale)
        return {"sizes": distances, "sizes.scale": scale}

    def _parameters(self, vectors: Tensor) -> Tensor:
        return vectors if self.mask.all() else vectors[..., self.mask.to(vectors.device)]

    def _follow(
        self, orbit: BlockOrbit, states: Tensor, distances: np.ndarray, scale: np.ndarray
    ) -> None:
        """Fill the distances (T, own, sizes) from the perturbation on."""
        group = self.groups.get(orbit.first)
        if group is None:
            group = self.groups[orbit.first] = self._group(orbit, states)
        begin = max(0, self.context.perturb_at - int(orbit.steps[0]))
        if group.done or begin >= len(states):
            group.scale = np.fmax.reduce(np.concatenate([group.scale[None], scale]))
            return
        if orbit.steps[begin] == self.context.perturb_at:
            own = range(orbit.first, orbit.first + states.shape[1])
            moves = [[d.displacements(i)[0] for d in self.draws] for i in own]
            moves = torch.tensor(np.array(moves), dtype=states.dtype, device=states.device)
            group.twins = displaced(states[begin][:, None], moves, orbit.system.layout)
        index = torch.arange(states.shape[1], device=states.device)
        system = orbit.system.take(index.repeat_interleave(len(self.sizes)))
        if group.stepper is None:
            rows = group.twins.shape[:2].numel()
            group.stepper = stepper_for(orbit.system, rows, group.chunk, states.device)
        for t in range(begin, len(states), group.chunk):
            steps = min(group.chunk, len(states) - t)
            rows = group.twins.flatten(0, 1)
            orbits = group.stepper.advance(system.later(t), rows, steps, None).orbit
            seen = orbits[:steps].unflatten(1, group.twins.shape[:2])
            apart = self._parameters(seen - states[t : t + steps, :, None])
            distances[t : t + steps] = _numbers(apart.abs_().sum(-1))
            group.twins = orbits[steps].clone().view_as(group.twins)
        self._note_end(group, orbit, distances[begin:], scale, begin)

    def _group(self, orbit: BlockOrbit, states: Tensor) -> Group:
        own, count = states.shape[1], len(self.sizes)
        rows = own * count
        chunk = CHUNK_BYTES // (16 * rows * states.shape[2])
        chunk = int(max(1, min(CHUNK_STEPS, chunk)))
        nothing = states.new_zeros(own, count, states.shape[2])
        return Group(nothing, chunk, np.ones((own, count), bool), np.zeros(own))

    def _note_end(
        self, group: Group, orbit: BlockOrbit, distances: np.ndarray, scale: np.ndarray, begin: int
    ) -> None:
        """Let go of twins of which nothing more will be read."""
        scale = np.fmax.accumulate(np.concatenate([group.scale[None], scale]))[1:]
        group.scale = scale[-1]
        within = between_levels(distances, scale[begin:, :, None], self.context.unit)
        group.open &= within.all(axis=0)
        seen = int(orbit.steps[-1]) - self.context.perturb_at + 1
        if seen >= POINTS and not group.open.any():
            group.done, group.twins = True, group.twins[:0]

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        since = frame.steps - self.context.perturb_at
        alive = frame["alive"][:, : self.references]
        self.window.take(since, frame["sizes"], frame["sizes.scale"], alive)
        wanted = (since >= 0) & (since < POINTS)
        if wanted.any():
            self.parts.append(frame["sizes"][wanted])
        self.read_to = int(frame.steps[-1])
        return {}

    def findings(self) -> Findings:
        if self._cached is None or self._cached[0] != self.read_to:
            self._cached = (self.read_to, self._findings())
        return self._cached[1]

    def _findings(self) -> Findings:
        growth = self.window.slopes()
        best = self._best(growth.shape)
        nmle = best.slope.reshape(growth.shape) / self.context.time_step
        kept = best.kept.reshape(growth.shape)
        r_squared = best.r_squared.reshape(growth.shape)
        rows = []
        for k, size in enumerate(self.sizes) if self.read_to >= self.context.perturb_at else ():
            for r in range(self.references):
                measured = np.isfinite(growth[r, k])
                length = int(self.window.lengths[r, k]) if measured else np.nan
                line = [growth[r, k], length, nmle[r, k], r_squared[r, k]]
                rows.append([size, r, *line, int(kept[r, k])])
        columns = ["perturbation", "reference", "growth", "length", "nmle", "r_squared", "kept"]
        summary = {"sizes": self._summary(growth, np.where(kept, nmle, np.nan))}
        return Findings(summary=summary, tables={"sizes.csv": (columns, rows)})

    def _best(self, shape: tuple[int, int]) -> BestWindows:
        if not self.parts:
            return BestWindows(*np.full((4, shape[0] * shape[1]), np.nan))
        points = np.concatenate(self.parts)
        self.parts = [points]
        return best_windows(points.reshape(len(points), -1))

    def _summary(self, growth: np.ndarray, kept: np.ndarray) -> dict[str, Any]:
        by_growth = [mean_and_interval(column) for column in growth.T]
        by_nmle = [mean_and_interval(column) for column in kept.T]
        slopes = per_decade(np.array(self.sizes), growth)
        decade = mean_and_interval(slopes)
        measured = int(np.isfinite(growth).any(axis=1).sum())
        return {
            "perturbations": self.sizes,
            "growth": [one["mean"] for one in by_growth],
            "growth_ci95": [one["ci95"] for one in by_growth],
            "counts": [one["count"] for one in by_growth],
            "nmle": [one["mean"] for one in by_nmle],
            "kept": [one["count"] for one in by_nmle],
            "per_decade": decade["mean"],
            "per_decade_ci95": decade["ci95"],
            "count": decade["count"],
            "total": self.references,
            "window": [self.context.perturb_at, max(self.read_to, self.context.perturb_at)],
            "reason": None if decade["count"] else self._why_none(measured),
        }

    def _why_none(self, measured: int) -> str:
        if self.read_to < self.context.perturb_at:
            return "the twins have not been moved yet (ensemble.perturb_at)"
        return (
            f"fewer than {LEAST_SIZES} of the sizes let a growth rate be read"
            if measured
            else "at no size do twins stay between rounding and the growth limit long enough"
        )


def per_decade(sizes: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Least-squares slopes (references,) of exponents (references, sizes) against log10 of the
    sizes; NaN with fewer than LEAST_SIZES numbers."""
    slopes = np.full(len(exponents), np.nan)
    for k, row in enumerate(exponents):
        good = np.isfinite(row)
        if good.sum() >= LEAST_SIZES:
            x = np.log10(sizes[good])
            x = x - x.mean()
            slopes[k] = (x * row[good]).sum() / (x * x).sum()
    return slopes


def _numbers(values: Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.float64)
