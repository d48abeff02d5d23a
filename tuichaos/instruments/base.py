"""What an instrument is: a probe on the orbits of a block, and a fold of frames into numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from tuichaos.common.errors import InputError, OtherState
from tuichaos.config.experiment import EPSILON, Experiment
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.base import System, perturbed_mask


@dataclass(frozen=True)
class RunContext:
    """What instruments need to know of the run they measure. ``check_cancelled`` is called
    between references by findings that take long; it raises once they are not wanted any more.
    ``parted``: the step at which an unperturbed twin parted from its reference; None while
    none has."""

    experiment: Experiment
    system: System
    check_cancelled: Callable[[], None] = field(default=lambda: None, compare=False)
    parted: Callable[[], int | None] = field(default=lambda: None, compare=False)

    @property
    def references(self) -> int:
        return self.experiment.ensemble.references

    @property
    def steps(self) -> int:
        return self.experiment.steps

    @property
    def perturb_at(self) -> int:
        return self.experiment.ensemble.perturb_at

    @property
    def unit(self) -> float:
        """One unit in the last place of 1."""
        return EPSILON[self.experiment.dtype]

    @property
    def time_step(self) -> float:
        """The time a step takes; exponents are per unit of time."""
        return self.system.time_step

    @property
    def perturbation_scale(self) -> float:
        """Perturbed entries times ε: the paper's 70ε; initial distances average half of it."""
        moved = perturbed_mask(self.system.layout, self.experiment.ensemble.perturb)
        return float(moved.sum() * self.experiment.ensemble.perturbation)

    def recorded(self, steps: np.ndarray, every: int = 1) -> np.ndarray:
        """Which of ``steps`` get a row in series.csv, and a measure every ``every`` steps."""
        kept = (steps % self.experiment.record.every == 0) & (steps % every == 0)
        return kept | (steps == self.steps)


@dataclass(frozen=True)
class Findings:
    """What an instrument has to say at the end.

    ``exponents``: columns (references,) of exponents.csv. ``summary``: its part of
    summary.json. ``tables``: further files, name → (columns, rows).
    """

    exponents: Mapping[str, np.ndarray] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, tuple[list[str], list[list[Any]]]] = field(default_factory=dict)


class Instrument:
    """One measure of a run. Subclasses write what they need of the three.

    An empty number is NaN everywhere here; the writer turns it into an empty field or null.
    A constructor raises InputError, naming the key, for what cannot be measured on this
    system at all. What turns out too short or too flat gives an empty result: its part of
    the summary then has ``reason``, a few words (None where there is a number).
    """

    key: ClassVar[str] = ""  # the key of [measure] that asks for it; none: it serves others
    needs_signal = False  # whether its probes and folds read ``frame["signal"]``
    carries = False  # whether its probes carry something along from frame to frame
    not_kept: ClassVar[tuple[str, ...]] = ()  # attributes that a checkpoint leaves out
    # Whether what it keeps before the end of a run depends on how many steps were planned, as
    # spans that are parts of the whole do: a run of more steps is then another one from its
    # beginning. What differs at the last step only does not count.
    depends_on_steps: ClassVar[bool] = True

    def observes(self, steps: np.ndarray) -> np.ndarray:
        """At which of ``steps`` (T,) its probe looks at the observables of many states; told
        beforehand, they may cost less."""
        return np.zeros(len(steps), dtype=bool)

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        """Arrays (T, r, …) of one block; pure, called in worker threads."""
        return {}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        """Take in one frame, in order; returns columns (T, references) of series.csv."""
        return {}

    def findings(self) -> Findings:
        """What is known so far; called after the last frame (of a complete or an interrupted
        run), and while it goes on where somebody watches, so it changes nothing."""
        return Findings()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: all that changes while a run goes on, and constants, which
        do no harm; other instruments and the context are made again by the constructor."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in self.not_kept and not isinstance(value, NOT_STATE)
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as it was when ``state`` was taken of an instrument of the same context."""
        own = {name for name, value in vars(self).items() if isinstance(value, NOT_STATE)}
        if own & set(state):
            raise InputError("is damaged: holds what an instrument makes itself")
        if missing := self.state().keys() - state.keys():
            name = f"{type(self).__name__}.{min(missing)}"
            raise OtherState(f"was written by another version of tuichaos: it lacks {name}")
        vars(self).update(state)


def observed(instruments: Sequence[Instrument], steps: np.ndarray) -> np.ndarray:
    """At which of ``steps`` any of the instruments looks at the observables."""
    masks = [instrument.observes(steps) for instrument in instruments]
    return np.any(masks, axis=0) if masks else np.zeros(len(steps), dtype=bool)


NOT_STATE = (Instrument, RunContext, System)  # of the attributes of an instrument


def every_of(switch: bool | Mapping[str, int]) -> int:
    """The ``every`` of a switch of ``[measure]``."""
    return switch.get("every", 1) if isinstance(switch, Mapping) else 1


def is_on(switch: bool | Mapping[str, int]) -> bool:
    """Whether a switch of ``[measure]`` is on (a table means on)."""
    return switch is not False


def option(switch: bool | Mapping[str, int], name: str, default: int) -> int:
    """An option of a switch of ``[measure]``."""
    return switch.get(name, default) if isinstance(switch, Mapping) else default
