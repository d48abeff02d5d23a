"""One sentence on what a run is doing, and why one may say so."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tuichaos.common.thresholds import MIN_STEPS, NEUTRAL_GAIN
from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import per
from tuichaos.plots.bands import Band, running_interval
from tuichaos.plots.distance_fit import fit, growth_limit
from tuichaos.reports.run_report import dead_of
from tuichaos.tui.live_series import LiveSeries


@dataclass(frozen=True)
class Said:
    """A sentence among others: all of it, and the same in fewer words where there are such.
    ``rank``: the larger, the sooner it gives way; 0: it stays whatever room there is."""

    words: str
    brief: str = ""
    rank: int = 0


def narrate(live: LiveSeries, experiment: Experiment, *, judged: bool = False) -> str:
    """What the numbers so far say; never more than they do. ``judged``: a verdict stands
    beside it, so that the exponent is given without a word on it."""
    return " ".join(part.words for part in sentence_parts(live, experiment, judged=judged))


def sentence_parts(live: LiveSeries, experiment: Experiment, *, judged: bool = False) -> list[Said]:
    """The same, sentence by sentence."""
    if live.latest is None:
        return [Said("Press space to start.")]
    exponent = _exponent(live, experiment, judged=judged)
    parts = [Said(_lost(live)), _twins(live, experiment), exponent, Said(_loss(live), rank=3)]
    return [part for part in parts if part.words] or [Said("Nothing measured yet.")]


def fitted(parts: Sequence[Said], width: int, lines: int) -> str:
    """As much as ``lines`` of ``width`` characters hold, and always all that must stay: without
    what gives way and has no shorter form, then in fewer words, then without all that gives
    way. No sentence is cut."""
    parts = list(parts)
    order = sorted(range(len(parts)), key=lambda k: -parts[k].rank)
    shorter = [(k, parts[k].brief) for k in order if parts[k].brief]
    without = [(k, "") for k in order if parts[k].rank]
    first = [(k, "") for k, _ in without if not parts[k].brief]
    for k, words in (*first, *shorter, *without):
        if _lines(parts, width) <= lines:
            break
        parts[k] = replace(parts[k], words=words)
    return _joined(parts)


def _lines(parts: Sequence[Said], width: int) -> int:
    return len(textwrap.wrap(_joined(parts), width))


def _joined(parts: Sequence[Said]) -> str:
    return " ".join(part.words for part in parts if part.words)


def _lost(live: LiveSeries) -> str:
    lost, first = live.latest.diverged, live.first_diverged
    if not lost:
        return ""
    return f"{lost} of {live.references} references diverged, the first at step {first}."


def _twins(live: LiveSeries, experiment: Experiment) -> Said:
    distance = live.band("distance").middle
    with np.errstate(invalid="ignore"):
        apart = np.flatnonzero(distance > 0)
    if not len(apart) or live.latest.diverged:
        return Said("")
    line, full = fit(live, experiment), growth_limit(live)
    if full is not None:
        unit = per(experiment.system.name, live.time_step)
        words = f"Twins reached the growth limit at step {full[0]}: their exponents are read before"
        if line is not None:
            words += (
                f" (median distance: {line.slope:+#.3g} nats per {unit} over "
                f"{line.start}–{line.end})"
            )
        return Said(words + ".", f"Twins reached the growth limit at step {full[0]}.", rank=2)
    if live.last("distance") == 0:
        words = "Twins have met: their distance is exactly 0 (superstable, or rounded away)."
        return Said(words, "Twins have met: their distance is exactly 0.", rank=2)
    ratio = live.last("distance") / distance[apart[0]]
    if ratio < 0.1:
        words = f"down to {ratio:.2g} of the first one"
    else:
        words = f"{f'{ratio:,.0f}' if 10 < ratio < 1e6 else f'{ratio:.2g}'} times the first one"
    return Said(f"The median distance of twins is {words}.", f"Twins: {words}.", rank=2)


def _exponent(live: LiveSeries, experiment: Experiment, *, judged: bool) -> Said:
    """The leading exponent at the last step, and whether the last half of the run agrees."""
    band, left = live.band("lyapunov"), live.references - live.latest.diverged
    known = np.flatnonzero(np.isfinite(band.middle))
    if not len(known) or left == 0 or known[-1] < len(band.steps) - 2:
        return Said("")
    value, steps = band.middle[known[-1]], live.latest.step - experiment.measure.discard
    unit = per(experiment.system.name, live.time_step)
    what = f"mean of {left}" if live.references > 1 else "1 reference"
    count = f"{steps} step" + "s" * (steps != 1)
    over, rate = f"over {count} ({what})", f"nats per {unit}"
    interval = _interval(band, known[-1], experiment)
    if interval is None:
        words = f"{value:+#.3g} {rate}"
        return Said(f"Leading exponent {words} {over}; no interval yet.", f"λ {words} {over}.")
    low, high = interval
    shown = f"{low:+#.3g}", f"{high:+#.3g}"
    # Where every step stretches alike the interval is a point.
    ends = "" if shown[0] == shown[1] else f" [{', '.join(shown)}]"
    found = f"{value:+#.3g}{ends} {rate}"
    neutral = 4 * NEUTRAL_GAIN / (max(1, steps) * (live.time_step or 1.0))
    word = _so_far(low, high, _late(band, experiment), neutral)
    word = word if steps >= MIN_STEPS else "too few steps to tell"
    words = "" if judged else f": {word}"
    return Said(f"Leading exponent {found} {over}{words}.", f"λ {found}, {count}{words}.")


def _so_far(low: float, high: float, late: float, neutral: float) -> str:
    """A word on the steps so far, never against the sign of both ends; ``neutral``: the rate
    that gains a nat over a quarter of them."""
    if low > neutral:
        if late < neutral:
            return f"parting at first, {late:+.2g} in the last half"
        return "nearby orbits part so far"
    if high < -neutral:
        return "nearby orbits meet so far"
    if low > 0 or high < 0:
        return f"nearby orbits {'part' if low > 0 else 'meet'} a little so far"
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
    elif word == "dead-network":
        one = dead_of(summary, word)[0]
        if one["stuck_on"] is not None:
            words += f", most often k = {one['stuck_on']:g}, η_eff = {one['eta_eff']:g}"
            words += f": {one['behaviour']}"
    elif word == "undecided" and found["missing"]:
        reason, count = next(iter(found["missing"].items()))
        alike = count == counts[word]
        words += f": {reason}" if alike else f" ({count} of them: {reason})"
    words += "".join(f", {other} in {n}" for other, n in counts.items() if other != word and n)
    return words + "."
