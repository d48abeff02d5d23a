"""A screen that may be left at any time, also before what was put off is done."""

from __future__ import annotations

from textual.screen import Screen


class Living(Screen):
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
