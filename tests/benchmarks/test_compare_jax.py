"""The comparison with JAX compares the same orbit."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax", reason="JAX is an extra: pip install tuichaos[jax]")

import compare_jax


def test_both_take_the_same_steps():
    of = compare_jax.system()
    x = compare_jax.states(of, 3)
    mine = compare_jax.ours(of, 3)(x, 20)
    other = compare_jax.theirs(of, float(of.learning_rate))(x, 20)
    assert np.abs(mine - other).max() < 1e-9
    assert np.abs(mine - x).max() > 0.1
