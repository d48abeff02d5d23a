"""The line of keys at the bottom of a screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Resize
from textual.screen import ActiveBinding
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

ALWAYS = ("help", "quit")  # actions whose keys are never left out
PALETTE = 12  # columns of its key, at the right end
ROOMY = 100  # columns from which it is shown


class Keys(Footer):
    """A footer that leaves out what does not fit, the last ones of a screen first, and lets go
    of the keys it does not show any more.

    Each key watches ``compact``, and Textual strikes out a watcher that has gone only when
    what it watches is set: never here, while the keys are made anew with every change of what
    they do. A screen that stays would keep all the keys it ever had.
    """

    _room = 0  # columns that the keys were made for

    def compose(self) -> ComposeResult:
        if self.is_mounted:  # the former keys are closed by now, the new ones not yet there
            self.mutate_reactive(Footer.compact)
        if not self._bindings_ready:
            return
        self._room = self.size.width or self.app.size.width
        active = self.screen.active_bindings
        # Where there is no room, the keys of the screen go before the one of the palette.
        roomy = self._room >= ROOMY
        palette = active.get(self.app.COMMAND_PALETTE_BINDING) if roomy else None
        room = self._room - PALETTE * (palette is not None)
        for each in self._fitting(active.values(), room):
            yield self._key(each, each.binding.description)
        if palette is not None:
            yield self._key(palette, palette.binding.description, "-command-palette")

    def _key(self, each: ActiveBinding, words: str, classes: str = "") -> FooterKey:
        binding, shown = each.binding, self.app.get_key_display(each.binding)
        key = FooterKey(
            binding.key,
            shown,
            words,
            binding.action,
            disabled=not each.enabled,
            tooltip=each.tooltip or words,
            classes=classes,
        )
        return key.data_bind(compact=Footer.compact)

    def _fitting(self, active: Iterable[ActiveBinding], room: int) -> Iterator[ActiveBinding]:
        """The keys that fit into so many columns: those that are always there at the end."""
        first = {each.binding.action: each for each in reversed(list(active)) if each.binding.show}
        found = list(reversed(first.values()))
        last = [each for each in found if each.binding.action in ALWAYS]
        room -= sum(self._width(each.binding) for each in last)
        for each in found:
            if each in last:
                continue
            room -= self._width(each.binding)
            if room < -1:  # nothing follows the last one
                break
            yield each
        yield from last

    def _width(self, binding: Binding) -> int:
        return len(self.app.get_key_display(binding)) + len(binding.description) + 2

    def on_resize(self, event: Resize) -> None:
        """As many keys as there is room for now."""
        if self._room and event.size.width != self._room:
            self.refresh(recompose=True)
