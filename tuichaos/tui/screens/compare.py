"""One run or several on the same axes, with what differs between their experiments."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from tuichaos.common.errors import InputError
from tuichaos.common.text import clean, clean_lines
from tuichaos.config.instruments import charts
from tuichaos.plots.figure import LETTERS, Picture, cropped
from tuichaos.plots.run_comparison import differences, overlay
from tuichaos.plots.run_plots import picture
from tuichaos.plots.series_views import VIEWS, title
from tuichaos.reports.export import export_curves, free_name
from tuichaos.storage.folder_checks import MALFORMED
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.tui.faults import noted
from tuichaos.tui.keymap import hidden, identified
from tuichaos.tui.screens.base import Living
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.footer import Keys

REFRESH_SECONDS = 2.0
HEADING = ("measure", "value", "95 % interval", "from")


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of words as lines, each column as wide as its widest word."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (word.ljust(width) for word, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _by_run(values: Sequence[str]) -> str:
    """A value of each run behind the run's letter."""
    return " | ".join(f"{mark} {value}" for mark, value in zip(LETTERS, values, strict=False))


def _at_work(run: Run) -> bool:
    try:
        return run.status == "running"
    except InputError:  # it has gone
        return False


def _picture(runs: list[Run], view: str) -> tuple[Picture, str]:
    """What to show; an empty picture and the reason where there is no number."""
    name, words = view, ""
    shown = Picture("", [])
    try:
        if view in VIEWS:
            name = title(view, runs[0].experiment, runs[0].time_step)
        shown = picture(runs[0], view) if len(runs) == 1 else overlay(runs, view)
        if view in charts():
            name = shown.title
    except InputError as error:
        words = str(error).removeprefix(f"--what {view}: ")
    except Exception as error:  # what grows or is damaged may be anything
        words = noted(error, f"{view} of {runs[0].path.name}")
    if not words and not any(np.isfinite(curve.y).any() for curve in shown.curves):
        words = "was not measured in these runs"
    kept = replace(shown, curves=[]) if words else shown
    return replace(kept, title=f"{name} (v: next)"), words


class Compare(Living):
    """A chart of kept runs; tab goes through the views, runs that grow are read again."""

    BINDINGS = identified(
        "compare",
        [
            Binding("v", "view(1)", "Next view"),
            hidden("b", "view(-1)", "Previous view"),
            Binding("e", "export", "Export", tooltip="The visible curves as CSV"),
            Binding("escape", "app.pop_screen", "Back"),
        ],
    )

    def __init__(self, runs: list[Run]) -> None:
        super().__init__()
        self.runs = runs
        self.views = list(VIEWS)
        if len(runs) == 1:  # tables of instruments are of one run
            self.views += [name for name, v in charts().items() if runs[0].has(v.file)]
        self.view = "distance"
        self._reading = self._wanted = False
        self._turn = threading.Lock()

    def compose(self) -> ComposeResult:
        with Vertical():
            named = [f"{self._letter(k)}{clean(run.path.name)}" for k, run in enumerate(self.runs)]
            names = " · ".join(named)
            yield Static(names, id="headline", markup=False)
            yield Chart("", id="chart", ascii_only=self.app.ascii_only)
            yield Static("", id="facts", markup=False)
        yield Keys(compact=True)

    def _letter(self, number: int) -> str:
        """What stands on the curve of a run, where there are several."""
        return f"{LETTERS[number]} " if len(self.runs) > 1 else ""

    def on_mount(self) -> None:
        if not self.there:  # left again before it was there
            return
        chart = self.query_one(Chart)
        chart.focus()
        chart.show(Picture(f"{self.view} (v: next)", []), empty="is being read …")
        self.read()
        if any(map(_at_work, self.runs)):
            self.set_interval(REFRESH_SECONDS, self.grow)

    def grow(self) -> None:
        """Read the folders of runs that go on again."""
        if self.there and any(map(_at_work, self.runs)):
            self.read()

    def read(self) -> None:
        """Have it read and drawn; what has ended is read once, what still runs again. Who asks
        while it is being read is served by one more reading, of what is asked for then."""
        if not self.there:
            return
        with self._turn:
            self._wanted = True
            begins, self._reading = not self._reading, True
        if begins:
            self._read()

    @work(thread=True, group="compared", exit_on_error=False)
    def _read(self) -> None:
        """In a thread of its own: a long table takes seconds."""
        while self._goes_on():
            runs, view = self.runs, self.view
            with contextlib.suppress(InputError):  # it has gone: which is told below
                runs = [open_run(r.path) if _at_work(r) else r for r in runs]
            shown, words = _picture(runs, view)
            try:
                facts = self._facts(runs)
            except MALFORMED as error:
                facts = str(error) if isinstance(error, InputError) else "the folder is damaged"
            with contextlib.suppress(RuntimeError):  # the program has ended meanwhile
                self.app.call_from_thread(self._show, runs, view, shown, words, facts)

    def _goes_on(self) -> bool:
        """Whether there is something to read; else whoever asks next begins anew."""
        with self._turn:
            self._reading, self._wanted = self._wanted and self.there, False
            return self._reading

    def _show(self, runs: list[Run], view: str, shown: Picture, words: str, facts: str) -> None:
        if not self.there or view != self.view:  # another is read already
            return
        self.runs = runs
        chart = self.query_one(Chart)
        if chart.log_axis is not None:
            shown = replace(shown, log=chart.log_axis)
        chart.show(shown, empty=words)
        self.query_one("#facts", Static).update(clean_lines(facts))

    def on_chart_rescaled(self) -> None:
        self.read()

    @staticmethod
    def _facts(runs: list[Run]) -> str:
        if len(runs) == 1:
            from tuichaos.reports.run_report import rows

            if not runs[0].summary:
                return f"status: {runs[0].status}"
            try:
                found = rows(runs[0])
            except MALFORMED:
                return "summary.json is damaged"
            lines = [(r.measure, r.value, r.interval, r.count) for r in found]
            return "\n".join(aligned([HEADING, *lines]))
        lines = [f"{key}: {_by_run(values)}" for key, values in differences(runs)]
        return "\n".join(["differs in", *lines]) if lines else "The experiments are the same."

    def action_export(self) -> None:
        """What the chart shows, curve by curve."""
        chart = self.query_one(Chart)
        if chart.picture is None or not any(len(c.x) for c in chart.picture.curves):
            self.notify("There is nothing to export.", severity="warning")
            return
        shown = cropped(chart.picture, *chart.window) if chart.window else chart.picture
        try:
            path = export_curves(shown, free_name(f"{self.runs[0].path.name}-{self.view}"))
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.app.copy_to_clipboard(str(path))
        self.notify(f"Wrote {path} (copied).", markup=False)

    def action_view(self, direction: int) -> None:
        at = self.views.index(self.view)
        self.view = self.views[(at + direction) % len(self.views)]
        self.query_one(Chart).log_axis = None
        self.read()
