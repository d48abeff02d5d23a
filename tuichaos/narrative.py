"""One sentence on what a run is doing, and why one may say so."""

from __future__ import annotations

import numpy as np

from tuichaos.bands import running_interval
from tuichaos.experiment import Experiment
from tuichaos.landmarks import fit, saturation
from tuichaos.live import LiveSeries
from tuichaos.parameters import per

NEUTRAL = 0.005  # nats a step: below, neither chaos nor contraction is claimed


def narrate(live: LiveSeries, experiment: Experiment) -> str:
    """What the numbers so far say; never more than they do."""
    progress = live.latest
    if progress is None:
        return "Press space to start."
    parts = [_lost(live), _twins(live, experiment), _exponent(live, experiment), _loss(live)]
    return " ".join(part for part in parts if part) or "Nothing measured yet."


def _lost(live: LiveSeries) -> str:
    lost, first = live.latest.diverged, live.first_diverged
    if not lost:
        return ""
    return f"{lost} of {live.references} references diverged, the first at step {first}."


def _twins(live: LiveSeries, experiment: Experiment) -> str:
    distance = live.band("distance").middle
    with np.errstate(invalid="ignore"):
        apart = np.flatnonzero(distance > 0)
    if not len(apart):
        return ""
    line, full = fit(live, experiment), saturation(live)
    if full is not None:
        words = f"Twins saturated at step {full[0]}: exponents of twins are read before it"
        if line is not None:
            words += f" (median distance: {line.slope:+.2f} a step over {line.start}–{line.end})"
        return words + "."
    ratio = live.last("distance") / distance[apart[0]]
    if ratio > 10:
        return f"Twins are {ratio:.2g} times as far apart as at first."
    if ratio < 0.1:
        return f"Twins have come together to {ratio:.2g} of their first distance."
    return "Twins neither part nor meet."


def _exponent(live: LiveSeries, experiment: Experiment) -> str:
    value, interval = live.last("lyapunov"), _interval(live, experiment)
    if not np.isfinite(value):
        return ""
    steps = live.latest.step - experiment.measure.discard
    time = per(experiment.system.name)
    what = f"mean of {live.references}" if live.references > 1 else "1 reference"
    if interval is None:
        over = f"per {time} over {steps} steps ({what})"
        return f"Leading exponent {value:+.3g} {over}; no interval yet."
    low, high = interval
    if low > NEUTRAL:
        verdict = "chaotic so far"
    elif high < -NEUTRAL:
        verdict = "contracting so far"
    elif low >= -NEUTRAL and high <= NEUTRAL:
        verdict = "neutral so far"
    else:
        verdict = "not told apart from 0 yet"
    bounds = f"[{low:+.3g}, {high:+.3g}]"
    return (
        f"Leading exponent {value:+.3g} {bounds} per {time} over {steps} steps ({what}): {verdict}."
    )


def _interval(live: LiveSeries, experiment: Experiment) -> tuple[float, float] | None:
    """The newest 95 % interval of the leading exponent."""
    band = live.band("lyapunov")
    bounds = [curve.y for curve in band.curves()[1:]]
    if band.references == 1:
        bounds = [
            c.y for c in running_interval(band.steps, band.rows[0], experiment.measure.discard)
        ]
    ends = [y[np.isfinite(y)] for y in bounds]
    return (ends[0][-1], ends[1][-1]) if ends and all(map(len, ends)) else None


def _loss(live: LiveSeries) -> str:
    loss = live.band("loss").middle
    loss = loss[np.isfinite(loss)]
    if len(loss) < 20:
        return ""
    rises = float((np.diff(loss) > 0).mean())
    if rises == 0:
        return "The loss falls at every step."
    return f"The median loss rises in {rises:.0%} of the steps." if rises > 0.2 else ""
