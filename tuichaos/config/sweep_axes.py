"""Ranges of a sweep: what ``[sweep]`` and ``--over`` take, and the values they stand for.

Knows nothing of experiments: whether a key exists and takes a value is asked of the
experiment itself, point by point (see points.py).
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from tuichaos.common.errors import InputError, nearest
from tuichaos.common.number_text import as_toml, whole

MAX_KEYS = 2
MAX_VALUES = 1_000_000  # of one key: a grid must fit in memory
MAX_GRID = 4_000_000  # points of two: 2 000 squared, a gigabyte of them
KINDS = ("log", "linear", "values")
DIGITS = 15  # significant ones that every float64 keeps: 0.1 of a logarithmic range is 0.1

Number = int | float


@dataclass(frozen=True)
class Axis:
    """A swept key with its values in order; ``log``: they are evenly spaced in the logarithm."""

    key: str
    values: tuple[Number, ...]
    log: bool = False

    @property
    def even(self) -> bool:
        """Whether the values grow by one step, or by one factor where it is ``log``."""
        if self.log or len(self.values) == 1:
            return True
        steps = [b - a for a, b in itertools.pairwise(self.values)]
        return steps[0] > 0 and all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)


def axes(ranges: Mapping[str, Any]) -> list[Axis]:
    """The axes of a checked ``[sweep]``, in its order."""
    return [Axis(key, *_values(spec)) for key, spec in ranges.items()]


def parse_over(text: str) -> tuple[str, Any]:
    """``KEY=log:A:B:N``, ``KEY=linear:A:B:N`` or ``KEY=[v, v, …]`` as an entry of ``[sweep]``;
    InputError where it is none of them."""
    key, equals, value = (part.strip() for part in text.partition("="))
    kind, *numbers = value.split(":")
    ranged = kind in ("log", "linear") and len(numbers) == 3
    if not equals or not key or not (value.startswith("[") or ranged):
        raise InputError(
            f"--over {text}: must be KEY=log:FROM:TO:POINTS, KEY=linear:FROM:TO:POINTS "
            "or KEY=[VALUE, VALUE, …]"
        )
    inner = value if value.startswith("[") else f"[{', '.join(numbers)}]"
    try:
        found = tomllib.loads(f"value = {as_toml(inner)}")["value"]
    except (ValueError, RecursionError):
        raise InputError(f"--over {text}: {inner} is not a list of numbers") from None
    return key, found if value.startswith("[") else {kind: found}


# --- checks: ValueError names the key -------------------------------------------------------


def _ranges(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a table of keys with their ranges, not {value!r}")
    found = dict(_flat(value, ""))
    if len(found) > MAX_KEYS:
        raise ValueError(f"at most {MAX_KEYS} keys, not {len(found)}: {', '.join(found)}")
    for key, spec in found.items():
        if not key.isprintable():
            raise ValueError(f"{key!r}: must be a key of printable characters")
        if isinstance(spec, list):  # a table of its own as well, so that TOML keeps the order
            found[key] = spec = {"values": spec}
        try:
            _check(spec)
            found[key] = _counted(spec)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    size = math.prod(_count(spec) for spec in found.values())
    if size > MAX_GRID:
        raise ValueError(f"{size:,} points; at most {MAX_GRID:,}")
    return found


def _counted(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """A checked range whose number of points, if it has one, is an integer."""
    ((kind, ends),) = spec.items()
    return spec if kind == "values" else {kind: [*ends[:2], whole(ends[2])]}


def _count(spec: Mapping[str, Any]) -> int:
    """How many values a checked range has."""
    ((kind, ends),) = spec.items()
    return len(ends) if kind == "values" else ends[2]


def swept_keys(table: object) -> dict[str, Any]:
    """The entries of an unchecked ``[sweep]`` by their dotted keys; what is no table has none,
    and is refused where it is checked."""
    return dict(_flat(table, "")) if isinstance(table, Mapping) else {}


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Entries by their dotted key, also where the dots were not quoted and so made tables."""
    for name, value in table.items():
        unquoted = isinstance(value, Mapping) and value and "." not in name
        if unquoted and not set(value) & set(KINDS):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _check(spec: object) -> None:
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise ValueError(
            "must be { log = [from, to, points] }, { linear = [from, to, points] } "
            f"or [values], not {spec!r}"
        )
    ((kind, ends),) = spec.items()
    if kind not in KINDS:
        raise ValueError(f"unknown kind of range {kind!r}; {nearest(kind, KINDS)}")
    if kind == "values":
        if not isinstance(ends, list) or not ends:
            raise ValueError(f"must be a list of numbers that is not empty, not {ends!r}")
        for value in ends:
            _number(value)
        if len(set(ends)) < len(ends):
            twice = next(value for value, count in Counter(ends).items() if count > 1)
            raise ValueError(f"holds {twice!r} twice")
        return
    if not isinstance(ends, list) or len(ends) != 3:
        raise ValueError(f"{kind} must be [from, to, points], not {ends!r}")
    _check_range(kind, *ends[:2], whole(ends[2]))


def _check_range(kind: str, low: object, high: object, count: object) -> None:
    low, high = _number(low), _number(high)
    if isinstance(count, bool) or not isinstance(count, int):
        raise ValueError(f"the number of points must be an integer, not {count!r}")
    if not 1 <= count <= MAX_VALUES:
        raise ValueError(f"the number of points must lie between 1 and {MAX_VALUES}, not {count}")
    if kind == "log" and min(low, high) <= 0:
        raise ValueError(f"a logarithmic range needs ends above 0, not {min(low, high)!r}")
    if low > high:
        raise ValueError(f"the range is reversed: from {low!r} to {high!r}")
    if count == 1 and low != high:
        raise ValueError(f"one point cannot reach from {low!r} to {high!r}")
    if count > 1 and low == high:
        raise ValueError(f"the range is empty: {count} points from {low!r} to {high!r}")


def _number(value: object) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"only numbers can be swept, not {value!r}")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError(f"must be a finite number, not {value!r}")
    return value


# --- values --------------------------------------------------------------------------------


def _values(spec: Any) -> tuple[tuple[Number, ...], bool]:
    """The values of a range and whether it is logarithmic.

    The ends are exact and what lies between is rounded to DIGITS digits. Whole numbers stay
    whole: a range between integers whose points are all whole gives integers.
    """
    ((kind, ends),) = spec.items()
    if kind == "values":
        return tuple(ends), False
    low, high, count = ends
    if count == 1:
        return (low,), kind == "log"
    a, b = (math.log10(low), math.log10(high)) if kind == "log" else (float(low), float(high))
    between = [a + (b - a) * (k / (count - 1)) for k in range(1, count - 1)]
    inner = [float(f"{10.0**x if kind == 'log' else x:.{DIGITS}g}") for x in between]
    values = [low, *inner, high]
    if isinstance(low, int) and isinstance(high, int) and all(v == int(v) for v in values):
        return tuple(int(v) for v in values), kind == "log"
    return tuple(float(v) for v in values), kind == "log"


Ranges = Annotated[Any, BeforeValidator(_ranges)]
