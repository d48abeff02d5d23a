"""Maps whose long-time behaviour is known, for the list of labelled orbits."""

from __future__ import annotations

import math

import numpy as np
import torch

from tuichaos import System

TURN = 2 * math.pi


class Ikeda(System):
    dimension = 2

    def __init__(self, u):
        self.u = u

    def step(self, x):
        a, b = x[:, :1], x[:, 1:]
        t = 0.4 - 6 / (1 + a * a + b * b)
        cos, sin = torch.cos(t), torch.sin(t)
        return torch.cat([1 + self.u * (a * cos - b * sin), self.u * (a * sin + b * cos)], 1)

    def start(self, rng):
        return rng.uniform(-0.1, 0.1, 2)


class Standard(System):
    dimension = 2

    def __init__(self, k):
        self.k = k

    def step(self, x):
        p = x[:, 1:] + self.k * torch.sin(x[:, :1])
        return torch.cat([torch.remainder(x[:, :1] + p, TURN), torch.remainder(p, TURN)], 1)

    def start(self, rng):
        return rng.uniform(0, TURN, 2)


class Tent(System):
    dimension = 1

    def __init__(self, p):
        self.p = p

    def step(self, x):
        return torch.where(x < self.p, x / self.p, (1 - x) / (1 - self.p))

    def start(self, rng):
        return rng.uniform(0, 1, 1)


class Affine(System):
    """x ← c·x + b: a contraction, a drift or an expansion."""

    dimension = 2

    def __init__(self, c, b=1.0):
        self.c, self.b = c, b

    def step(self, x):
        return self.c * x + self.b


class Shear(System):
    dimension = 2

    def step(self, x):
        return torch.cat([torch.remainder(x[:, :1] + x[:, 1:], 1.0), x[:, 1:]], 1)

    def start(self, rng):
        return rng.uniform(0, 1, 2)


class Circle(System):
    """The circle map; a rotation for k = 0."""

    dimension = 1

    def __init__(self, w, k=0.0):
        self.w, self.k = w, k

    def step(self, x):
        return torch.remainder(x + self.w - self.k / TURN * torch.sin(TURN * x), 1.0)

    def start(self, rng):
        return rng.uniform(0, 1, 1)


class Torus(System):
    """Two rotations side by side, as coordinates in the plane."""

    dimension = 4

    def step(self, x):
        turned = []
        for at, angle in ((0, math.sqrt(2)), (2, math.sqrt(3))):
            a, b = x[:, at : at + 1], x[:, at + 1 : at + 2]
            cos, sin = math.cos(angle), math.sin(angle)
            turned += [cos * a - sin * b, sin * a + cos * b]
        return torch.cat(turned, 1)


class Tower(System):
    """x ← x + w, y ← y + x, z ← z + y on a torus: ergodic, and no exponent but 0."""

    dimension = 3

    def step(self, x):
        ahead = torch.cat([torch.full_like(x[:, :1], 0.6180339887498949), x[:, :-1]], dim=1)
        return torch.remainder(x + ahead, 1.0)

    def start(self, rng):
        return rng.uniform(0, 1, 3)


class InStep(System):
    """Two equal rotations, coupled so that they part where they are not exactly in step."""

    dimension = 2

    def step(self, x):
        apart = 0.3 * torch.sin(2 * math.pi * (x[:, :1] - x[:, 1:]))
        own = x + 0.6180339887498949 + 0.08 * torch.sin(2 * math.pi * x)
        return torch.remainder(own + torch.cat([apart, -apart], dim=1), 1.0)

    def start(self, rng):
        return np.repeat(rng.uniform(0, 1), 2)


class DelayedLogistic(System):
    """A Neimark–Sacker bifurcation at a = 2, an invariant circle above it."""

    dimension = 2

    def __init__(self, a):
        self.a = a

    def step(self, x):
        return torch.cat([self.a * x[:, :1] * (1 - x[:, 1:]), x[:, :1]], 1)

    def start(self, rng):
        return rng.uniform(0.3, 0.6, 2)


