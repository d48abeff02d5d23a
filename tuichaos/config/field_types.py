"""Kinds of values in an experiment: what each takes, and what it says of what it refuses."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from tuichaos.common.errors import nearest
from tuichaos.common.number_text import whole

MAX_LAYERS = 1_000  # hidden ones: each has columns of its own in series.csv
MAX_SIZE = 1e100  # of a perturbation: a draw from −ε to ε needs 2 ε, and a distance its sum


class Table(BaseModel):
    """A table of an experiment: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _integer(value: object) -> int:
    """A whole number, also one that is written as a float."""
    found = whole(value)
    if isinstance(found, bool) or not isinstance(found, int):
        exact = "; write all its digits" if isinstance(value, float) and value.is_integer() else ""
        raise ValueError(f"must be an integer, not {value!r}{exact}")
    return found


def _at_least_1(key: str, value: object) -> int:
    found = _integer(value)
    if found < 1:
        raise ValueError(f"{key} must be at least 1")
    return found


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, not {value!r}")
    try:
        value = float(value)
    except OverflowError:
        raise ValueError("must be a finite number") from None
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {value!r}")
    return value


def _positive(value: object) -> float:
    number = _real(value)
    if number <= 0:
        raise ValueError(f"must be greater than 0, not {value!r}")
    return number


def _size(value: object) -> float:
    number = _real(value)
    if not 0 <= number <= MAX_SIZE:
        raise ValueError(f"must lie between 0 and {MAX_SIZE:g}, not {value!r}")
    return number


def _rates(value: object) -> object:
    if not isinstance(value, list):
        return _positive(value)
    if not value:
        raise ValueError("must not be an empty list")
    return [_positive(item) for item in value]


def _layer_rates(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of one η a linear layer, not {value!r}")
    return [_rates(item) for item in value]


def _multipliers(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of one factor a linear layer, not {value!r}")
    return [_positive(item) for item in value]


def _start(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of numbers (one state), or a list of such lists")
    if isinstance(value[0], list):
        return [[_real(item) for item in _as_list(row)] for row in value]
    return [_real(item) for item in value]


def _as_list(value: object) -> list:
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of numbers, not {value!r}")
    return value


def _counts(value: object) -> object:
    if value is None:
        return None
    counts = [_integer(item) for item in _as_list(value)]
    if min(counts) < 0:
        raise ValueError("must not be negative")
    if sum(counts) == 0:
        raise ValueError("must leave at least one sample")
    return counts


def _widths(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of widths such as [10] or [32, 16], not {value!r}")
    if len(value) > MAX_LAYERS:
        raise ValueError(f"{len(value):,} layers; at most {MAX_LAYERS:,}")
    widths = [_integer(item) for item in value]
    for item in widths:
        if not 1 <= item <= 1_000_000:
            raise ValueError(f"widths must lie between 1 and 1000000, not {item}")
    return widths


def _target(value: object) -> object:
    if value is None or (isinstance(value, str) and value.strip()):
        return value.strip() if isinstance(value, str) else value
    found = whole(value)
    if isinstance(found, bool) or not isinstance(found, int):
        raise ValueError(f"must be the name of a column, or its number from 0, not {value!r}")
    return found


def _windows(value: object) -> object:
    edges = [_integer(item) for item in _as_list(value)]
    if edges[0] < 0 or any(b <= a for a, b in itertools.pairwise(edges)):
        raise ValueError("must be increasing steps from 0 up")
    return edges


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"must be true, false or a table such as {{ every = 10 }}, not {value!r}")
    for key in value:
        if key != "every":
            raise ValueError(f"unknown key {key!r}; there is only 'every'")
    return {key: _at_least_1(key, item) for key, item in value.items()}


def options(*keys: str) -> Any:
    """Make the type of a switch of ``[measure]`` that also takes a table of positive integers.

    Parameters
    ----------
    *keys : str
        The names that the table may have.

    Returns
    -------
    type
        For ``options`` of a Spec.
    """
    shown = f"a table such as {{ {', '.join(f'{key} = 3' for key in keys)} }}"

    def switch(value: object) -> object:
        if isinstance(value, bool):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"must be true, false or {shown}, not {value!r}")
        for key in value:
            if key not in keys:
                raise ValueError(f"unknown key {key!r}; {nearest(key, keys)}")
        return {key: _at_least_1(key, item) for key, item in value.items()}

    return Annotated[Any, BeforeValidator(switch)]


def _reach(value: object) -> object:
    """A switch that also takes the accuracy to be reached, above 0 and at most 1."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        shown = "{ accuracy = 0.9, every = 1 }"
        raise ValueError(f"must be true, false or a table such as {shown}, not {value!r}")
    for key, item in value.items():
        if key not in REACH:
            raise ValueError(f"unknown key {key!r}; {nearest(key, REACH)}")
        if key == "accuracy" and not 0 < _real(item) <= 1:
            raise ValueError(f"accuracy must lie above 0 and at most at 1, not {item!r}")
    if "every" in value:
        return {**value, "every": _at_least_1("every", value["every"])}
    return value


def _sizes(value: object) -> object:
    if value == []:
        return value
    return [_size(_positive(item)) for item in _as_list(value)]


def _every_step(value: object) -> object:
    value = _switch(value)
    if isinstance(value, dict) and value.get("every", 1) != 1:
        raise ValueError("this estimator needs every step: true or false")
    return value


Real = Annotated[float, BeforeValidator(_real)]
Positive = Annotated[float, BeforeValidator(_positive)]
Size = Annotated[float, BeforeValidator(_size)]
Integer = Annotated[int, BeforeValidator(_integer)]
Switch = Annotated[Any, BeforeValidator(_switch)]
Estimator = Annotated[Any, BeforeValidator(_every_step)]
REACH = ("accuracy", "every")
AccuracyOptions = Annotated[Any, BeforeValidator(_reach)]
Sizes = Annotated[Any, BeforeValidator(_sizes)]
Rates = Annotated[Any, BeforeValidator(_rates)]
LayerRates = Annotated[Any, BeforeValidator(_layer_rates)]
Multipliers = Annotated[Any, BeforeValidator(_multipliers)]
Start = Annotated[Any, BeforeValidator(_start)]
Counts = Annotated[Any, BeforeValidator(_counts)]
Target = Annotated[Any, BeforeValidator(_target)]
Widths = Annotated[list[int], BeforeValidator(_widths)]
Windows = Annotated[list[int], BeforeValidator(_windows)]
