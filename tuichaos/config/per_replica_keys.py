"""Keys that each replica may have its own value of: points of a sweep that differ in nothing else
can share one engine, or one simulation."""

from __future__ import annotations

import re

from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import REFERENCE, STRUCTURE

USERS = "system.parameters."
INITIAL = "network.init_scale"
OF_TRAINING = ("optimizer.learning_rate", INITIAL)
LAYER_RATE = re.compile(r"optimizer\.learning_rates\.\d+")


def per_replica(experiment: Experiment, key: str) -> bool:
    """Whether points that differ in this key can share one engine: the parameter belongs to
    a replica, not to what steppers hold (data, network, loss) nor to the size of a run."""
    name = experiment.system.name
    if key == "ensemble.perturbation":
        return True
    if name == "training":
        own = {f"optimizer.{argument}" for argument in experiment.optimizer.per_replica}
        return key in OF_TRAINING or key in own or LAYER_RATE.fullmatch(key) is not None
    parameter = key.removeprefix(USERS)
    return parameter != key and parameter in REFERENCE.get(name, ()) and parameter not in STRUCTURE


def dense_key(experiment: Experiment, key: str) -> bool:
    """Whether points that differ in this key can be references of one simulation."""
    return per_replica(experiment, key) and key != "ensemble.perturbation"
