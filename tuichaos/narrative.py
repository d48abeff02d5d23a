"""One sentence on what a run is doing, and why one may say so."""

from __future__ import annotations

import numpy as np

from tuichaos.live import LiveSeries

SATURATION = 1e-3  # of the weight norm, as in the growth window
NEUTRAL = 0.005  # nats a step: below, neither chaos nor contraction is claimed


def narrate(live: LiveSeries, references: int) -> str:
    """What the numbers so far say; never more than they do."""
    progress = live.latest
    if progress is None:
        return "Press space to start."
    parts = [_lost(live, references), _twins(live), _exponent(live), _loss(live)]
    return " ".join(part for part in parts if part) or "Nothing measured yet."


def _lost(live: LiveSeries, references: int) -> str:
    lost = live.latest.diverged
    return f"{lost} of {references} references diverged." if lost else ""


def saturation(live: LiveSeries) -> tuple[int, float] | None:
    """The step at which the median twin reached a thousandth of the weight norm, and that
    distance; None before."""
    distance, norm = live.band("distance"), live.band("weight_norm")
    with np.errstate(invalid="ignore"):
        full = np.flatnonzero(distance.median > SATURATION * norm.median)
    if not len(full):
        return None
    return int(distance.steps[full[0]]), SATURATION * float(norm.median[full[0]])


def _twins(live: LiveSeries) -> str:
    distance = live.band("distance").median
    with np.errstate(invalid="ignore"):
        apart = np.flatnonzero(distance > 0)
    if not len(apart):
        return ""
    full = saturation(live)
    if full is not None:
        return f"Twins saturated at step {full[0]}: exponents of twins are read before it."
    ratio = live.last("distance") / distance[apart[0]]
    if ratio > 10:
        return f"Twins are {ratio:.2g} times as far apart as at first."
    if ratio < 0.1:
        return f"Twins have come together to {ratio:.2g} of their first distance."
    return "Twins neither part nor meet."


def _exponent(live: LiveSeries) -> str:
    value = live.last("lyapunov")
    if not np.isfinite(value):
        return ""
    step = live.latest.step
    if abs(value) < NEUTRAL:
        return f"Leading exponent over {step} steps about 0 ({value:+.2g}): neutral so far."
    kind = "chaotic so far" if value > 0 else "contracting so far"
    return f"Leading exponent {value:+.3f} per step over {step} steps (median): {kind}."


def _loss(live: LiveSeries) -> str:
    loss = live.band("loss").median
    loss = loss[np.isfinite(loss)]
    if len(loss) < 20:
        return ""
    rises = float((np.diff(loss) > 0).mean())
    if rises == 0:
        return "The loss falls at every step."
    return f"The median loss rises in {rises:.0%} of the steps." if rises > 0.2 else ""
