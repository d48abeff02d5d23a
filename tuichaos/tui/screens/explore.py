"""The explore screen: settings, charts on one axis, status and a sentence on what goes on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Sparkline, Static

from tuichaos.common.errors import InputError
from tuichaos.common.text import clean_lines
from tuichaos.config.experiment import Experiment
from tuichaos.config.instruments import suited, tabs
from tuichaos.plots.figure import Picture, cropped
from tuichaos.plots.series_views import VIEWS, live_views, title, view
from tuichaos.reports.export import export_curves, free_name
from tuichaos.tui.faults import noted
from tuichaos.tui.keymap import hidden, identified
from tuichaos.tui.live_series import LiveSeries
from tuichaos.tui.run_state import RunState
from tuichaos.tui.screens.base import Living
from tuichaos.tui.screens.explore_steering import Steering
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.footer import Keys
from tuichaos.tui.widgets.settings import Settings
from tuichaos.tui.widgets.tabs import LIVE, NAMES, Pages

FOLLOW_SECONDS = 0.06
MAX_LINES = 4  # of the sentence
LOW, VERY_LOW = 30, 20  # lines of the terminal; below, words leave their place to a chart


class Explore(Steering, Living):
    """Set up, start, watch and steer one run; the run itself belongs to the app."""

    BINDINGS = identified(
        "explore",
        [
            Binding("space", "toggle", "Run", tooltip="Start the settings, pause, go on"),
            Binding("n", "step", "Step", tooltip="Pause and take one step"),
            Binding("x", "stop", "Stop", tooltip="End the run; what was computed is kept"),
            Binding(
                "left_square_bracket",
                "nudge(-1)",
                "lr−",
                key_display="[",
                tooltip="Learning rate 10 % down; while running, from here on",
            ),
            Binding(
                "right_square_bracket",
                "nudge(1)",
                "lr+",
                key_display="]",
                tooltip="Learning rate 10 % up; while running, from here on",
            ),
            hidden(
                "left_curly_bracket",
                "nudge_restart(-1)",
                "lr− restart",
                key_display="{",
                tooltip="Learning rate, or parameter of a map, 10 % down, and start again",
            ),
            hidden(
                "right_curly_bracket",
                "nudge_restart(1)",
                "lr+ restart",
                key_display="}",
                tooltip="Learning rate, or parameter of a map, 10 % up, and start again",
            ),
            hidden("m", "maximise", "Max", tooltip="One chart, or all again"),
            hidden("c", "next_chart", "Chart", tooltip="The next chart"),
            *(
                hidden(str(k), f"tab('{tab}')", tab, tooltip=f"The tab {tab}")
                for k, tab in enumerate(NAMES, start=1)
            ),
            hidden(
                "i",
                "measure",
                "Measure",
                tooltip="Measure in the next run what this tab shows, or not",
            ),
            Binding("d", "drawer", "Settings", tooltip="Show or hide the settings"),
            Binding("o", "runs", "Runs", tooltip="All run folders"),
            Binding("e", "export", "Export", tooltip="What is visible as CSV: steps, or curves"),
            Binding("a", "atlas", "Map", tooltip="Back to the map or the diagram"),
            Binding("r", "reset", "Reset", tooltip="Stop, and clear the charts"),
            hidden("escape", "back", "Back", tooltip="To the charts; all charts"),
        ],
    )

    def __init__(self, experiment: Experiment, ascii_only: bool) -> None:
        super().__init__()
        self.first = experiment
        self.ascii_only = ascii_only
        self.drawn: tuple[LiveSeries, int, bool] | None = None
        self.round = 0
        self.phase = ""
        self.said: dict[str, str] = {}
        self.lines = (0, 0)  # of the sentence, and how wide they are

    @property
    def state(self) -> RunState:
        return self.app.state

    def compose(self) -> ComposeResult:
        yield Static("", id="headline", markup=False)
        with Horizontal(id="body"):
            yield Settings(self.first, id="settings")
            with Vertical(id="charts"):
                with Horizontal(id="glance"):
                    yield Static("loss", id="glance-label")
                    yield Sparkline([], id="glance-line")
                    yield Static("", id="glance-value")
                yield Pages(self._live_charts(), ascii_only=self.ascii_only)
                yield Static("", id="sentence", markup=False)
        yield Static("", id="status", markup=False)
        yield Keys(compact=True)

    def _live_charts(self) -> Iterator[Chart]:
        for name in live_views():
            heading = title(name, self.first)
            yield Chart(heading, id=f"chart-{name}", ascii_only=self.ascii_only)

    def on_mount(self) -> None:
        self.chart(live_views()[0]).focus()
        self.query_one("#glance-line", Sparkline).visible = False
        self.set_interval(1 / self.app.frames_per_second, self.refresh_run)
        self.refresh_run()

    @property
    def _most_lines(self) -> int:
        """How many lines the words may take from the charts, while they can be fewer."""
        height = self.app.size.height
        return MAX_LINES - (height < LOW) - (height < VERY_LOW)

    @property
    def pages(self) -> Pages:
        return self.query_one(Pages)

    def chart(self, name: str) -> Chart:
        return self.query_one(f"#chart-{name}", Chart)

    def load(self, experiment: Experiment) -> None:
        """Put another experiment into the settings."""
        self.query_one(Settings).load(experiment)
        self.state.experiment = experiment
        self._words()

    def on_settings_swept(self, event: Settings.Swept) -> None:
        """A preset that is a map or a diagram: it has a screen of its own."""
        self.app.travel(event.experiment)

    def on_settings_changed(self, event: Settings.Changed) -> None:
        self.state.experiment = event.experiment
        self._words()

    # --- showing ---

    def refresh_run(self) -> None:
        """Show what is new: the words every time, charts when there is new data."""
        if not self.there:
            return
        state = self.state
        self._words()
        self.tell(state.session.told if state.session is not None else None)
        self.pages.refresh_tables(state.session, state.experiment)
        newest = (state.live, state.live.version, state.ended)
        if newest == self.drawn:
            return
        self.drawn = newest
        self._glance()
        chosen = self._whose_turn(everyone=state.ended)
        # The charts take turns within a period, so that a key never waits for all of them.
        turn = 1 / self.app.frames_per_second / (len(live_views()) + 1)
        for k, name in enumerate(chosen):
            self.set_timer((k + 1) * turn, partial(self.draw_chart, name))

    def _words(self) -> None:
        state = self.state
        room = self.app.size.width - 2
        self._say("headline", state.headline(room, faulty=bool(self.query_one(Settings).fault)))
        self._say("status", state.status_line(room))
        width = max(10, self.query_one("#sentence").content_size.width)
        try:
            words = state.sentence(width, self._most_lines)
        except Exception as error:
            words = noted(error, "the sentence")
        lines = len(textwrap.wrap(words, width)), width
        # A new layout of the whole screen only where the words need more lines, or fewer.
        self._say("sentence", words, layout=lines != self.lines)
        self.lines = lines
        phase = str(state.session.status) if state.session else ""
        if phase != self.phase:
            self.phase = phase
            self.refresh_bindings()

    def _say(self, where: str, words: str, *, layout: bool = False) -> None:
        """Show other words, if they are others; ``layout``: they may need more lines."""
        if self.said.get(where) != words:
            self.said[where] = words
            self.query_one(f"#{where}", Static).update(clean_lines(words), layout=layout)

    def _whose_turn(self, *, everyone: bool) -> list[str]:
        """The charts to draw now: while a run goes on the focused one and one of the others,
        which spares a third of the traffic of a remote terminal."""
        names = sorted(live_views(), key=lambda name: not self.chart(name).has_focus)
        if everyone:
            return names
        self.round += 1
        return [names[0], names[1 + self.round % (len(names) - 1)]]

    def draw_chart(self, name: str) -> None:
        if not self.there or self.pages.current != LIVE:
            return
        chart = self.chart(name)
        if not chart.display:
            return
        try:
            picture = self._picture(name, chart.log_axis)
            note = self.state.noise_floor() if VIEWS[name].certificate else ""
        except Exception as error:  # said in its place: the run goes on
            chart.show(Picture("", []), empty=noted(error, f"chart {name}"))
        else:
            chart.show(picture, note)

    def _picture(self, name: str, log: bool | None) -> Picture:
        """What a live chart shows now: all of it from one look at the series."""
        what = self.state.observable if VIEWS[name].signal else name
        live = self.state.live.still()
        picture = view(what, live, self.state.shown, log=log)
        step = live.latest.step if live.latest else 0
        return replace(picture, x_range=(0.0, float(step))) if step > 0 else picture

    def draw_all(self) -> None:
        for name in live_views():
            self.draw_chart(name)

    def _glance(self) -> None:
        name = self.state.observable
        values = self.state.live.finite(name)
        self._say("glance-label", name)
        line = self.query_one("#glance-line", Sparkline)
        line.visible = bool(values)
        line.data = values[-400:] or [0.0]
        words = self.state.glance()
        wider = len(words) > len(self.said.get("glance-value", ""))
        self._say("glance-value", words, layout=wider)

    def on_chart_moved(self, event: Chart.Moved) -> None:
        """All charts share one time axis; one by one, so that the next key need not wait."""
        if self.pages.current != LIVE:  # elsewhere each chart has its own
            return
        others = [chart for chart in self.pages.charts if chart is not event.chart]
        for k, chart in enumerate(others):
            self.set_timer((k + 1) * FOLLOW_SECONDS, partial(self._follow, chart, event.chart))

    @staticmethod
    def _follow(chart: Chart, leader: Chart) -> None:
        chart.look_at(leader.window, leader.cursor)

    def on_chart_rescaled(self, event: Chart.Rescaled) -> None:
        self._draw_one(event.chart)

    def on_chart_appeared(self, event: Chart.Appeared) -> None:
        self._draw_one(event.chart)

    def _draw_one(self, chart: Chart) -> None:
        name = (chart.id or "").removeprefix("chart-")
        if name in live_views():  # those of other tabs are drawn from their tables
            self.draw_chart(name)

    # --- keys ---

    def allowed(self, action: str) -> bool:
        state = self.state
        if action == "measure":
            return self.pages.current != LIVE
        if action == "stop":
            return not state.ending
        if action == "reset":
            return state.session is not None
        if action == "export":
            return state.path is not None
        if action == "atlas":
            return self.app.journey is not None
        return True

    def action_maximise(self) -> None:
        charts = self.pages.charts
        self.set_class(not self.has_class("-one"), "-one")
        if charts:
            self._choose(next((c for c in charts if c.has_focus), charts[0]))

    def action_next_chart(self) -> None:
        charts = self.pages.charts
        if not charts:
            return
        at = next((k for k, c in enumerate(charts) if c.has_class("-chosen")), 0)
        self._choose(charts[(at + 1) % len(charts)])

    def _choose(self, chosen: Chart) -> None:
        for chart in self.pages.charts:
            chart.set_class(chart is chosen, "-chosen")
        chosen.focus()
        self.call_after_refresh(self.draw_all)

    def action_tab(self, name: str) -> None:
        self.pages.choose(name)

    def on_pages_entered(self) -> None:
        """Another tab is shown: its first chart takes the keys."""
        if not self.there:
            return
        charts = self.pages.charts
        if charts and not any(chart.has_focus for chart in charts):
            self._choose(charts[0])
        elif not charts:
            self.set_focus(None)
        self.refresh_bindings()
        self.refresh_run()
        self.call_after_refresh(self.draw_all)

    def action_measure(self) -> None:
        """Switch on what the tab shows and the system can have, for the next run; or off
        again where all of it is on."""
        settings, tab = self.query_one(Settings), self.pages.current
        can = suited(settings.experiment)
        names = [name for name in tabs()[tab] if name in can]
        if not names:
            self.notify(f"Nothing of {tab} can be measured on this system.", severity="warning")
            return
        on = settings.measure(names)
        self.notify(f"The next run {'measures' if on else 'leaves out'}: {', '.join(names)}.")

    def action_drawer(self) -> None:
        self.toggle_class("-drawer")
        opened = self.query_one(Settings).display
        fields = self.query_one(Settings).query(Input)
        if self.app.size.width < 100 and opened and fields:
            if not self.query_one(Settings).focus_fault():
                self.query_one("#preset").focus()
        else:
            self._focus_first()

    def action_atlas(self) -> None:
        self.app.come_back()

    def action_runs(self) -> None:
        self.app.push_screen(Runs(self.app.catalogue))

    def action_back(self) -> None:
        settings = self.query_one(Settings)
        if self.has_class("-drawer"):
            if settings.display and settings.take_back():
                return
            self.remove_class("-drawer")
        elif self.has_class("-one"):
            self.action_maximise()
        self._focus_first()

    def _focus_first(self) -> None:
        """The keys to the first chart; to the screen itself where the tab has none."""
        self.set_focus(next(iter(self.pages.charts), None))

    def action_export(self) -> None:
        """The series of this run, or of the steps that are visible; on other tabs the curves of
        the chart that has the keys."""
        try:
            live = self.pages.current == LIVE
            path = self.state.export(self.chart("distance").window) if live else self._curves()
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        if path is None:
            words = "Nothing to export yet: run something first."
            self.notify(words if live else "There is nothing to export.", severity="warning")
            return
        self.app.copy_to_clipboard(str(path))
        self.notify(f"Wrote {path} (copied).", markup=False)

    def _curves(self) -> Path | None:
        """What the chart that has the keys, or else the first one, shows, as a file."""
        charts, folder = self.pages.charts, self.state.path
        chart = next((c for c in charts if c.has_focus), charts[0] if charts else None)
        if chart is None or chart.picture is None or folder is None:
            return None
        shown = cropped(chart.picture, *chart.window) if chart.window else chart.picture
        if not any(len(curve.x) for curve in shown.curves):
            return None
        return export_curves(shown, free_name(f"{folder.name}-{self.pages.page.name_of(chart)}"))
