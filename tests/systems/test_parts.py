"""Many samples go through a network in parts: the same map, the same bits in any company, and
the memory that was told beforehand."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import tuichaos
from tuichaos.execution.plan import plan
from tuichaos.systems import parts
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.parts import LANE, Sizes, part_size

SHAPES = [
    ("sigmoid", [7], True, None),
    ("sigmoid", [7], True, 300),
    ("gelu", [5, 3], True, 800),
    ("relu", [6, 4, 2], False, 500),
]


def system(activation, hidden, bias=True, **more):
    made = {"network.activation": activation, "network.hidden": hidden, "network.bias": bias}
    # Deep nets run away on raw inputs.
    made |= {"data.scaling": "standard", "network.init_scale": 0.6}
    return plan(tuichaos.resolve({}, {**made, **more}), 1).built.system


def states(of, rows):
    """(rows, dimension)."""
    drawn = [of.start(np.random.default_rng(k)) for k in range(rows)]
    return torch.from_numpy(np.stack(drawn))


def directions(of, rows):
    drawn = np.random.default_rng(1).standard_normal((rows, of.dimension))
    return torch.from_numpy(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def stepper(of, rows=6, steps=4):
    return stepper_for(of, rows, steps, torch.device("cpu"))


@pytest.mark.parametrize(("activation", "hidden", "bias", "most"), SHAPES)
def test_the_numbers_told_are_the_numbers_held(activation, hidden, bias, most, monkeypatch):
    monkeypatch.setattr(parts, "PART", most or parts.PART)
    one = system(activation, hidden, bias)
    made = stepper(one)
    made.advance(one, states(one, 6), 4, directions(one, 3))
    told = Sizes(one.network, one.train.x.shape[1])
    assert told.parts == len(made.inputs)
    assert (told.parts > 1) == (most is not None)
    found = told.forward(6) + told.backward(6) + told.orbit(6, 4) + told.tangents(3, 4)
    found += told.scoring(6)
    assert made.pool.numbers == found


@pytest.mark.parametrize(("activation", "hidden", "bias", "most"), SHAPES[1:])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_parts_are_the_same_map(activation, hidden, bias, most, loss, monkeypatch):
    one = system(activation, hidden, bias, **{"loss.name": loss})
    x, v = states(one, 6), directions(one, 3)
    whole = stepper(one)
    first = whole.advance(one, x, 4, v)
    orbit, growth, tangents = (part.clone() for part in (first.orbit, first.growth, first.tangents))
    seen = whole.observe(one, orbit)
    monkeypatch.setattr(parts, "PART", most)
    cut = stepper(one)
    assert len(cut.inputs) > 1
    found = cut.advance(one, x, 4, v)
    assert torch.allclose(found.orbit, orbit, rtol=1e-13, atol=1e-13)
    assert torch.allclose(found.growth, growth, rtol=1e-11, atol=1e-12)
    assert torch.allclose(found.tangents, tangents, rtol=1e-11, atol=1e-12)
    for name, values in cut.observe(one, orbit).items():
        exact = name.endswith("accuracy")
        assert torch.allclose(values, seen[name], rtol=0 if exact else 1e-13, atol=0)
    spread = one.output_spread(x)
    monkeypatch.setattr(parts, "PART", 10**9)
    assert torch.allclose(spread, one.output_spread(x), rtol=1e-13)


def test_bits_in_parts_do_not_depend_on_company(monkeypatch):
    monkeypatch.setattr(parts, "PART", 300)
    one = system("tanh", [9])
    x, v = states(one, 6), directions(one, 6)
    together = stepper(one).advance(one, x, 4, v)
    alone = stepper(one)
    for row in range(6):
        single = alone.advance(one, x[row : row + 1], 4, v[row : row + 1])
        assert torch.equal(single.orbit[:, 0], together.orbit[:, row])
        assert torch.equal(single.growth[:, 0], together.growth[:, row])


def test_blocks_of_several_shapes_share_their_memory():
    """As a run has them: a small one first, the largest next, then smaller ones again."""
    one = system("sigmoid", [7])
    made, x, v = stepper(one), states(one, 6), directions(one, 6)
    fresh = {}
    for rows, own in ((2, 0), (6, 3), (4, 2), (6, 3), (2, 2)):
        tangents = v[:own] if own else None
        found = made.advance(one, x[:rows], 4, tangents).orbit.clone()
        expected = stepper(one).advance(one, x[:rows], 4, tangents).orbit
        assert torch.equal(found, expected)
        fresh.setdefault("held", []).append(made.pool.numbers)
    held = fresh["held"]
    assert held[1:] == [held[1]] * 4  # the largest needs no more than itself


def test_parts_are_alike_and_whole_lanes():
    network = system("sigmoid", [7]).network
    for count in (1, 31, 120, 16_000, 1_000_003):
        size = part_size(network, count)
        assert size % LANE == 0
        assert size * sum(network.widths[1:]) <= parts.PART + LANE * sum(network.widths[1:])
        cut = -(-count // size)
        assert size * cut - count < LANE * cut


MEASURE = """
import json, sys, tempfile, threading
from pathlib import Path
import tuichaos
from tuichaos.common.memory import held
from tuichaos.execution.plan import plan

overrides, threads, folder = json.loads(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
small = {"steps": 3, "ensemble.references": 2, "ensemble.twins": 1}
tuichaos.run(tuichaos.resolve({}, small), out=folder / "small", threads=1)  # libraries are loaded
asked = tuichaos.resolve({}, overrides)
told = plan(asked, threads).needed
before, seen, ended = held(), [], threading.Event()

def look():
    while not ended.wait(0.005):
        seen.append(held())

looks = threading.Thread(target=look, daemon=True)
looks.start()
tuichaos.run(asked, out=folder / "run", threads=threads)
ended.set()
looks.join()
print(json.dumps([told, max(seen) - before]))
"""
WIDE = {"network.hidden": [400], "ensemble.references": 8, "ensemble.twins": 5, "steps": 3}
MANY = {"ensemble.references": 10_000, "ensemble.twins": 5, "steps": 60}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "threads"), [(WIDE, 2), pytest.param(MANY, 2, marks=pytest.mark.long)]
)
def test_memory_told_is_memory_taken(overrides, threads, tmp_path):
    """Within 30 % of what the process grows by, allocator and all (20 % mostly)."""
    if overrides is WIDE:
        draw = np.random.default_rng(0)
        x, y = draw.standard_normal((16_000, 50)), draw.integers(0, 3, 16_000)
        np.savez(tmp_path / "wide.npz", x=x, y=y)
        overrides = {**WIDE, "data.name": "npz", "data.path": str(tmp_path / "wide.npz")}
    command = [sys.executable, "-c", MEASURE, json.dumps(overrides), str(threads), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    told, taken = json.loads(ended.stdout.splitlines()[-1])
    assert told / taken == pytest.approx(1, abs=0.3)
