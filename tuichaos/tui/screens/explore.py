"""The explore screen: settings, charts on one axis, status and a sentence on what goes on."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Sparkline, Static

from tuichaos.charts import Picture
from tuichaos.experiment import Experiment
from tuichaos.narrative import saturation
from tuichaos.tui.run_state import RunState
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.settings import Settings

CHARTS = {
    "distance": ("log₁₀ distance of the twins", "distance", True),
    "exponent": ("exponent λ(t), nats per step", "lyapunov", False),
    "loss": ("loss", "loss", False),
}
NUDGE = 1.1


class Explore(Screen):
    """Set up, start, watch and steer one run; the run itself belongs to the app."""

    BINDINGS = [
        Binding("space", "toggle", "Start/pause"),
        Binding("n", "step", "Step", tooltip="Pause and take one step"),
        Binding("x", "stop", "Stop", tooltip="End the run; what was computed is kept"),
        Binding("r", "reset", "Reset", tooltip="Stop, and clear the charts"),
        Binding("left_square_bracket", "nudge(-1)", "η−", key_display="["),
        Binding("right_square_bracket", "nudge(1)", "η+", key_display="]"),
        Binding(
            "left_curly_bracket", "nudge_restart(-1)", "η− restart", key_display="{", show=False
        ),
        Binding(
            "right_curly_bracket", "nudge_restart(1)", "η+ restart", key_display="}", show=False
        ),
        Binding("l", "log", "Log axis", tooltip="Linear or logarithmic loss"),
        Binding("m", "maximise", "Maximise", tooltip="One chart, or all again"),
        Binding("c", "next_chart", "Chart", tooltip="The next chart"),
        Binding("d", "drawer", "Settings", tooltip="Show or hide the settings"),
        Binding("o", "runs", "Runs", tooltip="All run folders"),
        Binding("e", "export", "Export", tooltip="The series of this run as CSV"),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self, experiment: Experiment, ascii_only: bool) -> None:
        super().__init__()
        self.first = experiment
        self.ascii_only = ascii_only
        self.log_loss = False
        self.shown: tuple[int, bool] | None = None
        self.round = 0

    @property
    def state(self) -> RunState:
        return self.app.state

    def compose(self) -> ComposeResult:
        yield Static("", id="headline")
        with Horizontal(id="body"):
            yield Settings(self.first, id="settings")
            with Vertical(id="charts"):
                with Horizontal(id="glance"):
                    yield Static("loss", id="glance-label")
                    yield Sparkline([], id="glance-line")
                    yield Static("", id="glance-value")
                for name, (title, _, _) in CHARTS.items():
                    yield Chart(title, id=f"chart-{name}", ascii_only=self.ascii_only)
                yield Static("", id="sentence")
        yield Static("", id="status")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one("#chart-distance", Chart).focus()
        self.set_interval(1 / self.app.frames_per_second, self.refresh_run)
        self.refresh_run()

    def on_settings_changed(self, event: Settings.Changed) -> None:
        self.state.experiment = event.experiment

    # --- showing ---

    def refresh_run(self) -> None:
        """Show what is new: the words every time, charts when there is new data."""
        state = self.state
        self.query_one("#headline", Static).update(state.headline())
        self.query_one("#status", Static).update(state.status_line())
        self.query_one("#sentence", Static).update(state.sentence())
        newest = (state.live.version, state.ended)
        if newest == self.shown:
            return
        self.shown = newest
        self._glance()
        chosen = self._whose_turn(everyone=state.ended)
        # The charts take turns within a period, so that a key never waits for all of them.
        turn = 1 / self.app.frames_per_second / (len(CHARTS) + 1)
        for k, name in enumerate(chosen):
            self.set_timer((k + 1) * turn, partial(self.draw_chart, name))

    def _whose_turn(self, *, everyone: bool) -> list[str]:
        """The charts to draw now: while a run goes on the focused one and one of the others,
        which spares a third of the traffic of a remote terminal."""
        names = sorted(CHARTS, key=lambda name: not self.query_one(f"#chart-{name}").has_focus)
        if everyone:
            return names
        self.round += 1
        return [names[0], names[1 + self.round % (len(names) - 1)]]

    def draw_chart(self, name: str) -> None:
        _, column, log = CHARTS[name]
        band = self.state.live.band(column)
        curves = band.curves(self.state.references)
        levels, marks = self._lines(name)
        log = log or (name == "loss" and self.log_loss)
        picture = Picture("", curves, log, levels=levels, marks=marks)
        self.query_one(f"#chart-{name}", Chart).show(picture)

    def _lines(self, name: str) -> tuple[list, list]:
        """Levels and marks of a chart."""
        live = self.state.live
        levels = [("zero", 0.0)] if name == "exponent" else []
        marks = []
        full = saturation(live)
        if full is not None and name == "distance":
            levels.append(("saturation", full[1]))
            marks.append((f"saturated at {full[0]}", full[0]))
        lost = live.latest.first_diverged if live.latest else None
        if lost is not None:
            marks.append((f"diverged at step {lost}", lost))
        return levels, marks

    def _glance(self) -> None:
        values = self.state.live.finite("loss")
        self.query_one("#glance-line", Sparkline).data = values[-400:] or [0.0]
        words = self.state.glance()
        self.query_one("#glance-value", Static).update(words)

    def on_chart_moved(self, event: Chart.Moved) -> None:
        """All charts share one time axis."""
        for chart in self.query(Chart):
            chart.look_at(event.chart.window, event.chart.cursor)

    # --- keys ---

    def action_toggle(self) -> None:
        fault = self.query_one(Settings).fault
        if fault and self.state.ended:
            self.notify(fault, severity="error", markup=False)
            return
        self.state.toggle()
        self.refresh_run()

    def action_step(self) -> None:
        self.state.step()
        self.refresh_run()

    def action_stop(self) -> None:
        self.state.stop()

    def action_reset(self) -> None:
        self.state.reset()
        self.refresh_run()

    def action_nudge(self, direction: int) -> None:
        """Another learning rate: from here on while running, else for the next run."""
        rate = self.state.nudge(NUDGE**direction)
        if rate is None:
            self.notify("There is no single learning rate to nudge.", severity="warning")
            return
        self.query_one(Settings).set_learning_rate(rate)

    def action_nudge_restart(self, direction: int) -> None:
        self.state.stop()
        self.action_nudge(direction)
        self.state.restart()
        self.refresh_run()

    def action_log(self) -> None:
        self.log_loss = not self.log_loss
        self.draw_chart("loss")

    def action_maximise(self) -> None:
        charts = list(self.query(Chart))
        alone = self.has_class("-one")
        self.set_class(not alone, "-one")
        chosen = next((c for c in charts if c.has_focus), charts[0])
        for chart in charts:
            chart.set_class(chart is chosen, "-chosen")

    def action_next_chart(self) -> None:
        charts = list(self.query(Chart))
        at = next((k for k, c in enumerate(charts) if c.has_class("-chosen")), 0)
        chosen = charts[(at + 1) % len(charts)]
        for chart in charts:
            chart.set_class(chart is chosen, "-chosen")
        chosen.focus()

    def action_drawer(self) -> None:
        self.toggle_class("-drawer")

    def action_runs(self) -> None:
        self.app.push_screen(Runs())

    def action_back(self) -> None:
        if self.has_class("-one"):
            self.action_maximise()
        else:
            self.query_one("#chart-distance", Chart).focus()

    def action_export(self) -> None:
        path = self.state.export()
        if path is None:
            self.notify("Nothing to export yet: run something first.", severity="warning")
            return
        self.app.copy_to_clipboard(str(path))
        self.notify(f"Wrote {path} (copied).", markup=False)
