"""Schedules against torch.optim.lr_scheduler, and after their end."""

from __future__ import annotations

import pytest
import torch

from tuichaos.systems.schedules import REGISTRY

L = torch.optim.lr_scheduler
RATE, STEPS = 0.3, 101
ONE_CYCLE = {"max_lr": 0.7, "total_steps": STEPS, "div_factor": 20.0, "final_div_factor": 100.0}
UP_AND_DOWN = {"base_lr": 0.1, "max_lr": 0.6, "step_size_up": 9, "step_size_down": 14}
CASES = (
    ("constant", L.ConstantLR, {}),
    ("constant", L.ConstantLR, {"factor": 0.4, "total_iters": 7}),
    ("linear", L.LinearLR, {}),
    ("linear", L.LinearLR, {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 11}),
    ("step", L.StepLR, {"step_size": 7, "gamma": 0.6}),
    ("multistep", L.MultiStepLR, {"milestones": [3, 10, 11], "gamma": 0.5}),
    ("exponential", L.ExponentialLR, {"gamma": 0.97}),
    ("polynomial", L.PolynomialLR, {"total_iters": 60, "power": 2.0}),
    ("cosine", L.CosineAnnealingLR, {"T_max": STEPS - 1, "eta_min": 0.01}),
    ("cosine-warm-restarts", L.CosineAnnealingWarmRestarts, {"T_0": 7, "eta_min": 0.01}),
    ("cosine-warm-restarts", L.CosineAnnealingWarmRestarts, {"T_0": 5, "T_mult": 3}),
    ("cosine-warm-restarts", L.CosineAnnealingWarmRestarts, {"T_0": 1, "T_mult": 2}),
    ("one-cycle", L.OneCycleLR, ONE_CYCLE),
    ("one-cycle", L.OneCycleLR, {**ONE_CYCLE, "three_phase": True, "anneal_strategy": "linear"}),
    ("cyclic", L.CyclicLR, UP_AND_DOWN),
    ("cyclic", L.CyclicLR, {**UP_AND_DOWN, "mode": "triangular2"}),
    ("cyclic", L.CyclicLR, {**UP_AND_DOWN, "mode": "exp_range", "gamma": 0.98}),
)


def number(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(("name", "theirs", "arguments"), CASES)
def test_every_rate_is_that_of_torch(name, theirs, arguments):
    spec = REGISTRY[name]
    given = {**spec.arguments, **arguments}
    given = {k: number(v) if isinstance(v, float) else v for k, v in given.items()}
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE, momentum=0.5)
    schedule = theirs(optimizer, **arguments)
    for step in range(STEPS):
        now = optimizer.param_groups[0]
        rate = spec.rate(number(float(step)), number(RATE), given)
        assert float(rate) == pytest.approx(now["lr"], rel=1e-12, abs=1e-15)
        if spec.momentum is not None:
            momentum = spec.momentum(number(float(step)), given)
            assert float(momentum) == pytest.approx(now["momentum"], rel=1e-12)
        optimizer.step()
        if step < STEPS - 1:
            schedule.step()


@pytest.mark.parametrize(("name", "theirs", "arguments"), CASES)
def test_steps_may_be_asked_for_in_any_order_and_together(name, theirs, arguments):
    spec = REGISTRY[name]
    given = {**spec.arguments, **arguments}
    given = {k: number(v) if isinstance(v, float) else v for k, v in given.items()}
    steps = number([[90.0], [3.0], [0.0], [41.0]])
    together = spec.rate(steps, number(RATE), given)
    alone = [spec.rate(step, number(RATE), given) for step in steps]
    assert torch.equal(together.expand(4, 1), torch.stack([a.expand(1) for a in alone]))


@pytest.mark.parametrize("name", ["cosine", "one-cycle", "linear", "polynomial"])
def test_after_the_end_the_last_rate_holds(name):
    spec, arguments = REGISTRY[name], {"cosine": {"T_max": 20}}.get(name, {})
    arguments = {**arguments, **({"total_steps": 20, "max_lr": 1.0} if name == "one-cycle" else {})}
    given = {**spec.arguments, **arguments}
    last = spec.rate(number(20.0), number(RATE), given)
    assert float(spec.rate(number(5000.0), number(RATE), given)) == float(last)
