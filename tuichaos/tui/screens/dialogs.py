"""Small questions: yes or no, and one line of text."""

from __future__ import annotations

import time

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tuichaos.common.text import clean
from tuichaos.tui.keymap import identified
from tuichaos.tui.screens.base import Clickable


class Dialog(Clickable):
    """A question that takes no answer given before it could be read: keys pressed before it was
    ``painted`` (a time of the events' clock) do not reach it, see ``gate``."""

    painted: float | None = None

    def on_mount(self) -> None:
        self.call_after_refresh(self._mark_painted)

    def _mark_painted(self) -> None:
        self.painted = time.monotonic()


class Confirm(Dialog, ModalScreen[bool]):
    """Asks once; y or enter on Yes says yes, n or escape no."""

    BINDINGS = identified(
        "confirm",
        [
            Binding("y", "answer(True)", "Yes"),
            Binding("n,escape", "answer(False)", "No"),
        ],
    )

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = clean(question)  # it may name a folder

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self.question, markup=False)
            with Horizontal():
                yield Button("No (n)", id="no")
                yield Button("Yes (y)", id="yes", variant="error")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class Ask(Dialog, ModalScreen[str | None]):
    """Asks for one line; escape gives None."""

    BINDINGS = identified("ask", [Binding("escape", "cancel", "Cancel")])

    def __init__(self, question: str, value: str = "") -> None:
        super().__init__()
        self.question = clean(question)  # it may name a folder
        self.value = value

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self.question, markup=False)
            yield Input(self.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)
