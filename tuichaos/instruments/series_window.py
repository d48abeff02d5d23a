"""The part of an orbit that the instruments of the scalar series analyse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuichaos.common.thresholds import FLOOR_UNITS
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.signals import REFERENCES, Signals
from tuichaos.instruments.statistics import median

MAX_NEWEST = 5_000  # newest steps that are analysed: what a chart shows, and .1 s of work


CONSTANT = "constant: the series moves by no more than rounding"


class Unmeasured(Exception):
    """There is no honest number; the message is the reason, in a few words."""


@dataclass(frozen=True)
class SeriesWindow:
    """Consecutive steps of one reference's scalar series.

    ``values`` (T,), the first one at step ``start``; ``scale`` the largest |value| of all its
    known steps, of which rounding is a share; ``unit`` one unit in the last place of 1.
    """

    reference: int
    start: int
    values: np.ndarray
    scale: float
    unit: float

    @property
    def end(self) -> int:
        """The last step."""
        return self.start + len(self.values) - 1

    @property
    def floor(self) -> float:
        """Differences up to here tell only rounding: FLOOR_UNITS units of the scale."""
        return FLOOR_UNITS * self.unit * self.scale

    def require(self, least: int, *, moving: bool = True) -> None:
        """Raise Unmeasured unless there are ``least`` finite values that are not all the same
        to within rounding."""
        if not len(self.values):
            raise Unmeasured("too few steps")
        if not np.isfinite(self.values).all():
            raise Unmeasured("the reference diverged")
        if len(self.values) < least:
            raise Unmeasured(f"too few steps: {len(self.values)} of the {least} that it needs")
        if moving and np.ptp(self.values) <= self.floor:
            raise Unmeasured(CONSTANT)

    def newest(self, most: int) -> SeriesWindow:
        """The last ``most`` steps of it."""
        values = self.values[-most:]
        start = self.end + 1 - len(values)
        return SeriesWindow(self.reference, start, values, self.scale, self.unit)


def asked_references(context: RunContext, switch: bool | Mapping[str, int]) -> int:
    """How many references, the first ones, a switch asks for."""
    return min(option(switch, "references", REFERENCES), context.references)


def series_windows(context: RunContext, signals: Signals, references: int) -> list[SeriesWindow]:
    """Of each of the first references: from ``measure.discard`` on or, where that is 0, the
    second half of what has been run (the first is taken as transient), to the last step."""
    series = signals.series(references)
    first = context.experiment.measure.discard or signals.end // 2
    skip = max(0, first - signals.start)
    with np.errstate(invalid="ignore"):
        sizes = np.where(np.isfinite(series), np.abs(series), 0.0)
    scales = sizes.max(axis=0, initial=0.0)
    return [
        SeriesWindow(k, signals.start + skip, series[skip:, k], float(scales[k]), context.unit)
        for k in range(series.shape[1])
    ]


class OfSeries(Instrument):
    """An instrument of the scalar series (the loss, or x0 of a map) at every step.

    Subclasses name their ``key`` of ``[measure]`` and write ``measured`` and ``collected``.
    Nothing is added up while the run goes on: everything is computed from the kept series
    when it is asked for, and again only when there are more steps.
    """

    needs_signal = True
    most = MAX_NEWEST  # newest steps of the window that ``measured`` gets

    not_kept = ("_known",)

    def __init__(self, context: RunContext, signals: Signals) -> None:
        self.context = context
        self.signals = signals
        self.switch = getattr(context.experiment.measure, self.key)
        self.references = asked_references(context, self.switch)
        self._known: tuple[int, Findings] | None = None

    def findings(self) -> Findings:
        end = self.signals.end
        if self._known is None or self._known[0] != end:
            self._known = (end, self._find())
        return self._known[1]

    def _find(self) -> Findings:
        found: list[Any] = []
        whole = series_windows(self.context, self.signals, self.references)
        for part in (one.newest(self.most) for one in whole):
            self.context.check_cancelled()
            try:
                found.append(self.measured(part))
            except Unmeasured as reason:
                found.append(str(reason))
        found += ["too few steps"] * (self.references - len(found))
        start = whole[0].newest(self.most).start if whole else 0
        window = [start, self.signals.end] if start <= self.signals.end else None
        return self.collected(found, window)

    def measured(self, part: SeriesWindow) -> Any:
        """The numbers of one reference (anything but a string); Unmeasured where there are
        none. A pure function of the window: whoever else is in the run does not matter."""
        raise NotImplementedError

    def collected(self, found: Sequence[Any], window: list[int] | None) -> Findings:
        """Tables and summary from what ``measured`` gave for each reference, or the reason."""
        raise NotImplementedError


def summary(
    found: Sequence[Any], window: list[int] | None, columns: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """A part of summary.json: the median of each column over the references that have
    numbers, their ``count`` of ``total``, ``window`` in steps, and the commonest ``reason``
    where none has."""
    reasons = [item for item in found if isinstance(item, str)]
    count = len(found) - len(reasons)
    medians = {name: median(np.array(values, dtype=float)) for name, values in columns.items()}
    reason = max(reasons, key=reasons.count) if not count and reasons else None
    return {
        **medians,
        "count": count,
        "total": len(found),
        "window": window,
        "reason": reason,
    }


class SeriesTable(Instrument, kept_as="Orbit"):
    """Writes the analysed part itself, at most its newest MAX_NEWEST steps, as orbit.csv."""

    depends_on_steps = False
    needs_signal = True

    def __init__(self, context: RunContext, signals: Signals, references: int) -> None:
        self.context = context
        self.signals = signals
        self.references = references

    def findings(self) -> Findings:
        rows: list[list[Any]] = []
        for whole in series_windows(self.context, self.signals, self.references):
            self.context.check_cancelled()
            part = whole.newest(MAX_NEWEST)
            steps = range(part.start, part.end + 1)
            values = part.values.tolist()
            rows += [[part.reference, t, v] for t, v in zip(steps, values, strict=True)]
        return Findings(tables={"orbit.csv": (["reference", "step", "signal"], rows)})
