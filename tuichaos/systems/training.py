"""Training as a dynamical system: data × network × loss × optimizer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.systems.base import TRANSFORMS, HiddenLayer, System
from tuichaos.systems.layout import Piece, spans
from tuichaos.systems.mlp.buffers import forward_buffers, in_parts, layout_of
from tuichaos.systems.mlp.kernels import forward
from tuichaos.systems.mlp.losses import sample_losses
from tuichaos.systems.mlp.network import Perceptron, initial_state
from tuichaos.systems.optimizers import GD, Optimizer
from tuichaos.systems.parts import Sizes, part_size
from tuichaos.systems.samples import Samples
from tuichaos.systems.stepper_protocol import padded

# Numbers for each unit and sample that torch holds at most while it differentiates the loss, and
# while it differentiates the gradient; measured.
KEPT_OF_GRADIENT, KEPT_OF_JVP = 7, 16


@dataclass(frozen=True)
class TrainingSystem(System):
    """One step of an optimizer on a perceptron: of gradient descent, x ← x − η·∇L(x).

    A state holds the parameters, then the state of the optimizer, piece by piece, under the
    names of torch.optim (``exp_avg.layers.0.weight``). ``time``: the number of steps taken
    before, () or (rows,).

    ``learning_rate`` is a tensor: () for all replicas, or one value a reference (or row,
    after ``take``). ``learning_rates``: the same for each linear layer, in its place; () where
    all layers have the one.

    ``multipliers`` c of the layers, which then compute c·W·a with W of the initial law: a state
    holds c·W, and descent on W with η is descent on c·W with c²·η, so that c appears in the
    start and in ``layer_rates`` and nowhere else.

    ``step`` is the definition, differentiable twice; mlp/fast_stepper.py has the buffered form
    of the same map, bound to it by tests.
    """

    network: Perceptron
    train: Samples
    test: Samples | None
    loss: str
    learning_rate: Tensor
    init: str = "normal"
    init_scale: float = 1.0
    learning_rates: tuple[Tensor, ...] = ()
    multipliers: tuple[float, ...] = ()
    optimizer: Optimizer = field(default_factory=GD)
    time: int | Tensor = 0

    @property
    def layer_rates(self) -> list[Tensor]:
        """η of each linear layer as its weights in a state are stepped: c²·η."""
        layers = len(self.network.shapes)
        rates = list(self.learning_rates) or [self.learning_rate] * layers
        if not self.multipliers:
            return rates
        return [c * c * rate for c, rate in zip(self.multipliers, rates, strict=True)]

    @property
    def has_one_rate(self) -> bool:
        """Whether all layers are stepped by ``learning_rate``."""
        return not (self.learning_rates or self.multipliers)

    @property
    def dimension(self) -> int:
        return self.network.dimension * (1 + len(self.optimizer.pieces))

    @property
    def layout(self) -> tuple[Piece, ...]:
        weights = self.network.layout
        return weights + tuple(
            Piece(f"{name}.{piece.name}", piece.shape, "optimizer")
            for name in self.optimizer.pieces
            for piece in weights
        )

    @property
    def descends(self) -> bool:
        """Whether a step is plain gradient descent, x ← x − η·∇L(x)."""
        return type(self.optimizer) is GD

    @property
    def autonomous(self) -> bool:
        return self.optimizer.autonomous

    def later(self, steps: int | Tensor) -> TrainingSystem:
        return self if self.autonomous else replace(self, time=self.time + steps)

    @property
    def is_network(self) -> bool:
        return True

    def losses(self, x: Tensor, samples: Samples | None = None) -> Tensor:
        """The loss (replicas,) of states (replicas, dimension) on the training samples."""
        samples = samples or self.train
        outputs = self.network.outputs(x, samples.x)
        return sample_losses(self.loss, outputs, samples.targets).mean(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """∇L (replicas, parameters) at parameters, of the same shape."""
        with TRANSFORMS:
            return torch.func.grad(lambda weights: self.losses(weights).sum())(x)

    def step(self, x: Tensor) -> Tensor:
        weights, *state = x.split(self.network.dimension, dim=1)
        g, rate = self.gradient(weights), self._rate(len(x))
        time = torch.as_tensor(self.time, device=x.device).reshape(-1, 1)
        weights, state = self.optimizer.update(weights, tuple(state), g, rate, time)
        return torch.cat((weights, *state), dim=1) if state else weights

    def _rate(self, rows: int) -> Tensor:
        """η of each parameter, to be broadcast against (rows, parameters)."""
        if self.has_one_rate:
            return self.learning_rate.reshape(-1, 1)
        rates, pieces = self.layer_rates, self.network.layout
        columns = [rates[p.layer].reshape(-1, 1).expand(rows, p.size) for p in pieces]
        return torch.cat(columns, dim=1)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        weights = initial_state(self.network, self.init, self.init_scale, rng)
        for piece, span in spans(self.network.layout) if self.multipliers else ():
            weights[span] *= self.multipliers[piece.layer]
        return np.concatenate([weights, np.zeros(self.dimension - len(weights))])

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        """loss, train_accuracy, test_accuracy, test_loss (those that apply), each (replicas,)."""
        found = {"loss": self.losses(x)}
        if self.test is not None:
            found["test_loss"] = self.losses(x, self.test)
        for name, samples in (("train_accuracy", self.train), ("test_accuracy", self.test)):
            if samples is not None and samples.labels is not None:
                guess = self.network.outputs(x, samples.x).argmax(1)
                found[name] = (guess == samples.labels).to(x.dtype).mean(-1)
        return found

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        return self.network.widths[1:-1]

    def hidden_units(self, x: Tensor) -> list[HiddenLayer]:
        return self.network.hidden(x, self.train.x)

    def output_spread(self, x: Tensor) -> Tensor:
        spread, scale = torch.sub(*self._range(x)).amax(1), self._target_range
        return spread / scale if scale > 0 else torch.where(spread > 0, torch.inf, 0.0)

    def _range(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The largest and the smallest of each output (replicas, outputs) over the samples."""
        packing = layout_of(self.network, x.device)
        rows = max(2, len(x))
        packed = x.new_empty(rows, packing.width)
        packing.pack(padded(x[:, : packing.dimension], rows), packed)
        inputs = in_parts(self.network, self.train)
        high, low = [], []
        for part in forward_buffers(self.network, inputs, rows, x.new_empty):
            forward(part, packing.views(packed))
            high.append(part.z[-1][: len(x)].amax(2))
            low.append(part.z[-1][: len(x)].amin(2))
        return torch.stack(high).amax(0), torch.stack(low).amin(0)

    @property
    def observables(self) -> tuple[str, ...]:
        scored = self.train.labels is not None
        tested = self.test is not None
        asked = {"loss": True, "train_accuracy": scored, "test_accuracy": scored and tested}
        return tuple(name for name, there in (asked | {"test_loss": tested}).items() if there)

    def take(self, index: Tensor) -> TrainingSystem:
        """With the parameters, and the time, of row ``index[k]`` in row k."""

        def taken(value: Tensor) -> Tensor:
            return value[index] if value.ndim else value

        time = torch.as_tensor(self.time)
        rates = (self.learning_rate, *self.learning_rates)
        if not (time.ndim or self.optimizer.varies or any(rate.ndim for rate in rates)):
            return self
        return replace(
            self,
            learning_rate=taken(self.learning_rate),
            learning_rates=tuple(map(taken, self.learning_rates)),
            optimizer=self.optimizer.take(index),
            time=taken(time) if time.ndim else self.time,
        )

    def changed(self, parameters: Mapping[str, object]) -> TrainingSystem:
        """``learning_rate``, or arguments of the optimizer under their keys (``betas.0``)."""
        old, found = self.learning_rate, self
        for key, value in parameters.items():
            new = torch.tensor(value, dtype=old.dtype, device=old.device)
            if key != "learning_rate":
                found = replace(found, optimizer=found.optimizer.changed(key, new))
            elif self.learning_rates:
                raise InputError(f"{key}: each layer has its own; there is not one to change")
            else:
                found = replace(found, learning_rate=new)
        return found

    def to(self, device: torch.device, dtype: torch.dtype) -> TrainingSystem:
        return replace(
            self,
            train=self.train.to(device, dtype),
            test=None if self.test is None else self.test.to(device, dtype),
            learning_rate=self.learning_rate.to(device, dtype),
            learning_rates=tuple(rate.to(device, dtype) for rate in self.learning_rates),
            optimizer=self.optimizer.to(device, dtype),
        )

    @property
    def stable_sharpness(self) -> Tensor:
        """2/η of gradient descent; NaN where layers have different rates: the stable step then
        depends on more than the largest eigenvalue."""
        first, *others = self.layer_rates
        found = self.optimizer.threshold(first)
        if not self.optimizer.preconditions:
            found = found - self.optimizer.coupled_decay
        if self.has_one_rate:
            return found
        same = torch.stack([torch.as_tensor(first == rate) for rate in others]).all(0)
        return torch.where(same, found, torch.nan)

    @property
    def preconditions(self) -> bool:
        return self.optimizer.preconditions

    def preconditioned(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        if not self.optimizer.preconditions:
            return None
        _, *state = x.split(self.network.dimension, dim=1)
        time = torch.as_tensor(self.time, device=x.device).reshape(-1, 1)
        decay = torch.as_tensor(self.optimizer.coupled_decay, dtype=x.dtype, device=x.device)
        return self.optimizer.preconditioner(tuple(state), time), decay.reshape(-1, 1)

    def least_loss_of_alike(self, spread: float) -> float:
        # Of outputs that are the same for all samples the least loss is the entropy of the
        # classes, or half the variance of the targets. Outputs lie within the spread of such
        # ones: cross-entropy changes by twice that at most, and √(2·mse), a norm, by the norm.
        targets = self.train.targets
        if self.loss == "cross-entropy":
            shares = targets.mean(1)
            return float(-torch.special.xlogy(shares, shares).sum()) - 2 * self._unscaled(spread)
        norm = math.sqrt(float(targets.var(1, unbiased=False).sum()))
        most = self._unscaled(spread) * math.sqrt(len(targets))
        return 0.5 * max(0.0, norm - most) ** 2

    def _unscaled(self, spread: float) -> float:
        """A spread in units of the outputs."""
        return spread * self._target_range

    @property
    def _target_range(self) -> float:
        """What ``output_spread`` is measured by: 1 for classes."""
        targets = self.train.targets
        return 1.0 if self.train.labels is not None else float(targets.max() - targets.min())

    @property
    def output_rate(self) -> Tensor:
        """η of the last layer as it is stepped: all that counts once the others are dead."""
        return self.layer_rates[-1]

    def stepper_numbers(self, rows: int, references: int, steps: int) -> int:
        train, watched = Sizes(self.network, self.train.x.shape[1]), max(2, self.block_rows)
        if not self.descends:
            return self._by_definition(rows, references, steps) + train.observer(watched)
        rows, references = max(2, rows), references and max(2, references)
        found = train.forward(rows) + train.backward(rows)
        found += train.orbit(rows, steps) + train.tangents(references, steps)
        found += train.observer(watched) + train.scoring(rows)
        if self.test is not None:
            test = Sizes(self.network, self.test.x.shape[1])
            found += test.observer(watched)
        return found

    def _by_definition(self, rows: int, references: int, steps: int) -> int:
        """Numbers of steps that are taken by their definition, and of their derivative: torch
        keeps what each layer gives, and its slopes, for as many rows as go at once."""
        kept = KEPT_OF_JVP if references else KEPT_OF_GRADIENT
        layers = self.network.widths[0] + kept * sum(self.network.widths[1:])
        one_batch = max(2, self.block_rows) * layers * self.train.x.shape[1]
        return (steps + 1) * rows * self.dimension + one_batch

    def shared_numbers(self) -> int:
        parts = (self.train, self.test)
        return sum(Sizes(self.network, p.x.shape[1]).inputs for p in parts if p is not None)

    def look_numbers(self, states: int) -> int:
        return Sizes(self.network, self.train.x.shape[1]).forward(max(2, states))

    @property
    def block_rows(self) -> int:
        # As many as stay in a core's cache with two buffers a layer; blocks of 30 to 64
        # iris networks were within 5 % of each other.
        samples = part_size(self.network, self.train.x.shape[1])
        per_replica = 2 * 8 * samples * sum(self.network.widths[1:])
        return int(min(48, max(2, 1_500_000 // per_replica)))
