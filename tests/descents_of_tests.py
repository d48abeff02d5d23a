"""Systems with a loss of their own, for tests."""

from __future__ import annotations

from tuichaos import System


class Bowl(System):
    """Descends x² + 3y² by a step of 0.1: curvatures 2 and 6."""

    dimension = 2

    def step(self, x):
        return x - 0.1 * x * x.new_tensor([2.0, 6.0])

    def observe(self, x):
        return {"loss": x[:, 0] ** 2 + 3 * x[:, 1] ** 2}


class Broken(Bowl):
    """Its loss leaves torch on the way."""

    def observe(self, x):
        return {"loss": x.new_tensor((x**2).sum(1).tolist())}
