"""manual: the pages of the manual, listed, shown and searched."""

from __future__ import annotations

import re
import sys

import click

from tuichaos.cli.run_output import say
from tuichaos.common.ascii_text import fitting
from tuichaos.common.errors import InputError
from tuichaos.manual import pages

WIDEST = 100  # columns of a page
LINK = re.compile(r"\[([^\]]*)\]\((\w+)\.md[^)]*\)")  # from page to page


@click.command(
    help="Show a page of the manual; without TOPIC list the pages.",
)
@click.argument("topic", required=False)
@click.option("--search", "word", metavar="WORD", help="The lines that hold a word, in all pages.")
def manual(topic: str | None, word: str | None) -> None:
    """Show a page of the manual, list the pages, or print the lines that hold a word."""
    if word is not None:
        _search(word, topic)
    elif topic is None:
        width = max(map(len, pages.TOPICS))
        for name in pages.TOPICS:
            say(f"{name:<{width}}  {pages.summary(name)}")
    else:
        _show(pages.text(topic, _key_table))


def _key_table(name: str) -> str:
    """Textual is loaded only for a page that has keys."""
    import tuichaos.tui.app  # noqa: F401 its keys are then known
    from tuichaos.tui.manual_key_tables import key_table

    return key_table(name)


def _search(word: str, topic: str | None) -> None:
    if not word.strip():
        raise InputError("--search: needs a word")
    if topic is not None:
        pages.source(topic)  # refuses one that is not there
    topics = pages.TOPICS if topic is None else (topic,)
    found = list(pages.search(word.strip(), _key_table, topics))
    if not found:
        raise InputError(f"--search {word.strip()}: no line of the manual holds it")
    for one in found:
        say(f"{one.topic} · {one.heading}: {one.line}")


def _named(link: re.Match[str]) -> str:
    """A link to a page as words: a terminal cannot follow it."""
    words, topic = link.groups()
    return words if words == topic else f"{words} (page {topic})"


def _show(text: str) -> None:
    """Drawn for a terminal, through its pager; else as it is written."""
    if not sys.stdout.isatty():
        say(text.rstrip("\n"))
        return
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.theme import Theme

    # The terminal's own colours, and no background: it may be light.
    drawing = Markdown(LINK.sub(_named, text), hyperlinks=False, code_theme="ansi_dark")
    console = Console(highlight=False, theme=Theme({"markdown.code": "bold cyan"}))
    with console.capture() as drawn:
        console.print(drawing, width=min(console.width, WIDEST))
    click.echo_via_pager(fitting(drawn.get(), sys.stdout), color=not console.no_color)
