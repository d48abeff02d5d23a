"""The fast path computes the map that System.step defines, and its derivative."""

from __future__ import annotations

import typing

import numpy as np
import pytest
import torch
from fast_path import follows_the_definition

from tuichaos import resolve
from tuichaos.config.training_tables import Network
from tuichaos.simulation.block import Block
from tuichaos.systems import build
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.mlp import kernels
from tuichaos.systems.mlp.activations import ACTIVATIONS
from tuichaos.systems.stepper_protocol import Scored

DEPTHS = ([], [10], [7, 5], [4, 3, 6])
PLACE = torch.device("cpu")


def training(**overrides):
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return build(resolve({}, keys)).system


def states(system, count, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([system.start(rng) for _ in range(count)]))


def test_an_experiment_has_the_activations_that_there_are():
    assert typing.get_args(Network.model_fields["activation"].annotation) == tuple(ACTIVATIONS)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_step_and_tangent_are_those_of_the_definition(activation, hidden, loss):
    # N(0, 1) weights run away in deep linear and relu nets: scale inputs and weights.
    system = training(
        network__activation=activation,
        network__hidden=hidden,
        loss__name=loss,
        network__init_scale=0.6,
        data__scaling="standard",
        optimizer__learning_rate=0.3,
    )
    follows_the_definition(system, states(system, 5))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_tangent_of_the_definition_is_its_finite_difference(activation):
    """A second route to the derivative: central differences of the step itself."""
    system = training(network__activation=activation, data__scaling="standard")
    x = states(system, 2, seed=3)
    v = torch.from_numpy(np.random.default_rng(4).standard_normal(x.shape))
    h = 1e-6
    difference = (system.step(x + h * v) - system.step(x - h * v)) / (2 * h)
    tangent = system.tangent(x, v)
    assert (tangent - difference).norm() < 1e-7 * tangent.norm()


def test_bias_free_networks_have_no_bias_and_the_same_map():
    system = training(network__bias=False, network__hidden=[3, 2], data__scaling="standard")
    assert system.dimension == 4 * 3 + 3 * 2 + 2 * 3
    x = states(system, 3)
    found = stepper_for(system, 4, 2, PLACE).advance(system, x, 2, None)
    assert (found.orbit[1] - system.step(x)).abs().max() < 1e-15


