"""Systems: what evolves. ``build`` makes the System that an experiment describes."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from tuichaos.common import trust
from tuichaos.common.errors import InputError, SystemFault
from tuichaos.config.experiment import Experiment
from tuichaos.systems.base import System
from tuichaos.systems.datasets import Dataset, load
from tuichaos.systems.determinism import nondeterminism
from tuichaos.systems.mlp.network import Perceptron
from tuichaos.systems.plugins import users_system
from tuichaos.systems.reference_registry import reference_system
from tuichaos.systems.samples import Samples
from tuichaos.systems.training import TrainingSystem

__all__ = ["Built", "System", "build"]


@dataclass(frozen=True)
class Built:
    """A System and, for training, the data it was built on."""

    system: System
    dataset: Dataset | None = None


def build(experiment: Experiment) -> Built:
    """The System of an experiment; raises InputError where it cannot be had."""
    trust.check_trusted(experiment)
    name = experiment.system.name
    if name == "training":
        return _training(experiment)
    if ":" in name:
        return Built(_users(experiment))
    system = reference_system(name, experiment.system.parameters)
    for key, value in system.parameters.items():
        if value.ndim and len(value) != experiment.ensemble.references:
            raise InputError(
                f"system.parameters.{key}: {len(value)} values "
                f"for {experiment.ensemble.references} references"
            )
    return Built(system)


def _users(experiment: Experiment) -> System:
    """A user's system, once another one of its make was seen to be a deterministic map."""
    name, parameters = experiment.system.name, experiment.system.parameters
    if not experiment.system.allow_nondeterministic:
        try:
            seen = nondeterminism(users_system(name, parameters))
        except SystemFault as error:
            raise InputError(f"system.name: {error}") from None
        if seen:
            raise InputError(
                f"system.name: {name}: {seen}; with --allow-nondeterministic "
                "(system.allow_nondeterministic = true) it runs, without a verdict"
            )
    return users_system(name, parameters)


def _training(experiment: Experiment) -> Built:
    if experiment.system.parameters:
        raise InputError("system.parameters: training has none; see data, network, optimizer")
    loss = experiment.loss.name
    data = load(experiment.data, experiment.seed, loss)
    if loss == "cross-entropy" and data.classes is None:
        raise InputError(
            f"loss.name: cross-entropy needs classes and {experiment.data.name} has "
            "real-valued targets; use loss.name = 'mse'"
        )
    network = experiment.network
    widths = (data.x.shape[1], *network.hidden, data.outputs)
    system = TrainingSystem(
        Perceptron(widths, network.activation, network.bias),
        *_parts(data),
        loss,
        torch.tensor(experiment.optimizer.learning_rate, dtype=torch.float64),
        network.init,
        network.init_scale,
        tuple(
            torch.tensor(rate, dtype=torch.float64) for rate in experiment.optimizer.learning_rates
        ),
        tuple(network.multipliers),
    )
    return Built(system, data)


_made: WeakKeyDictionary[Dataset, tuple[Samples, Samples | None]] = WeakKeyDictionary()


def _parts(data: Dataset) -> tuple[Samples, Samples | None]:
    """The train and the test part, made once for all systems on the same data: nothing is ever
    written into them."""
    if data not in _made:
        rest = _samples(data, data.x_test, data.y_test) if len(data.x_test) else None
        _made[data] = (_samples(data, data.x, data.y), rest)
    return _made[data]


def _samples(data: Dataset, x: np.ndarray, y: np.ndarray) -> Samples:
    labels = None if data.classes is None else torch.tensor(y)
    targets = torch.from_numpy(np.array(data.targets(y).T, order="C"))
    return Samples(torch.from_numpy(np.array(x.T, order="C")), targets, labels)
