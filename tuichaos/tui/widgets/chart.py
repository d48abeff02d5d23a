"""A chart: one Picture, drawn when it changed and can be seen, zoomed and read by keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from tuichaos.plots.figure import Picture, Role, cropped, smoothed
from tuichaos.plots.plotext_renderer import draw, legend
from tuichaos.tui.faults import noted
from tuichaos.tui.keymap import hidden, identified

ZOOM = 1.5
SMOOTHING = (1, 5, 25, 125)  # points
FRAME = 6  # columns of the frame beside its title
NOTHING = "no data yet"
AXIS = "│┤├└|+"


class Chart(Widget, can_focus=True):
    """Draws a Picture with plotext; the same drawing as ``tuichaos plot``.

    Keys and mouse act on the visible stretch of the x axis; ``cursor`` reads values. The
    y axis is logarithmic as the picture says, unless ``log_axis`` was set.
    """

    ALLOW_MAXIMIZE = False  # the screen has its own way, which leaves the words visible
    BINDINGS = identified(
        "chart",
        [
            hidden("plus,equals_sign", "zoom(1)", "Zoom in"),
            hidden("minus", "zoom(-1)", "Zoom out"),
            hidden("left", "pan(-1)", "Pan left"),
            hidden("right", "pan(1)", "Pan right"),
            hidden("shift+left", "cursor(-1)", "Cursor left"),
            hidden("shift+right", "cursor(1)", "Cursor right"),
            hidden("0", "whole", "Whole axis", tooltip="All of it, no cursor"),
            hidden("l", "log", "Log axis", tooltip="Linear or logarithmic y axis of this chart"),
            hidden(
                "w", "smooth", "Smooth", tooltip="Moving average over 5, 25, 125 points, or none"
            ),
        ],
    )

    class Moved(Message):
        """The visible stretch changed: charts on one axis follow."""

        def __init__(self, chart: Chart) -> None:
            self.chart = chart
            super().__init__()

    class Appeared(Message):
        """It can be seen again: pictures made meanwhile were not drawn."""

        def __init__(self, chart: Chart) -> None:
            self.chart = chart
            super().__init__()

    class Rescaled(Message):
        """The y axis is to be drawn otherwise: the picture must be made again."""

        def __init__(self, chart: Chart) -> None:
            self.chart = chart
            super().__init__()

    def __init__(self, title: str = "", *, ascii_only: bool = False, **arguments) -> None:
        super().__init__(**arguments)
        self.title = title
        self.ascii_only = ascii_only
        self.picture: Picture | None = None
        self.empty = NOTHING
        self.note = ""  # beside the frame when nothing is read
        self.log_axis: bool | None = None
        self.smoothing = 1
        self.window: tuple[float, float] | None = None
        self.cursor: float | None = None
        self._drawn: Text | None = None
        self._frame = ("", "")
        self._margin = 0  # columns left of the axis
        self._held: int | None = None  # where the mouse took hold
        self._dragged = False
        self.border_title = Text(title)

    # --- what is shown ---

    def show(self, picture: Picture, note: str = "", empty: str = "") -> None:
        """Draw another picture, in the stretch that is visible; ``empty``: what to say where
        it has no point."""
        self.picture = replace(picture, title="")
        self.note = note
        self.empty = empty or NOTHING
        if picture.title:
            self.title = picture.title
        self._redraw()

    def look_at(self, window: tuple[float, float] | None, cursor: float | None) -> None:
        """Show another stretch of x (None: all of it)."""
        if (window, cursor) != (self.window, self.cursor):
            self.window, self.cursor = window, cursor
            self._redraw()

    def _redraw(self) -> None:
        self._drawn = None
        self._entitle()
        self.refresh()

    def on_resize(self) -> None:
        self._redraw()

    def on_show(self) -> None:
        self.post_message(self.Appeared(self))

    def render(self) -> Text:
        if self._drawn is None:
            try:
                self._drawn = self._draw()
            except Exception as error:  # said in its place: the run goes on, and the app
                self._drawn = Text(noted(error, f"chart {self.title}"))
        return self._drawn

    def _draw(self) -> Text:
        width, height = self.content_size
        if self.picture is None or width < 12 or height < 4:
            return Text("")
        if not any(len(curve.x) for curve in self.picture.curves):
            return Text(self.empty)
        colour = not self.app.no_color
        text = draw(self.visible(), width, height, colour=colour, ascii_only=self.ascii_only)
        drawn = Text.from_ansi(text)
        places = (line.find(sign) for line in drawn.plain.splitlines() for sign in AXIS)
        self._margin = min((place for place in places if place >= 0), default=0)
        return drawn

    def _entitle(self) -> None:
        """The title with the names of the curves, and below what the cursor reads."""
        try:
            title, below = self._title_and_foot(self.size.width - FRAME)
        except Exception as error:
            title, below = Text(self.title), Text(noted(error, f"legend of {self.title}"))
        frame = (title.markup, below.markup)
        if frame != self._frame:  # setting them draws the whole frame again
            self._frame = frame
            self.border_title, self.border_subtitle = title, below

    def _title_and_foot(self, room: int) -> tuple[Text, Text]:
        """The title, with the legend where there is room for it, and what stands below."""
        title = self._heading()
        if title.cell_len > room:
            title = self._heading(short=True)
        below = Text(self.reading() or self.note)
        if title.cell_len > room and not below:  # the legend goes below
            title, below = self._words(), self._names(short=self._names().cell_len > room)
        return title, below

    def _heading(self, *, short: bool = False) -> Text:
        names, gap = self._names(short=short), " " if short else "  "
        return self._words(gap, names)

    def _words(self, gap: str = "  ", names: Text | None = None) -> Text:
        """The title, with the names of the curves if they are to stand there."""
        title = Text(self.title)
        if names:
            title.append(gap).append_text(names)
        if self.smoothing > 1:
            title.append(f"{gap}mean of {self.smoothing} points")
        return title

    def _names(self, *, short: bool = False) -> Text:
        """The legend."""
        names, gap = Text(), " " if short else "  "
        if self.picture is not None:
            shown = self.shown()
            entries = legend(shown, not self.app.no_color, self.ascii_only, short=short)
            for mark, name in entries:
                names.append(gap * bool(names)).append_text(Text.from_ansi(mark)).append(name)
        return names

    def shown(self) -> Picture:
        """The picture, smoothed as was asked."""
        return smoothed(self.picture, self.smoothing)

    def visible(self) -> Picture:
        """The picture within the visible stretch, with the cursor."""
        picture = self.shown()
        if self.cursor is not None:
            picture = replace(picture, marks=[*picture.marks, ("", self.cursor)])
        return cropped(picture, *self.window) if self.window else picture

    def reading(self) -> str:
        """The values at the cursor."""
        if self.cursor is None or self.picture is None:
            return ""
        parts = [f"{self.picture.x_label} {self.cursor:.6g}"]
        for curve in self.picture.curves:
            if len(curve.x) and curve.role != Role.FIT:
                value = curve.y[int(np.abs(curve.x - self.cursor).argmin())]
                parts.append(f"{curve.name}: {value:.4g}" if np.isfinite(value) else "–")
        return " · ".join(parts)

    # --- moving about ---

    def extent(self) -> tuple[float, float] | None:
        """The whole x axis, None when there is nothing on it."""
        if self.picture is None or self.picture.x_range is not None:
            return self.picture.x_range if self.picture else None
        ends = [(c.x.min(), c.x.max()) for c in self.picture.curves if len(c.x)]
        if not ends:
            return None
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        return (float(low), float(high)) if high > low else None

    def _move(self, low: float, high: float) -> None:
        extent = self.extent()
        if extent is None:
            return
        width = min(high - low, extent[1] - extent[0])
        if width < 2:
            return
        low = min(max(low, extent[0]), extent[1] - width)
        whole = width >= extent[1] - extent[0]
        self.look_at(None if whole else (low, low + width), self.cursor)
        self.post_message(self.Moved(self))

    def action_zoom(self, direction: int, centre: float | None = None) -> None:
        window = self.window or self.extent()
        if window is None:
            return
        low, high = window
        centre = centre if centre is not None else self.cursor
        if centre is None or not low <= centre <= high:
            centre = (low + high) / 2
        factor = ZOOM ** (-direction)
        self._move(centre - (centre - low) * factor, centre + (high - centre) * factor)

    def action_pan(self, direction: int) -> None:
        window = self.window or self.extent()
        if window is not None:
            shift = direction * (window[1] - window[0]) / 5
            self._move(window[0] + shift, window[1] + shift)

    def action_whole(self) -> None:
        self.look_at(None, None)
        self.post_message(self.Moved(self))

    def action_cursor(self, direction: int) -> None:
        window = self.window or self.extent()
        if window is None:
            return
        stride = max(1.0, (window[1] - window[0]) / max(1, self.content_size.width))
        at = self.cursor if self.cursor is not None else (window[0] + window[1]) / 2
        at = min(max(round(at + direction * stride), window[0]), window[1])
        self.look_at(self.window, float(at))
        self.post_message(self.Moved(self))

    def action_log(self) -> None:
        self.log_axis = not (self.picture.log if self.picture else self.log_axis)
        self.post_message(self.Rescaled(self))

    def action_smooth(self) -> None:
        at = SMOOTHING.index(self.smoothing)
        self.smoothing = SMOOTHING[(at + 1) % len(SMOOTHING)]
        self._redraw()

    # --- mouse ---

    def _step_at(self, x: int) -> float | None:
        """The step under a column of the chart."""
        window = self.window or self.extent()
        width = self.content_size.width - self._margin - 2
        if window is None or width < 1:
            return None
        # The frame of the widget is one column, the axis another.
        share = min(max((x - self._margin - 2) / width, 0.0), 1.0)
        return window[0] + share * (window[1] - window[0])

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_zoom(1, self._step_at(event.x))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_zoom(-1, self._step_at(event.x))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._held, self._dragged = event.x, False
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag what is visible along."""
        if self._held is None or event.x == self._held or self.window is None:
            return
        here, there = self._step_at(event.x), self._step_at(self._held)
        if here is None or there is None:
            return
        self._held, self._dragged = event.x, True
        self._move(self.window[0] + there - here, self.window[1] + there - here)

    def on_mouse_up(self) -> None:
        self._held = None
        self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        if self._dragged:
            self._dragged = False
            return
        at = self._step_at(event.x)
        if at is not None:
            self.look_at(self.window, round(at))
            self.post_message(self.Moved(self))
