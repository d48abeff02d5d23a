"""Which form of a computation a system gets: the general one, or a faster one that is known to
give the same. Here alone the faster ones are chosen.
"""

from __future__ import annotations

import torch

from tuichaos.systems.base import System
from tuichaos.systems.generic_stepper import GenericStepper
from tuichaos.systems.hessian import DefinedHessian, Hessian
from tuichaos.systems.mlp.defined_stepper import DefinedStepper
from tuichaos.systems.mlp.fast_hessian import PerceptronHessian
from tuichaos.systems.mlp.fast_stepper import PerceptronStepper
from tuichaos.systems.stepper_protocol import Stepper
from tuichaos.systems.training import TrainingSystem


def stepper_for(system: System, rows: int, steps: int, device: torch.device) -> Stepper:
    """What advances blocks of up to ``rows`` replicas of a system by up to ``steps`` steps a
    call."""
    if is_perceptron(system):
        if system.descends:
            return PerceptronStepper(system, rows, steps, device)
        return DefinedStepper(system, device)
    return GenericStepper()


def hessian(system: System) -> Hessian:
    """What gives the Hessian of a system's loss."""
    if is_perceptron(system):
        return PerceptronHessian(system)
    return DefinedHessian(system)


def is_perceptron(system: System) -> bool:
    """Whether a system has the loss of which the fast forms are. A subclass may have another."""
    return type(system) is TrainingSystem
