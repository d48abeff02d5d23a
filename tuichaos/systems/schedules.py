"""Schedules: the learning rate as a function of the step alone.

Names, arguments and formulas are those of ``torch.optim.lr_scheduler``, in closed form; where
its own form goes on for ever (cosine) the last rate holds after the end. A schedule is a pure
function of tensors: the step, the rate of the optimizer, and arguments that may differ between
replicas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Arguments = Mapping[str, object]  # tensors () or (rows, 1), words, lists


def constant(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    return rate * torch.where(step < a["total_iters"], a["factor"], 1.0)


def linear(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    done = _share(step, a["total_iters"])
    return rate * (a["start_factor"] + (a["end_factor"] - a["start_factor"]) * done)


def steps(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    return rate * a["gamma"] ** torch.floor(step / a["step_size"])


def multistep(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    passed = sum((step >= milestone).to(rate.dtype) for milestone in a["milestones"])
    return rate * a["gamma"] ** passed


def exponential(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    return rate * a["gamma"] ** step


def polynomial(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    return rate * (1 - _share(step, a["total_iters"])) ** a["power"]


def cosine(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    return _half_cosine(rate, a["eta_min"], _share(step, a["T_max"]))


def cosine_warm_restarts(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    """Cycles of T_0, T_0·T_mult, T_0·T_mult², … steps."""
    first, factor = a["T_0"], a["T_mult"]
    if factor == 1:
        return _half_cosine(rate, a["eta_min"], torch.remainder(step, first) / first)
    # Cycle n begins at T_0·(T_mult^n − 1)/(T_mult − 1); a little is added against rounding down.
    n = torch.floor(torch.log(step / first * (factor - 1) + 1) / math.log(factor) + 1e-9)
    length = first * factor**n
    begun = step - first * (factor**n - 1) / (factor - 1)
    return _half_cosine(rate, a["eta_min"], begun / length)


def one_cycle(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    """From max_lr/div_factor up to max_lr and down to the first over final_div_factor; the rate
    of the optimizer has no part in it."""
    top = a["max_lr"]
    low = top / a["div_factor"]
    return _phases(step, _one_cycle_ends(a), a, [low, top, low, low / a["final_div_factor"]])


def one_cycle_momentum(step: Tensor, a: Arguments) -> Tensor:
    """The momentum, which goes the other way."""
    high, low = a["max_momentum"], a["base_momentum"]
    return _phases(step, _one_cycle_ends(a), a, [high, low, high, high])


def cyclic(step: Tensor, rate: Tensor, a: Arguments) -> Tensor:
    """Up and down between base_lr and max_lr; the rate of the optimizer has no part in it."""
    return a["base_lr"] + (a["max_lr"] - a["base_lr"]) * _triangle(step, a)


def cyclic_momentum(step: Tensor, a: Arguments) -> Tensor:
    """The momentum, which goes the other way."""
    return a["max_momentum"] - (a["max_momentum"] - a["base_momentum"]) * _triangle(step, a)


@dataclass(frozen=True)
class ScheduleSpec:
    """``rate``: η at a step; ``arguments``: with their defaults, None where there is none (then
    it has to be given; ``T_max`` and ``total_steps``: the steps of the run after the warmup);
    ``momentum``: where the momentum can be cycled with it."""

    rate: Callable[[Tensor, Tensor, Arguments], Tensor]
    arguments: Mapping[str, object]
    momentum: Callable[[Tensor, Arguments], Tensor] | None = None


REGISTRY = {
    "constant": ScheduleSpec(constant, {"factor": 1 / 3, "total_iters": 5}),
    "linear": ScheduleSpec(linear, {"start_factor": 1 / 3, "end_factor": 1.0, "total_iters": 5}),
    "step": ScheduleSpec(steps, {"step_size": None, "gamma": 0.1}),
    "multistep": ScheduleSpec(multistep, {"milestones": None, "gamma": 0.1}),
    "exponential": ScheduleSpec(exponential, {"gamma": None}),
    "polynomial": ScheduleSpec(polynomial, {"total_iters": 5, "power": 1.0}),
    "cosine": ScheduleSpec(cosine, {"T_max": None, "eta_min": 0.0}),
    "cosine-warm-restarts": ScheduleSpec(
        cosine_warm_restarts, {"T_0": None, "T_mult": 1, "eta_min": 0.0}
    ),
    "one-cycle": ScheduleSpec(
        one_cycle,
        {
            "max_lr": None,
            "total_steps": None,
            "pct_start": 0.3,
            "anneal_strategy": "cos",
            "div_factor": 25.0,
            "final_div_factor": 1e4,
            "three_phase": False,
            "base_momentum": 0.85,
            "max_momentum": 0.95,
        },
        one_cycle_momentum,
    ),
    "cyclic": ScheduleSpec(
        cyclic,
        {
            "base_lr": None,
            "max_lr": None,
            "step_size_up": 2000,
            "step_size_down": None,
            "mode": "triangular",
            "gamma": 1.0,
            "base_momentum": 0.8,
            "max_momentum": 0.9,
        },
        cyclic_momentum,
    ),
}


def _share(step: Tensor, total: object) -> Tensor:
    """How much of so many steps is done, 1 at most."""
    return torch.clamp(step / total, max=1.0)


def _half_cosine(high: Tensor, low: object, share: Tensor) -> Tensor:
    return low + (high - low) * (1 + torch.cos(math.pi * share)) / 2


def _one_cycle_ends(a: Arguments) -> list[Tensor]:
    """The last step of each phase."""
    up, last = a["pct_start"] * a["total_steps"] - 1, a["total_steps"] - 1
    return [up, 2 * up, last] if a["three_phase"] else [up, last]


def _phases(step: Tensor, ends: list[Tensor], a: Arguments, values: list[Tensor]) -> Tensor:
    """From value to value, each reached at the end of a phase; two phases leave out the third
    value."""
    if len(ends) == 2:
        values = [values[0], values[1], values[3]]
    found, first = None, 0
    for k, last in enumerate(ends):
        share = torch.clamp((step - first) / (last - first), 0.0, 1.0)
        if a["anneal_strategy"] == "cos":
            now = values[k + 1] + (values[k] - values[k + 1]) / 2 * (torch.cos(math.pi * share) + 1)
        else:
            now = values[k] + (values[k + 1] - values[k]) * share
        found = now if found is None else torch.where(step > ends[k - 1], now, found)
        first = last
    return found


def _triangle(step: Tensor, a: Arguments) -> Tensor:
    """0 at base, 1 at the top, and back; scaled by the mode."""
    up = a["step_size_up"]
    total = up + a["step_size_down"]
    cycle = torch.floor(1 + step / total)
    x = 1 + step / total - cycle
    ratio = up / total
    height = torch.where(x <= ratio, x / ratio, (x - 1) / (ratio - 1))
    if a["mode"] == "triangular2":
        return height / 2 ** (cycle - 1)
    return height * a["gamma"] ** step if a["mode"] == "exp_range" else height
