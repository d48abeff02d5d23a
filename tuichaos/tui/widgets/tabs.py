"""The tabs of the explorer: the live charts, and one page for each group of instruments."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Tab, Tabs

from tuichaos.config.experiment import Experiment
from tuichaos.config.instruments import tabs
from tuichaos.plots.instruments.base import Tables
from tuichaos.tui.run_session import ENDED, Session
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.instrument_tab import Laboratory, pictures, reasons

LIVE = "Live"
NAMES = (LIVE, *tabs())
LOOK_SECONDS = 2.0  # between looks at the tables of a run that goes on


class Pages(Vertical):
    """A row of tabs over one page. Tables are made in the run's thread and turned into
    pictures in a worker; the screen only draws them."""

    class Entered(Message):
        """Another tab is shown."""

    def __init__(self, live: Iterator[Widget], *, ascii_only: bool) -> None:
        super().__init__(id="pages")
        self._live = list(live)
        self.ascii_only = ascii_only
        self._shown: tuple[object, ...] | None = None
        self._asked = 0.0

    def compose(self) -> ComposeResult:
        yield Tabs(*(Tab(name, id=name) for name in NAMES), id="tabs")
        with ContentSwitcher(initial="tab-live"):
            yield Vertical(*self._live, id="tab-live")
            for tab in tabs():
                yield Laboratory(tab, ascii_only=self.ascii_only)

    def on_mount(self) -> None:
        self.query_one(Tabs).can_focus = False  # arrows belong to the charts

    @property
    def current(self) -> str:
        """The name of the tab that is shown."""
        return self.query_one(Tabs).active or LIVE

    @property
    def page(self) -> Widget:
        return self.query_one(f"#tab-{self.current.lower()}")

    @property
    def charts(self) -> list[Chart]:
        """The charts of the tab that is shown."""
        return [chart for chart in self.page.query(Chart) if not chart.has_class("-absent")]

    def choose(self, tab: str) -> None:
        """Show another tab."""
        self.query_one(Tabs).active = tab

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        event.stop()
        self.query_one(ContentSwitcher).current = f"tab-{self.current.lower()}"
        self._shown, self._asked = None, 0.0
        self.post_message(self.Entered())

    def refresh_tables(self, session: Session | None, experiment: Experiment) -> None:
        """Show the newest tables of the run; ask for newer ones while it goes on."""
        if self.current == LIVE:
            return
        tables = session.preview if session is not None else None
        if session is not None and time.monotonic() - self._asked > LOOK_SECONDS:
            self._asked = time.monotonic()
            session.look()
        phase = session.status if session is not None else None
        newest = (self.current, tables, phase, None if tables else experiment)
        if self._shown is not None and all(map(operator.is_, self._shown, newest)):
            return
        self._shown = newest
        if tables is None:
            self.page.blank(session.experiment if session else experiment, session)
        else:
            self._draw(self.current, tables, ended=phase in ENDED)

    @work(thread=True, exclusive=True, group="tables")
    def _draw(self, tab: str, tables: Tables, *, ended: bool) -> None:
        """Make the pictures (in a thread of its own)."""
        drawn, words = pictures(tab, tables), list(reasons(tab, tables))
        step = None if ended else tables.summary["steps"]
        with suppress(RuntimeError):  # the program has ended meanwhile
            self.app.call_from_thread(self._show, tab, drawn, tables.experiment, words, step)

    def _show(self, tab: str, *shown: Any) -> None:
        # When the program ends its widgets go one by one, those of a page before the page.
        if self.app.is_running and self.is_attached and tab == self.current:
            self.page.show(*shown)
