"""The charts of a run, the same for one that goes on and one that is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tuichaos.common.errors import InputError, some
from tuichaos.common.paths import as_argument
from tuichaos.common.summary_statistics import percentile, summarise
from tuichaos.config.instruments import charts, specs
from tuichaos.plots import orbit_diagram_plots
from tuichaos.plots.bands import AVERAGED, Band, labels
from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.instruments import drawn
from tuichaos.plots.series_views import VIEWS, view
from tuichaos.plots.sweep_plots import picture as sweep_picture
from tuichaos.storage.run_reader import Run
from tuichaos.sweeps.journal import Journal

# What the chart of a column asks for.
ALONG = {"distance": ("distance", "weight_norm")}


class Kept:
    """The columns of a run folder as bands."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._bands: dict[str, Band] = {}

    @property
    def first_diverged(self) -> int | None:
        try:
            steps = self.run.exponents.get("diverged_at", np.empty(0))
        except InputError:  # the run goes on: there is no such file yet
            return None
        return int(np.nanmin(steps)) if np.isfinite(steps).any() else None

    @property
    def time_step(self) -> float | None:
        return self.run.time_step

    def band(self, name: str) -> Band:
        if name not in self._bands:
            self._bands[name] = self._read(name)
        return self._bands[name]

    def _read(self, name: str) -> Band:
        self.run.read_along(*ALONG.get(name, (name,)))
        steps, averaged = self.run.steps, name in AVERAGED
        if name not in self.run.columns or not self.run.column(name).size:
            references = self.run.experiment.ensemble.references
            rows = np.full((len(labels(references, averaged)), len(steps)), np.nan)
            return Band(steps, rows, references, averaged)
        values = self.run.column(name)
        return Band(steps, summarise(values, averaged), values.shape[1], averaged)


def picture(run: Run, what: str) -> Picture:
    """The chart of a kept run; InputError for an unknown or unmeasured one.

    ``what``: a view, ``layers`` (distance by layer), a view of an instrument's own table
    (``spectrum``), or a column of series.csv; of a sweep a column of sweep.csv.
    """
    if run.kind == "sweep":
        return pictures(run, what)[0]
    known = run.columns
    if what == "layers":
        shown = _layers(run)
    elif what in charts():
        file = charts()[what].file
        if not run.has(file):
            raise InputError(f"--what {what}: {_why_absent(run, file)}")
        shown = drawn(what, run)
    elif what in VIEWS or what in known:
        shown = view(what, Kept(run), run.experiment)
    else:
        choices = dict.fromkeys([*every(), *known])
        where = "tuichaos plot --help, and the first line of series.csv"
        raise InputError(f"--what {what}: {some(what, choices, where)}")
    if not any(np.isfinite(curve.y).any() for curve in shown.curves):
        raise InputError(f"--what {what}: {_why_empty(run, what)}")
    return replace(shown, title=f"{run.experiment.called}: {shown.title}")


def pictures(run: Run, what: str) -> list[Picture]:
    """The charts of a kept run that belong under one another, mostly a single one; of an orbit
    diagram with ``default`` the diagram and the exponent, on one axis. InputError as ``picture``,
    and where nothing is written yet."""
    if words := no_point_yet(run):
        raise InputError(words)
    try:
        return _pictures(run, what)
    except InputError:
        if words := nothing_yet(run):
            raise InputError(f"--what {what}: {words}") from None
        raise


def _pictures(run: Run, what: str) -> list[Picture]:
    if run.kind != "sweep":
        return [picture(run, what)]
    if orbit_diagram_plots.is_diagram(run) and what in ("default", *orbit_diagram_plots.VIEWS):
        return orbit_diagram_plots.pictures(run, what)
    return [sweep_picture(run, what)]


AT_WORK = {"running": "it is a run at work", "killed": "it was killed before"}


def nothing_yet(run: Run) -> str:
    """What to say of a run, or a sweep, that has not come to its first row; empty where there
    are some, or it has ended."""
    status = run.status
    if status not in AT_WORK:
        return ""
    if run.kind == "sweep":
        empty = not Journal(run.path).rows
    else:
        try:
            empty = not run.columns or not run.steps.size
        except InputError:  # the file is not there yet
            empty = not (run.path / "series.csv").exists()
    return f"nothing is written yet: {AT_WORK[status]}" if empty else ""


def no_point_yet(run: Run) -> str:
    """What to say of a sweep that was stopped before any of its points had ended; else empty."""
    if run.kind != "sweep" or run.status in ("running", "done") or Journal(run.path).rows:
        return ""
    return f"no point has ended yet: tuichaos resume {as_argument(run.path)} goes on"


def _switches(file: str) -> list[str]:
    """The switches of ``[measure]`` that make a table be written; none: it always is."""
    if file == "exponents.csv":
        return []
    owners = [s for s in specs() if any(chart.file == file for chart in s.charts.values())]
    if file == "orbit.csv":
        return [s.key for s in specs() if "series" in s.beside]
    return [s.key for s in owners]


def _why_absent(run: Run, file: str) -> str:
    """Why a table of an instrument is not there."""
    switches = _switches(file)
    asked = not switches or any(getattr(run.experiment.measure, each) for each in switches)
    if asked and run.status in AT_WORK:
        return f"is written at the end of a run: {AT_WORK[run.status]}"
    return "was not measured in this run"


def _why_empty(run: Run, what: str) -> str:
    """Why a chart has nothing to show."""
    if what not in charts():
        return "was not measured in this run"
    part = run.summary.get(charts()[what].file.partition(".")[0].partition("-")[0])
    reason = part.get("reason") if isinstance(part, dict) else None
    return f"there is no number: {reason}" if reason else "there is no number"


def every() -> list[str]:
    """The names of all charts."""
    return [*VIEWS, "layers", *charts()]


def others(run: Run) -> list[str]:
    """The charts that a kept run has besides the one that is drawn when none is asked for: its
    views with a number, and the tables of its instruments. Of a sweep those of its kind; every
    column of its table is one besides."""
    if run.kind == "sweep":
        if orbit_diagram_plots.is_diagram(run):
            return [name for name in orbit_diagram_plots.VIEWS if name == "period"]
        if run.experiment.plane.value == "none":
            return ["kept"] if run.experiment.ensemble.twins else []
        return ["boundary"] if (run.summary.get("boundary") or {}).get("dimension") else []
    known, default = run.columns, "distance" if run.experiment.ensemble.twins else "loss"
    found = [name for name, view in VIEWS.items() if view.column in known and name != default]
    layers = ["layers"] if any(name.startswith("distance.") for name in known) else []
    tables = [name for name, chart in charts().items() if run.has(chart.file)]
    return [*found, *layers, *tables]


def _layers(run: Run) -> Picture:
    curves = [
        Curve(name.removeprefix("distance."), run.steps, percentile(run.column(name), 50))
        for name in run.columns
        if name.startswith("distance.")
    ]
    return Picture("distance by layer (median, L1)", curves, log=True)
