"""A map of a plane in cells, with its axes and its legend."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text
from textual.geometry import Region

from tuichaos.plots import raster_renderer
from tuichaos.plots.plane_map import raster
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.plane_values import of_experiment
from tuichaos.tui.sweep_views.base import Face, Look, axis_text, short
from tuichaos.tui.sweep_views.point_text import said
from tuichaos.tui.widgets.cell_canvas import Box, Line, Mark, Sheet
from tuichaos.tui.zoom import Span, at

WIDE = 150  # columns in which the legend of a map of one scale or two fits into a line
LABELS = 7  # columns left of a map for its ticks


@lru_cache(65536)
def _style(front: raster_renderer.RGB | None, behind: raster_renderer.RGB | None) -> Style:
    fore = Color.from_rgb(*front) if front else None
    back = Color.from_rgb(*behind) if behind else None
    return Style(color=fore, bgcolor=back)


FEW = ("cyan", "magenta", "red", "yellow", "green", "blue", "white")  # in every terminal


def _few(number: int) -> Style:
    """The colour of a class where there are few; classes that share one differ by signs."""
    return Style(color=FEW[number % len(FEW)]) if number >= 0 else Style()


def marks(cells: Iterable[raster_renderer.Cell]) -> list[Mark]:
    """A line of a map as characters with their styles."""
    return [(cell.char, _style(cell.fg, cell.bg)) for cell in cells]


class PlaneFace(Face):
    """A map over one key or two; the first one from left to right."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.value = self.experiment.plane.value
        self.known = of_experiment(self.experiment)
        self.raster: raster_renderer.Raster | None = None
        self._waiting: list[Row] = []
        self._cells: tuple[Look, list[list[Mark]]] | None = None

    @property
    def title(self) -> str:
        return self.value

    def legend_lines(self, width: int) -> int:
        return 2 if width >= WIDE else 3

    @property
    def tall(self) -> int:
        """How many values the upright axis has."""
        return len(self.axes[1].values) if len(self.axes) == 2 else 1

    def add(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        super().add(rows)
        self._waiting += rows

    def prepare(self, look: Look) -> None:
        rows, self._waiting = self._waiting, []
        for row in rows:
            self.known.add(row.point, row.numbers)
        self.raster = raster_renderer.filled(raster(self.known))
        self._cells = (look, self._painted(look))

    def _painted(self, look: Look) -> list[list[Mark]]:
        """The map itself."""
        width, height = look.width - LABELS - 1, look.height - 2
        if width < 4 or height < 2:
            return []
        if look.few:
            return self._signed(width, height)
        shown = {"colour": look.colour, "ascii_only": look.ascii_only}
        return [marks(row) for row in raster_renderer.cells(self.raster, width, height, **shown)]

    def _signed(self, width: int, height: int) -> list[list[Mark]]:
        """The map in signs for levels and a colour for each class."""
        rows = raster_renderer.cells(self.raster, width, height, colour=False)
        classes = raster_renderer.pixels(self.raster, width, height)[0][::-1]
        pairs = zip(rows, classes.tolist(), strict=True)
        return [
            [(cell.char, _few(number)) for cell, number in zip(*row, strict=True)] for row in pairs
        ]

    def sheet(self, look: Look) -> Sheet | None:
        if self.raster is None:
            return None
        if self._cells is None or self._cells[0] != look:  # there is another amount of room
            self._cells = (look, self._painted(look))
        rows = self._cells[1]
        if not rows:
            return None
        width, height = len(rows[0]), len(rows)
        left = self._left(height)
        lines: list[Line] = [left[k] + row for k, row in enumerate(rows)]
        lines += [self._ticks(width), self._names(width)]
        return Sheet(lines, Region(LABELS + 1, 0, width, height), height - 1)

    def _left(self, height: int) -> list[list[Mark]]:
        """The upright axis: a label and a stem for each line."""
        labels: dict[int, str] = {}
        if len(self.axes) == 2:
            upward = raster_renderer.ticks(self.axes[1], 4 * height)  # lines are wider than letters
            labels = {height - 1 - place // 4: text for place, text in upward}
        plain = Style()
        found = []
        for line in range(height):
            text = labels.get(line, "")
            stem = "┤" if text else "│"
            found.append([(char, plain) for char in text.rjust(LABELS)[:LABELS] + stem])
        return found

    def _ticks(self, width: int) -> list[Mark]:
        line, free = [" "] * (LABELS + 1 + width), 0
        for place, text in raster_renderer.ticks(self.axes[0], width):
            first = min(LABELS + 1 + place - len(text) // 2, len(line) - len(text))
            if first >= free:
                line[first : first + len(text)] = text
                free = first + len(text) + 1
        return [(char, Style()) for char in line]

    def _names(self, width: int) -> list[Mark]:
        """Which key goes which way."""
        across = f"{self.axes[0].key} →"
        up = f"↑ {self.axes[1].key}" if len(self.axes) == 2 else ""
        if len(across) + len(up) + 3 > LABELS + 1 + width:
            across = f"{short(self.axes[0].key)} →"
            up = f"↑ {short(self.axes[1].key)}" if up else ""
        text = up + across.rjust(LABELS + 1 + width - len(up))
        return [(char, Style(dim=True)) for char in text]

    def legend(self, look: Look) -> list[Text]:
        if self.raster is None:
            return []
        colour = look.colour and not look.few
        entries = raster_renderer.legend(self.raster, colour=colour, ascii_only=look.ascii_only)
        colours = [Text.assemble(*marks(entry)) for entry in entries]
        if look.few:
            numbers = np.unique(self.raster.classes[self.raster.classes != raster_renderer.UNKNOWN])
            for text, number in zip(colours, numbers.tolist(), strict=False):
                text.stylize(_few(number))
        width, height = look.width - LABELS - 1, look.height - 2
        double = look.colour and not (look.ascii_only or look.few)
        crowd = raster_renderer.crowded(self.raster, max(1, width), max(1, height), double=double)
        note = "; ".join(filter(None, [self.raster.note, crowd]))
        return [*([Text(note)] if note else []), *colours]

    def place(self, u: float, v: float) -> tuple[int, int]:
        """The point at a place: its numbers along both axes."""
        wide = len(self.axes[0].values)
        return min(int(u * wide), wide - 1), min(int(v * self.tall), self.tall - 1)

    def values_at(self, u: float, v: float) -> tuple[float, ...]:
        places = self.place(u, v)
        return tuple(a.values[k] for a, k in zip(self.axes, places, strict=False))

    def reading(self, u: float, v: float) -> str:
        found, exact = self._nearest(*self.place(u, v))
        i, j = found if found is not None else self.place(u, v)
        where = " · ".join(axis_text(a, k) for a, k in zip(self.axes, (i, j), strict=False))
        if found is None:
            return f"{where}: not computed yet"
        words = said(self.value, self.rows[i * self.tall + j], self.experiment)
        return f"{where}: {words}" + ("" if exact else " (nearest point so far)")

    def _nearest(self, i: int, j: int) -> tuple[tuple[int, int] | None, bool]:
        """The point, or the coarser one that stands for it; and whether it is it."""
        stride = 1
        while stride <= 16:
            a, b = i - i % stride, j - j % stride
            if a * self.tall + b in self.rows:
                return (a, b), stride == 1
            stride *= 2
        return None, False

    def spans(self, box: Box, area: Region) -> tuple[dict[str, Span], Span | None]:
        left, top, right, bottom = box
        shares = [
            (left / area.width, (right + 1) / area.width),
            (1 - (bottom + 1) / area.height, 1 - top / area.height),
        ]
        found = {}
        for axis, (low, high) in zip(self.axes, shares, strict=False):
            count = len(axis.values)
            found[axis.key] = (at(axis, low * count - 0.5), at(axis, high * count - 0.5))
        return found, None
