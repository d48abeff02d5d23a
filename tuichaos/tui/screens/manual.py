"""The manual on screen: its pages in a list, and the page that is chosen."""

from __future__ import annotations

import asyncio
import re

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Markdown, OptionList, Static
from textual.widgets.option_list import Option

from tuichaos.manual import pages
from tuichaos.tui.keymap import identified
from tuichaos.tui.screens.base import Living
from tuichaos.tui.widgets.footer import Keys

SECTION = re.compile(r"^(?=#{2,3} )", re.MULTILINE)
PAUSE_SECONDS = 0.01  # between sections, for the keys


class Manual(Living):
    """A page is made in a thread, as its tables load what they are made from; a worker of the
    screen shows it, and ends when another page is asked for, or the screen is left."""

    BINDINGS = identified(
        "manual",
        [
            Binding("escape,f1", "back", "Back", key_display="esc", tooltip="Close the manual"),
            Binding("enter", "read", "Read", tooltip="Read the page below the cursor"),
            Binding("tab", "app.focus_next", "List or page", tooltip="From the list to the page"),
        ],
    )

    def __init__(self, topic: str = pages.TOPICS[0]) -> None:
        super().__init__()
        self.topic = topic

    def compose(self) -> ComposeResult:
        yield Static("The manual", id="headline", markup=False)
        with Horizontal():
            yield OptionList(*(Option(name, id=name) for name in pages.TOPICS), id="topics")
            with VerticalScroll(id="page"):
                yield Markdown("", id="markdown", open_links=False)
        yield Keys(compact=True)

    def on_mount(self) -> None:
        if not self.there:  # left again before it was there
            return
        topics = self.query_one(OptionList)
        topics.highlighted = pages.TOPICS.index(self.topic)
        topics.focus()
        self.show()

    def show(self) -> None:
        """Show the page of the topic."""
        self.query_one("#headline", Static).update(f"The manual · {pages.summary(self.topic)}")
        self._fill(self.topic)

    @work(exclusive=True, exit_on_error=False)
    async def _fill(self, topic: str) -> None:
        """Section by section: a long page at once would hold up keys, and a run that is drawn."""
        from tuichaos.tui.manual_key_tables import key_table  # late: it loads all screens

        text = await asyncio.to_thread(pages.text, topic, key_table)
        page = self.query_one(Markdown)
        self.query_one("#page").scroll_home(animate=False)
        first, *rest = SECTION.split(text)
        await page.update(first)
        for part in rest:
            await asyncio.sleep(PAUSE_SECONDS)
            await page.append(part)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._go(event.option.id or self.topic)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """Another page; an address outside is said, for a browser elsewhere."""
        name = event.href.partition("#")[0].removesuffix(".md")
        if name in pages.TOPICS:
            self._go(name)
        elif not event.href.startswith("#"):
            self.app.copy_to_clipboard(event.href)
            self.notify(f"{event.href} (copied)", markup=False)

    def _go(self, topic: str) -> None:
        self.topic = topic
        self.query_one(OptionList).highlighted = pages.TOPICS.index(topic)
        self.show()

    # --- keys ---

    def action_read(self) -> None:
        self.query_one(OptionList).action_select()

    def action_back(self) -> None:
        self.app.pop_screen()
