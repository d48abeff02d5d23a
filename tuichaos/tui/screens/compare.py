"""One run or several on the same axes, with what differs between their experiments."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from tuichaos.charts import VIEWS, picture
from tuichaos.comparison import differences, overlay
from tuichaos.errors import InputError
from tuichaos.runs import Run, open_run
from tuichaos.tui.widgets.chart import Chart

REFRESH_SECONDS = 2.0


class Compare(Screen):
    """A chart of kept runs; tab goes through the views, runs that grow are read again."""

    BINDINGS = [
        Binding("v", "view(1)", "Next view"),
        Binding("b", "view(-1)", "Previous view", show=False),
        Binding("escape", "app.pop_screen", "Back"),
    ]

    def __init__(self, runs: list[Run]) -> None:
        super().__init__()
        self.runs = runs
        self.views = list(VIEWS)
        self.view = "distance"

    def compose(self) -> ComposeResult:
        with Vertical():
            names = " · ".join(run.path.name for run in self.runs)
            yield Static(names, id="headline", markup=False)
            yield Chart("", id="chart", ascii_only=self.app.ascii_only)
            yield Static("", id="facts", markup=False)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one(Chart).focus()
        self.read()
        if any(run.manifest.get("status") == "running" for run in self.runs):
            self.set_interval(REFRESH_SECONDS, self.read)

    def read(self) -> None:
        """Read the folders again and draw."""
        chart = self.query_one(Chart)
        chart.border_title = f"{VIEWS[self.view][1]} (v: next)"
        try:
            fresh = [open_run(run.path) for run in self.runs]
            shown = picture(fresh[0], self.view) if len(fresh) == 1 else overlay(fresh, self.view)
            chart.show(replace(shown, title=""))
            self.query_one("#facts", Static).update(self._facts(fresh))
        except InputError as error:
            self.query_one("#facts", Static).update(str(error))

    @staticmethod
    def _facts(runs: list[Run]) -> str:
        if len(runs) == 1:
            from tuichaos.report import rows

            if not runs[0].summary:
                return f"status: {runs[0].manifest.get('status', '?')}"
            lines = (
                f"{r.measure:<18} {r.value:<16} {r.interval:<20} {r.count}" for r in rows(runs[0])
            )
            return "\n".join(lines)
        lines = (f"{key}: {' | '.join(values)}" for key, values in differences(runs))
        return "differs in\n" + "\n".join(lines)

    def action_view(self, direction: int) -> None:
        at = self.views.index(self.view)
        self.view = self.views[(at + direction) % len(self.views)]
        self.read()
