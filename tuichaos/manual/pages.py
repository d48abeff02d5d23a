"""The pages of the manual: listed, searched, and read with their generated tables in place.

A page may hold lines such as ``{presets}``: tables that are made from the code when the page is
shown, so that they cannot lag behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuichaos.common.errors import InputError, nearest

FOLDER = Path(__file__).parent
# In the order of the list.
TOPICS = ("tutorial", "commands", "presets", "experiment", "training", "instruments", "verdicts")
TOPICS += ("sweeps", "diagrams", "maps", "clusters", "folder", "resume", "systems", "python")
TOPICS += ("explorer", "speed", "selftest", "glossary", "inside")
PLACEHOLDER = re.compile(r"^\{(\w+)(?:: (\w+))?\}$", re.MULTILINE)
LONGEST_DEFAULT = 30  # characters of a default in a table

KeyTable = Callable[[str], str]  # the name of a screen → a table of its keys, in Markdown


@dataclass(frozen=True)
class Found:
    """A line that holds what was searched for, with the page and the heading it is below."""

    topic: str
    heading: str
    line: str


def source(topic: str) -> str:
    """A page as it is written. InputError names the nearest topic."""
    if topic not in TOPICS:
        raise InputError(f"{topic}: the manual has no such page; {nearest(topic, TOPICS)}")
    return (FOLDER / f"{topic}.md").read_text(encoding="utf-8")


def summary(topic: str) -> str:
    """What a page is about: the first line below its heading."""
    lines = [line for line in source(topic).splitlines() if line.strip()]
    return lines[1]


def text(topic: str, key_table: KeyTable) -> str:
    """A page with its tables in place; ``key_table`` is asked only where the page has keys."""

    def made(found: re.Match[str]) -> str:
        name, of = found.groups()
        return key_table(of) if name == "keys" else TABLES[name]()

    others = _of_others() if topic == "instruments" else []
    return "\n\n".join([PLACEHOLDER.sub(made, source(topic)).rstrip("\n"), *others]) + "\n"


def _of_others() -> list[str]:
    """What instruments of others say of themselves."""
    from tuichaos.config.instruments import specs  # here: help is quick without pydantic

    return [spec.manual for spec in specs() if spec.manual]


def search(word: str, key_table: KeyTable, topics: tuple[str, ...] = TOPICS) -> Iterator[Found]:
    """The lines of pages that hold a word, whatever its capitals."""
    for topic in topics:
        heading = ""
        fenced = False
        for line in text(topic, key_table).splitlines():
            fenced ^= line.startswith("```")
            if line.startswith("#") and not fenced:
                heading = line.lstrip("# ")
            if word.casefold() in line.casefold():
                yield Found(topic, heading, line.strip())


# --- generated tables ---


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *cells))


def _presets() -> str:
    from tuichaos.config import presets

    found = [(name, presets.preset(name)) for name in presets.names()]
    rows = [[f"`{name}`", f"**{one.title}.** {one.about}"] for name, one in found]
    return table(["preset", "what one should see"], rows)


def _keys(wanted: Callable[[str], bool]) -> str:
    from tuichaos.config.fault_text import describe_keys

    rows = [
        [f"`{key}`", "" if default is None else f"`{_short(default)}`", meaning]
        for key, default, meaning in describe_keys()
        if wanted(key)
    ]
    return table(["key", "default", "meaning"], rows)


def _short(default: object) -> str:
    shown = json.dumps(default, ensure_ascii=False)
    return shown if len(shown) <= LONGEST_DEFAULT else f"{shown[: LONGEST_DEFAULT - 1]}…"


TABLES: dict[str, Callable[[], str]] = {
    "presets": _presets,
    "measure": lambda: _keys(lambda key: key.startswith("measure.")),
    "experiment": lambda: _keys(lambda key: not key.startswith("measure.")),
}
