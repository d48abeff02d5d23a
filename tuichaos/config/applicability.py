"""What an experiment has that instruments ask for, told before anything heavy is loaded."""

from __future__ import annotations

import itertools
from typing import Any

from tuichaos.config.data_sets import data_spec
from tuichaos.config.reference_parameters import REFERENCE

Experiment = Any  # its class stands above: the table [measure] is made of these

PLANE = 2  # numbers that a projection needs
HAVE_LOSS = ("quadratic", "quartic", "product", "softmax-map")
DIMENSIONS = {"logistic": 1, "henon": 2, "lorenz": 3, "cat": 2, "quartic": 1}


def numbers(experiment: Experiment) -> int:
    """How many parameters a state has, at least: what optimizers add is left out. Of a system
    of the user's own nothing is known, and PLANE is said."""
    name = experiment.system.name
    if name == "training":
        network = experiment.network
        widths = (data_spec(experiment.data.name).inputs, *network.hidden, 1)
        weights = sum(a * b for a, b in itertools.pairwise(widths))
        return weights + network.bias * sum(widths[1:])
    given = {**REFERENCE.get(name, {}), **experiment.system.parameters}
    if name == "quadratic":
        return _length(given["curvatures"])
    if name == "product":
        return int(given["factors"])
    if name == "softmax-map":
        return _length(given["fractions"])
    return DIMENSIONS.get(name, PLANE)


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 1


def has_loss(experiment: Experiment) -> bool:
    """Whether training, or a map that is training, goes on."""
    return experiment.system.name == "training" or experiment.system.name in HAVE_LOSS


def has_hidden_units(experiment: Experiment) -> bool:
    """Whether a network has units that could saturate."""
    return experiment.system.name == "training" and bool(experiment.network.hidden)


def has_twins(experiment: Experiment) -> bool:
    """Whether there is something to part from a reference."""
    return experiment.ensemble.twins > 0


def has_tangent(experiment: Experiment) -> bool:
    """Whether a tangent is carried along."""
    return bool(experiment.measure.tangent)


def has_plane(experiment: Experiment) -> bool:
    """Whether a state has numbers enough for a plane."""
    return numbers(experiment) >= PLANE
