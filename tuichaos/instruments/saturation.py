"""Saturated hidden units, and networks whose outputs are the same for all samples.

A unit is saturated when the slope of its activation is below SATURATED on every training
sample: no gradient passes through it. It is *stuck* when, besides, it says the same to all
samples: one that is on for some and off for others is saturated, but tells them apart. It is
stuck *on* where its output is not near 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Findings, Instrument, RunContext, every_of
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.base import System

SATURATED = 0.01  # 4 % of the largest slope of a sigmoid, 1 % of that of the others
SAME = 0.05  # by which the output of a stuck unit may differ between samples
ALIKE = 0.01  # of the range of a target (1 for classes), by which outputs of the network may
EVERY = 10


@dataclass(frozen=True)
class Stuck:
    """Units of states (n,): ``saturated``, ``stuck`` and ``on`` (n, layers), counts of units that
    are saturated, stuck, and stuck on; ``outputs_alike`` (n,): whether the outputs of the network
    are the same for all training samples, to within ALIKE of the range of the targets;
    ``slopes`` (n, units of all layers): the largest slope of each unit on any sample, NaN where
    it was not asked for."""

    saturated: np.ndarray
    stuck: np.ndarray
    on: np.ndarray
    outputs_alike: np.ndarray
    slopes: np.ndarray


def stuck_units(system: System, states: Tensor) -> Stuck | None:
    """The saturated units of states (n, dimension), None for a system without hidden units."""
    if not system.hidden_widths:
        return None
    size = system.block_rows
    parts = [
        _counts(system, states[first : first + size].nan_to_num())
        for first in range(0, len(states), size)
    ]
    counts = np.concatenate([part[0] for part in parts], axis=1)
    return Stuck(*counts, *(np.concatenate([part[k] for part in parts]) for k in (1, 2)))


def stuck_of_alike(system: System, states: Tensor) -> Stuck | None:
    """``stuck_units`` of those states (n, dimension) alone whose outputs are alike; of others, in
    which inputs matter, no unit counts as stuck. Mostly there are none, and one forward pass is
    all it takes. None for a system without hidden units."""
    if not system.hidden_widths:
        return None
    size, count, layers = system.block_rows, len(states), len(system.hidden_widths)
    alike = torch.cat(
        [
            system.output_spread(states[first : first + size].nan_to_num()) <= ALIKE
            for first in range(0, count, size)
        ]
    )
    counts = np.zeros((3, count, layers), dtype=np.int64)
    slopes = np.full((count, sum(system.hidden_widths)), np.nan)
    at = np.flatnonzero(alike.cpu().numpy())
    if len(at):
        found = stuck_units(system, states[torch.from_numpy(at).to(states.device)])
        counts[:, at] = found.saturated, found.stuck, found.on
        slopes[at] = found.slopes
    return Stuck(*counts, alike.cpu().numpy(), slopes)


def _counts(system: System, states: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(3, n, layers): how many are saturated, stuck, and stuck on; outputs alike (n,); the
    largest slope of each unit (n, units)."""
    layers = system.hidden_units(states)
    largest = [layer.slope.abs().amax(2) for layer in layers]
    saturated = [slopes < SATURATED for slopes in largest]
    same = [layer.output.amax(2) - layer.output.amin(2) <= SAME for layer in layers]
    stuck = [a & b for a, b in zip(saturated, same, strict=True)]
    on = [s & (layer.output.square().mean(2) > 0.5) for s, layer in zip(stuck, layers, strict=True)]
    counts = [
        torch.stack([flags.sum(1) for flags in each], dim=1).cpu().numpy()
        for each in (saturated, stuck, on)
    ]
    alike = system.output_spread(states) <= ALIKE
    return np.stack(counts), alike.cpu().numpy(), torch.cat(largest, dim=1).cpu().numpy()


class Saturation(Instrument, kept_as="SaturatedUnits"):
    """How many hidden units are saturated, by layer, every ``every`` steps and at the end.

    Series columns ``saturated`` (all layers together); units.csv has each layer. Empty where
    the reference has diverged.
    """

    key = "units"
    depends_on_steps = False

    def __init__(self, context: RunContext) -> None:
        self.context = context
        widths = context.system.hidden_widths
        if not widths:
            raise InputError("measure.units: this system has no hidden units")
        self.widths = widths
        switch = context.experiment.measure.units
        self.every = every_of(switch) if isinstance(switch, Mapping) else EVERY
        # By frame: steps (t,), and (t, references, 2·layers), how many are saturated and on.
        self.steps: list[np.ndarray] = []
        self.counts: list[np.ndarray] = []
        self.last = np.full((context.references, len(widths)), np.nan)

    def _times(self, steps: np.ndarray) -> np.ndarray:
        return np.flatnonzero((steps % self.every == 0) | (steps == self.context.steps))

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        times = self._times(orbit.steps)
        shape = (len(times), orbit.states.shape[1], 2 * len(self.widths))
        counts = np.empty((0, *shape[1:]))
        if len(times):
            states = orbit.states[torch.from_numpy(times)]
            found = stuck_units(orbit.system, states.flatten(0, 1))
            counts = (
                np.concatenate([found.saturated, found.on], axis=1).reshape(shape).astype(float)
            )
            counts[~orbit.alive.cpu().numpy()[times]] = np.nan
        return {"units": counts}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        column = np.full((len(frame.steps), self.context.references), np.nan)
        layers = len(self.widths)
        times, counts = self._times(frame.steps), frame["units"]
        if len(times):
            column[times] = counts[:, :, :layers].sum(axis=2)
            self.last = counts[-1, :, :layers]
            self.steps.append(np.asarray(frame.steps[times], dtype=np.int64))
            self.counts.append(counts)
        return {"saturated": column}

    def _rows(self) -> Iterator[list[Any]]:
        """Of units.csv: step, reference, layer, and the two counts."""
        layers = len(self.widths)
        for steps, parts in zip(self.steps, self.counts, strict=True):
            for step, counts in zip(steps.tolist(), parts.tolist(), strict=True):
                for reference, row in enumerate(counts):
                    for layer in range(layers):
                        yield [step, reference, layer, row[layer], row[layers + layer]]

    def findings(self) -> Findings:
        good = np.isfinite(self.last).all(axis=1)
        shares = [
            float(np.median(self.last[good, k]) / width) if good.any() else np.nan
            for k, width in enumerate(self.widths)
        ]
        part = {
            "final_share": shares,
            "final_share_all": float(np.median(self.last[good].sum(axis=1)) / sum(self.widths))
            if good.any()
            else np.nan,
            "widths": list(self.widths),
            "count": int(good.sum()),
            "total": self.context.references,
            "window": [0, int(self.steps[-1][-1]) if self.steps else 0],
            "reason": None if good.any() else "all references diverged",
        }
        heads = ["step", "reference", "layer", "saturated", "on"]
        return Findings(summary={"units": part}, tables={"units.csv": (heads, list(self._rows()))})


def kept_bytes(asked: Asked) -> float:
    """Of a row for each layer, reference and time."""
    times = asked.steps // asked.option("every", 10) + 2
    return 200 * asked.references * len(asked.experiment.network.hidden) * times
