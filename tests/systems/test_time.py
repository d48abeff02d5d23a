"""Maps that depend on the time: everything that steps says when."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tuichaos
from tuichaos.systems.foreign import Foreign

SIZE = 20  # more than a Jacobian at once is made for
RUN = {"steps": 300, "ensemble.references": 4, "ensemble.twins": 2, "ensemble.perturb": "all"}
RUN |= {"measure.routes": True, "measure.spectrum": {"count": 2}, "measure.regime": False}


class Driven:
    """A ring of sines whose coupling follows the time."""

    dimension = SIZE

    def step(self, x, t):
        return torch.sin(2.0 * x.roll(1, 1) * (1 + 0.5 * torch.cos(0.7 * t)))


class Carried:
    """The same with the time as one more coordinate, from 0."""

    dimension = SIZE + 1

    def step(self, x):
        t = x[:, SIZE:]
        ring = torch.sin(2.0 * x[:, :SIZE].roll(1, 1) * (1 + 0.5 * torch.cos(0.7 * t)))
        return torch.cat([ring, t + 1], dim=1)


class Small:
    """Of few dimensions: its tangents go by whole Jacobians."""

    dimension = 2

    def step(self, x, t):
        return torch.stack([x[:, 1], 1.4 * torch.cos(0.3 * t[:, 0]) - 0.9 * x[:, 0]], dim=1)


def ring(kind):
    return Driven() if kind == "driven" else Carried()


def small():
    return Small()


def states(rows, extra):
    x = np.random.default_rng(0).standard_normal((rows, SIZE))
    return torch.from_numpy(np.hstack([x, np.zeros((rows, extra))]))


def test_an_orbit_is_that_of_the_map_with_the_time_as_a_coordinate():
    driven, carried = Foreign(Driven(), "driven"), Foreign(Carried(), "carried")
    x, y = states(3, 0), states(3, 1)
    for t in range(50):
        x, y = driven.later(t).step(x), carried.step(y)
    assert torch.equal(x, y[:, :SIZE])
    assert carried.later(7) is carried
    assert not driven.autonomous


def test_each_row_may_be_at_another_time():
    driven, x = Foreign(Driven(), "driven"), states(3, 0)
    times = torch.tensor([5, 0, 40])
    together = driven.later(times).step(x)
    alone = [driven.later(int(t)).step(x[[k]]) for k, t in enumerate(times)]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-15, atol=0)
    assert torch.equal(driven.later(3).later(times).step(x), driven.later(times + 3).step(x))


def test_twins_tangents_routes_and_spectrum_see_the_time(simulate):
    """Three routes to one exponent agree, and a wrong time would part them at once; so do the
    exponents of a map of few dimensions with the matrices of its steps."""
    made = "test_time:ring"
    run = simulate({**RUN, "system.name": made, "system.parameters": {"kind": "driven"}})
    found = run.summary["routes"]
    assert found["disagreement_max"] < 1e-3
    leading = run.summary["lyapunov"]["mean"]
    assert run.summary["spectrum"]["mean"][0] == pytest.approx(leading, abs=0.02)


def test_exponents_of_few_dimensions_are_those_of_the_product_of_its_matrices(simulate):
    """The step is affine in the state: DF = [[0, 1], [−0.9, 0]] at every time."""
    run = simulate({**RUN, "system.name": "test_time:small"})
    assert run.summary["spectrum"]["sum"] == pytest.approx(np.log(0.9), abs=1e-12)


def test_a_run_goes_on_from_the_time_it_was_at(simulate, tmp_path):
    table = {**RUN, "system.name": "test_time:ring", "system.parameters": {"kind": "driven"}}
    whole = simulate(table)
    half = tuichaos.run(tuichaos.resolve({}, {**table, "steps": 150}), out=tmp_path / "half")
    longer = tuichaos.resume(half, steps=300)
    assert (longer.path / "series.csv").read_bytes() == (whole.path / "series.csv").read_bytes()
