"""An orbit is its own: its bits do not depend on company, threads or instruments."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import tuichaos
from tuichaos.systems import build
from tuichaos.systems.acceleration import stepper_for

SHORT = {"steps": 60, "record.states_every": 20}
NETWORKS = {
    "sigmoid": {},
    "gelu": {"network.activation": "gelu", "network.hidden": [5, 3], "data.scaling": "standard"},
    "softplus": {"network.activation": "softplus", "network.hidden": [3], "loss.name": "mse"},
    "tanh-moons": {"network.activation": "tanh", "data.name": "moons", "network.hidden": [7]},
    "scalar": {
        "data.name": "scalar",
        "loss.name": "mse",
        "network.hidden": [3],
        "network.bias": False,
        "optimizer.learning_rate": 0.3,
    },
    "float32": {"dtype": "float32", "ensemble.perturbation": 1e-4},
    "logistic": {"system.name": "logistic"},
    "sines": {"system.name": "maps:Sines"},
}


def same(a, b, references):
    """Whether two runs agree in every bit on their first references."""
    assert set(a.series) == set(b.series)
    for name in a.series:
        left, right = a.series[name][:, :references], b.series[name][:, :references]
        assert np.array_equal(left, right, equal_nan=True), name
    for name, values in a.exponents.items():
        left, right = values[:references], b.exponents[name][:references]
        assert np.array_equal(left, right, equal_nan=True), name
    assert np.array_equal(a.states["states"][:, :references], b.states["states"][:, :references])


@pytest.mark.sampled(6)
@pytest.mark.parametrize("network", NETWORKS)
def test_reference_0_alone_among_7_and_among_150(simulate, network):
    base = {**SHORT, **NETWORKS[network], "optimizer.learning_rate": 0.3}
    alone = simulate({**base, "ensemble.references": 1})
    seven = simulate({**base, "ensemble.references": 7}, threads=1)
    many = simulate({**base, "ensemble.references": 150}, threads=2)
    same(alone, many, 1)
    same(seven, many, 7)
    assert len(np.unique(many.states["states"][0], axis=0)) == 150  # they do differ
    assert many.manifest["noise_floor"]["holds"]
    assert many.manifest["noise_floor"]["lone_orbit_agrees"]


def test_first_twins_do_not_depend_on_how_many_there_are(simulate):
    few = simulate({**SHORT, "ensemble.references": 3, "ensemble.twins": 2})
    many = simulate({**SHORT, "ensemble.references": 3, "ensemble.twins": 70})
    assert np.array_equal(few.states["twins"], many.states["twins"][:, :, :2])
    none = simulate({**SHORT, "ensemble.references": 3, "ensemble.twins": 0})
    assert np.array_equal(none.states["states"], many.states["states"])


def test_threads_instruments_and_recording_leave_no_trace(simulate):
    base = {**SHORT, "ensemble.references": 40}
    off = {f"measure.{k}": False for k in ("tangent", "loss", "accuracy", "weight_norm", "growth")}
    full = simulate(base, threads=2)
    bare = simulate({**base, **off}, threads=1)
    assert np.array_equal(full.states["states"], bare.states["states"])
    assert np.array_equal(full.states["twins"], bare.states["twins"])
    thin = simulate({**base, "record.every": 7})
    assert thin.steps.tolist() == [0, 7, 14, 21, 28, 35, 42, 49, 56, 60]
    for name in ("loss", "distance", "lyapunov", "test_accuracy"):
        expected = full.series[name][thin.steps]
        assert np.array_equal(thin.series[name], expected, equal_nan=True), name
    for name in ("nmle", "growth", "lyapunov"):
        assert np.array_equal(thin.exponents[name], full.exponents[name], equal_nan=True), name


def test_the_same_experiment_toml_gives_the_same_bytes(simulate, tmp_path):
    first = simulate({"steps": 80, "ensemble.references": 12, "seed": 7}, threads=2)
    again = tuichaos.run(tuichaos.load(first.path / "experiment.toml"), out=tmp_path / "again")
    for name in ("series.csv", "exponents.csv", "rates.csv", "summary.json", "experiment.toml"):
        assert (first.path / name).read_bytes() == (again.path / name).read_bytes(), name
    other = simulate({"steps": 80, "ensemble.references": 12, "seed": 8})
    assert (first.path / "series.csv").read_bytes() != (other.path / "series.csv").read_bytes()


def test_a_list_of_learning_rates_is_each_reference_on_its_own(simulate):
    rates = [0.1, 1.0, 5.0]
    base = {**SHORT, "ensemble.references": 3}
    together = simulate({**base, "optimizer.learning_rate": rates})
    for k, rate in enumerate(rates):
        one = simulate({**base, "optimizer.learning_rate": rate})
        for name in ("loss", "distance", "lyapunov"):
            left, right = together.series[name][:, k], one.series[name][:, k]
            assert np.array_equal(left, right, equal_nan=True), (name, rate)


def test_the_certificate_fails_for_a_map_that_looks_at_its_neighbours(simulate):
    crowd = {"system.name": "maps:Crowd", "system.allow_nondeterministic": True}
    run = simulate({**crowd, "steps": 50, "ensemble.references": 5})
    floor = run.manifest["noise_floor"]
    assert not floor["holds"]
    assert floor["first_step"] == 1
    assert floor["largest_distance"] > 0


def test_a_failed_certificate_is_said(command, tmp_path):
    code, _, err = command(
        "run", "--preset", "quick", "--set", "system.name=maps:Crowd", "--set", "steps=20",
        "--set", "ensemble.references=3", "--set", "paper={}", "--out", tmp_path / "crowd",
        "--allow-nondeterministic",
    )  # fmt: skip
    assert code == 0
    assert "noise floor is not 0" in err


@pytest.mark.sampled(18)
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 13, 31, 60, 64])
@pytest.mark.parametrize("name", ["sigmoid", "gelu", "softplus", "scalar"])
def test_every_place_in_a_block_gives_the_same_bits(name, rows):
    """The foundation, on the stepper itself: a row among any number of others."""
    base = {**NETWORKS[name], "optimizer.learning_rate": 0.3}
    system = build(tuichaos.resolve({}, base)).system
    rng = np.random.default_rng(0)
    x = torch.from_numpy(np.stack([system.start(rng) for _ in range(rows)]))
    v = torch.ones(rows, system.dimension, dtype=torch.float64)
    stepper = stepper_for(system, 64, 20, torch.device("cpu"))
    among = stepper.advance(system, x, 20, v)
    orbit, growth = among.orbit.clone(), among.growth.clone()
    seen = stepper.observe(system, orbit)
    for row in {0, rows // 2, rows - 1}:
        alone = stepper.advance(system, x[row : row + 1], 20, v[:1])
        assert torch.equal(orbit[:, row], alone.orbit[:, 0])
        assert torch.equal(growth[:, row], alone.growth[:, 0])
        lone = stepper.observe(system, alone.orbit.clone())
        for column in seen:
            assert torch.equal(seen[column][:, row], lone[column][:, 0]), column


PLACES = """
import sys
import torch
if sys.argv[1] == "late":  # what is then asked of the library of products comes too late
    torch.ones(2, 8, 64).bmm(torch.ones(2, 64, 8))
