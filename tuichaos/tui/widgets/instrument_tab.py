"""One tab of the explorer: the charts of some instruments' own tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.widgets import Static

from tuichaos.config.experiment import Experiment
from tuichaos.config.instruments import charts, suited, tabs
from tuichaos.plots.figure import Picture
from tuichaos.plots.instruments import drawn as drawn_of
from tuichaos.plots.instruments.base import Tables
from tuichaos.tui.faults import noted
from tuichaos.tui.run_session import ENDED, Session
from tuichaos.tui.widgets.chart import Chart

# What was drawn of a view: a picture, or why there is none.
Drawn = Picture | str


def pictures(tab: str, tables: Tables) -> dict[str, Drawn]:
    """The charts of a tab as far as they were measured; may take a while, so not on the
    screen's own thread."""
    return {
        name: _picture(name, tables)
        for name, view in charts().items()
        if view.tab == tab and tables.has(view.file)
    }


def _picture(name: str, tables: Tables) -> Drawn:
    try:
        picture = drawn_of(name, tables)
    except (IndexError, KeyError):  # too little is there to be drawn
        return "no data yet"
    except Exception as error:
        return noted(error, f"chart {name}")
    if not any(np.isfinite(curve.y).any() for curve in picture.curves):
        return "no number yet"
    return picture


def reasons(tab: str, tables: Tables) -> Iterator[str]:
    """What instruments of a tab say of a result that is empty."""
    for key in tabs()[tab]:
        part = tables.summary.get(key)
        if isinstance(part, dict) and part.get("reason"):
            yield f"{key}: {part['reason']}"


class Laboratory(Vertical):
    """The charts of one tab, those that were measured; a line says what was not, and how to."""

    def __init__(self, tab: str, *, ascii_only: bool) -> None:
        super().__init__(id=f"tab-{tab.lower()}", classes="laboratory")
        self.tab = tab
        self.ascii_only = ascii_only

    def compose(self) -> ComposeResult:
        yield Static("", classes="hint", markup=False)
        with Container(classes="lab-charts"):
            for name, view in charts().items():
                if view.tab == self.tab:
                    yield Chart(
                        name, id=f"lab-{name}", ascii_only=self.ascii_only, classes="-absent"
                    )

    def blank(self, experiment: Experiment, session: Session | None) -> None:
        """Nothing has been measured so far."""
        names = ", ".join(self._switches(experiment, on=True))
        words = "Nothing measured yet." if session else f"Measured when it runs: {names}."
        if session is not None and session.status in ENDED:
            words = "Nothing was measured."
        self._say(self._unmeasured(experiment), words if names else "")
        self._leave([])
        self.query(Chart).add_class("-absent")

    def show(
        self,
        drawn: dict[str, Drawn],
        experiment: Experiment,
        words: list[str],
        step: int | None = None,
    ) -> None:
        """Show what there is; as of ``step`` of a run that goes on."""
        charts = list(self.query(Chart))
        empty = [f"{name}: {text}" for name, text in drawn.items() if isinstance(text, str)]
        when = f"As of step {step}." if step is not None and drawn else ""
        none = "Nothing was measured." if self._switches(experiment, on=True) else ""
        said = " · ".join(words or empty) or ("" if drawn else none)
        self._say(self._unmeasured(experiment), when, said)
        shown = [c for c in charts if isinstance(drawn.get(self.name_of(c)), Picture)]
        self.set_class(len(shown) > 2, "-many")
        if shown and not any(chart.has_class("-chosen") for chart in shown):
            self.query(Chart).remove_class("-chosen")
            shown[0].add_class("-chosen")
        self._leave(shown)
        for chart in charts:
            chart.set_class(chart not in shown, "-absent")
            if chart in shown:
                self._show_one(chart, drawn[self.name_of(chart)])
        self.call_after_refresh(self._take_keys)

    def _leave(self, shown: list[Chart]) -> None:
        """Before a chart with the focus goes: else the keys would go to a field."""
        if any(chart.has_focus and chart not in shown for chart in self.query(Chart)):
            self.screen.set_focus(None)

    def _take_keys(self) -> None:
        """The chosen chart takes the keys that nothing else has."""
        if self.is_attached and self.display and self.screen.focused is None:
            chosen = [c for c in self.query(Chart) if c.has_class("-chosen")]
            if chosen and not chosen[0].has_class("-absent"):
                self.screen.set_focus(chosen[0])

    @staticmethod
    def _show_one(chart: Chart, picture: Picture) -> None:
        log = picture.log if chart.log_axis is None else chart.log_axis
        chart.show(replace(picture, log=log))

    def on_chart_rescaled(self, event: Chart.Rescaled) -> None:
        event.stop()
        if event.chart.picture is not None:
            self._show_one(event.chart, replace(event.chart.picture, title=event.chart.title))

    @staticmethod
    def name_of(chart: Chart) -> str:
        """The view of a chart."""
        return (chart.id or "").removeprefix("lab-")

    def _switches(self, experiment: Experiment, *, on: bool) -> list[str]:
        switches = ((key, getattr(experiment.measure, key)) for key in tabs()[self.tab])
        return [key for key, switch in switches if (switch is not False) == on]

    def _unmeasured(self, experiment: Experiment) -> str:
        can = suited(experiment)
        off = [key for key in self._switches(experiment, on=False) if key in can]
        return f"Not measured: {', '.join(off)} (i: measure in the next run)." if off else ""

    def _say(self, *words: str) -> None:
        text = " ".join(word for word in words if word)
        hint = self.query_one(".hint", Static)
        hint.update(text)
        hint.display = bool(text)
