"""A screen that may be left at any time, also before what was put off is done."""

from __future__ import annotations

from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget


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

    @property
    def there(self) -> bool:
        return self.app.is_running and self.is_attached and bool(self.children)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do something now; the footer and the palette show no others."""
        return self.allowed(action) if self.there else False

    def allowed(self, action: str) -> bool:
        """Whether an action of this screen does something now."""
        return True
