"""The period of the state at the end of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tuichaos.common.thresholds import FLOOR_UNITS
from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Findings, RunContext
from tuichaos.instruments.series_window import OfSeries, SeriesWindow, summary
from tuichaos.instruments.signals import Signals
from tuichaos.instruments.state_tail import TAIL, StateTail
from tuichaos.instruments.state_tail import kept_bytes as tail_bytes

LONGEST = 1024
CYCLES = 4  # that must have been seen, so that a repetition is no accident
STRETCH = TAIL  # newest values that are looked at: CYCLES times the longest period
# Newest values that must repeat: a short cycle shows in few, and the rest may be transient.
STRETCHES = (512, 1024, 2048, STRETCH)
SHORTEST = STRETCHES[0]
LEAST = 16  # values
# Of the range, a cycle. Slow convergence moves by more than this as long as it lasts: an orbit
# that closes in on a fixed point by a factor −(1 − δ) a step would need δ < 1e-6 to pass for one
# of period 2, and at a bifurcation, where it closes in as 1/√t, a million steps.
TOLERANCE = 1e-6
# Of the scale, over the whole stretch: what moves less, and slowly, stands still for all one can
# see of it, as a dead network does whose loss falls by 1e-10 a step.
STILL = 1e-6
SLOWLY = 0.05  # of the range, a step: chaos and cycles of any size move faster
# Of the gap at a fraction of the period, from the first third to the last: a cycle keeps it.
SHRINKING = 0.999
NOISE_UNITS = 1e4  # in the last place of the scale: rounding noise that a slow map has amplified


class Period(OfSeries, kept_as="Period"):
    """The smallest period of the state among the newest STRETCH steps; see ``period``. The
    levels in the table are those of the scalar series."""

    depends_on_steps = False
    key = "period"
    most = STRETCH

    def __init__(self, context: RunContext, signals: Signals, states: StateTail) -> None:
        super().__init__(context, signals)
        self.states = states

    def measured(self, part: SeriesWindow) -> tuple[int, float, float]:
        part.require(LEAST, moving=False)
        states = self.states.newest(part.reference, len(part.values))
        found = period(states, unit=part.unit)
        if found is None:
            return 0, math.nan, math.nan
        last = part.values[-found:]
        return found, float(last.min()), float(last.max())

    def collected(self, found: Sequence[Any], window: list[int] | None) -> Findings:
        measured = {k: one for k, one in enumerate(found) if not isinstance(one, str)}
        nothing = (math.nan,) * 3
        rows = [
            [k, *(measured[k] if measured.get(k, (0,))[0] else nothing)] for k in range(len(found))
        ]
        periods = [one[0] for one in measured.values() if one[0]]
        part = summary(found, window, {})
        counts = {str(k): periods.count(k) for k in sorted(set(periods))}
        common = max(sorted(set(periods)), key=periods.count) if periods else math.nan
        if measured and not periods and window:
            most = longest(window[1] - window[0] + 1)
            part["reason"] = f"no period up to {most}, or not settled"
        return Findings(
            summary={"period": {"period": common, **part, "count": len(periods), "found": counts}},
            tables={"period.csv": (["reference", "period", "low", "high"], rows)},
        )


def longest(values: int) -> int:
    """The longest period that so many consecutive values can show."""
    return min(LONGEST, min(values, STRETCH) // CYCLES)


def period(
    series: np.ndarray,
    most: int = LONGEST,
    *,
    scale: float | None = None,
    unit: float = 2.0**-52,
) -> int | None:
    """The smallest K ≤ ``most`` with |x(t+K) − x(t)| ≤ tolerance over the newest values of a
    series (T,), or of all components of one (T, P), consecutive steps; None where there is none.

    So many values as STRETCHES has next above CYCLES·K must repeat, or all there are; at least
    CYCLES periods and LEAST values. The tolerance is TOLERANCE of the range of a component over
    that stretch, but not less than the rounding floor, FLOOR_UNITS units (``unit``: in the last
    place of 1) of ``scale`` (default: the largest size in the whole series, transient too). The
    period is 1 where nothing moves by more than NOISE_UNITS units (a fixed point, or rounding
    noise around it), or by less than STILL of the scale and slowly (an orbit that has come so
    near). One that still closes in on a cycle has none: it has not settled. With a number that
    is not finite there is none.
    """
    series = np.asarray(series, dtype=np.float64)
    series = series.reshape(len(series), -1) if len(series) else series
    if len(series) < LEAST or not np.isfinite(series[-SHORTEST:]).all():
        return None
    if scale is None:
        scale = size(series[np.isfinite(series).all(axis=1)])
    if rests(series[-SHORTEST:], scale, unit):
        return 1
    tried = 0
    for stretch in STRETCHES:
        newest = series[-stretch:]
        upto = min(most, len(newest) // CYCLES)
        found = _repeats(newest, range(tried + 1, upto + 1), FLOOR_UNITS * unit * scale)
        if found is not None:
            return None if _unfolds(newest, found) else found
        tried = upto
        if len(series) <= stretch or not np.isfinite(series[-2 * stretch :]).all():
            break
    return None


def _repeats(values: np.ndarray, periods: range, floor: float) -> int | None:
    """The first of some periods after which all rows (T, P) repeat."""
    if not periods:
        return None
    tolerance = np.maximum(TOLERANCE * np.ptp(values, axis=0), floor)
    # The last value alone rules most periods out, at a thousandth of the cost.
    back = values[-1 - np.array(periods)]
    for k in periods.start + np.flatnonzero((np.abs(back - values[-1]) <= tolerance).all(axis=1)):
        if (np.abs(values[k:] - values[:-k]) <= tolerance).all():
            return int(k)
    return None


def _unfolds(values: np.ndarray, k: int) -> bool:
    """Whether rows (T, P) that repeat every k steps still close in on a cycle of k/p steps, p a
    prime: alternating about it by a hair's breadth, which shrinks."""
    third = len(values) // 3
    for p in range(2, k + 1):
        if k % p or any(p % q == 0 for q in range(2, p)):
            continue
        gaps = np.abs(values[k // p :] - values[: -k // p]).max(axis=1)
        if gaps[-third:].max() < SHRINKING * gaps[:third].max():
            return True
    return False


def size(values: np.ndarray) -> float:
    """The largest size of an entry of rows (T, P)."""
    return float(np.abs(values).max(initial=0.0))


def rests(values: np.ndarray, scale: float, unit: float) -> bool:
    """Whether rows (T, P) stand still for all one can see: see ``period``."""
    reach = np.ptp(values, axis=0)
    if (reach <= NOISE_UNITS * unit * scale).all():
        return True
    if (reach > STILL * scale).any():
        return False
    return bool((np.abs(np.diff(values, axis=0)).max(axis=0) <= SLOWLY * reach).all())


def kept_bytes(asked: Asked) -> float:
    """The newest states; with verdicts they are there anyway."""
    return 0 if asked.experiment.measure.regime else tail_bytes(asked)
