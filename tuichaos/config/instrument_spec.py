"""What an instrument tells of itself before it is loaded: enough to offer it, to plan a run
with it, and to show what it found."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuichaos.config.field_types import Switch

Experiment = Any  # its class stands above: the table [measure] is made of these


@dataclass(frozen=True)
class Entry:
    """A line of the table at the end of a run.

    It shows ``summary[part][key]`` with its interval ``[key + "_ci95"]``, and ``count`` of
    ``total``.

    Parameters
    ----------
    part : str
        Of summary.json.
    key : str
        Of the number in it.
    name : str
        What the line is headed by.
    alike : str
        Another key that is null where references are too unlike for a mean.
    """

    part: str
    key: str
    name: str
    alike: str = ""


@dataclass(frozen=True)
class ChartSpec:
    """A chart of a table that the instrument writes.

    Parameters
    ----------
    file : str
        The table, ``name.csv``.
    draw : str or callable
        A function from a run to a Picture, or its name ``module:function``.
    tab : str
        Of the explorer.
    """

    file: str
    draw: str | Callable[[Any], Any]
    tab: str


@dataclass(frozen=True)
class Asked:
    """What is asked of an instrument, for its need of memory.

    Attributes
    ----------
    switch : bool, Mapping or list
        Its key of ``[measure]``.
    experiment : Experiment
        That asks for it.
    dimension : int
        Numbers of a state.
    """

    switch: Any
    experiment: Experiment
    dimension: int

    @property
    def references(self) -> int:
        """References of the experiment."""
        return self.experiment.ensemble.references

    @property
    def steps(self) -> int:
        """Steps of the experiment."""
        return self.experiment.steps

    def option(self, name: str, default: int, most: float = math.inf) -> float:
        """Look up an option of the switch.

        Parameters
        ----------
        name : str
            Of the option.
        default : int
            Where it is not given.
        most : float
            What the result is at most.

        Returns
        -------
        float
            The option or its default, ``most`` at most.
        """
        given = self.switch if isinstance(self.switch, Mapping) else {}
        return min(given.get(name, default), most)


def _always(experiment: Experiment) -> bool:
    return True


@dataclass(frozen=True)
class Spec:
    """An instrument.

    Parameters
    ----------
    key : str
        Of ``[measure]``.
    words : str
        What it is, for ``tuichaos presets --keys``.
    options : type
        What its switch may be: ``Switch``, or what ``options("count", …)`` gives.
    default : bool or list
        Of the switch.
    make : str or callable
        The instrument, or ``module:name``: called with the RunContext, then what it needs and
        reads, in this order. Empty where others measure it. None from it: it does not apply.
    needs : tuple of str
        Keys, or parts (instruments/__init__.py), that are there before it and given to it.
    beside : tuple of str
        The same, not given to it.
    reads : tuple of str
        Keys of others that it uses where they are asked for; None in their place elsewhere.
    needs_twins : bool
        Left out in silence where there are none.
    memory : str or callable, optional
        Bytes that it keeps beyond a few kilobytes a reference, of an Asked.
    fits : callable
        Whether it means something for an Experiment; told early, so that it can be offered.
    few : Mapping
        What it is set to where its name alone asks for it: for the dear ones.
    tab : str
        Of the explorer, whose key switches it on.
    charts : Mapping of str to ChartSpec
        By the names of ``tuichaos plot --what``.
    rows : tuple of Entry
        Lines of the table at the end of a run.
    manual : str
        Markdown for ``tuichaos manual instruments``; of those that come with tuichaos the page
        itself has it.
    """

    key: str
    words: str
    options: Any = Switch
    default: Any = False
    make: str | Callable[..., Any] = ""
    needs: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    needs_twins: bool = False
    memory: str | Callable[[Asked], float] = ""
    fits: Callable[[Experiment], bool] = _always
    few: Mapping[str, int] = field(default_factory=dict)
    tab: str = ""
    charts: Mapping[str, ChartSpec] = field(default_factory=dict)
    rows: tuple[Entry, ...] = ()
    manual: str = ""


def loaded(thing: str | Callable[..., Any]) -> Callable[..., Any]:
    """A function or class that may be given by its name, ``module:name``."""
    if not isinstance(thing, str):
        return thing
    module, _, name = thing.partition(":")
    return getattr(importlib.import_module(module), name)
