"""The orbits are those of torch.nn and torch.optim.SGD, as anyone can check from states.npz."""

from __future__ import annotations

import numpy as np
import pytest
import torch

MODULES = {
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "gelu": torch.nn.GELU,
    "softplus": torch.nn.Softplus,
    "linear": torch.nn.Identity,
}


def model_from(state, layout, activation):
    """A torch.nn model with the weights of a state vector, pieces as named in ``layout``."""
    modules, offset, held = [], 0, {}
    for piece in layout:
        name, _, shape = piece.partition(" ")
        shape = tuple(int(n) for n in shape.strip("()").split(",") if n.strip())
        size = int(np.prod(shape))
        held[name] = torch.tensor(state[offset : offset + size].reshape(shape))
        offset += size
    assert offset == len(state)
    for k in range(sum(name.endswith("weight") for name in held)):
        weight, bias = held[f"layers.{k}.weight"], held.get(f"layers.{k}.bias")
        linear = torch.nn.Linear(*weight.shape[::-1], bias=bias is not None, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(weight)
            if bias is not None:
                linear.bias.copy_(bias)
        modules += [MODULES[activation]()] * (k > 0) + [linear]
    return torch.nn.Sequential(*modules)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()


@pytest.mark.sampled(6)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize(
    ("hidden", "activation", "bias"),
    [
        ([10], "sigmoid", True),
        ([10], "tanh", False),
        ([8, 6], "relu", True),
        ([8, 6], "gelu", True),
        ([5, 4, 3], "softplus", True),
        ([5, 4, 3], "tanh", True),
        ([], "sigmoid", True),
        ([6], "linear", True),
    ],
)
def test_a_hundred_steps_of_sgd(simulate, hidden, activation, bias, loss):
    # The paper's N(0, 1) weights overflow deep relu nets under mse: draw them smaller.
    run = simulate(
        {
            "network.hidden": hidden,
            "network.activation": activation,
            "network.bias": bias,
            "network.init": "xavier",
            "loss.name": loss,
            "optimizer.learning_rate": 0.01,
            "steps": 100,
            "ensemble.references": 3,
            "ensemble.twins": 1,
            "record.states_every": 50,
        }
    )
    saved = run.states
    assert saved["steps"].tolist() == [0, 50, 100]
    x = torch.from_numpy(saved["x"])
    y = torch.from_numpy(saved["y"])
    for reference in range(3):
        for k in (None, 0):
            track = saved["states"][:, reference] if k is None else saved["twins"][:, reference, k]
            model = model_from(track[0], saved["layout"], activation)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            for _ in range(100):
                optimizer.zero_grad()
                if loss == "mse":
                    targets = torch.nn.functional.one_hot(y).double()
                    value = 0.5 * ((model(x) - targets) ** 2).sum(1).mean()
                else:
                    value = torch.nn.functional.cross_entropy(model(x), y)
                value.backward()
                optimizer.step()
            assert np.abs(flat(model) - track[-1]).max() < 1e-12
            assert np.abs(track[-1] - track[0]).max() > 1e-3  # it did move
