"""Tables of the explorer's keys for its manual, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding
from textual.keys import format_key

from tuichaos.common.errors import InputError, nearest
from tuichaos.manual.pages import table
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.atlas import Atlas
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.screens.dialogs import Ask, Confirm
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.manual import Manual
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.help import TOGETHER
from tuichaos.tui.widgets.settings import Entry

# What has the keys that a table of that name lists.
OWNERS: dict[str, tuple[type, ...]] = {
    "explore": (Explore, Chart, Explorer),
    "settings": (Entry,),
    "runs": (Runs,),
    "dialogs": (Confirm, Ask),
    "compare": (Compare, Chart),
    "atlas": (Atlas,),
    "manual": (Manual,),
}


def key_table(name: str) -> str:
    """The keys of a screen with what they do, and the names by which config.toml gives them
    other keys. InputError for a screen that is none."""
    if name not in OWNERS:
        raise InputError(f"keys: {name}: there is no such screen; {nearest(name, OWNERS)}")
    rows: dict[str, tuple[list[str], str, list[str]]] = {}
    for binding in bindings(OWNERS[name]):
        action = binding.action.partition("(")[0]
        together = action in TOGETHER
        words = TOGETHER[action] if together else binding.tooltip or binding.description
        row = rows.setdefault(action if together else binding.action, ([], words, []))
        for word, words_before in ((shown(binding), row[0]), (str(binding.id), row[2])):
            if word not in words_before:
                words_before.append(word)
    cells = [[_code(keys, " "), words, _code(names, ", ")] for keys, words, names in rows.values()]
    return table(["key", "what it does", "name"], cells)


def _code(words: list[str], between: str) -> str:
    return between.join(f"`{word}`" for word in words)


def bindings(owners: Iterable[type]) -> list[Binding]:
    """The bindings that classes declare themselves, one for each key."""
    return [one for owner in owners for one in Binding.make_bindings(owner.BINDINGS)]


def shown(binding: Binding) -> str:
    """A key as the explorer shows it."""
    if binding.key_display:
        return binding.key_display
    *modifiers, key = binding.key.split("+")
    return "+".join([*modifiers, format_key(key)])
