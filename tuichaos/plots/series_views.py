"""Charts of the columns of series.csv, one entry each: the live tab, ``tuichaos plot``, compare
and the exports draw from this list."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import per
from tuichaos.plots import distance_fit
from tuichaos.plots.bands import Band, running_interval
from tuichaos.plots.distance_fit import Source
from tuichaos.plots.figure import Curve, Picture

MAX_CHANGES = 6  # changes of the learning rate that are marked


@dataclass
class Drawing:
    """A chart that is being made: the band of its column, and what a view adds to it."""

    source: Source
    experiment: Experiment
    band: Band
    log: bool
    curves: list[Curve]
    levels: list[tuple[str, float]] = field(default_factory=list)
    marks: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _nothing(drawing: Drawing) -> None:
    """A band alone."""


@dataclass(frozen=True)
class View:
    """A chart of a column of series.csv.

    Parameters
    ----------
    column : str
        Of series.csv.
    title : str
        ``{per}`` stands for "step", or "unit of time" of a flow.
    log : bool
        Whether its axis is logarithmic unless somebody turns it.
    add : callable
        Adds curves, levels and marks to a Drawing.
    live : int
        Its place on the tab Live, from 1; 0: it is not there.
    signal : bool
        On the tab Live the one observable that stands for a state is in its place, where a
        system has no such column.
    certificate : bool
        The noise floor is said beside it while a run goes on.
    """

    column: str
    title: str
    log: bool = False
    add: Callable[[Drawing], None] = _nothing
    live: int = 0
    signal: bool = False
    certificate: bool = False


def _exponent(drawing: Drawing) -> None:
    """The line of 0; of one reference the interval of its mean."""
    drawing.levels.append(("zero", 0.0))
    band = drawing.band
    if band.references == 1:
        discard = drawing.experiment.measure.discard
        drawing.curves += running_interval(band.steps, band.rows[0], discard)


def _distance(drawing: Drawing) -> None:
    """The fitted line, and the two levels between which it is one."""
    source, experiment = drawing.source, drawing.experiment
    if source.first_diverged is not None:
        return
    line, full = distance_fit.fit(source, experiment), distance_fit.growth_limit(source)
    floor = distance_fit.rounding_floor(source, experiment)
    drawing.curves += [line.curve] if line else []
    if full is not None and drawing.log:
        drawing.levels.append(("growth limit", full[1]))
    if full is not None:
        drawing.marks.append((f"growth limit at step {full[0]}", full[0]))
    if floor is not None and drawing.log and np.isfinite(drawing.band.middle).any():
        drawing.levels.append(("rounding floor", floor))


VIEWS: dict[str, View] = {
    "loss": View("loss", "loss", live=3, signal=True),
    "distance": View(
        "distance", "distance of twins (L1)", True, _distance, live=1, certificate=True
    ),
    "exponent": View("lyapunov", "running exponent λ(t), nats per {per}", add=_exponent, live=2),
    "accuracy": View("train_accuracy", "accuracy on the train part"),
    "test-accuracy": View("test_accuracy", "accuracy on the test part"),
    "test-loss": View("test_loss", "loss on the test part"),
    "weight-norm": View("weight_norm", "weight norm (L1)"),
}


def register_view(name: str, view: View) -> None:
    """Add a chart, from now on drawn wherever those of tuichaos are.

    Parameters
    ----------
    name : str
        For ``tuichaos plot --what``.
    view : View
        Its column of series.csv, its title, and what it adds.

    Raises
    ------
    InputError
        Where there is one of that name, the name has other characters than letters, digits and
        hyphens, or ``view`` is no View.

    Examples
    --------
    >>> import tuichaos
    >>> from tuichaos.plots.series_views import VIEWS, View
    >>> tuichaos.register_view("norm", View("weight_norm", "norm of the weights", log=True))
    >>> VIEWS["norm"].column
    'weight_norm'
    """
    if not isinstance(view, View):
        raise InputError(f"a chart is registered by a View, not {type(view).__name__}")
    if not re.fullmatch(r"[\w-]+", name):
        raise InputError(f"{name!r}: a chart's name is of letters, digits and hyphens")
    if name in VIEWS:
        raise InputError(f"{name}: there is a chart of that name")
    VIEWS[name] = view


def live_views() -> tuple[str, ...]:
    """The charts of the tab Live, in order."""
    shown = [name for name, view in VIEWS.items() if view.live]
    return tuple(sorted(shown, key=lambda name: VIEWS[name].live))


def title(name: str, experiment: Experiment, time_step: float | None = None) -> str:
    """What a view, or a column, is called, with the unit that the exponents of the system have;
    ``time_step``: of the system, where it is known."""
    words = VIEWS[name].title if name in VIEWS else name
    return words.replace("{per}", per(experiment.system.name, time_step))


def view(name: str, source: Source, experiment: Experiment, *, log: bool | None = None) -> Picture:
    """The chart of a view or a column, with its levels and marks; ``log`` overrides its axis."""
    chosen = VIEWS.get(name) or View(name, name, name.startswith("distance"))
    band = source.band(chosen.column).measured()
    log = (chosen.log or _spans_decades(band.middle)) if log is None else log
    drawing = Drawing(source, experiment, band, log, band.curves())
    chosen.add(drawing)
    _mark_changes(drawing)
    if source.first_diverged is not None:
        at = source.first_diverged
        drawing.marks.append((f"diverged at step {at}", at))
    return Picture(
        title(name, experiment, source.time_step),
        drawing.curves,
        log,
        levels=drawing.levels,
        marks=drawing.marks,
        notes=drawing.notes,
    )


def _mark_changes(drawing: Drawing) -> None:
    """Where the learning rate changed, and from what to what."""
    optimizer = drawing.experiment.optimizer
    for change in optimizer.changes[-MAX_CHANGES:]:
        before = optimizer.rate_at(change.step - 1)
        drawing.marks.append((f"lr {_rate(change.learning_rate)}", change.step))
        words = f"│ lr {_rate(before)} → {_rate(change.learning_rate)} at step {change.step}"
        drawing.notes.append(words)


def _rate(rate: float | list[float]) -> str:
    return "by reference" if isinstance(rate, list) else f"{rate:g}"


def _spans_decades(values: np.ndarray) -> bool:
    """Whether values are all positive and so far apart that a linear axis would hide most."""
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and finite.min() > 0 and finite.max() / 1e4 > finite.min()
