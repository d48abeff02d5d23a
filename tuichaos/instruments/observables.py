"""Loss, accuracy, weight norm, and the observables of other systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tuichaos.instruments.base import Findings, Instrument, RunContext, every_of, is_on
from tuichaos.instruments.statistics import median
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.base import System, parameter_mask

GROUPS = {"loss": "loss", "train_accuracy": "accuracy", "test_accuracy": "accuracy"}
GROUPS |= {"test_loss": "loss"}


def signal_name(system: System) -> str:
    """The one observable that stands for a state: the loss, or the first one."""
    named = system.observables
    return "loss" if "loss" in named else named[0]


def score_names(system: System) -> dict[str, str]:
    """``train_score`` and ``test_score``, those there are, with the observable of each."""
    return {
        name.replace("accuracy", "score"): name
        for name in system.observables
        if GROUPS.get(name) == "accuracy"
    }


def looked_at(steps: np.ndarray, every: int, last: int) -> np.ndarray:
    """Which of ``steps`` are looked at: every so many, and the last one of the run."""
    return (steps % every == 0) | (steps == last)


class Observables(Instrument, kept_as="Observables"):
    """What the system says of its own states, at the recorded steps.

    ``loss`` in nats for cross-entropy; accuracies are fractions of the samples. A loss that
    is not finite (a state that still is can have one) is empty, and so are its accuracies.
    With ``signal`` there is also ``frame["signal"]`` (T, references): the loss, or the first
    observable of a system without one, at *every* step, NaN where it is not finite. With
    ``scores`` there are ``frame["train_score"]`` and, with a test part, ``"test_score"``: the
    accuracies every so many steps and at the end, whatever is recorded.
    """

    depends_on_steps = False

    def __init__(self, context: RunContext, signal: bool = False, scores: int = 0) -> None:
        self.context = context
        measure = context.experiment.measure
        named = context.system.observables
        self.signal = signal_name(context.system) if signal else None
        switches = {name: getattr(measure, GROUPS.get(name, ""), True) for name in named}
        self.every = {name: every_of(s) for name, s in switches.items() if is_on(s)}
        self.scores = scores
        self.scored = score_names(context.system) if scores else {}
        self.last: Mapping[str, np.ndarray] = {}

    def _wanted(self, steps: np.ndarray) -> dict[str, np.ndarray]:
        """Which of ``steps`` are looked at, for each number that is wanted."""
        wanted = {name: self.context.recorded(steps, n) for name, n in self.every.items()}
        if self.signal:
            wanted["signal"] = np.ones(len(steps), dtype=bool)
        for score in self.scored:
            wanted[score] = looked_at(steps, self.scores, self.context.steps)
        return wanted

    def observes(self, steps: np.ndarray) -> np.ndarray:
        wanted = self._wanted(steps)
        return np.any(list(wanted.values()), axis=0) if wanted else super().observes(steps)

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        wanted = self._wanted(orbit.steps)
        times = np.flatnonzero(np.any(list(wanted.values()), axis=0)) if wanted else []
        found = dict(orbit.observe(times)) if len(times) else {}
        if self.signal and found:
            found["signal"] = found[self.signal]
        found |= {score: found[name] for score, name in self.scored.items() if found}
        lost = ~np.isfinite(found["loss"]) if "loss" in found else None
        columns = {}
        for name, at in wanted.items():
            full = np.full(orbit.states.shape[:2], np.nan)
            if name in found:
                ours = name in GROUPS or name in self.scored or name == "signal"
                blank = ours and lost is not None
                full[times] = np.where(lost, np.nan, found[name]) if blank else found[name]
            columns[name] = np.where(at[:, None], full, np.nan)
        return columns

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        columns = {name: frame[name] for name in self.every}
        self.last = {name: column[-1] for name, column in columns.items()}
        return columns

    def findings(self) -> Findings:
        finals = {k: final(v) for k, v in self.last.items() if k in GROUPS}
        return Findings(summary=finals)


def final(values: np.ndarray) -> dict[str, Any]:
    """The median at the last recorded step, and of how many references."""
    known = int(np.isfinite(values).sum())
    return {"final_median": median(values), "count": known, "total": len(values)}


class WeightNorm(Instrument, kept_as="WeightNorm"):
    """L1 norm over all parameters of each reference, at the recorded steps."""

    depends_on_steps = False

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.every = every_of(context.experiment.measure.weight_norm)
        self.mask = torch.from_numpy(parameter_mask(context.system.layout))
        self.last = np.full(context.references, np.nan)

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        full = np.full(orbit.states.shape[:2], np.nan)
        times = np.flatnonzero(self.context.recorded(orbit.steps, self.every))
        if len(times):
            states = orbit.states[torch.from_numpy(times)]
            if not self.mask.all():
                states = states[:, :, self.mask.to(states.device)]
            full[times] = states.abs().sum(-1).cpu().numpy()
        return {"weight_norm": full}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        self.last = frame["weight_norm"][-1]
        return {"weight_norm": frame["weight_norm"]}

    def findings(self) -> Findings:
        return Findings(summary={"weight_norm": final(self.last)})
