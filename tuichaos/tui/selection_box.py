"""Boxes of cells that are drawn to zoom: where they begin, how keys move and size them."""

from __future__ import annotations

from textual.geometry import Region

from tuichaos.tui.widgets.cell_canvas import LEAST_BOX, Box

SHARE = 4  # a box begins as this part of the board, each way


def around(x: int, y: int, area: Region) -> Box:
    """A box to begin with, around a cell where there is room."""
    wide, high = max(2, area.width // SHARE), max(2, area.height // SHARE)
    left = min(max(x - wide // 2, 0), area.width - wide)
    top = min(max(y - high // 2, 0), area.height - high)
    return left, top, left + wide - 1, top + high - 1


def moved(box: Box, dx: int, dy: int) -> Box:
    """The same, so many cells to the right and down."""
    left, top, right, bottom = box
    return left + dx, top + dy, right + dx, bottom + dy


def sized(box: Box, dx: int, dy: int) -> Box:
    """Wider by ``dx`` at both sides, lower by ``dy``."""
    left, top, right, bottom = box
    return left - dx, top + dy, right + dx, bottom - dy


def scaled(box: Box, direction: int) -> Box:
    """Larger by an eighth at each side, or smaller."""
    left, top, right, bottom = box
    dx = direction * max(1, (right - left) // 8)
    dy = direction * max(1, (bottom - top) // 8)
    return left - dx, top - dy, right + dx, bottom + dy


def fits(box: Box, area: Region) -> bool:
    """Whether it is large enough and lies on the board."""
    left, top, right, bottom = box
    inside = left >= 0 and top >= 0 and right < area.width and bottom < area.height
    return inside and large(box)


def large(box: Box) -> bool:
    """Whether it is a box, and no click."""
    left, top, right, bottom = box
    return right - left + 1 >= LEAST_BOX and bottom - top + 1 >= LEAST_BOX
