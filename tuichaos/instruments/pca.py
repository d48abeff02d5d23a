"""Principal components of an orbit: the plane it lies in best, and how far off it is.

The states of a reference at evenly spaced steps, centred, as U·S·Vᵀ: the rows of Vᵀ are the
components, S_i²/ΣS² the share of the variance each explains (Pearson 1901, Phil. Mag. 2,
559–572; Jolliffe, Principal Component Analysis, ch. 3). Twins are shown in the plane of
their reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tuichaos.common.devices import repeatable
from tuichaos.common.errors import InputError
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.signals import REFERENCES
from tuichaos.instruments.statistics import mean_and_interval
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.base import parameter_mask

COMPONENTS = 2
POINTS = 400  # of the orbit, more than a chart has columns
LEAST_POINTS = 3  # two points always lie on a line
MAX_BYTES = 256_000_000  # of states kept of one reference and its twins
ROUNDING = 100  # units in the last place of the largest entry: less is no motion
REFERENCE = -1  # its number in the column ``twin``; twins count from 0


@dataclass(frozen=True)
class PrincipalComponents:
    """``mean`` (n,), ``components`` (k, n) of length 1, or 0 where the orbit has no such
    direction, and the share of the variance each ``explained`` (k,)."""

    mean: np.ndarray
    components: np.ndarray
    explained: np.ndarray

    def place(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates (T, k) of states (T, n), and their distance (T,) from the plane of the
        first two components, in L2."""
        centred = states - self.mean
        places = np.einsum("tn,kn->tk", centred, self.components)
        rest = centred - np.einsum("tk,kn->tn", places[:, :2], self.components[:2])
        return places, np.sqrt((rest * rest).sum(axis=1))


def principal(
    states: np.ndarray, count: int, unit: float = np.finfo(float).eps
) -> PrincipalComponents | None:
    """The first ``count`` principal components of states (T, n), signed so that the entry of
    each that is largest in size is positive; None where nothing moves beyond rounding
    (ROUNDING·``unit`` of the largest entry).

    A component whose singular value is below rounding is 0 and explains 0: its direction
    would be an accident.
    """
    floor = ROUNDING * unit * np.abs(states).max()
    if np.ptp(states, axis=0).max() <= floor:
        return None
    mean = states.mean(axis=0)
    with repeatable(torch.device("cpu")):  # one thread: the bits do not depend on how many
        centred = torch.from_numpy(states - mean)
        _, values, rows = (x.numpy() for x in torch.linalg.svd(centred, full_matrices=False))
    variance = values * values
    components = np.zeros((count, states.shape[1]))
    found = rows[:count]
    largest = np.abs(found).argmax(axis=1)
    signs = np.sign(found[np.arange(len(found)), largest])
    kept = values[:count] > floor * np.sqrt(len(states))
    components[: len(found)] = np.where(kept[:, None], signs[:, None] * found, 0.0)
    explained = np.zeros(count)
    explained[: len(found)] = np.where(kept, variance[:count] / variance.sum(), 0.0)
    return PrincipalComponents(mean, components, explained)


