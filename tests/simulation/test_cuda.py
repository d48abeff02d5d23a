"""The same on a GPU; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

BASE = {"device": "cuda", "steps": 60, "record.states_every": 20}


def test_an_orbit_is_its_own(simulate):
    alone = simulate({**BASE, "ensemble.references": 1})
    many = simulate({**BASE, "ensemble.references": 400})
    assert many.manifest["noise_floor"]["holds"]
    assert np.array_equal(alone.states["states"][:, 0], many.states["states"][:, 0])
    for name in alone.series:
        left, right = alone.series[name][:, 0], many.series[name][:, 0]
        assert np.array_equal(left, right, equal_nan=True), name


def test_the_same_twice(simulate):
    first = simulate({**BASE, "ensemble.references": 20})
    again = simulate({**BASE, "ensemble.references": 20})
    assert (first.path / "series.csv").read_bytes() == (again.path / "series.csv").read_bytes()


def test_near_the_cpu_before_chaos_sets_in(simulate):
    keys = {**BASE, "ensemble.references": 10, "optimizer.learning_rate": 0.01}
    gpu, cpu = simulate(keys), simulate({**keys, "device": "cpu"})
    assert np.abs(gpu.states["states"] - cpu.states["states"]).max() < 1e-11


def test_statistics_at_the_edge(simulate):
    nmle = simulate({"device": "cuda"}, preset="eos").summary["nmle"]
    assert 0.82 * 500 <= nmle["kept"] <= 0.93 * 500
    assert 0.27 <= nmle["mean"] <= 0.31