class Cubic(System):
    """x ← x − x³ goes to 0 as 1/√(2t): no exponential rate."""

    dimension = 1

    def step(self, x):
        return x - x**3

    def start(self, rng):
        return rng.uniform(0.1, 0.9, 1)


class Driven(System):
    """x0 is the phase of a drive of period n, x1 the logistic response."""

    dimension = 2

    def __init__(self, n, r):
        self.w, self.r = 1 / n, r

    def step(self, x):
        phase, u = x[:, :1], x[:, 1:]
        r = self.r - 0.1 * (1 + torch.cos(TURN * phase))
        return torch.cat([torch.remainder(phase + self.w, 1.0), r * u * (1 - u)], 1)

    def start(self, rng):
        return np.array([0.0, rng.uniform(0.1, 0.9)])


class ConstantLoss(System):
    """The cat map under a loss that never changes."""

    dimension = 2

    def step(self, x):
        return torch.remainder(torch.cat([2 * x[:, :1] + x[:, 1:], x[:, :1] + x[:, 1:]], 1), 1.0)

    def start(self, rng):
        return rng.uniform(0, 1, 2)

    def observe(self, x):
        return {"loss": torch.ones_like(x[:, 0]), "x0": x[:, 0], "x1": x[:, 1]}


class PseudoHuber(System):
    """Descent on √(1 + x²): for η > 2 it flips between ±√(η²/4 − 1), where the loss is η/2."""

    dimension = 1

    def __init__(self, eta):
        self.eta = eta

    def step(self, x):
        return x - self.eta * x / torch.sqrt(1 + x * x)

    def observe(self, x):
        return {"loss": torch.sqrt(1 + x * x)[:, 0], "x0": x[:, 0]}


class Ricker(System):
    dimension = 1

    def __init__(self, r):
        self.r = r

    def step(self, x):
        return x * torch.exp(self.r * (1 - x))

    def start(self, rng):
        return rng.uniform(0.1, 0.9, 1)


class Offset(System):
    """The logistic map at r = 4 upon a large constant."""

    dimension = 1

    def __init__(self, offset):
        self.offset = offset

    def step(self, x):
        u = x - self.offset
        return 4 * u * (1 - u) + self.offset

    def start(self, rng):
        return rng.uniform(0.1, 0.9, 1) + self.offset


class Ramp(System):
    """The logistic map while r grows with a time that is part of the state."""

    dimension = 2

    def __init__(self, r, slope):
        self.r, self.slope = r, slope

    def step(self, x):
        u, t = x[:, :1], x[:, 1:]
        return torch.cat([(self.r + self.slope * t) * u * (1 - u), t + 1], 1)

    def start(self, rng):
        return np.array([rng.uniform(0.1, 0.9), 0.0])


class Slow(System):
    """x ← x·e^(c/(1 + ln x)): grows for ever, ever more slowly."""

    dimension = 1

    def __init__(self, c):
        self.c = c

    def step(self, x):
        return x * torch.exp(self.c / (1 + torch.log1p(x * x) / 2))

    def start(self, rng):
        return rng.uniform(0.9, 1.1, 1)


class Slows(System):
    """x + (1 + x)^−p, which slows down for ever, as t^(1/(p + 1)), and comes to no end."""

    dimension = 1

    def __init__(self, p):
        self.p = p

    def step(self, x):
        return x + (1 + x) ** -self.p

    def start(self, rng):
        return rng.uniform(0, 1, 1)


class SlowsBeside(System):
    """x + e^−x, which goes on as ln t, beside a logistic map."""

    dimension = 2

    def __init__(self, r):
        self.r = r

    def step(self, x):
        a, b = x[:, :1], x[:, 1:]
        return torch.cat([self.r * a * (1 - a), b + torch.exp(-b)], 1)

    def start(self, rng):
        return rng.uniform(0.2, 0.8, 2)
