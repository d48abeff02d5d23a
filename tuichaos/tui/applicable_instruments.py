"""Which instruments an experiment can have, told before anything heavy is loaded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import REFERENCE
from tuichaos.plots.instruments import TABS

PLANE = 2  # numbers that a projection needs
HAVE_LOSS = ("quadratic", "quartic", "product", "softmax-map")
# Inputs of the data sets that have more than one; of the others one at least.
INPUTS = {"iris": 4, "digits": 64, "wine": 13, "breast-cancer": 30}
INPUTS |= dict.fromkeys(("moons", "circles", "blobs", "xor"), 2)
DIMENSIONS = {"logistic": 1, "henon": 2, "lorenz": 3, "cat": 2, "quartic": 1}

# Those that are dear are switched on for the first few references only.
FEW: dict[str, dict[str, int]] = {
    "spectrum": {"references": 4},
    "sharpness": {"references": 8, "count": 3},
}


def suited(experiment: Experiment) -> tuple[str, ...]:
    """The switches behind the tabs that mean something on this system with these twins."""
    return tuple(name for names in TABS.values() for name in names if _suits(name, experiment))


def asked(name: str, experiment: Experiment) -> bool | Mapping[str, int]:
    """What a switch is set to when it is asked for by its name alone."""
    switch = FEW.get(name)
    if switch is None or "count" not in switch:
        return True if switch is None else switch
    return {**switch, "count": min(switch["count"], numbers(experiment))}


def numbers(experiment: Experiment) -> int:
    """How many parameters a state has, at least: what optimizers add is left out. Of a system
    of the user's own nothing is known, and PLANE is said."""
    name = experiment.system.name
    if name == "training":
        network = experiment.network
        widths = (INPUTS.get(experiment.data.name, 1), *network.hidden, 1)
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


def _suits(name: str, experiment: Experiment) -> bool:
    system, twins = experiment.system.name, experiment.ensemble.twins
    if name == "units":
        return system == "training" and bool(experiment.network.hidden)
    if name == "sharpness":
        return system == "training" or system in HAVE_LOSS
    if name == "projection":
        return numbers(experiment) >= PLANE
    if name in ("orbital", "routes"):
        return twins > 0
    return name != "moving" or bool(experiment.measure.tangent)


def has_loss(experiment: Experiment) -> bool:
    """Whether training, or a map that is training, goes on."""
    return experiment.system.name == "training" or experiment.system.name in HAVE_LOSS
