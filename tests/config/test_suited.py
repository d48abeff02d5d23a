"""What the explorer offers is what a plan accepts."""

from __future__ import annotations

import pytest

import tuichaos
from tuichaos.config.instruments import asked, suited, tabs
from tuichaos.execution.plan import plan

SILENT = ("units", "sharpness", "projection", "orbital", "routes", "moving")
CASES = (
    {},
    {"network.hidden": [], "ensemble.twins": 0},
    {"data.name": "scalar", "loss.name": "mse", "network.hidden": [1], "network.bias": False},
    {"system.name": "logistic"},
    {"system.name": "henon", "measure.tangent": False},
    {"system.name": "quartic", "ensemble.twins": 0},
    {"system.name": "quadratic"},
    {"system.name": "quadratic", "system.parameters": {"beta": 0.5}},
    {"system.name": "quadratic", "system.parameters": {"curvatures": [1.0, 0.5]}},
    {"system.name": "product", "system.parameters": {"factors": 1}},
    {"system.name": "product"},
    {"system.name": "softmax-map"},
    {"system.name": "lorenz"},
    {"system.name": "cat"},
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(list(case.values())))
def test_a_plan_accepts_what_is_suited_and_nothing_else(case):
    common = {"ensemble.references": 2, "steps": 100, "measure.nmle": False, **case}
    base = tuichaos.resolve({}, common)
    can = suited(base)
    for name in (name for names in tabs().values() for name in names):
        experiment = tuichaos.resolve({}, {**common, f"measure.{name}": asked(name, base)})
        if name in can:
            plan(experiment)
        else:
            assert name in SILENT
            with pytest.raises(tuichaos.InputError, match=f"measure.{name}"):
                plan(experiment)
