"""Instruments: what is measured. One file each; every one works on every System."""

from __future__ import annotations

from tuichaos.instruments.base import Instrument, Setup, is_on
from tuichaos.instruments.divergence import Divergence
from tuichaos.instruments.growth import GrowthExponent
from tuichaos.instruments.nmle import PaperExponent
from tuichaos.instruments.observables import Observables, WeightNorm
from tuichaos.instruments.sharpness import Sharpness
from tuichaos.instruments.spectrum import Spectrum
from tuichaos.instruments.tangent import TangentExponent


def chosen(setup: Setup) -> list[Instrument]:
    """The instruments an experiment asks for, those that apply to it."""
    rest = [*_of_the_twins(setup), *_of_the_tangents(setup)]
    if is_on(setup.experiment.measure.sharpness):
        rest.append(Sharpness(setup))
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
