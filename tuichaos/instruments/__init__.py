"""Instruments: what is measured. One file each; every one works on every System."""

from __future__ import annotations

from tuichaos.instruments.base import Instrument, Setup, is_on
from tuichaos.instruments.divergence import Divergence
from tuichaos.instruments.growth import GrowthExponent
from tuichaos.instruments.nmle import PaperExponent
from tuichaos.instruments.observables import Observables, WeightNorm
from tuichaos.instruments.spectrum import Spectrum
from tuichaos.instruments.tangent import TangentExponent


def chosen(setup: Setup) -> list[Instrument]:
    """The instruments an experiment asks for, those that apply to it."""
    measure = setup.experiment.measure
    instruments: list[Instrument] = [Observables(setup)]
    if setup.system.is_network and is_on(measure.weight_norm):
        instruments.append(WeightNorm(setup))
    if setup.experiment.ensemble.twins:
        estimators = [is_on(measure.nmle), is_on(measure.growth)]
        if is_on(measure.distance) or any(estimators):
            instruments.append(Divergence(setup, is_on(measure.distance)))
        if estimators[0]:
            instruments.append(PaperExponent(setup))
        if estimators[1]:
            instruments.append(GrowthExponent(setup))
    if is_on(measure.tangent):
        instruments.append(TangentExponent(setup))
    if is_on(measure.spectrum):
        instruments.append(Spectrum(setup))
    return instruments
