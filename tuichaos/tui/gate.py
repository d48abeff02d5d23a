"""Keys, clicks and pastes one at a time: each waits until the one before has taken effect.

Textual hands a key to whatever has the focus when it arrives. What the key before it does to
the focus, or to the screens, comes about later, by messages: of two keys that arrive together
the second would go where the first one meant to lead away from. Here it waits until every
message of the first has been dealt with, and a screen that was pushed has been painted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable

from textual.app import App
from textual.events import Event, Key, MouseDown, MouseEvent, MouseUp, Paste
from textual.message_pump import MessagePump

from tuichaos.tui.screens.dialogs import Dialog

SPINS = 20  # turns of the event loop before it is left alone between two looks
PAUSE_SECONDS = 0.002
MAX_SECONDS = 2.0  # where messages never cease: from then on only the way of a key counts


class Gate:
    """Lets events of the terminal through to the app, in the order in which they came."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: deque[Event] = deque()
        self._passing: Event | None = None  # let through, and on its way to the app again
        self._busy = False
        self._task: asyncio.Task | None = None

    @property
    def busy(self) -> bool:
        """Whether something that was let through has not taken effect yet."""
        return self._busy

    def admits(self, event: Event) -> bool:
        """Whether an event goes on now; one that does not comes again later, or was meant for
        what is no longer there."""
        if not isinstance(event, Key | MouseEvent | Paste) or event.is_forwarded:
            return True
        if self._busy and event is not self._passing:
            self._waiting.append(event)
            return False
        self._passing, self._busy = None, True
        if _too_early(event, self._app.screen):
            self._next()
            return False
        if isinstance(event, MouseEvent) and not isinstance(event, MouseDown | MouseUp):
            self._next()  # movements change nothing that others would have to wait for
        else:
            self._task = asyncio.create_task(self._settle())
        return True

    def _next(self) -> None:
        """Let the next one through."""
        if self._waiting:
            self._passing = self._waiting.popleft()
            if self._app.post_message(self._passing):
                return
            self._waiting.clear()  # the app has gone
        self._passing, self._busy = None, False

    async def _settle(self) -> None:
        """Wait for the effect of what was let through."""
        turns, until = 0, time.monotonic() + MAX_SECONDS
        await asyncio.sleep(0)
        try:
            while not self._settled(late=time.monotonic() > until):
                turns += 1
                await asyncio.sleep(0 if turns < SPINS else PAUSE_SECONDS)
        finally:
            self._next()

    def _settled(self, *, late: bool) -> bool:
        app = self._app
        if not (app.is_running and app.screen_stack):
            return True
        return _painted(app) and all(map(_at_rest, _way(app) if late else _everything(app)))


def _everything(app: App) -> Iterable[MessagePump]:
    return [app, *app._registry]


def _way(app: App) -> Iterable[MessagePump]:
    """Where a key goes, from what has the focus to the app."""
    return [*(app.focused or app.screen).ancestors_with_self]


def _at_rest(pump: MessagePump) -> bool:
    """Whether there is no message for it, and it is not at work on one: it waits for the next.
    What is being closed does nothing any more; what was begun but has not come up yet will."""
    if pump._closing or pump._closed:
        return True
    if not pump._running:
        return pump._task is None
    return not (pump.message_queue_size or pump._next_callbacks) and _waits(pump)


def _waits(pump: MessagePump) -> bool:
    """Whether it waits for the next message; taken for granted where that is not told."""
    ready = getattr(pump._message_queue, "ready_event", None)
    waiters = getattr(ready, "_waiters", None)
    return waiters is None or any(not waiter.done() for waiter in waiters)


def _painted(app: App) -> bool:
    """Whether the screen is there, and what was put off until it is painted has been done."""
    screen = app.screen
    if screen._closing or screen._closed:
        return True
    dialog = isinstance(screen, Dialog) and screen.painted is None
    return screen.is_mounted and not screen._callbacks and not dialog


def _too_early(event: Event, screen: object) -> bool:
    """Whether a dialog is asked for an answer before its question could be read."""
    return isinstance(screen, Dialog) and (screen.painted is None or event.time < screen.painted)
