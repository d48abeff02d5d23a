"""The tangent exponent from states.npz and the recipe of instruments/tangent.py, in NumPy alone."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from tuichaos.instruments import tangent

SEED, STEPS, DISCARD = 5, 60, 10
COMMON = {
    "seed": SEED, "steps": STEPS, "record.states_every": 1, "measure.discard": DISCARD,
    "ensemble.references": 3, "ensemble.twins": 1, "ensemble.perturbation": 1e-9,
}  # fmt: skip


def henon(x):
    return np.array([[-2 * 1.4 * x[0], 1.0], [0.3, 0.0]])


def scalar_network(x, eta=0.2):
    """DF of a step on ½(w₂(w₁ + b₁) + b₂ − 1)², state (w₁, b₁, w₂, b₂)."""
    w1, b1, w2, b2 = x
    residual = w2 * (w1 + b1) + b2 - 1
    slope = np.array([w2, w2, w1 + b1, 1.0])
    bent = np.zeros((4, 4))
    bent[2, :2] = bent[:2, 2] = residual
    return np.eye(4) - eta * (np.outer(slope, slope) + bent)


SYSTEMS = {
    "a map": ({"system.name": "henon"}, henon, [0, 1]),
    "weights only": ({"network.hidden": [1], "network.activation": "linear", "data.name": "scalar",
                      "loss.name": "mse", "optimizer.learning_rate": 0.2}, scalar_network, [0, 2]),
}  # fmt: skip


def recipe():
    """The lines of the docstring that draw v."""
    text = tangent.__doc__.partition("::\n\n")[2].partition("\n\n``seed``")[0]
    return compile(textwrap.dedent(text), "recipe", "exec")


@pytest.mark.parametrize("name", SYSTEMS)
def test_anyone_can_recompute_it(name, simulate):
    overrides, jacobian, moved = SYSTEMS[name]
    run = simulate(COMMON | overrides)
    states = run.states["states"]  # (T, references, dimension)
    for i in range(3):
        names = {"np": np, "seed": SEED, "i": i, "moved": moved, "m": len(moved),
                 "dimension": states.shape[2]}  # fmt: skip
        exec(recipe(), names)
        v, log, logs = names["v"], 0.0, []
        for t in range(STEPS):
            logs.append(log)
            v = jacobian(states[t, i]) @ v
            log, v = log + np.log(np.linalg.norm(v)), v / np.linalg.norm(v)
        logs.append(log)
        running = [(logs[t] - logs[DISCARD]) / (t - DISCARD) for t in range(DISCARD + 1, STEPS + 1)]
        assert np.allclose(run.series["lyapunov"][DISCARD + 1 :, i], running, rtol=0, atol=1e-10)
        rate = run.rates["lyapunov"][(run.rates["reference"] == i) & (run.rates["start"] == 0)]
        assert rate == pytest.approx([logs[50] / 50], abs=1e-10)
