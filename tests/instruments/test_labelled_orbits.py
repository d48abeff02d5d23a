"""The verdicts on orbits whose behaviour is known otherwise."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest
from labelled_orbits import LONG, MAPS, ORBITS

ALONE = {
    "ensemble.twins": 0,
    "measure.distance": False,
    "measure.nmle": False,
    "measure.growth": False,
    "measure.accuracy": False,
}
QUICK = 5000  # steps: longer ones are among the slow tests


def verdicts(simulate, orbit):
    own = {"ensemble.references": orbit.references, "steps": orbit.steps}
    rows = {"record.every": max(1, orbit.steps // 10)}
    run = simulate({**ALONE, **own, **rows, **orbit.overrides})
    return run.summary["regimes"]


@pytest.mark.sampled(9)
@pytest.mark.parametrize(
    "orbit", [o for o in ORBITS if o.steps <= QUICK], ids=lambda orbit: orbit.name
)
def test_verdict(simulate, orbit):
    assert set(verdicts(simulate, orbit)) <= set(orbit.words), orbit.why


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "orbit", [o for o in ORBITS if o.steps > QUICK], ids=lambda orbit: orbit.name
)
def test_verdict_of_a_long_orbit(simulate, orbit):
    assert set(verdicts(simulate, orbit)) <= set(orbit.words), orbit.why


def test_the_list_is_long_and_has_few_that_are_undecided():
    assert len(ORBITS) >= 60
    assert sum("undecided" in orbit.words for orbit in ORBITS) <= 5
    words = collections.Counter(word.split("-")[0] for orbit in ORBITS for word in orbit.words)
    assert len(words) >= 9


# --- the labels by longer orbits, in plain NumPy ---------------------------------------------


def logistic(x, r):
    return r * x * (1 - x), r * (1 - 2 * x)


def ricker(x, r):
    grown = np.exp(r * (1 - x))
    return x * grown, grown * (1 - r * x)


def quartic(w, a):
    return w - a * w * (w * w - 1), 1 - a * (3 * w * w - 1)


MAPS_IN_NUMPY = {"logistic": logistic, "Ricker": ricker, "quartic": quartic}


def long_orbit(step, parameter, steps):
    """The mean of ln|f′| and the last values of an orbit from 0.3."""
    x, total = 0.3, 0.0
    values = np.empty(256)
    for t in range(steps):
        x, slope = step(x, parameter)
        total += math.log(abs(slope)) if slope else -math.inf
        values[t % 256] = x
    return total / steps, np.roll(values, -(steps % 256))


def by_long_orbits():
    for orbit in MAPS:
        name = orbit.overrides["system.name"].rpartition(":")[2]
        if orbit.why.startswith(LONG) and name in MAPS_IN_NUMPY:
            yield pytest.param(orbit, MAPS_IN_NUMPY[name], id=orbit.name)


@pytest.mark.slow
@pytest.mark.parametrize(("orbit", "step"), list(by_long_orbits()))
def test_a_hundred_times_longer(orbit, step):
    (parameter,) = orbit.overrides["system.parameters"].values()
    exponent, last = long_orbit(step, parameter, 100 * orbit.steps)
    if orbit.words == ("chaotic",):
        assert exponent > 10 / math.sqrt(100 * orbit.steps)
        return
    k = int(orbit.words[0].removeprefix("periodic-"))
    assert exponent < 0
    assert np.abs(last[k:] - last[:-k]).max() < 1e-9
    for shorter in range(1, k):
        assert np.abs(last[shorter:] - last[:-shorter]).max() > 1e-3


def test_driven_maps_are_chaotic_however_long():
    """By a second route: ln|f′| of the response under its drive."""
    for n in (8, 3):
        x, total, steps = 0.3, 0.0, 200_000
        for t in range(steps):
            r = 4.0 - 0.1 * (1 + math.cos(2 * math.pi * t / n))
            total += math.log(abs(r * (1 - 2 * x)))
            x = r * x * (1 - x)
        assert total / steps > 0.2
