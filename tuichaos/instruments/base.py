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
    """What instruments need to know of the run they measure.

    Attributes
    ----------
    experiment : Experiment
        That is run.
    system : System
        With the parameters of all references.
    check_cancelled : callable
        Called between references by findings that take long; it raises once they are not wanted
        any more.
    parted : callable
        Gives the step at which an unperturbed twin parted from its reference; None while none
        has.
    """

    experiment: Experiment
    system: System
    check_cancelled: Callable[[], None] = field(default=lambda: None, compare=False)
    parted: Callable[[], int | None] = field(default=lambda: None, compare=False)

    @property
    def references(self) -> int:
        """How many references there are."""
        return self.experiment.ensemble.references

    @property
    def steps(self) -> int:
        """How many steps the run has."""
        return self.experiment.steps

    @property
    def perturb_at(self) -> int:
        """The step at which twins are perturbed."""
        return self.experiment.ensemble.perturb_at

    @property
    def unit(self) -> float:
        """One unit in the last place of 1."""
        return EPSILON[self.experiment.dtype]

    @property
    def time_step(self) -> float:
        """The time a step takes; exponents are in nats per unit of time."""
        return self.system.time_step

    @property
    def perturbation_scale(self) -> float:
        """Perturbed entries times ε: the paper's 70ε; initial distances average half of it."""
        moved = perturbed_mask(self.system.layout, self.experiment.ensemble.perturb)
        return float(moved.sum() * self.experiment.ensemble.perturbation)

    def recorded(self, steps: np.ndarray, every: int = 1) -> np.ndarray:
        """Tell which steps get a row in series.csv, and a measure every ``every`` steps.

        Parameters
        ----------
        steps : ndarray
            (T,).
        every : int
            Steps between measures.

        Returns
        -------
        ndarray
            (T,) of bool; the last step of the run always.
        """
        kept = (steps % self.experiment.record.every == 0) & (steps % every == 0)
        return kept | (steps == self.steps)


@dataclass(frozen=True)
class Findings:
    """What an instrument has to say at the end.

    Parameters
    ----------
    exponents : Mapping of str to ndarray
        Columns (references,) of exponents.csv, NaN where empty; exponents in nats per unit of
        time.
    summary : Mapping
        Its part of summary.json.
    tables : Mapping of str to tuple
        Further files, by name: (columns, rows).
    """

    exponents: Mapping[str, np.ndarray] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, tuple[list[str], list[list[Any]]]] = field(default_factory=dict)


class Instrument:
    """One measure of a run. Subclasses write what they need of the three.

    The three are ``probe``, ``fold`` and ``findings``. An empty number is NaN everywhere here; the
    writer turns it into an empty field or null. A constructor takes the RunContext, then what its
    Spec needs and reads. It raises InputError, naming the key, for what cannot be measured on this
    system at all. What turns out too short or too flat gives an empty result: its part of
    the summary then has ``reason``, a few words (None where there is a number).

    Attributes
    ----------
    key : str
        Of ``[measure]``, that asks for it; empty where it serves others.
    needs_signal : bool
        Whether its probes and folds read ``frame["signal"]``.
    carries : bool
        Whether its probes carry something along from frame to frame.
    not_kept : tuple of str
        Attributes that a checkpoint leaves out.
    depends_on_steps : bool
        Whether what it keeps before the end of a run depends on how many steps were planned.
    kept_as : str
        What checkpoints call it, for good, whatever its class is called: given as a keyword of
        the class, ``class Largest(Instrument, kept_as="Largest")``. Empty: by its class.

    Examples
    --------
    The largest entry of the state at the end, over all references:

    >>> import tuichaos
    >>> from tuichaos.config.instrument_spec import Spec
    >>> from tuichaos.instruments.base import Findings, Instrument
    >>> class Largest(Instrument):
    ...     key = "largest"
    ...     depends_on_steps = False
    ...
    ...     def __init__(self, context):
    ...         self.value = None
    ...
    ...     def probe(self, orbit):  # states (T, r, dimension)
    ...         return {"largest": orbit.states.abs().amax(-1).cpu().numpy()}
    ...
    ...     def fold(self, frame):  # (T, references)
    ...         self.value = float(frame["largest"][-1].max())
    ...         return {"largest": frame["largest"]}
    ...
    ...     def findings(self):
    ...         return Findings(summary={"largest": {"value": self.value}})
    >>> tuichaos.register_instrument(Spec("largest", "largest entry of the state", make=Largest))
    >>> table = {"steps": 20, "system": {"name": "logistic"}, "ensemble": {"references": 2}}
    >>> run = tuichaos.run(tuichaos.resolve(table, {"measure.largest": True}))
    >>> run.series["largest"].shape
    (21, 2)
    >>> run.summary["largest"]["value"] == run.series["largest"][-1].max()
    np.True_
    """

    key: ClassVar[str] = ""
    needs_signal = False
    carries = False
    not_kept: ClassVar[tuple[str, ...]] = ()
    # Whether what it keeps before the end of a run depends on how many steps were planned, as
    # spans that are parts of the whole do: a run of more steps is then another one from its
    # beginning. What differs at the last step only does not count.
    depends_on_steps: ClassVar[bool] = True
    kept_as: ClassVar[str] = ""

    def __init_subclass__(cls, kept_as: str = "") -> None:
        cls.kept_as = kept_as

    def observes(self, steps: np.ndarray) -> np.ndarray:
        """Tell at which steps its probe looks at the observables of many states.

        Told beforehand, they may cost less.

        Parameters
        ----------
        steps : ndarray
            (T,).

        Returns
        -------
        ndarray
            (T,) of bool.
        """
        return np.zeros(len(steps), dtype=bool)

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        """Look at the orbits of one block; pure, called in worker threads.

        Parameters
        ----------
        orbit : BlockOrbit
            Of r references over T steps.

        Returns
        -------
        Mapping of str to ndarray
            Arrays (T, r, …), which the frame has as (T, references, …).
        """
        return {}

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        """Take in one frame, in order.

        Parameters
        ----------
        frame : Frame
            What all probes saw.

        Returns
        -------
        Mapping of str to ndarray
            Columns (T, references) of series.csv.
        """
        return {}

    def findings(self) -> Findings:
        """Say what is known so far.

        Called after the last frame (of a complete or an interrupted run), and while it goes on
        where somebody watches, so it changes nothing.

        Returns
        -------
        Findings
            Empty by default.
        """
        return Findings()

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps.

        All that changes while a run goes on, and constants, which do no harm; other instruments and
        the context are made again by the constructor.

        Returns
        -------
        dict
            Attributes by name.
        """
        return {
            name: value
            for name, value in vars(self).items()
            if name not in self.not_kept and not isinstance(value, NOT_STATE)
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as it was when a state was taken of an instrument of the same context.

        Parameters
        ----------
        state : Mapping
            As ``state`` gave it.

        Raises
        ------
        InputError
            It holds what an instrument makes itself.
        OtherState
            It was written by another version of tuichaos; an InputError too.
        """
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
