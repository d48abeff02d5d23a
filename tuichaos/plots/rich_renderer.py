"""Cells of a map as lines for a terminal that has colours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tuichaos.plots.raster_renderer import RGB, Cell

MANY = ("256", "truecolor")  # fewer would not tell the levels of a map from each other


def can_colour(console: Console) -> bool:
    """Whether what it writes to has enough colours, and they are wanted (NO_COLOR)."""
    return console.color_system in MANY and not console.no_color


def texts(lines: Sequence[Sequence[Cell]]) -> Iterator[Text]:
    """Each line of cells as one text; neighbours of the same colours are one piece of it."""
    for line in lines:
        text = Text(no_wrap=True, overflow="crop")
        for (fg, bg), run in itertools.groupby(line, key=lambda cell: cell[1:]):
            text.append("".join(cell.char for cell in run), _style(fg, bg))
        yield text


def _style(fg: RGB | None, bg: RGB | None) -> Style:
    return Style(
        color=None if fg is None else Color.from_rgb(*fg),
        bgcolor=None if bg is None else Color.from_rgb(*bg),
    )
