"""The period of the scalar series at the end of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tuichaos.instruments.base import Findings
from tuichaos.instruments.stretches import OfSeries, Stretch, summary
from tuichaos.levels import FLOOR_UNITS

LONGEST = 64
STRETCH = 512  # newest values that must repeat: eight times the longest period
CYCLES = 4  # that must have been seen, so that a repetition is no accident
LEAST = 16  # values
# Of the range, a cycle. Slow convergence moves by more than this as long as it lasts: an orbit
# that closes in on a fixed point by a factor −(1 − δ) a step would need δ < 1e-6 to pass for one
# of period 2, and at a bifurcation, where it closes in as 1/√t, a million steps.
TOLERANCE = 1e-6
# Of the scale, over the whole stretch: what moves less stands still for all one can see of it,
# as a dead network does whose loss falls by 1e-10 a step.
STILL = 1e-6


class Period(OfSeries):
    """The smallest period up to 64 of the newest STRETCH steps; see ``period``."""

    depends_on_steps = False
    key = "period"
    most = STRETCH

    def measured(self, stretch: Stretch) -> tuple[int, float, float]:
        stretch.require(LEAST, moving=False)
        found = period(stretch.values, scale=stretch.scale, unit=stretch.unit)
        if found is None:
            return 0, math.nan, math.nan
        last = stretch.values[-found:]
        return found, float(last.min()), float(last.max())

    def told(self, found: Sequence[Any], window: list[int] | None) -> Findings:
        measured = {k: one for k, one in enumerate(found) if not isinstance(one, str)}
        nothing = (math.nan,) * 3
        rows = [
            [k, *(measured[k] if measured.get(k, (0,))[0] else nothing)] for k in range(len(found))
        ]
        periods = [one[0] for one in measured.values() if one[0]]
        part = summary(found, window, {})
        counts = {str(k): periods.count(k) for k in sorted(set(periods))}
        common = max(sorted(set(periods)), key=periods.count) if periods else math.nan
        if measured and not periods:
            part["reason"] = "no period up to 64, or not settled"
        return Findings(
            summary={"period": {"period": common, **part, "count": len(periods), "found": counts}},
            tables={"period.csv": (["reference", "period", "low", "high"], rows)},
        )


def period(
    series: np.ndarray,
    most: int = LONGEST,
    *,
    scale: float | None = None,
    unit: float = 2.0**-52,
) -> int | None:
    """The smallest K ≤ ``most`` with |x(t+K) − x(t)| ≤ tolerance over the newest STRETCH values of
    a series (T,), consecutive steps; None where there is none.

    The tolerance is TOLERANCE of the range over that stretch, but not less than the rounding
    floor, FLOOR_UNITS units (``unit``: in the last place of 1) of ``scale`` (default: the
    largest |x| of the whole series, its transient too if it is there). Where the range is
    below STILL of the scale, or below the floor, the period is 1: a fixed point, rounding
    noise around it, or an orbit that has come so near. One that still closes in on a fixed
    point or on a cycle has none: it has not settled. CYCLES periods must have been seen, and
    LEAST values; with a number that is not finite among the newest there is none.
    """
    series = np.asarray(series, dtype=np.float64)
    newest = series[-STRETCH:]
    if len(newest) < LEAST or not np.isfinite(newest).all():
        return None
    if scale is None:
        scale = float(np.abs(series[np.isfinite(series)]).max())
    floor = FLOOR_UNITS * unit * scale
    tolerance = max(TOLERANCE * float(np.ptp(newest)), floor)
    if np.ptp(newest) <= max(STILL * scale, floor):
        return 1
    for k in range(1, min(most, len(newest) // CYCLES) + 1):
        if np.abs(newest[k:] - newest[:-k]).max() <= tolerance:
            return k
    return None
