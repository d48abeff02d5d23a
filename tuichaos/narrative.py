"""One sentence on what a run is doing, and why one may say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuichaos.bands import Band, running_interval
from tuichaos.experiment import Experiment
from tuichaos.landmarks import fit, saturation
from tuichaos.levels import NEUTRAL_GAIN
from tuichaos.live import LiveSeries
from tuichaos.parameters import per


def narrate(live: LiveSeries, experiment: Experiment, *, judged: bool = False) -> str:
    """What the numbers so far say; never more than they do. ``judged``: a verdict stands
    beside it, so that the exponent is given without a word on it."""
    progress = live.latest
    if progress is None:
        return "Press space to start."
    exponent = _exponent(live, experiment, judged=judged)
    parts = [_lost(live), _twins(live, experiment), exponent, _loss(live)]
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
    if not len(apart) or live.latest.diverged:
        return ""
    line, full = fit(live, experiment), saturation(live)
    if full is not None:
        unit = per(experiment.system.name, live.time_step)
        words = f"Twins saturated at step {full[0]}: exponents of twins are read before it"
        if line is not None:
            words += (
                f" (median distance: {line.slope:+#.3g} nats per {unit} over "
                f"{line.start}–{line.end})"
            )
        return words + "."
    if live.last("distance") == 0:
        return "Twins have met: their distance is exactly 0 (superstable, or rounded away)."
    ratio = live.last("distance") / distance[apart[0]]
    if ratio < 0.1:
        return f"The median distance of twins is down to {ratio:.2g} of the first one."
    times = f"{ratio:,.0f}" if 10 < ratio < 1e6 else f"{ratio:.2g}"
    return f"The median distance of twins is {times} times the first one."


def _exponent(live: LiveSeries, experiment: Experiment, *, judged: bool) -> str:
    """The leading exponent at the last step, and whether the last half of the run agrees."""
    band, left = live.band("lyapunov"), live.references - live.latest.diverged
    known = np.flatnonzero(np.isfinite(band.middle))
    if not len(known) or left == 0 or known[-1] < len(band.steps) - 2:
        return ""
    value, steps = band.middle[known[-1]], live.latest.step - experiment.measure.discard
    unit = per(experiment.system.name, live.time_step)
    what = f"mean of {left}" if live.references > 1 else "1 reference"
    over = f"nats per {unit} over {steps} steps ({what})"
    interval = _interval(band, known[-1], experiment)
    if interval is None:
        return f"Leading exponent {value:+#.3g} {over}; no interval yet."
    low, high = interval
    neutral = 4 * NEUTRAL_GAIN / (max(1, steps) * (live.time_step or 1.0))
    words = "" if judged else f": {_so_far(low, high, _late(band, experiment), neutral)}"
    shown = f"{low:+#.3g}", f"{high:+#.3g}"
    # Where every step stretches alike the interval is a point.
    ends = "" if shown[0] == shown[1] else f" [{', '.join(shown)}]"
    return f"Leading exponent {value:+#.3g}{ends} {over}{words}."


def _so_far(low: float, high: float, late: float, neutral: float) -> str:
    """A word on the steps so far; ``neutral``: the rate that gains less than can be told."""
    if low > neutral:
        if late < neutral:
            return f"parting at first, {late:+.2g} in the last half"
        return "nearby orbits part so far"
    if high < -neutral:
        return "nearby orbits meet so far"
    if low >= -neutral and high <= neutral:
        return "nearby orbits neither part nor meet so far"
    return "not told apart from 0 yet"


def _late(band: Band, experiment: Experiment) -> float:
    """The mean growth a step over the last half of what was averaged: the running exponent
    times its steps is the growth up to there."""
    good = np.isfinite(band.middle)
    since = band.steps[good] - experiment.measure.discard
    total = since * band.middle[good]
    half = int(np.searchsorted(since, since[-1] / 2))
    if half >= len(since) - 1:
        return float(band.middle[good][-1])
    return float((total[-1] - total[half]) / (since[-1] - since[half]))


def _interval(band: Band, at: int, experiment: Experiment) -> tuple[float, float] | None:
    """The 95 % interval of the leading exponent at an index."""
    if band.references == 1:
        curves = running_interval(band.steps, band.rows[0], experiment.measure.discard)
        return (curves[0].y[-1], curves[1].y[-1]) if curves else None
    low, high = band.rows[1][at], band.rows[2][at]
    return (low, high) if np.isfinite([low, high]).all() else None


def _loss(live: LiveSeries) -> str:
    loss = live.band("loss").middle
    loss = loss[np.isfinite(loss)]
    if len(loss) < 20:
        return ""
    rises = float((np.diff(loss) > 0).mean())
    if rises == 0:
        return "The loss falls at every step."
    return f"The median loss rises in {rises:.0%} of the steps." if rises > 0.2 else ""


def verdict(summary: Mapping[str, Any]) -> str:
    """The verdicts on the references of a run that has ended, the commonest first, with what
    is known of that one; empty without one."""
    word, counts = summary.get("regime"), summary.get("regimes") or {}
    if word is None:
        return ""
    found, total = summary["verdicts"], summary["references"]
    words = f"Verdict: {word}" + (f" in {counts[word]} of {total}" if total > 1 else "")
    if word == "transient-chaos":
        words += f", over at step {found['transient_end_median']:g}"
    elif word == "dead-network" and found["dead"][0]["stuck_on"] is not None:
        one = found["dead"][0]
        words += f", most often k = {one['stuck_on']:g}, η_eff = {one['eta_eff']:g}"
        words += f": {one['behaviour']}"
    elif word == "undecided" and found["missing"]:
        reason, count = next(iter(found["missing"].items()))
        alike = count == counts[word]
        words += f": {reason}" if alike else f" ({count} of them: {reason})"
    words += "".join(f", {other} in {n}" for other, n in counts.items() if other != word and n)
    return words + "."
