"""The reference systems by name, with the parameters each takes and their defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuichaos.common.errors import nearest
from tuichaos.common.number_text import whole

# The first number is the one that is turned to see a route to chaos.
REFERENCE: dict[str, dict[str, object]] = {
    "logistic": {"r": 4.0},
    "henon": {"a": 1.4, "b": 0.3},
    "lorenz": {"rho": 28.0, "sigma": 10.0, "beta": 8 / 3, "dt": 0.01},
    "cat": {},
    "quadratic": {"eta": 1.0, "beta": 0.0, "curvatures": [1.0]},
    "quartic": {"a": 1.5},
    "product": {"eta": 1.0, "factors": 2},
    "softmax-map": {"eta_eff": 10.0, "fractions": [41, 40, 39]},
}

# Flows, whose exponents are per unit of their time, and not per step.
FLOWS = ("lorenz",)

# Parameters that make the system what it is: never one value a reference.
STRUCTURE = ("curvatures", "dt", "factors", "fractions")
MAX_FACTORS = 64


def per(system: str, time_step: float | None = None) -> str:
    """What the exponents of a system are per, in all places: ``time_step`` of the system where
    it is known. A map of the user's of which it is not known may be a flow; its exponents are
    then told per unit of time, which a step of a map is."""
    unknown = time_step is None
    flow = (system in FLOWS or ":" in system) if unknown else time_step != 1
    return "unit of time" if flow else "step"


def check_parameters(name: str, parameters: Mapping[str, object]) -> None:
    """Raises ValueError naming a parameter that the reference system does not take."""
    known = REFERENCE[name]
    for key, value in parameters.items():
        if key not in known:
            hint = nearest(key, known)
            raise ValueError(f"parameters.{key}: {name} has no such parameter; {hint}")
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            raise ValueError(f"parameters.{key}: must not be empty")
        for item in items:
            if not _finite(item):
                raise ValueError(f"parameters.{key}: must be a finite number, not {item!r}")
        if fault := _unfit(key, value):
            raise ValueError(f"parameters.{key}: {fault}, not {value!r}")


def _unfit(key: str, value: object) -> str:
    """What is wrong with a parameter that makes the system what it is; empty if nothing."""
    count = whole(value)
    is_whole = isinstance(count, int) and not isinstance(count, bool)
    if key == "factors" and not (is_whole and 1 <= count <= MAX_FACTORS):
        return f"must be a whole number from 1 to {MAX_FACTORS}"
    if key == "dt" and (isinstance(value, list) or value <= 0):
        return "must be one number greater than 0"
    if key == "fractions" and not (isinstance(value, list) and len(value) > 1 and min(value) > 0):
        return "must be a list of two numbers or more, all greater than 0"
    return ""


def _finite(item: object) -> bool:
    if isinstance(item, bool) or not isinstance(item, int | float):
        return False
    try:
        return math.isfinite(item)
    except OverflowError:  # an integer beyond every float
        return False


def turned(name: str, parameters: Mapping[str, object]) -> tuple[str, float] | None:
    """The parameter to turn and its value; None where there is not just one."""
    if not REFERENCE.get(name):
        return None
    key, default = next(iter(REFERENCE[name].items()))
    value = parameters.get(key, default)
    return None if isinstance(value, list) else (key, float(value))
