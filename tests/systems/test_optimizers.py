"""Optimizers against torch.optim: step by step, first steps included."""

from __future__ import annotations

import typing

import pytest
import torch

import tuichaos
from tuichaos.config.optimizer import OPTIMIZERS, Optimizer
from tuichaos.execution.plan import plan
from tuichaos.manual import pages
from tuichaos.systems import optimizers
from tuichaos.systems.optimizers import Adam, RMSprop, made, root

STEPS, SIZE, RATE = 100, 7, 0.05
ETA = torch.tensor(RATE, dtype=torch.float64)
THEIRS = {
    "gd": torch.optim.SGD,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
CASES = (
    ("gd", {}),
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("sgd", {"momentum": 0.6, "nesterov": True, "weight_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"alpha": 0.9, "eps": 1e-5, "momentum": 0.7, "weight_decay": 0.1}),
    ("adam", {}),
    ("adam", {"betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.1}),
    ("adamw", {}),
    ("adamw", {"betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.1}),
)


def optimizer(name, arguments):
    table = {"name": name, "learning_rate": RATE, **arguments}
    return made(tuichaos.resolve({"optimizer": table}, {}).optimizer)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_step_is_that_of_torch(name, arguments):
    """Each begins from torch's own state, and all gradients are random."""
    ours, draw = optimizer(name, arguments), torch.Generator().manual_seed(1)
    weights = torch.nn.Parameter(torch.randn(SIZE, dtype=torch.float64, generator=draw))
    theirs = THEIRS[name]([weights], lr=RATE, **arguments)
    state = tuple(torch.zeros(1, SIZE, dtype=torch.float64) for _ in ours.pieces)
    for step in range(STEPS):
        g = torch.randn(SIZE, dtype=torch.float64, generator=draw)
        x = weights.detach().clone()[None]
        found, after = ours.update(x, state, g[None], ETA, torch.tensor(step))
        weights.grad = g
        theirs.step()
        kept = theirs.state[weights]
        state = tuple(kept[piece].detach().clone()[None] for piece in ours.pieces)
        torch.testing.assert_close(found[0], weights.detach(), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(after, state, rtol=1e-12, atol=1e-14)


RESTING = 1 - 1e-12  # second moments that stay where they are


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *(case for case in CASES if case[0] in ("gd", "sgd")),
        ("rmsprop", {"alpha": RESTING}),
        ("rmsprop", {"alpha": RESTING, "momentum": 0.7}),
        ("adam", {"betas": [0.9, RESTING], "bias_correction": False}),
        ("adam", {"betas": [0.5, RESTING], "bias_correction": False}),
        ("adamw", {"betas": [0.9, RESTING], "bias_correction": False, "weight_decay": 0.5}),
    ],
)
def test_the_threshold_is_where_a_minimum_becomes_unstable(name, arguments):
    """Of a quadratic, by bisection of the curvature at which the largest multiplier of the map of
    parameter and state has modulus 1; second moments rest at 1."""
    ours = optimizer(name, arguments)
    at = torch.zeros(1, 1 + len(ours.pieces), dtype=torch.float64)
    for k, piece in enumerate(ours.pieces):
        at[0, 1 + k] = float("sq" in piece)
    p = ours.preconditioner(tuple(at[:, 1:].split(1, dim=1)), torch.tensor(0))
    scale = 1.0 if p is None else float(p)

    def radius(curvature):
        def step(x):
            weights, *moments = x.split(1, dim=1)
            g = scale * curvature * weights
            after, moved = ours.update(weights, tuple(moments), g, ETA, torch.tensor(5))
            return torch.cat((after, *moved), dim=1)

        matrix = torch.func.jacrev(step)(at)[0, :, 0]
        own = [0, *(1 + k for k, piece in enumerate(ours.pieces) if "sq" not in piece)]
        return float(torch.linalg.eigvals(matrix[own][:, own]).abs().max())

    low, high = 1e-3 / RATE, 100 / RATE
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) < 1 else (low, middle)
    expected = float(ours.threshold(ETA)) - float(ours.coupled_decay) / scale
    assert low == pytest.approx(expected, rel=1e-6)


def test_the_derivative_where_moments_are_zero_is_none():
    """Where v, m and g are 0 the step does not depend on v."""
    for ours in (Adam, RMSprop):
        name = ours.__name__.lower()
        one = optimizer(name, {})
        zero = torch.zeros(1, 2, dtype=torch.float64)
        state = tuple(zero for _ in one.pieces)
        ones = torch.ones_like(zero)

        def step(x, *moments, one=one):
            return one.update(x, moments, 0.0 * x, ETA, torch.tensor(3))[0]

        moved = (zero, *(ones if "sq" in piece else zero for piece in one.pieces))
        _, along = torch.func.jvp(step, (zero, *state), moved)
        assert torch.equal(along, zero)
    assert torch.func.grad(lambda v: root(v).sum())(torch.zeros(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_its_state_follows_the_weights_under_the_names_of_torch(name):
    made_with = {"optimizer": {"name": name}, "network": {"hidden": [3]}}
    if "momentum" in OPTIMIZERS[name].arguments:
        made_with["optimizer"]["momentum"] = 0.5
    system = plan(tuichaos.resolve(made_with, {"measure.tangent": False})).built.system
    pieces = [piece.name for piece in system.layout]
    weights = [n for n in pieces if n.startswith("layers.")]
    own = made(tuichaos.resolve(made_with, {}).optimizer).pieces
    assert pieces == weights + [f"{kind}.{n}" for kind in own for n in weights]
    assert system.dimension == (1 + len(own)) * system.network.dimension


def test_none_is_half_added():
    """Its entry, its name among the choices, its class, its cases here, rows in the manual."""
    assert typing.get_args(Optimizer.model_fields["name"].annotation) == tuple(OPTIMIZERS)
    assert {name for name, _ in CASES} == set(OPTIMIZERS)
    page = (pages.FOLDER / "training.md").read_text(encoding="utf-8")
    for name, spec in OPTIMIZERS.items():
        kind = getattr(optimizers, spec.make)
        for needed in ("update", "threshold"):
            assert needed in vars(kind) or needed in vars(kind.__mro__[1]), (name, needed)
        assert page.count(f"| `{name}`") >= 2, name
        assert set(spec.arguments) <= set(Optimizer.model_fields)
