"""The line of keys at the bottom of a screen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer


class Keys(Footer):
    """A footer that lets go of the keys it does not show any more.

    Each key watches ``compact``, and Textual strikes out a watcher that has gone only when
    what it watches is set: never here, while the keys are made anew with every change of what
    they do. A screen that stays would keep all the keys it ever had.
    """

    def compose(self) -> ComposeResult:
        if self.is_mounted:  # the former keys are closed by now, the new ones not yet there
            self.mutate_reactive(Footer.compact)
        yield from super().compose()