@pytest.mark.sampled(5)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_compiled_loops_give_the_bits_of_the_plain_ones(activation, loss, monkeypatch):
    system = training(
        network__activation=activation,
        network__init_scale=0.5,
        loss__name=loss,
        data__scaling="standard",
        optimizer__learning_rate=0.1,
    )
    x = states(system, 6)
    v = torch.ones(2, system.dimension, dtype=torch.float64)
    fast = stepper_for(system, 6, 30, PLACE).advance(system, x, 30, v)
    fast = [part.clone() for part in (fast.orbit, fast.growth)]
    fast.append(stepper_for(system, 6, 30, PLACE).observe(system, fast[0])["loss"])
    assert isinstance(kernels.compiled(kernels.descend).__wrapped__, torch.jit.ScriptFunction)
    for module in ("fast_stepper", "scoring"):
        name = f"tuichaos.systems.mlp.{module}.compiled"
        monkeypatch.setattr(name, lambda function: function)
    plain = stepper_for(system, 6, 30, PLACE).advance(system, x, 30, v)
    plain = [plain.orbit, plain.growth]
    plain.append(stepper_for(system, 6, 30, PLACE).observe(system, fast[0])["loss"])
    assert torch.isfinite(fast[0]).all()
    for a, b in zip(fast, plain, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_observables_are_those_of_the_definition(loss):
    system = training(loss__name=loss)
    x = states(system, 130)
    expected = system.observe(x)
    found = stepper_for(system, 8, 2, PLACE).observe(system, x[:, None])
    names = {"loss", "train_accuracy", "test_accuracy", "test_loss"}
    assert set(found) == set(expected) == names
    for name in found:
        assert (found[name][:, 0] - expected[name]).abs().max() < 1e-13


def test_ties_between_classes_go_to_the_first_like_argmax():
    z = torch.tensor([[[1.0, 2.0, 3.0], [1.0, 5.0, 3.0], [0.0, 5.0, 4.0]]])
    assert torch.equal(kernels.largest(z), z.argmax(1))
    assert kernels.largest(z).tolist() == [[0, 1, 2]]


def test_softmax_stays_finite_at_any_learning_rate():
    system = training(optimizer__learning_rate=1e30)
    x = states(system, 4)
    found = stepper_for(system, 4, 200, PLACE).advance(system, x, 200, None)
    assert torch.isfinite(found.orbit).all()
    assert torch.isfinite(
        stepper_for(system, 4, 2, PLACE).observe(system, found.orbit)["loss"]
    ).all()


def test_u_equals_v_to_the_last_bit_on_the_diagonal():
    system = training(
        data__name="scalar",
        network__hidden=[1],
        network__activation="linear",
        network__bias=False,
        loss__name="mse",
        optimizer__learning_rate=1.9,
    )
    x = torch.tensor([[0.3, 0.3], [0.7, 0.7]], dtype=torch.float64)
    orbit = stepper_for(system, 2, 3000, PLACE).advance(system, x, 3000, None).orbit
    assert torch.equal(orbit[..., 0], orbit[..., 1])
    w = 0.3
    for t in range(10):  # and it is the quartic's map
        assert orbit[t, 0, 0].item() == pytest.approx(w, rel=1e-12)
        w -= 1.9 * w * (w * w - 1)


ON_THE_WAY = {
    "classes": {},
    "real targets": {"loss__name": "mse", "network__activation": "tanh"},
    "no hidden layer": {"network__hidden": []},
    "several parts": {
        "network__hidden": [700],
        "network__activation": "relu",
        "data__name": "digits",
    },
    "float32": {"dtype": "float32", "ensemble__perturbation": 1e-3},
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("rows", [1, 3, 5])
@pytest.mark.parametrize("case", ON_THE_WAY)
def test_scores_on_the_way_are_those_of_the_states_to_the_bit(case, rows):
    """More times than the buffer holds, and times between that are not asked for."""
    system = training(**ON_THE_WAY[case])
    number = torch.float32 if case == "float32" else torch.float64
    system = system.to(PLACE, number)
    x = states(system, 7).to(number)
    at = np.array([True, True, False, True, False, True, True])
    stepper = stepper_for(system, 7, 7, PLACE)
    stretch = stepper.advance(system, x, 7, None, Scored(rows, at))
    orbit = stretch.orbit[:-1].clone()
    found = {name: values.clone() for name, values in stretch.scored.values.items()}
    orbit = orbit[torch.from_numpy(at), :rows]
    expected = stepper.observe(system, orbit)
    assert found.keys() == {name for name in expected if not name.startswith("test")}
    found |= stepper.observe(system, orbit, found.keys())
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert len(torch.unique(values)) > 1
        assert torch.equal(found[name], values), name


@pytest.mark.parametrize("largest", [1.0, np.nan])
def test_a_block_observes_the_same_wherever_it_was_told_before(largest):
    """Times that were announced, those that were not, the end; with one that is lost."""
    system = training(optimizer__learning_rate=0.5)
    x = states(system, 4)
    x[1, 0] *= largest
    seen = []

    def probe(orbit):
        seen.append(orbit.observe(np.array([0, 2, 3, 6])))
        return {}

    for observed in (lambda steps: steps % 2 == 0, lambda steps: steps < 0):
        block = Block(0, 4, False, x.clone(), None, system)
        block.advance(stepper_for(system, 4, 6, PLACE), 0, 6, True, [probe], observed)
    first, second = seen
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
