"""A chart as lines of single characters, on which a cross and a box can be laid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.style import Style
from rich.text import Text

from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.plotext_renderer import PLAIN_MARKERS, draw, y_axis
from tuichaos.plots.plotext_renderer import legend as legend_of
from tuichaos.tui.sweep_views.base import Look
from tuichaos.tui.widgets.cell_canvas import BLANK, Line, Mark

MARGIN_SIGNS = "│┤├└|+"


def drawn(picture: Picture, look: Look) -> list[list[Mark]]:
    """A chart as lines of single characters. Clouds of points are laid on here, dot by dot."""
    low, high = y_axis(picture)
    ends = (10.0**low, 10.0**high) if picture.log else (low, high)
    frame = replace(picture, curves=[_one(c, *ends) for c in picture.curves], y_range=ends)
    lines = _lines(frame, look)
    if any(not curve.joined for curve in picture.curves):
        width, height = look.width - margin(lines), canvas(lines)
        styles = [_colour(mark) for mark, _ in legend_of(picture, look.colour, look.ascii_only)]
        for number, curve in enumerate(picture.curves):
            if not curve.joined and width > 0:
                share = (curve.x - picture.x_range[0]) / np.ptp(picture.x_range)
                with np.errstate(divide="ignore", invalid="ignore"):
                    y = np.log10(curve.y) if picture.log else curve.y
                level = (y - low) / (high - low)
                marked = _cloud(share, level, (width, height), number, look)
                for (x, y), char in marked.items():
                    lines[y][look.width - width + x] = (char, styles[number])
    return lines


def _one(curve: Curve, low: float, high: float) -> Curve:
    """A cloud as one point of it: enough for the axes."""
    if curve.joined:
        return curve
    seen = np.flatnonzero((curve.y >= low) & (curve.y <= high))[:1]
    return replace(curve, x=curve.x[seen], y=curve.y[seen])


DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # of a braille cell
BRAILLE = 0x2800


def _cloud(
    share: np.ndarray, level: np.ndarray, size: tuple[int, int], number: int, look: Look
) -> dict[tuple[int, int], str]:
    """Points in shares of a canvas of ``size`` cells as characters by their cell (column, line
    from the top): dots of braille, or the curve's own sign where there is no colour or no
    braille."""
    seen = (share >= 0) & (share <= 1) & (level >= 0) & (level <= 1)
    width, height = size
    x = np.minimum((share[seen] * 2 * width).astype(int), 2 * width - 1)
    y = np.minimum(((1 - level[seen]) * 4 * height).astype(int), 4 * height - 1)
    cells = np.zeros((height, width), dtype=int)
    np.bitwise_or.at(cells, (y // 4, x // 2), DOTS[y % 4, x % 2])
    plain = look.ascii_only or (not look.colour and number > 0)
    sign = PLAIN_MARKERS[number % len(PLAIN_MARKERS)]
    places = zip(*np.nonzero(cells), strict=True)
    return {(x, y): sign if plain else chr(BRAILLE + cells[y, x]) for y, x in places}


def _colour(mark: str) -> Style:
    """The style of a mark of the legend."""
    text = Text.from_ansi(mark)
    found = text.spans[0].style if text.spans else text.style
    return found if isinstance(found, Style) else Style.parse(str(found))


def _lines(picture: Picture, look: Look) -> list[list[Mark]]:
    text = draw(picture, look.width, look.height, colour=look.colour, ascii_only=look.ascii_only)
    lines = []
    for line in Text.from_ansi(text).split("\n"):
        cells = [(char, Style()) for char in line.plain]
        for start, stop, style in line.spans:
            for k in range(start, min(stop, len(cells))):
                cells[k] = (cells[k][0], style if isinstance(style, Style) else Style.parse(style))
        lines.append((cells + [BLANK] * look.width)[: look.width])
    lines += [[BLANK] * look.width for _ in range(look.height)]
    return lines[: look.height]


def margin(lines: Sequence[Line]) -> int:
    """Columns left of the canvas of a chart, its axis among them."""
    for line in lines:
        for k, (char, _) in enumerate(line):
            if char in MARGIN_SIGNS:
                return k + 1
    return 0


def drawable(picture: Picture | None) -> bool:
    """Whether there is anything to be seen in it."""
    return picture is not None and any(np.isfinite(c.y).any() for c in picture.curves)


def canvas(lines: Sequence[Line]) -> int:
    """How many lines of a chart are above its x axis, which no label stands before."""
    for k, line in enumerate(lines):
        if "".join(char for char, _ in line).lstrip().startswith(("└", "+-")):
            return k
    return len(lines)
