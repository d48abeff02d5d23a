"""Whether the fast path of a network computes the map that System.step defines."""

from __future__ import annotations

import numpy as np
import torch

from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.training import TrainingSystem

STEPS = 4


def follows_the_definition(system: TrainingSystem, x: torch.Tensor) -> None:
    """Some steps of states, and two tangents along them."""
    v = torch.from_numpy(np.random.default_rng(1).standard_normal((2, system.dimension)))
    v /= v.norm(dim=1, keepdim=True)
    found = stepper_for(system, 6, STEPS, torch.device("cpu")).advance(system, x, STEPS, v)
    for t in range(STEPS):
        here = found.orbit[t].clone()
        expected = system.step(here)
        assert (found.orbit[t + 1] - expected).abs().max() <= 2e-15 * expected.abs().max()
        image = system.tangent(here[:2], v)
        lengths = image.norm(dim=1)
        assert (found.growth[t] - lengths.log()).abs().max() < 1e-12
        v = image / lengths[:, None]
    assert (found.tangents - v).abs().max() < 1e-12
