"""Instruments: what is measured. One file each; every one works on every System."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tuichaos.config.instrument_spec import Spec, loaded
from tuichaos.config.instruments import specs
from tuichaos.instruments.base import Instrument, RunContext, is_on
from tuichaos.instruments.memory import Memory
from tuichaos.instruments.observables import Observables, WeightNorm
from tuichaos.instruments.series_window import SeriesTable, asked_references
from tuichaos.instruments.signals import Signals
from tuichaos.instruments.state_tail import StateTail
from tuichaos.instruments.time_to_accuracy import TimeToAccuracy
from tuichaos.instruments.twin_distance import TwinDistance

# The order in which their numbers stand in exponents.csv and summary.json, as files have it that
# are kept; that of others follows.
KEPT = ("distance", "nmle", "growth", "tangent", "moving", "spectrum", "units", "routes", "sizes")
KEPT += ("autocorrelation", "recurrence", "expansion", "zero_one", "period", "orbital")
KEPT += ("dimensions", "projection", "reach", "sharpness", "convergence", "regime")
WRITTEN = {key: place for place, key in enumerate(KEPT)}


def chosen(context: RunContext) -> list[Instrument]:
    """The instruments an experiment asks for, those that apply to it, each behind those that
    it reads."""
    found = _Choice(context)
    for spec in sorted(specs(), key=lambda spec: WRITTEN.get(spec.key, len(WRITTEN))):
        found.take(spec)
    rest = found.instruments
    signal = any(instrument.needs_signal for instrument in rest)
    reach = next((one for one in rest if isinstance(one, TimeToAccuracy)), None)
    first: list[Instrument] = [Observables(context, signal, reach.every if reach else 0)]
    if context.system.is_network and is_on(context.experiment.measure.weight_norm):
        first.append(WeightNorm(context))
    return [*first, *rest]


class _Choice:
    """The instruments that are made so far, in the order in which they look at a frame."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.specs = {spec.key: spec for spec in specs()}
        self.made: dict[str, Instrument | None] = {}

    @property
    def instruments(self) -> list[Instrument]:
        return [one for one in self.made.values() if one is not None]

    def take(self, spec: Spec) -> Instrument | None:
        """An instrument, with all that it needs before it; None where it is not asked for or
        does not apply."""
        if spec.key in self.made:
            return self.made[spec.key]
        experiment = self.context.experiment
        if not is_asked(spec.key, self.context):
            return None
        if spec.needs_twins and not experiment.ensemble.twins:
            return None
        for name in spec.beside:
            self._there(name)
        given = [self._there(name) for name in (*spec.needs, *spec.reads)]
        if not spec.make:
            return None
        one = loaded(spec.make)(self.context, *given)
        self.made[spec.key] = one
        return one

    def _there(self, name: str) -> Instrument | None:
        """What another one needs or reads, by its key or as a part."""
        if name in self.specs:
            return self.take(self.specs[name])
        if name not in self.made:
            self.made[name] = PARTS[name](self.context, self._there)
        return self.made[name]


def is_asked(key: str, context: RunContext) -> bool:
    """Whether ``[measure]`` asks for an instrument."""
    return getattr(context.experiment.measure, key) not in (False, [])


def _most_asked(part: str, context: RunContext) -> int:
    """The first so many references that those who need a part look at."""
    asking = [s.key for s in specs() if part in (*s.needs, *s.beside) and is_asked(s.key, context)]
    measure = context.experiment.measure
    return max(asked_references(context, getattr(measure, key)) for key in asking)


There = Callable[[str], Any]


def _twin_distance(context: RunContext, there: There) -> Instrument:
    return TwinDistance(context, is_on(context.experiment.measure.distance))


def _signals(context: RunContext, there: There) -> Instrument:
    return Signals(context, _most_asked("signals", context))


def _series(context: RunContext, there: There) -> Instrument:
    return SeriesTable(context, there("signals"), _most_asked("series", context))


def _memory(context: RunContext, there: There) -> Instrument:
    return Memory(context, _most_asked("memory", context))


def _state_tail(context: RunContext, there: There) -> Instrument:
    return StateTail(context)


# What several instruments share, made once one of them is asked for.
PARTS: dict[str, Callable[[RunContext, There], Instrument]] = {
    "twin_distance": _twin_distance,
    "signals": _signals,
    "series": _series,
    "memory": _memory,
    "state_tail": _state_tail,
}
