"""Small systems with exact answers, and some that misbehave, for tests."""

from __future__ import annotations

import math

import numpy
import torch

from tuichaos import Piece, System


class SkewTent(System):
    """x/p below p, (1 − x)/(1 − p) above: exponent −p ln p − (1 − p) ln(1 − p), with
    independent increments, hence the map to test intervals on."""

    dimension = 1

    def __init__(self, p: float = 0.3) -> None:
        self.p = p
        self.exponent = -p * math.log(p) - (1 - p) * math.log(1 - p)

    def step(self, x):
        return torch.where(x < self.p, x / self.p, (1 - x) / (1 - self.p))

    def start(self, rng):
        return rng.uniform(0, 1, 1)


class Undefined(System):
    """No number from the first step on."""

    dimension = 1

    def step(self, x):
        return x * math.nan


class Diagonal(System):
    """x ← a∘x: exponents ln|a_i|, a contraction where all |a_i| < 1."""

    def __init__(self, factors=(0.5, -0.25)) -> None:
        self.factors = torch.tensor(factors, dtype=torch.float64)
        self.dimension = len(factors)

    def step(self, x):
        return x * self.factors.to(x.dtype)


class Sines(System):
    """A wide coupled map with exp and sin: more than JACOBIAN_DIMENSION numbers, and
    operations whose vector and scalar forms may round differently."""

    dimension = 21

    def step(self, x):
        return torch.sin(2.7 * x) + 0.1 * torch.exp(-x * x) + 0.05 * x.roll(1, dims=1)


class Crowd(System):
    """Breaks the rule that a row is on its own: its place in the batch matters."""

    dimension = 2

    def step(self, x):
        return x + 1e-9 * torch.arange(len(x), dtype=x.dtype)[:, None]


class Turning(System):
    """The logistic map at r = 3.9, whose r follows a time that it keeps to itself from its
    ``after``-th call on: no look at its first steps tells."""

    dimension = 1

    def __init__(self, after: int = 4_000) -> None:
        self.after, self.calls = after, 0

    def step(self, x):
        self.calls += 1
        r = 3.9 + (0.01 * math.sin(self.calls) if self.calls > self.after else 0.0)
        return r * x * (1 - x)

    def start(self, rng):
        return rng.uniform(0.1, 0.9, 1)


class Failing(System):
    """Raises after some calls."""

    dimension = 1

    def __init__(self) -> None:
        self.calls = 0

    def step(self, x):
        self.calls += 1
        if self.calls > 700:
            raise RuntimeError("the map broke\nsecond line")
        return 0.5 * x


class Duck:
    """Not a System, but has what one needs."""

    dimension = 3

    def step(self, x):
        return 0.9 * x


def Exiting(**parameters):  # noqa: N802
    """A factory that ends the process, or tries to."""
    raise SystemExit(3)


class Detached(System):
    """Its derivative is lost on the way."""

    dimension = 1

    def step(self, x):
        return 4 * x.detach() * (1 - x.detach())


class Float32(System):
    dimension = 1

    def step(self, x):
        return (0.5 * x).float()


class Nothing0(System):
    dimension = 0

    def step(self, x):
        return x


class BadColumn(System):
    dimension = 1

    def step(self, x):
        return 0.5 * x

    def observe(self, x):
        return {"a,b": x[:, 0]}


class BadTangent(System):
    dimension = 2

    def step(self, x):
        return 0.5 * x

    def tangent(self, x, v):
        return 0.5 * v[:, :1]


class Rotation(System):
    """A point on the unit circle, turned by ``turns`` of it at each step: quasi-periodic, its
    autocorrelation cos(2π·turns·k) exactly."""

    dimension = 2

    def __init__(self, turns: float = 34 / 89) -> None:
        self.cos, self.sin = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)

    def step(self, x):
        u, w = x[:, 0], x[:, 1]
        return torch.stack([self.cos * u - self.sin * w, self.sin * u + self.cos * w], dim=1)

    def start(self, rng):
        angle = rng.uniform(0, 2 * math.pi)
        return [math.cos(angle), math.sin(angle)]


class Passing(System):
    """A clock beside a number that doubles until the clock says 40 and halves from then on."""

    dimension = 2

    def step(self, x):
        factor = torch.where(x[:, 1:] < 39.5, 2.0, 0.5)
        return torch.cat([factor * x[:, :1], x[:, 1:] + 1], dim=1)

    def start(self, rng):
        return [rng.uniform(0, 1), 0.0]


class Cusp(System):
    """x ← x + (r + x − x³)/10: two stable fixed points for |r| < 2/(3√3), where they end in
    folds."""

    dimension = 1

    def __init__(self, r: float) -> None:
        self.r = r

    def step(self, x):
        return x + (self.r + x - x**3) / 10


