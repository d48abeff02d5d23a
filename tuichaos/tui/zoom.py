"""Windows of a sweep: the same experiment over a part of its ranges, or finer, or wider.

What a screen asks for when it zooms: an experiment again, that ``tuichaos run`` repeats. Free
of torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import changed
from tuichaos.config.sweep_axes import Axis, Number, axes

DIGITS = 3  # of the width of a window, that its ends are told to: a thousandth is no pixel
FINEST = 4  # units in the last place between two values: nearer ones are told apart by rounding
LEAST_VALUES = 2  # of a key

Span = tuple[float, float]


def at(axis: Axis, index: float) -> float:
    """The value at a place between the points, counted from 0; the ends beyond them."""
    values = np.array(axis.values, dtype=np.float64)
    scale = np.log10(values) if axis.log else values
    found = float(np.interp(index, np.arange(len(values)), scale))
    return 10.0**found if axis.log else found


def zoomed(experiment: Experiment, spans: Mapping[str, Span]) -> Experiment:
    """The experiment over other ranges of some keys, with as many values of each and evenly
    spaced as before. InputError where floats are not fine enough."""
    ranges = dict(experiment.sweep)
    for axis in axes(experiment.sweep):
        if axis.key in spans and len(axis.values) > 1:
            ranges[axis.key] = _range(axis, *spans[axis.key], len(axis.values))
    return _over(experiment, ranges)


def widened(experiment: Experiment, factor: float = 2.0) -> Experiment:
    """The experiment over ranges that are ``factor`` times as wide, about the same middle; what
    lay above 0 stays there."""
    spans = {}
    for axis in axes(experiment.sweep):
        if len(axis.values) == 1:
            continue
        low, high = ends(axis)
        a, b = (math.log10(low), math.log10(high)) if axis.log else (low, high)
        more = (factor - 1) / 2 * (b - a)
        if axis.log:
            spans[axis.key] = (10.0 ** (a - more), 10.0 ** (b + more))
        else:
            spans[axis.key] = (a - more if a <= 0 or a > more else a / factor, b + more)
    return zoomed(experiment, spans)


def resized(experiment: Experiment, factor: float, most: int) -> Experiment:
    """The experiment with ``factor`` times as many values of each key, ``most`` points in all;
    a list of values becomes a range."""
    found = axes(experiment.sweep)
    counts = [len(axis.values) for axis in found]
    turned = [k for k, count in enumerate(counts) if count > 1]
    wanted = [max(LEAST_VALUES, round(counts[k] * factor)) for k in turned]
    if factor > 1 and math.prod(wanted) > most:
        raise InputError(f"sweep: {math.prod(wanted):,} points are more than {most:,}")
    ranges = dict(experiment.sweep)
    for k, count in zip(turned, wanted, strict=True):
        ranges[found[k].key] = _range(found[k], *ends(found[k]), count)
    return _over(experiment, ranges)


def valued(experiment: Experiment, value: str) -> Experiment:
    """The experiment with another value of its plane."""
    return changed(experiment.model_dump(), {"plane.value": value})


def alone(experiment: Experiment, values: Sequence[Number]) -> Experiment:
    """The experiment of one point, as a run that can be watched: what it measures is what its
    ``[measure]`` says."""
    overrides = dict(zip(experiment.sweep, values, strict=True))
    table = experiment.model_dump()
    table |= {"sweep": {}, "plane": {}, "diagram": {}}
    made = changed(table, overrides)
    return made.model_copy(update={"name": f"{experiment.name}-point"})


def middle(experiment: Experiment) -> Experiment:
    """The experiment of a point in the middle."""
    values = [axis.values[len(axis.values) // 2] for axis in axes(experiment.sweep)]
    return alone(experiment, values)


def ends(axis: Axis) -> Span:
    """The least and the largest value."""
    return float(min(axis.values)), float(max(axis.values))


def _over(experiment: Experiment, ranges: Mapping[str, Any]) -> Experiment:
    return changed(experiment.model_dump(), {"sweep": ranges})


def _range(axis: Axis, low: float, high: float, count: int) -> dict[str, list[Number]]:
    """A range with round ends that is spaced as the axis is."""
    low, high = min(low, high), max(low, high)
    if axis.log:
        width = math.log(high / low)
        low, high = (_rounded(end, end * min(width, 1.0)) for end in (low, high))
    else:
        low, high = (_rounded(end, high - low) for end in (low, high))
    span = {"log" if axis.log else "linear": [low, high, count]}
    unit = FINEST * math.ulp(max(abs(low), abs(high)))
    if not high > low or (high - low) / (count - 1) < unit * 10:
        raise InputError(f"sweep.{axis.key}: no closer window: floats are not that fine")
    return span


def _rounded(value: float, width: float) -> float:
    if not width > 0 or not math.isfinite(width):
        return value
    return round(value, DIGITS - 1 - math.floor(math.log10(width)))
