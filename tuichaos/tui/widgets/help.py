"""What the keys do here: those that a newcomer needs first."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import ActiveBinding
from textual.widgets import HelpPanel, KeyPanel
from textual.widgets._key_panel import BindingsTable

from tuichaos.tui.widgets.tabs import NAMES

FIRST = ("toggle", "nudge", "nudge_restart", "tab", "export", "runs", "quit", "close_help")
LAST = ("app.focus_next", "app.focus_previous", "screen.copy_text", "help_quit")
# Actions whose keys are told in one line.
TOGETHER = {
    "nudge": "Learning rate 10 % down, up; while running, from here on",
    "nudge_restart": "Learning rate, or parameter of a map, down, up, and start again",
    "tab": f"Tabs: {', '.join(NAMES)}",
    "zoom": "Zoom in, out",
    "pan": "Pan left, right",
    "cursor": "Cursor with a readout",
    "move": "The cross, with shift far; a box: moves, sizes it",
    "view": "The next view, the one before",
}


def rows(active: Iterable[ActiveBinding]) -> list[tuple[str, list[ActiveBinding]]]:
    """Actions with their bindings, each a row: FIRST, then those of the screen, of the app, and
    of what has the keys."""
    found: dict[str, list[ActiveBinding]] = {}
    for each in active:
        binding = each.binding
        if not binding.system and (binding.description or binding.tooltip):
            name = binding.action.partition("(")[0]
            found.setdefault(name if name in TOGETHER else binding.action, []).append(each)
    return sorted(found.items(), key=lambda row: (_rank(row[0]), _floor(row[1][0].node)))


def _rank(action: str) -> int:
    last = len(FIRST) + (action in LAST)
    return FIRST.index(action) if action in FIRST else last


def _floor(node: DOMNode) -> int:
    if node is node.app:
        return 1
    return 0 if node is node.screen else 2


class _Rows(BindingsTable):
    def render_bindings_table(self) -> Table:
        style = self.get_component_rich_style("bindings-table--key")
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(justify="right", no_wrap=True)
        for action, several in rows(self.screen.active_bindings.values()):
            shown = dict.fromkeys(self.app.get_key_display(each.binding) for each in several)
            words = TOGETHER.get(action) or _words(several[-1].binding)
            table.add_row(Text(_spanned(sorted(shown, key=len)), style), Text(words))
        return table


def _spanned(keys: list[str]) -> str:
    """1 … 6 for six keys."""
    return " ".join(keys if len(keys) <= 4 else [keys[0], "…", keys[-1]])


def _words(binding: Binding) -> str:
    return binding.tooltip or binding.description


class _Keys(KeyPanel):
    def compose(self) -> ComposeResult:
        yield _Rows(shrink=True, expand=False)


class Help(HelpPanel):
    """The keys that work here, beside the screen."""

    def update_help(self, focused_widget: object) -> None:
        """There is no text of a widget's own, only keys."""

    def compose(self) -> ComposeResult:
        yield _Keys(id="keys-help")