class Delayed(System):
    """x ← r·x·(1 − y), y ← x, the delayed logistic map: its fixed point 1 − 1/r becomes an
    invariant circle at r = 2, with multipliers e^{±iπ/3}."""

    dimension = 2

    def __init__(self, r: float) -> None:
        self.r = r

    def step(self, x):
        u, w = x[:, :1], x[:, 1:]
        return torch.cat([self.r * u * (1 - w), u], dim=1)

    def start(self, rng):
        return 0.4 + 0.1 * rng.uniform(0, 1, 2)


class Pitchfork(System):
    """x ← r·x − x³: 0 hands over to ±√(r − 1) at r = 1, which double at r = 2."""

    dimension = 1

    def __init__(self, r: float) -> None:
        self.r = r

    def step(self, x):
        return self.r * x - x**3

    def start(self, rng):
        return rng.uniform(0.1, 0.5, 1)


class Ended(BaseException):
    """What is no Exception."""


class Ending(System):
    """Raises it at a step of the first orbit."""

    dimension = 1

    def __init__(self, at: int = 0) -> None:
        self.at, self.calls = at, 0

    def step(self, x):
        self.calls += 1
        if self.calls > self.at:
            raise Ended("over")
        return x * 0.5


class Spiral(System):
    """x' = (growth − pull + i)·x on the plane:
    a linear flow sampled at dt, whose exponent is growth − pull per unit of time."""

    dimension = 2
    growth = 0.05

    def __init__(self, dt=0.1, pull=0.0):
        self.dt, self.pull = dt, pull

    @property
    def time_step(self):
        return self.dt

    def step(self, x):
        turned = torch.stack([-x[:, 1], x[:, 0]], dim=1)
        grown = math.exp((self.growth - self.pull) * self.dt)
        return grown * (math.cos(self.dt) * x + math.sin(self.dt) * turned)


class Squares(System):
    """x ← x²: 1 is a fixed point that repels."""

    dimension = 1

    def step(self, x):
        return x * x


class Edge(System):
    """Rests where x = 1, and has no number anywhere else."""

    dimension = 1

    def step(self, x):
        return x + torch.log(2 - x - 1e300 * (x - 1).abs()) * (x - 1)


class Functional(System):
    """Gradient descent of a small torch network, written with function transforms; ``where``
    they are used: in "step" or in "observe"."""

    def __init__(self, where="step"):
        self.where = where
        self.net = torch.nn.Sequential(
            torch.nn.Linear(1, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)
        ).double()
        self.shapes = {name: value.shape for name, value in self.net.named_parameters()}
        self.dimension = sum(shape.numel() for shape in self.shapes.values())
        self.x = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]

    def loss(self, w):
        pieces = w.split([shape.numel() for shape in self.shapes.values()])
        named = {
            name: piece.reshape(shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }
        found = torch.func.functional_call(self.net, named, (self.x,))
        return ((found - self.x**2) ** 2).mean()

    def step(self, w):
        if self.where != "step":
            return 0.9 * w
        return w - 0.1 * torch.func.vmap(torch.func.grad(self.loss))(w)

    def observe(self, w):
        if self.where != "observe":
            return {"w0": w[:, 0]}
        return {"slope": torch.func.vmap(torch.func.grad(self.loss))(w)[:, 0]}


class Faulty(System):
    """Whose function ``where`` raises ``what`` from the ``after``-th call on."""

    dimension = 1

    def __init__(self, where="step", what="ValueError", after=1_000):
        self.where, self.what, self.after, self.calls = where, what, after, 0

    def _perhaps(self, where):
        self.calls += where == self.where
        if where == self.where and self.calls >= self.after:
            raise __builtins__[self.what]("no more\nof this")

    def step(self, x):
        self._perhaps("step")
        return 0.9 * x

    def observe(self, x):
        self._perhaps("observe")
        return {"x0": x[:, 0]}

    def start(self, rng):
        self._perhaps("start")
        return rng.standard_normal(1)


class Arcsine(System):
    """x ← 4x(1 − x) from its invariant law: with x = sin²(πφ), φ uniform, the growth over w
    steps is 2^w·|sin(2^(w+1)·πφ)/sin(2πφ)| exactly."""

    dimension = 1

    def step(self, x):
        return 4 * x * (1 - x)

    def start(self, rng):
        return [math.sin(math.pi * rng.uniform(0, 1)) ** 2]


class BadLayout(System):
    """Its pieces do not hold its state."""

    dimension = 3
    layout = (Piece("w", (2,)),)

    def step(self, x):
        return 0.5 * x


class InPlace(System):
    """Changes the states it is given."""

    dimension = 2

    def step(self, x):
        x *= 0.5
        return x


class WrongTangent(System):
    """Another derivative than that of its step."""

    dimension = 1

    def step(self, x):
        return torch.cos(3 * x)

    def tangent(self, x, v):
        return v


class OfNumpy(System):
    """Steps in NumPy, which torch does not differentiate; takes no parameters."""

    dimension = 1

    def step(self, x):
        return torch.from_numpy(numpy.sin(x.numpy()))
