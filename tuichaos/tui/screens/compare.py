"""One run or several on the same axes, with what differs between their experiments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from tuichaos.cleaning import clean, clean_lines
from tuichaos.comparison import differences, overlay
from tuichaos.curves import Picture, cropped
from tuichaos.drawings import TABLE_VIEWS
from tuichaos.errors import InputError
from tuichaos.exporting import export_curves, free_name
from tuichaos.runs import MALFORMED, Run, open_run
from tuichaos.tui.faults import noted
from tuichaos.tui.screens.living import Living
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.keys import Keys
from tuichaos.views import VIEWS, picture, title

REFRESH_SECONDS = 2.0
HEADING = ("measure", "value", "95 % interval", "from")


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of words as lines, each column as wide as its widest word."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (word.ljust(width) for word, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _at_work(run: Run) -> bool:
    try:
        return run.status == "running"
    except InputError:  # it has gone
        return False


class Compare(Living):
    """A chart of kept runs; tab goes through the views, runs that grow are read again."""

    BINDINGS = [
        Binding("v", "view(1)", "Next view"),
        Binding("b", "view(-1)", "Previous view", show=False),
        Binding("e", "export", "Export", tooltip="The visible curves as CSV"),
        Binding("escape", "app.pop_screen", "Back"),
    ]

    def __init__(self, runs: list[Run]) -> None:
        super().__init__()
        self.runs = runs
        self.views = list(VIEWS)
        if len(runs) == 1:  # tables of instruments are of one run
            self.views += [name for name, v in TABLE_VIEWS.items() if runs[0].has(v.file)]
        self.view = "distance"

    def compose(self) -> ComposeResult:
        with Vertical():
            names = " · ".join(clean(run.path.name) for run in self.runs)
            yield Static(names, id="headline", markup=False)
            yield Chart("", id="chart", ascii_only=self.app.ascii_only)
            yield Static("", id="facts", markup=False)
        yield Keys(compact=True)

    def on_mount(self) -> None:
        if not self.there:  # left again before it was there
            return
        self.query_one(Chart).focus()
        self.read()
        if any(map(_at_work, self.runs)):
            self.set_interval(REFRESH_SECONDS, self.grow)

    def grow(self) -> None:
        """Read the folders of runs that go on again."""
        if self.there and any(map(_at_work, self.runs)):
            self.read()

    def read(self) -> None:
        """Draw; what has ended is read once, what still runs again."""
        if not self.there:
            return
        chart = self.query_one(Chart)
        shown, words = self._picture()
        if chart.log_axis is not None:
            shown = replace(shown, log=chart.log_axis)
        chart.show(shown, empty=words)
        try:
            facts = self._facts(self.runs)
        except MALFORMED as error:
            facts = str(error) if isinstance(error, InputError) else "the folder is damaged"
        self.query_one("#facts", Static).update(clean_lines(facts))

    def _picture(self) -> tuple[Picture, str]:
        """What to show; an empty picture and the reason where there is no number."""
        name, words = self.view, ""
        shown = Picture("", [])
        try:
            self.runs = [open_run(r.path) if _at_work(r) else r for r in self.runs]
            if self.view in VIEWS:
                name = title(self.view, self.runs[0].experiment, self.runs[0].time_step)
            one = len(self.runs) == 1
            shown = picture(self.runs[0], self.view) if one else overlay(self.runs, self.view)
            if self.view in TABLE_VIEWS:
                name = shown.title
        except InputError as error:
            words = str(error).removeprefix(f"--what {self.view}: ")
        except Exception as error:  # what grows or is damaged may be anything
            words = noted(error, f"{self.view} of {self.runs[0].path.name}")
        if not words and not any(np.isfinite(curve.y).any() for curve in shown.curves):
            words = "was not measured in these runs"
        kept = replace(shown, curves=[]) if words else shown
        return replace(kept, title=f"{name} (v: next)"), words

    def on_chart_rescaled(self) -> None:
        self.read()

    @staticmethod
    def _facts(runs: list[Run]) -> str:
        if len(runs) == 1:
            from tuichaos.report import rows

            if not runs[0].summary:
                return f"status: {runs[0].status}"
            try:
                found = rows(runs[0])
            except MALFORMED:
                return "summary.json is damaged"
            lines = [(r.measure, r.value, r.interval, r.count) for r in found]
            return "\n".join(aligned([HEADING, *lines]))
        lines = [f"{key}: {' | '.join(values)}" for key, values in differences(runs)]
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
