"""A board: a map or a diagram in cells, with a cross that reads it and a frame that zooms it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

Mark = tuple[str, Style]  # a character, and how it is drawn
Line = Sequence[Mark]
Box = tuple[int, int, int, int]  # left, top, right, bottom cell, the last ones belong to it
LIGHT = 128  # of 255: above, black stands out
LEAST_BOX = 2  # cells to a side: less is a click
BLANK: Mark = (" ", Style())


@dataclass(frozen=True)
class Sheet:
    """A picture in cells: ``lines`` from the top down. ``area``: the part in which places mean
    values; ``foot``: the last line that the upright line of the cross goes through. ``halves``:
    a cell shows two colours, of which it keeps the upper one where a sign is put on it."""

    lines: Sequence[Line]
    area: Region
    foot: int
    framed: bool = True  # whether a box has an upper and a lower edge that mean something


@lru_cache(16384)
def signed(style: Style, accent: str) -> Style:
    """How a sign is drawn on a cell: where that has a colour, in what stands out from it."""
    behind = style.bgcolor
    if behind is not None and style.color is not None:  # two pixels: the upper one stays
        behind = style.color
    if behind is None:
        return Style(color=accent or None, bold=True)
    red, green, blue = behind.get_truecolor()
    light = 0.299 * red + 0.587 * green + 0.114 * blue > LIGHT
    return Style(color="black" if light else "white", bgcolor=behind, bold=True)


class Board(Widget):
    """Shows a sheet; ``cross`` and ``box`` are laid over it, in cells of its area.

    Only cells that changed are drawn again: a map of a hundred kilobytes is no moving picture
    over a slow line.
    """

    ALLOW_MAXIMIZE = False

    class Pointed(Message):
        """The cross is somewhere else, by the mouse."""

    class Boxed(Message):
        """A box was drawn with the mouse."""

        def __init__(self, box: Box) -> None:
            self.box = box
            super().__init__()

    class Wheeled(Message):
        """The wheel was turned: 1 up, −1 down."""

        def __init__(self, direction: int) -> None:
            self.direction = direction
            super().__init__()

    class Resized(Message):
        """There is another amount of room."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.sheet: Sheet | None = None
        self.words = ""  # in place of a sheet
        self.cross: tuple[int, int] | None = None
        self.box: Box | None = None
        self.drawn = 0  # cells sent to the screen so far
        self._held: tuple[int, int] | None = None
        self._strips: dict[int, Strip] = {}

    # --- what is shown ---

    def show(self, sheet: Sheet | None, words: str = "") -> None:
        """Another sheet, or words where there is none."""
        before, self.sheet, self.words = self.sheet, sheet, words
        same = before is not None and sheet is not None and before.area == sheet.area
        if not same or len(before.lines) != len(sheet.lines):
            self._strips.clear()
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before.lines, sheet.lines, strict=True)):
            self._renew(y, old, new)

    def _renew(self, y: int, old: Line, new: Line) -> None:
        """Draw what differs between two lines."""
        if len(old) != len(new):
            self._dirty(y, 0, self.content_size.width)
            return
        changed = [x for x, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
        if changed:
            self._dirty(y, changed[0], changed[-1] + 1)

    def _dirty(self, y: int, first: int, last: int) -> None:
        self._strips.pop(y, None)
        self.drawn += last - first
        self.refresh(Region(first, y, last - first, 1))

    def lay(self, cross: tuple[int, int] | None, box: Box | None) -> None:
        """Put cross and box elsewhere."""
        if (cross, box) == (self.cross, self.box):
            return
        touched = self._under(self.cross, self.box)
        self.cross, self.box = cross, box
        for y in touched | self._under(cross, box):
            self._dirty(y, 0, self.content_size.width)

    def _under(self, cross: tuple[int, int] | None, box: Box | None) -> set[int]:
        """Lines that have something of the cross or the box."""
        if self.sheet is None:
            return set()
        area, found = self.sheet.area, set()
        if cross is not None:
            found |= {area.y + cross[1], area.bottom}
            if self.sheet.foot >= area.bottom:  # the upright line goes through all of it
                found |= set(range(area.y, self.sheet.foot + 1))
        if box is not None:
            found |= set(range(area.y + box[1], area.y + box[3] + 1))
        return found

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        if y not in self._strips:
            self._strips[y] = self._strip(y, width)
        return self._strips[y].adjust_cell_length(width, self.rich_style)

    def _strip(self, y: int, width: int) -> Strip:
        base = self.rich_style
        if self.sheet is None:
            text = self.words if y == self.content_size.height // 2 else ""
            return Strip([Segment(text.center(width)[:width], base)])
        if y >= len(self.sheet.lines):
            return Strip.blank(width, base)
        line = list(self.sheet.lines[y][:width])
        self._cross(line, y)
        self._frame(line, y)
        parts = groupby(line, key=lambda mark: mark[1])
        return Strip(
            [Segment("".join(char for char, _ in run), base + style) for style, run in parts]
        )

    def _sign(self, line: list[Mark], x: int, char: str) -> None:
        if 0 <= x < len(line):
            accent = "" if self.app.no_color else self.app.current_theme.accent or ""
            line[x] = (char, signed(line[x][1], accent))

    def _cross(self, line: list[Mark], y: int) -> None:
        """The cross, and where it is on the axes."""
        if self.cross is None:
            return
        area = self.sheet.area
        x, here = area.x + self.cross[0], area.y + self.cross[1]
        if y == here:
            self._sign(line, area.x - 1, "►")
            self._sign(line, x, "╋")
        elif self.sheet.foot >= area.bottom and area.y <= y <= self.sheet.foot:
            if x < len(line) and line[x][0] in " ⠀─":
                line[x] = ("│", Style(dim=True))
        elif y == area.bottom and x < len(line):
            below = line[x][0]  # a digit of a label stays, and stands out
            if below in " ⠀─┬":
                self._sign(line, x, "▲")
            else:
                line[x] = (below, Style(reverse=True, bold=True))

    def _frame(self, line: list[Mark], y: int) -> None:
        if self.box is None:
            return
        area = self.sheet.area
        left, top, right, bottom = self.box
        if not area.y + top <= y <= area.y + bottom:
            return
        edge = {area.y + top: "┌─┐", area.y + bottom: "└─┘"}.get(y)
        if edge and (top != bottom or edge[0] == "┌"):
            for x in range(left + 1, right):
                self._sign(line, area.x + x, edge[1])
        corners = edge or "│ │"
        self._sign(line, area.x + left, corners[0])
        self._sign(line, area.x + right, corners[2])

    # --- mouse ---

    def on_resize(self) -> None:
        self._strips.clear()
        self.post_message(self.Resized())

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def _cell(self, event: events.MouseEvent) -> tuple[int, int] | None:
        """The cell of the area under the mouse, the nearest one where it is beside it."""
        if self.sheet is None:
            return None
        area = self.sheet.area
        x = event.x - self.gutter.left - area.x
        y = event.y - self.gutter.top - area.y
        return min(max(x, 0), area.width - 1), min(max(y, 0), area.height - 1)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._held = self._cell(event)
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Draw a box from where the mouse was pressed to where it is."""
        if self._held is None:
            return
        cell = self._cell(event)
        if cell is not None and cell != self._held:
            self.lay(self.cross, boxed(self._held, cell))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        held, self._held = self._held, None
        cell = self._cell(event)
        if held is None or cell is None:
            return
        if cell == held:
            self.lay(cell, self.box)
            self.post_message(self.Pointed())
        else:
            self.post_message(self.Boxed(boxed(held, cell)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.post_message(self.Wheeled(1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.post_message(self.Wheeled(-1))


def boxed(one: tuple[int, int], other: tuple[int, int]) -> Box:
    """The box between two corners."""
    (a, b), (c, d) = one, other
    return min(a, c), min(b, d), max(a, c), max(b, d)
