"""Instruments: what is measured. One file each; every one works on every System."""

from __future__ import annotations

from tuichaos.instruments.autocorrelation import Autocorrelation
from tuichaos.instruments.base import Instrument, RunContext, is_on
from tuichaos.instruments.convergence import Convergence
from tuichaos.instruments.dimensions import Dimensions
from tuichaos.instruments.divergence import Divergence
from tuichaos.instruments.expansion import ExpansionRates
from tuichaos.instruments.growth import GrowthExponent
from tuichaos.instruments.memory import Memory
from tuichaos.instruments.moving import Moving
from tuichaos.instruments.nmle import PaperExponent
from tuichaos.instruments.observables import Observables, WeightNorm
from tuichaos.instruments.orbital import OrbitalDistance
from tuichaos.instruments.period import Period
from tuichaos.instruments.projection import Projection
from tuichaos.instruments.reach import Reach
from tuichaos.instruments.recurrence import RecurrencePlot
from tuichaos.instruments.regime import Regime
from tuichaos.instruments.routes import Routes
from tuichaos.instruments.sharpness import Sharpness
from tuichaos.instruments.signals import Signals
from tuichaos.instruments.sizes import PerturbationSizes
from tuichaos.instruments.spectrum import Spectrum
from tuichaos.instruments.state_tail import StateTail
from tuichaos.instruments.stretches import Orbit, asked_references
from tuichaos.instruments.tangent import TangentExponent
from tuichaos.instruments.units import SaturatedUnits
from tuichaos.instruments.zero_one import ZeroOneTest


def chosen(context: RunContext) -> list[Instrument]:
    """The instruments an experiment asks for, those that apply to it."""
    rest = [*_of_the_twins(context), *_of_the_tangents(context), *_of_the_units(context)]
    rest += [*_of_both(context), *_of_the_series(context)]
    rest += _of_the_states(context, rest)
    reach = Reach(context) if is_on(context.experiment.measure.reach) else None
    if reach:
        rest.append(reach)
    sharpness = Sharpness(context) if is_on(context.experiment.measure.sharpness) else None
    if sharpness:
        rest.append(sharpness)
    if is_on(context.experiment.measure.convergence):
        rest.append(Convergence(context))
    states = next((one for one in rest if isinstance(one, StateTail)), None)
    if is_on(context.experiment.measure.regime):
        if states is None:
            states = StateTail(context)
            rest.append(states)
        paper = next((one for one in rest if isinstance(one, PaperExponent)), None)
        rest.append(Regime(context, states, sharpness, paper))
    signal = any(instrument.needs_signal for instrument in rest)
    found: list[Instrument] = [Observables(context, signal, reach.every if reach else 0)]
    if context.system.is_network and is_on(context.experiment.measure.weight_norm):
        found.append(WeightNorm(context))
    return [*found, *rest]


def _of_the_twins(context: RunContext) -> list[Instrument]:
    measure = context.experiment.measure
    if not context.experiment.ensemble.twins:
        return []
    found: list[Instrument] = []
    # The paper's windows are of steps of training; a flow has no such steps.
    paper = is_on(measure.nmle) and context.system.time_step == 1
    estimators = [paper, is_on(measure.growth)]
    if is_on(measure.distance) or any(estimators):
        divergence = Divergence(context, is_on(measure.distance))
        found.append(divergence)
    if estimators[0]:
        found.append(PaperExponent(context, divergence))
    if estimators[1]:
        found.append(GrowthExponent(context, divergence))
    return found


def _of_the_tangents(context: RunContext) -> list[Instrument]:
    measure = context.experiment.measure
    found: list[Instrument] = []
    tangent = TangentExponent(context) if is_on(measure.tangent) else None
    if tangent:
        found.append(tangent)
    if is_on(measure.moving):
        found.append(Moving(context, tangent))
    if is_on(measure.spectrum):
        found.append(Spectrum(context))
    return found


def _of_the_units(context: RunContext) -> list[Instrument]:
    return [SaturatedUnits(context)] if is_on(context.experiment.measure.units) else []


OF_STATES = {"autocorrelation": Autocorrelation, "recurrence": RecurrencePlot}
OF_SERIES = {"expansion": ExpansionRates, "zero_one": ZeroOneTest}


def _of_the_series(context: RunContext) -> list[Instrument]:
    """Those of the loss at every step, behind what keeps it for them."""
    measure = context.experiment.measure
    asked = {
        name: asked_references(context, getattr(measure, name))
        for name in (*OF_STATES, *OF_SERIES, "period")
        if is_on(getattr(measure, name))
    }
    if not asked:
        return []
    most = max(asked.values())
    signals = Signals(context, most)
    found: list[Instrument] = [signals, Orbit(context, signals, most)]
    states = [asked[name] for name in OF_STATES if name in asked]
    if states:
        memory = Memory(context, max(states))
        found.append(memory)
        found += [kind(context, signals, memory) for k, kind in OF_STATES.items() if k in asked]
    found += [kind(context, signals) for k, kind in OF_SERIES.items() if k in asked]
    if "period" in asked:
        newest = StateTail(context)
        found += [newest, Period(context, signals, newest)]
    return found


def _of_both(context: RunContext) -> list[Instrument]:
    """What sets twins beside tangents, or has twins of its own."""
    measure = context.experiment.measure
    found: list[Instrument] = []
    if is_on(measure.routes):
        found.append(Routes(context))
    if measure.sizes:
        found.append(PerturbationSizes(context))
    return found


def _of_the_states(context: RunContext, before: list[Instrument]) -> list[Instrument]:
    """``before``: the instruments that these may read, folded before them."""
    measure = context.experiment.measure
    found: list[Instrument] = []
    if is_on(measure.orbital):
        found.append(OrbitalDistance(context))
    if is_on(measure.dimensions):
        spectrum = next((one for one in before if isinstance(one, Spectrum)), None)
        found.append(Dimensions(context, spectrum))
    if is_on(measure.projection):
        found.append(Projection(context))
    return found
