"""The reference systems by name, with the parameters each takes and their defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuichaos.errors import nearest

# The first number is the one that is turned to see a route to chaos.
REFERENCE: dict[str, dict[str, object]] = {
    "logistic": {"r": 4.0},
    "quadratic": {"eta": 1.0, "beta": 0.0, "curvatures": [1.0]},
    "quartic": {"a": 1.5},
}


def check(name: str, parameters: Mapping[str, object]) -> None:
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


def _finite(item: object) -> bool:
    if isinstance(item, bool) or not isinstance(item, int | float):
        return False
    try:
        return math.isfinite(item)
    except OverflowError:  # an integer beyond every float
        return False


def turned(name: str, parameters: Mapping[str, object]) -> tuple[str, float] | None:
    """The parameter to turn and its value; None where there is not just one."""
    if name not in REFERENCE:
        return None
    key, default = next(iter(REFERENCE[name].items()))
    value = parameters.get(key, default)
    return None if isinstance(value, list) else (key, float(value))
