"""Instruments: what is measured. One file each; every one works on every System."""

from __future__ import annotations

from tuichaos.instruments.base import Instrument, Setup, is_on
from tuichaos.instruments.dimensions import Dimensions
from tuichaos.instruments.divergence import Divergence
from tuichaos.instruments.growth import GrowthExponent
from tuichaos.instruments.nmle import PaperExponent
from tuichaos.instruments.observables import Observables, WeightNorm
from tuichaos.instruments.orbital import OrbitalDistance
from tuichaos.instruments.projection import Projection
from tuichaos.instruments.spectrum import Spectrum
from tuichaos.instruments.tangent import TangentExponent


def chosen(setup: Setup) -> list[Instrument]:
    """The instruments an experiment asks for, those that apply to it."""
    rest = [*_of_the_twins(setup), *_of_the_tangents(setup)]
    rest += _of_the_states(setup, rest)
    signal = any(instrument.needs_signal for instrument in rest)
    found: list[Instrument] = [Observables(setup, signal)]
    if setup.system.is_network and is_on(setup.experiment.measure.weight_norm):
        found.append(WeightNorm(setup))
    return [*found, *rest]


def _of_the_twins(setup: Setup) -> list[Instrument]:
    measure = setup.experiment.measure
    if not setup.experiment.ensemble.twins:
        return []
    found: list[Instrument] = []
    estimators = [is_on(measure.nmle), is_on(measure.growth)]
    if is_on(measure.distance) or any(estimators):
        found.append(Divergence(setup, is_on(measure.distance)))
    if estimators[0]:
        found.append(PaperExponent(setup))
    if estimators[1]:
        found.append(GrowthExponent(setup))
    return found


def _of_the_tangents(setup: Setup) -> list[Instrument]:
    measure = setup.experiment.measure
    found: list[Instrument] = []
    if is_on(measure.tangent):
        found.append(TangentExponent(setup))
    if is_on(measure.spectrum):
        found.append(Spectrum(setup))
    return found


def _of_the_states(setup: Setup, before: list[Instrument]) -> list[Instrument]:
    """``before``: the instruments that these may read, folded before them."""
    measure = setup.experiment.measure
    found: list[Instrument] = []
    if is_on(measure.orbital):
        found.append(OrbitalDistance(setup))
    if is_on(measure.dimensions):
        spectrum = next((one for one in before if isinstance(one, Spectrum)), None)
        found.append(Dimensions(setup, spectrum))
    if is_on(measure.projection):
        found.append(Projection(setup))
    return found