import tuichaos
run = tuichaos.run(tuichaos.resolve({}, {
    "steps": 20, "network.activation": "softplus", "network.hidden": [3], "loss.name": "mse",
    "data.scaling": "standard", "ensemble.references": 4, "ensemble.twins": 0,
    "optimizer.learning_rate": 0.3, "record.states_every": 20,
}), out=sys.argv[2])
from tuichaos.systems import build
from tuichaos.systems.acceleration import stepper_for
system = build(run.experiment).system
start = torch.from_numpy(run.states["states"][0, :1])
torch.set_num_threads(1)
orbit = stepper_for(system, 64, 20, torch.device("cpu")).advance(system.take(
    torch.zeros(9, dtype=torch.int64)), start.expand(9, -1), 20, None).orbit
assert orbit.isfinite().all()
print(torch.equal(orbit, orbit[:, :1].expand_as(orbit)), run.manifest["noise_floor"]["holds"])
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("when", ["first", "late"])
def test_a_place_in_memory_rounds_no_product_otherwise_or_the_certificate_says_so(when, tmp_path):
    """Gradients of (3, 5) numbers: every second one begins at an odd multiple of 8 bytes."""
    command = [sys.executable, "-c", PLACES, when, str(tmp_path / "run")]
    plain = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    done = subprocess.run(command, capture_output=True, text=True, env=plain, check=True)
    agree, holds = done.stdout.split()
    assert agree == holds
    if when == "first":
        assert agree == "True"
