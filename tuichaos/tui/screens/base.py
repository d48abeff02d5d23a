"""A screen that may be left at any time, also before what was put off is done."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget

TOLD_SECONDS = 15.0  # that a line on how data were read stays: it is read, not glanced at


class Clickable:
    """For screens: a click on a widget that is being removed begins no selection of text.

    Such a widget has no parent any more, which Textual takes for granted there.
    """

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        widget, offset = super().get_widget_and_offset_at(x, y)
        removed = widget is not None and not isinstance(widget, Screen) and widget.parent is None
        return (None, None) if removed else (widget, offset)


class Living(Clickable, Screen):
    """``there``: whether its widgets can be asked for. When the app ends they go one by one
    while keys and timers still arrive; whatever comes late then does nothing."""

    told: Sequence[str] = ()  # what was said before a run

    def tell(self, lines: Sequence[str] | None) -> None:
        """Show what is said before a run, as on the command line, unless it was just shown;
        None: it is not known yet."""
        if lines is None or list(lines) == list(self.told):
            return
        self.told = lines
        for line in lines:
            warns = line.startswith("warning: ")
            words, severity = line.removeprefix("warning: "), "warning" if warns else "information"
            self.notify(words, severity=severity, timeout=TOLD_SECONDS, markup=False)

    @property
    def there(self) -> bool:
        return self.app.is_running and self.is_attached and bool(self.children)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do something now; the footer and the palette show no others."""
        return self.allowed(action) if self.there else False

    def allowed(self, action: str) -> bool:
        """Whether an action of this screen does something now."""
        return True
