"""One run or several on the same axes, with what differs between their experiments."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Footer, Static

from tuichaos.comparison import differences, overlay
from tuichaos.curves import cropped
from tuichaos.drawings import TABLE_VIEWS
from tuichaos.errors import InputError
from tuichaos.exporting import export_curves, free_name
from tuichaos.runs import Run, open_run
from tuichaos.tui.screens.living import Living
from tuichaos.tui.widgets.chart import Chart
from tuichaos.views import VIEWS, picture, title

REFRESH_SECONDS = 2.0


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
            names = " · ".join(run.path.name for run in self.runs)
            yield Static(names, id="headline", markup=False)
            yield Chart("", id="chart", ascii_only=self.app.ascii_only)
            yield Static("", id="facts", markup=False)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        if not self.there:  # left again before it was there
            return
        self.query_one(Chart).focus()
        self.read()
        if any(run.status == "running" for run in self.runs):
            self.set_interval(REFRESH_SECONDS, self.read)

    def read(self) -> None:
        """Read the folders again and draw."""
        if not self.there:
            return
        chart = self.query_one(Chart)
        try:
            fresh = [open_run(run.path) for run in self.runs]
            shown = picture(fresh[0], self.view) if len(fresh) == 1 else overlay(fresh, self.view)
            if chart.log_axis is not None:
                shown = replace(shown, log=chart.log_axis)
            name = (
                shown.title if self.view in TABLE_VIEWS else title(self.view, fresh[0].experiment)
            )
            chart.show(replace(shown, title=f"{name} (v: next)"))
            self.query_one("#facts", Static).update(self._facts(fresh))
        except InputError as error:
            words = str(error).removeprefix(f"--what {self.view}: ")
            self.query_one("#facts", Static).update(f"{self.view}: {words}")

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
            except (KeyError, TypeError, ValueError):
                return "summary.json is damaged"
            return "\n".join(
                f"{r.measure:<18} {r.value:<16} {r.interval:<20} {r.count}" for r in found
            )
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