class PCA(Instrument, kept_as="Projection"):
    """The first references at up to ``points`` evenly spaced steps, in the plane of their own
    first two components, with the distance off that plane; their twins from the perturbation
    on in the same plane; and the loss of each (empty for a system without one).

    Parameters only. An orbit that diverged, or does not move, has no components. Keeps
    points · (1 + twins) · parameters numbers a reference, InputError above MAX_BYTES: 400
    points of 6 orbits of 83 numbers are 1.6 MB, whatever the number of steps. Probe arrays:
    ``projection`` (points of the frame, r, 1 + twins, n), ``projection.loss`` without n.

    References
    ----------
    .. [1] Pearson 1901, Phil. Mag. 2, 559–572: the plane.
    .. [2] Jolliffe, Principal Component Analysis, ch. 3: S_i²/ΣS².
    """

    key = "projection"
    not_kept = ("_cache",)

    def __init__(self, context: RunContext) -> None:
        switch = context.experiment.measure.projection
        self.context = context
        self.count = option(switch, "components", COMPONENTS)
        self.references = min(option(switch, "references", REFERENCES), context.references)
        self.index = np.flatnonzero(parameter_mask(context.system.layout))
        self.twins = context.experiment.ensemble.twins
        self._check(option(switch, "points", POINTS))
        points = np.linspace(0, context.steps, option(switch, "points", POINTS))
        self.times = np.unique(points.round().astype(np.int64))
        self.has_loss = "loss" in context.system.observables
        self.states: list[np.ndarray] = []
        self.losses: list[np.ndarray] = []
        self.seen = 0
        self._cache: tuple[int, Findings] | None = None

    def _check(self, points: int) -> None:
        size = len(self.index)
        if self.count < 2:
            raise InputError("measure.projection: a plane has 2 components at least, not 1")
        if self.count > size:
            raise InputError(
                f"measure.projection: {self.count} components of a state of "
                f"{size} number{'s' * (size > 1)}"
            )
        need = 8 * points * (1 + self.twins) * size
        if need > MAX_BYTES:
            raise InputError(
                f"measure.projection: {points} points of {1 + self.twins} orbits of {size:,} "
                f"numbers need {need / 1e6:,.0f} MB a reference; at most {MAX_BYTES // 10**6}"
            )

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        steps = self.times[(self.times >= orbit.steps[0]) & (self.times <= orbit.steps[-1])]
        at = torch.from_numpy(steps - orbit.steps[0])
        full = np.full((len(at), own, 1 + self.twins, len(self.index)), np.nan)
        loss = np.full(full.shape[:3], np.nan)
        if not full.size:
            return {"projection": full, "projection.loss": loss}
        rows = torch.arange(own, device=orbit.states.device)
        full[:, :, 0], loss[:, :, 0] = self._seen(orbit, orbit.states[at, :own], rows)
        if orbit.twins is not None:
            twins = orbit.twins[at, :own].flatten(1, 2)
            rows = rows.repeat_interleave(self.twins)
            states, losses = self._seen(orbit, twins, rows)
            full[:, :, 1:] = states.reshape(full[:, :, 1:].shape)
            loss[:, :, 1:] = losses.reshape(loss[:, :, 1:].shape)
        return {"projection": full, "projection.loss": loss}

    def _seen(
        self, orbit: BlockOrbit, states: torch.Tensor, rows: torch.Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Parameters (T, rows, n) and losses (T, rows) of states whose row k is of reference
        ``rows[k]`` of the block."""
        loss = np.full(states.shape[:2], np.nan)
        if self.has_loss:
            found = orbit.stepper.observe(orbit.system.take(rows), states)["loss"]
            loss = found.cpu().numpy().astype(np.float64)
            loss[~np.isfinite(loss)] = np.nan
        return states.cpu().numpy().astype(np.float64)[..., self.index], loss

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        self.states.append(frame["projection"])
        self.losses.append(frame["projection.loss"])
        self.seen += len(frame["projection"])
        return {}

    def findings(self) -> Findings:
        if self._cache is None or self._cache[0] != self.seen:
            self._cache = (self.seen, self._found())
        return self._cache[1]

    def _found(self) -> Findings:
        shape = (0, self.references, 1 + self.twins)
        states = np.concatenate([np.empty((*shape, len(self.index))), *self.states])
        losses = np.concatenate([np.empty(shape), *self.losses])
        planes = [self._plane(states[:, r, 0]) for r in range(self.references)]
        rows: list[list[Any]] = []
        off = np.full((2, self.references), np.nan)
        for r, plane in enumerate(planes):
            if plane is not None:
                off[:, r] = self._place(r, plane, states[:, r], losses[:, r], rows)
        explained = np.array(
            [np.full(self.count, np.nan) if p is None else p.explained for p in planes]
        )
        shares = [
            [r, k + 1, explained[r, k]] for r in range(self.references) for k in range(self.count)
        ]
        places = [f"pc{k + 1}" for k in range(self.count)]
        heads = ["reference", "twin", "step", *places, "off_plane", "loss"]
        return Findings(
            summary={"projection": self._summary(states[:, :, 0], explained, off)},
            tables={
                "projection.csv": (heads, rows),
                "projection-components.csv": (["reference", "component", "explained"], shares),
            },
        )

    def _plane(self, states: np.ndarray) -> PrincipalComponents | None:
        if len(states) < LEAST_POINTS or not np.isfinite(states).all():
            return None
        return principal(states, self.count, self.context.unit)

    def _place(
        self,
        reference: int,
        plane: PrincipalComponents,
        states: np.ndarray,
        losses: np.ndarray,
        rows: list,
    ) -> tuple[float, float]:
        """Add the rows of a reference and its twins; returns how far they are off the plane
        (root mean square): of the reference, and of its twins together."""
        squares = []
        for orbit in range(states.shape[1]):
            places, off = plane.place(states[:, orbit])
            there = np.isfinite(off)
            for k in np.flatnonzero(there):
                step = int(self.times[k])
                rows.append([reference, orbit - 1, step, *places[k], off[k], losses[k, orbit]])
            squares.append(off[there] ** 2)
        twins = np.concatenate([np.empty(0), *squares[1:]])
        return np.sqrt(squares[0].mean()), np.sqrt(twins.mean()) if len(twins) else np.nan

    def _summary(
        self, states: np.ndarray, explained: np.ndarray, off: np.ndarray
    ) -> dict[str, Any]:
        good = np.isfinite(explained[:, 0])
        plane = mean_and_interval(explained[:, :2].sum(axis=1), (0.0, 1.0))
        distance, twins = (mean_and_interval(one, (0.0, math.inf)) for one in off[:2])
        return {
            "plane": plane["mean"],
            "plane_ci95": plane["ci95"],
            "explained": explained[good].mean(axis=0).tolist() if good.any() else [],
            "off_plane": distance["mean"],
            "off_plane_ci95": distance["ci95"],
            "twins_off_plane": twins["mean"],
            "twins_off_plane_ci95": twins["ci95"],
            "components": self.count,
            "points": self.seen,
            "count": int(good.sum()),
            "total": self.references,
            "window": [0, int(self.times[self.seen - 1]) if self.seen else 0],
            "reason": None if good.any() else self._reason(states),
        }

    def _reason(self, states: np.ndarray) -> str:
        if len(states) < LEAST_POINTS:
            return f"fewer than {LEAST_POINTS} states were kept: the run is too short"
        finite = np.isfinite(states).all(axis=(0, 2)).any()
        return "the state does not move" if finite else "all references diverged"
