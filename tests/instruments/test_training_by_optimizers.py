"""Exponents, sharpness and twins of training with an optimizer that has a state."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tuichaos
from tuichaos.common.errors import InputError

ONE = {"ensemble.references": 1, "ensemble.twins": 0, "measure.discard": 0}
SMALL = {"data.name": "moons", "network.hidden": [3], "network.activation": "tanh"}
SMALL |= {"loss.name": "mse", "steps": 120, **ONE}
GENTLE = {"optimizer.eps": 1e-4}
SUMS = (
    ({"optimizer.name": "sgd", "optimizer.momentum": 0.8, "optimizer.learning_rate": 0.3}, 0.8),
    (
        {
            "optimizer.name": "sgd",
            "optimizer.momentum": 0.6,
            "optimizer.dampening": 0.4,
            "optimizer.learning_rate": 0.3,
        },
        0.6,
    ),
    (
        {"optimizer.name": "rmsprop", "optimizer.momentum": 0.5, "optimizer.alpha": 0.95, **GENTLE},
        0.95 * 0.5,
    ),
    ({"optimizer.name": "adam", "optimizer.betas": [0.7, 0.99], **GENTLE}, 0.7 * 0.99),
    (
        {"optimizer.name": "adamw", "optimizer.weight_decay": 0.3, **GENTLE},
        0.9 * 0.999 * (1 - 0.3 * 0.02),
    ),
)


@pytest.mark.parametrize(("arguments", "volume"), SUMS)
def test_the_sum_of_all_exponents_is_that_of_the_optimizer(arguments, volume, simulate):
    """Whatever network and loss are: the volume that a step contracts is known."""
    rate = {"optimizer.learning_rate": 0.02}
    run = simulate({**SMALL, **rate, **arguments, "measure.spectrum": True})
    found = run.summary["spectrum"]
    pieces = 1 + len({name.split(".")[0] for name in names(run) if not name.startswith("layers")})
    parameters = found["dimension"] / pieces
    assert found["sum"] == pytest.approx(parameters * math.log(volume), abs=1e-8)


def names(run):
    from tuichaos.execution.plan import plan

    return [piece.name for piece in plan(run.experiment).built.system.layout]


def test_adam_settles_where_its_preconditioned_sharpness_is_at_the_threshold(simulate):
    """A short run of a sharpening network: the ratio rises, and it is that of the column."""
    table = {"data.name": "chebyshev", "network.hidden": [12], "network.activation": "tanh"}
    table |= {"loss.name": "mse", "optimizer.name": "adam", "optimizer.learning_rate": 0.03}
    run = simulate({**table, **ONE, "steps": 200, "measure.sharpness": {"every": 7}})
    table = run.table("sharpness.csv")
    scaled, ratio = table["preconditioned_sharpness"], table["eta_sharpness_half"]
    assert math.isnan(scaled[0])  # no moments at step 0
    threshold = (2 + 2 * 0.9) / (1 - 0.9) / 0.03
    assert np.allclose(ratio[1:], scaled[1:] / threshold, rtol=1e-12)
    assert run.summary["sharpness"]["threshold"] == pytest.approx(threshold)
    assert np.isfinite(run.series["preconditioned_sharpness"][1:].astype(float)).any()


def test_preconditioned_sharpness_is_the_eigenvalue_of_the_scaled_matrix(simulate):
    import torch

    from tuichaos.execution.plan import plan
    from tuichaos.systems.hessian import defined_matrices

    table = {**SMALL, "steps": 30, "optimizer.name": "adam", "optimizer.learning_rate": 0.02}
    table |= {"optimizer.weight_decay": 0.1, "record.states_every": 30}
    run = simulate({**table, "measure.sharpness": {"every": 30}})
    system = plan(run.experiment).built.system
    x = torch.from_numpy(run.states["states"][-1])
    h = defined_matrices(system.later(30), x[None])[0, 0]
    d = system.network.dimension
    v = x[0, 2 * d :]
    p = torch.sqrt(v / (1 - 0.999**30)) + 1e-8
    scaled = (h + 0.1 * torch.eye(d, dtype=h.dtype)) / torch.sqrt(p[:, None] * p)
    expected = float(torch.linalg.eigvalsh(scaled)[-1])
    assert run.table("sharpness.csv")["preconditioned_sharpness"][-1] == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"ensemble.perturb": "state"}, "there is none"),
        ({"ensemble.perturb": "state", "optimizer.name": "adam"}, "second moments are 0"),
        ({"ensemble.perturb": "everything", "optimizer.name": "rmsprop"}, "second moments are 0"),
        ({"optimizer.momentum": 0.5}, "gd has none"),
        ({"optimizer.name": "sgd", "optimizer.momentum": 1}, "0 to below 1"),
        ({"optimizer.name": "sgd", "optimizer.nesterov": True}, "momentum above 0"),
        ({"optimizer.name": "adam", "optimizer.betas": [0.9, 1.0]}, "0 to below 1"),
        ({"optimizer.name": "adam", "optimizer.betas": [[0.1], 0.9]}, "1 values for 2 references"),
    ],
)
def test_what_cannot_be_is_refused(table, words, tmp_path):
    small = {"steps": 5, "ensemble.references": 2, "ensemble.twins": 1}
    with pytest.raises(InputError, match=words):
        tuichaos.run(tuichaos.resolve({}, {**small, **table}), out=tmp_path / "r")


def test_second_moments_are_moved_by_their_share(simulate):
    table = {"optimizer.name": "adam", "ensemble.perturb": "state", "ensemble.perturb_at": 3}
    table |= {"steps": 4, "ensemble.references": 2, "ensemble.twins": 2, "record.states_every": 1}
    run = simulate({**table, "ensemble.perturbation": 1e-3, "measure.discard": 0})
    states, twins = run.states["states"][3], run.states["twins"][3]
    d = states.shape[1] // 3
    assert np.array_equal(twins[:, :, :d], np.repeat(states[:, None, :d], 2, axis=1))
    share = twins[:, :, 2 * d :] / states[:, None, 2 * d :] - 1
    assert 0 < np.nanmax(np.abs(share)) <= 1e-3
    assert np.nanmin(np.abs(share)) < np.nanmax(np.abs(share)) / 2
    apart = twins[:, :, d : 2 * d] - states[:, None, d : 2 * d]
    assert 0 < np.abs(apart).max() <= 1e-3


def test_an_optimizer_that_is_changed_leaves_the_arguments_of_the_one_before():
    one = tuichaos.resolve({}, {"optimizer.name": "adam", "optimizer.eps": 1e-3})
    other = tuichaos.resolve(one.model_dump(), {"optimizer.name": "sgd"})
    assert other.optimizer.eps is None
    assert other.optimizer.momentum == 0.0
    with pytest.raises(InputError, match="eps: sgd has none"):
        tuichaos.resolve(one.model_dump(), {"optimizer.name": "sgd", "optimizer.eps": 0.1})
