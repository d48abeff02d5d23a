"""Tables of the explorer's keys for its manual, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding
from textual.keys import format_key

from tuichaos.common.errors import InputError, nearest
from tuichaos.manual.pages import table
from tuichaos.tui.keymap import BY_GROUP
from tuichaos.tui.screens import atlas, compare, dialogs, explore, runs
from tuichaos.tui.widgets import settings
from tuichaos.tui.widgets.help import TOGETHER

# Whose bindings are then known (keymap.py); those of the app and of the manual are where these
# are loaded, which import this late.
LOADED = (atlas, compare, dialogs, explore, runs, settings)
# The groups of bindings that a table of that name lists.
GROUPS: dict[str, tuple[str, ...]] = {
    "explore": ("explore", "chart", "app"),
    "settings": ("settings",),
    "runs": ("runs",),
    "dialogs": ("confirm", "ask"),
    "compare": ("compare", "chart"),
    "atlas": ("atlas",),
    "manual": ("manual",),
}


def key_table(name: str) -> str:
    """The keys of a screen with what they do, and the names by which config.toml gives them
    other keys. InputError for a screen that is none."""
    if name not in GROUPS:
        raise InputError(f"keys: {name}: there is no such screen; {nearest(name, GROUPS)}")
    rows: dict[str, tuple[list[str], str, list[str]]] = {}
    for binding in bindings(GROUPS[name]):
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


def bindings(groups: Iterable[str]) -> list[Binding]:
    """The bindings of groups, one for each key."""
    return [one for group in groups for one in Binding.make_bindings(BY_GROUP[group])]


def shown(binding: Binding) -> str:
    """A key as the explorer shows it."""
    if binding.key_display:
        return binding.key_display
    *modifiers, key = binding.key.split("+")
    return "+".join([*modifiers, format_key(key)])
