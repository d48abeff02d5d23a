"""Optimizers: how a step of training moves parameters along a gradient, with a state of its own.

Names, arguments and formulas are those of ``torch.optim``. Each is elementwise and a pure
function of tensors whose first axis is the replica, so one definition serves every model, the
compiled loops and, by forward differentiation, the tangents. Sources of the formulas: Sutskever
et al. 2013 (sgd), Hinton 2012 (rmsprop), Kingma and Ba, arXiv 1412.6980 (adam), Loshchilov and
Hutter, arXiv 1711.05101 (adamw).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.config.optimizer import OPTIMIZERS, most
from tuichaos.config.optimizer import Optimizer as OptimizerTable

State = tuple[Tensor, ...]
FIRST_MOMENTS, SECOND_MOMENTS = "exp_avg", "exp_avg_sq"
NAMES = {"betas.0": "beta1", "betas.1": "beta2"}  # of arguments, by their keys
MEAN_SQUARE, MOMENTUM = "square_avg", "momentum_buffer"


@dataclass(frozen=True)
class Optimizer:
    """``arguments``: each () for all replicas, or (rows,). ``flags``: those that hold, of
    ``nesterov``, ``bias_correction`` and ``momentum_buffer``: with one for every replica, or, as
    in torch.optim, none where the momentum is 0."""

    arguments: Mapping[str, Tensor] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    preconditions: ClassVar[bool] = False

    @property
    def pieces(self) -> tuple[str, ...]:
        """The names of its state: each holds a number for each parameter."""
        return ()

    def update(self, x: Tensor, state: State, g: Tensor, rate: Tensor, step: Tensor):
        """Parameters and state after a step.

        ``x``, ``g`` and each tensor of the state (rows, parameters); ``rate`` and ``step``, the
        number of steps taken before, broadcast against them.
        """
        raise NotImplementedError

    def threshold(self, rate: Tensor) -> Tensor:
        """The largest eigenvalue at which a minimum is still stable, of the Hessian with the
        coupled weight decay added, preconditioned where there is a ``preconditioner``."""
        raise NotImplementedError

    def preconditioner(self, state: State, step: Tensor) -> Tensor | None:
        """The diagonal P (rows, parameters) of P^(−1/2)·H·P^(−1/2); None for the identity."""
        return None

    @property
    def coupled_decay(self) -> Tensor | float:
        """What is added to the Hessian: λ of a weight decay that is part of the gradient."""
        return self.arguments.get("weight_decay", 0.0)

    @property
    def autonomous(self) -> bool:
        """Whether every step takes the same map."""
        return True

    @property
    def varies(self) -> bool:
        """Whether an argument differs between replicas."""
        return any(value.ndim for value in self.arguments.values())

    def column(self, name: str) -> Tensor:
        """An argument, to be broadcast against (rows, parameters)."""
        return self.arguments[name].reshape(-1, 1)

    def decayed(self, g: Tensor, x: Tensor) -> Tensor:
        """The gradient with a coupled weight decay."""
        return g + self.column("weight_decay") * x

    def take(self, index: Tensor) -> Optimizer:
        """That of a batch whose row k has the arguments of reference ``index[k]``."""
        taken = {k: v[index] if v.ndim else v for k, v in self.arguments.items()}
        return replace(self, arguments=taken)

    def changed(self, key: str, value: Tensor) -> Optimizer:
        """The same with another value of an argument, by its key in ``[optimizer]``."""
        name = NAMES.get(key, key)
        if name not in self.arguments:
            raise InputError(f"optimizer.{key}: {type(self).__name__.lower()} has none")
        return replace(self, arguments={**self.arguments, name: value})

    def to(self, device: torch.device, dtype: torch.dtype) -> Optimizer:
        return replace(self, arguments={k: v.to(device, dtype) for k, v in self.arguments.items()})


class GD(Optimizer):
    """x ← x − η·g."""

    def update(self, x: Tensor, state: State, g: Tensor, rate: Tensor, step: Tensor):
        return x - rate * g, ()

    def threshold(self, rate: Tensor) -> Tensor:
        return 2 / rate


class SGD(Optimizer):
    """v ← μ·v + (1 − τ)·g, x ← x − η·v; with nesterov x ← x − η·(g + μ·v). The first step is
    without dampening: from v = 0 it takes v = g, as torch.optim does."""

    @property
    def pieces(self) -> tuple[str, ...]:
        return (MOMENTUM,) if MOMENTUM in self.flags else ()

    @property
    def autonomous(self) -> bool:
        return not (self.pieces and (self.arguments["dampening"] > 0).any())

    def update(self, x: Tensor, state: State, g: Tensor, rate: Tensor, step: Tensor):
        g = self.decayed(g, x)
        if not state:
            return x - rate * g, ()
        mu = self.column("momentum")
        damped = torch.where(step == 0, 0.0, self.column("dampening"))
        v = mu * state[0] + (1 - damped) * g
        along = g + mu * v if "nesterov" in self.flags else v
        return x - rate * along, (v,)

    def threshold(self, rate: Tensor) -> Tensor:
        mu, tau = self.arguments["momentum"], self.arguments["dampening"]
        if "nesterov" in self.flags:
            return (2 + 2 * mu) / (1 + 2 * mu) / rate
        # Without a buffer a step is η·g, whatever the dampening.
        return (2 + 2 * mu) / torch.where(mu == 0, 1, 1 - tau) / rate


class RMSprop(Optimizer):
    """s ← α·s + (1 − α)·g², x ← x − η·g/(√s + ε); with momentum v ← μ·v + g/(√s + ε) and
    x ← x − η·v."""

    preconditions = True

    @property
    def pieces(self) -> tuple[str, ...]:
        return (MEAN_SQUARE, MOMENTUM) if MOMENTUM in self.flags else (MEAN_SQUARE,)

    def update(self, x: Tensor, state: State, g: Tensor, rate: Tensor, step: Tensor):
        g = self.decayed(g, x)
        alpha = self.column("alpha")
        s = alpha * state[0] + (1 - alpha) * g * g
        scaled = g / (root(s) + self.column("eps"))
        if len(state) == 1:
            return x - rate * scaled, (s,)
        v = self.column("momentum") * state[1] + scaled
        return x - rate * v, (s, v)

    def threshold(self, rate: Tensor) -> Tensor:
        return (2 + 2 * self.arguments["momentum"]) / rate

    def preconditioner(self, state: State, step: Tensor) -> Tensor:
        return root(state[0]) + self.column("eps")


class Adam(Optimizer):
    """m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², x ← x − η·m̂/(√v̂ + ε) with
    m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) at the t-th step, t from 1; without ``bias_correction``
    m̂ = m and v̂ = v. The weight decay is coupled: g ← g + λ·x."""

    preconditions = True

    @property
    def pieces(self) -> tuple[str, ...]:
        return (FIRST_MOMENTS, SECOND_MOMENTS)

    @property
    def autonomous(self) -> bool:
        return "bias_correction" not in self.flags

    def update(self, x: Tensor, state: State, g: Tensor, rate: Tensor, step: Tensor):
        return self._moved(x, state, self.decayed(g, x), rate, step)

    def _moved(self, x: Tensor, state: State, g: Tensor, rate: Tensor, step: Tensor):
        first, second = self.column("beta1"), self.column("beta2")
        m = first * state[0] + (1 - first) * g
        v = second * state[1] + (1 - second) * g * g
        scale = rate / self._correction(first, step + 1)
        return x - scale * m / self._denominator(v, step + 1), (m, v)

    def _correction(self, beta: Tensor, count: Tensor) -> Tensor:
        """1 − βᵗ after so many steps; 1 without bias correction."""
        return 1 - beta**count if "bias_correction" in self.flags else torch.ones_like(beta)

    def _denominator(self, v: Tensor, count: Tensor) -> Tensor:
        correction = self._correction(self.column("beta2"), count)
        return root(v) / torch.sqrt(correction) + self.column("eps")

    def threshold(self, rate: Tensor) -> Tensor:
        beta = self.arguments["beta1"]
        return (2 + 2 * beta) / (1 - beta) / rate

    def preconditioner(self, state: State, step: Tensor) -> Tensor:
        """√v̂ + ε of the moments that ``step`` steps have left; at step 0 there are none."""
        return self._denominator(state[1], step)


class AdamW(Adam):
    """Adam with a weight decay of its own: x ← (1 − η·λ)·x before the step."""

    @property
    def coupled_decay(self) -> float:
        return 0.0

    def update(self, x: Tensor, state: State, g: Tensor, rate: Tensor, step: Tensor):
        return self._moved((1 - rate * self.column("weight_decay")) * x, state, g, rate, step)

    def threshold(self, rate: Tensor) -> Tensor:
        beta = self.arguments["beta1"]
        kept = 2 - rate * self.arguments["weight_decay"]
        return kept * (1 + beta) / (1 - beta) / rate


def made(table: OptimizerTable) -> Optimizer:
    """The optimizer that ``[optimizer]`` asks for."""
    kind = globals()[OPTIMIZERS[table.name].make]
    arguments = {
        NAMES.get(key, key): torch.tensor(value, dtype=torch.float64)
        for key, value in table.per_replica.items()
    }
    flags = {name for name in ("nesterov", "bias_correction") if getattr(table, name)}
    if table.momentum is not None and most(table.momentum) > 0:
        flags.add(MOMENTUM)
    return kind(arguments, frozenset(flags))


def root(v: Tensor) -> Tensor:
    """√v, whose derivative is 0 at 0: where a second moment is 0 so is the gradient, and the
    step does not depend on it to first order, while √ alone has an infinite slope there."""
    there = v > 0
    return torch.where(there, torch.sqrt(torch.where(there, v, 1.0)), 0.0)
