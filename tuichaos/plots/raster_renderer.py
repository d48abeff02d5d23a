"""Maps over two parameters as coloured cells of a terminal and as pixels of an image.

From a grid of numbers to colours to characters, and nothing else: it knows neither how the
numbers came about (see plane_map.py) nor who shows them (the command line, the explorer, a PNG).

A grid is (ny, nx): column k is the k-th value of the first swept key, from left to right, row j
the j-th value of the second one, from the bottom upward. Free of torch and of any terminal.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tuichaos.common.ascii_text import plain
from tuichaos.common.text import clean
from tuichaos.config.sweep_axes import Axis
from tuichaos.plots.legends import GAP, flow
from tuichaos.plots.plotext_renderer import axis_ticks
from tuichaos.sweeps.plane_values import UNKNOWN

RGB = tuple[int, int, int]

UNKNOWN_COLOUR: RGB = (56, 56, 60)  # neither black nor white: it stands out on both
HALF = "▀"  # two pixels a cell: the upper one in front, the lower one behind
TICK_CELLS = 12  # of an axis between two of its labels, at least
LABEL_CELLS = 7  # left of the map
TURNS = 4  # until the lines of the map and what is said of them agree
LEGEND_STEPS = 6  # cells of a scale in the legend


class Cell(NamedTuple):
    """A character with the colours in front of and behind it; None: the terminal's own."""

    char: str
    fg: RGB | None = None
    bg: RGB | None = None


@dataclass(frozen=True)
class Scale:
    """How the points of one class are painted: from ``low`` to ``high`` through ``colours``,
    which are evenly spaced and blended linearly; values outside have the colours of the ends.
    A class without values has one colour. ``log``: evenly in the logarithm. ``marks``:
    characters by level, for where there is no colour. ``unit``: what the values are; ``note``:
    what the legend adds to the name of a class of one colour; ``said``: what it says in the
    place of unit, ends and note."""

    name: str
    colours: tuple[RGB, ...]
    marks: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    unit: str = ""
    note: str = ""
    said: str = ""

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Where values lie between low and high: 0 … 1, same shape; what is no number is 1."""
        low, high = self.low, self.high
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.log:
                values, low, high = np.log10(values), np.log10(low), np.log10(high)
            found = (values - low) / (high - low) if high > low else np.zeros_like(values)
        return np.where(np.isnan(found), 1.0, np.clip(found, 0.0, 1.0))

    def paint(self, levels: np.ndarray) -> np.ndarray:
        """Levels 0 … 1 of any shape as colours (…, 3), uint8."""
        anchors = np.array(self.colours, dtype=np.float64)
        places = np.linspace(0.0, 1.0, len(anchors))
        mixed = [np.interp(levels, places, anchors[:, k]) for k in range(3)]
        return np.stack(mixed, axis=-1).round().astype(np.uint8)

    def mark(self, level: float) -> str:
        """The character of a level."""
        return self.marks[min(int(level * len(self.marks)), len(self.marks) - 1)]


@dataclass(frozen=True)
class Raster:
    """A grid of points: ``classes`` (ny, nx), the number of a scale or UNKNOWN, and ``values``
    (ny, nx), where on its scale. ``x`` is the first swept key, ``y`` the second one (None: a
    sweep of one key, ny = 1). ``note``: of what the values are, over which steps."""

    title: str
    x: Axis
    y: Axis | None
    classes: np.ndarray
    values: np.ndarray
    scales: tuple[Scale, ...]
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", clean(self.title))

    @property
    def levels(self) -> np.ndarray:
        """The level 0 … 1 of each point on the scale of its class (ny, nx)."""
        found = np.zeros(self.classes.shape)
        for number, scale in enumerate(self.scales):
            here = self.classes == number
            found[here] = scale.levels(self.values[here])
        return found


def filled(raster: Raster, coarsest: int = 16) -> Raster:
    """The raster with unknown points as the nearest coarser point below and left of them that
    is known: for a picture that is still growing, coarse points first."""
    classes, values = raster.classes.copy(), raster.values.copy()
    rows, columns = np.indices(classes.shape)
    stride = 2
    while stride <= coarsest:
        j, k = rows - rows % stride, columns - columns % stride
        missing = (classes == UNKNOWN) & (raster.classes[j, k] != UNKNOWN)
        classes[missing] = raster.classes[j, k][missing]
        values[missing] = raster.values[j, k][missing]
        stride *= 2
    return replace(raster, classes=classes, values=values)


def pixels(raster: Raster, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes and levels (height, width) of a grid on so many pixels, the first row at the
    bottom.

    Where several points share a pixel it has the class of most of them (of several equally
    frequent ones the first), at the mean level of those: no class is ever mixed with another.
    Unknown points have no say beside known ones. Where a point has several pixels they are all
    as it is.
    """
    weights = [raster.classes == number for number in range(len(raster.scales))]
    levels = raster.levels
    counts = np.stack([_binned(part, width, height) for part in weights])
    sums = np.stack([_binned(np.where(part, levels, 0.0), width, height) for part in weights])
    winner = counts.argmax(0)
    most = np.take_along_axis(counts, winner[None], 0)[0]
    total = np.take_along_axis(sums, winner[None], 0)[0]
    level = np.divide(total, most, out=np.zeros_like(total), where=most > 0)
    return np.where(most > 0, winner, UNKNOWN), level


def _binned(grid: np.ndarray, width: int, height: int) -> np.ndarray:
    """Sums over the points of each pixel (height, width)."""
    for axis, size in ((0, height), (1, width)):
        points = grid.shape[axis]
        if size < points:
            grid = np.add.reduceat(
                grid.astype(np.float64), np.arange(size) * points // size, axis=axis
            )
        else:
            grid = np.take(grid, np.arange(size) * points // size, axis=axis)
    return grid.astype(np.float64)


def painted(raster: Raster, classes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Colours (…, 3) uint8 of classes and levels of one shape."""
    found = np.empty((*classes.shape, 3), dtype=np.uint8)
    found[:] = UNKNOWN_COLOUR
    for number, scale in enumerate(raster.scales):
        here = classes == number
        found[here] = scale.paint(levels[here])
    return found


def image(raster: Raster, scale: int = 1) -> np.ndarray:
    """The raster as an image (ny·scale, nx·scale, 3) uint8, the first row at the top of the
    image as images have it: the last value of y."""
    colours = painted(raster, raster.classes, raster.levels)[::-1]
    return colours.repeat(scale, axis=0).repeat(scale, axis=1)


def cells(
    raster: Raster, width: int, height: int, *, colour: bool = True, ascii_only: bool = False
) -> list[list[Cell]]:
    """The raster on ``width`` × ``height`` characters, from the top line down, without axes.

    In colour each has two pixels, one above the other; else, or with ``ascii_only`` (which in
    colour gives coloured blanks, one pixel each), one character by class and level.
    """
    halves = colour and not ascii_only
    classes, levels = pixels(raster, width, 2 * height if halves else height)
    classes, levels = classes[::-1], levels[::-1]
    if not colour:
        return [
            [Cell(_mark(raster, c, v)) for c, v in zip(*rows, strict=True)]
            for rows in zip(classes.tolist(), levels.tolist(), strict=True)
        ]
    paint = [[tuple(pixel) for pixel in row] for row in painted(raster, classes, levels).tolist()]
    if not halves:
        return [[Cell(" ", None, pixel) for pixel in row] for row in paint]
    pairs = zip(paint[::2], paint[1::2], strict=True)
    return [[Cell(HALF, a, b) for a, b in zip(*rows, strict=True)] for rows in pairs]


def _mark(raster: Raster, number: int, level: float) -> str:
    return "?" if number == UNKNOWN else raster.scales[number].mark(level)


# --- axes, legend, the whole ----------------------------------------------------------------


def ticks(axis: Axis, size: int) -> list[tuple[int, str]]:
    """Labels of an axis that is ``size`` characters long: where, from its beginning, and what.

    A range has round numbers, decades where it is logarithmic; a list has its own values.
    """
    values, most = axis.values, max(2, size // TICK_CELLS)
    count = len(values)
    scale = np.log10(np.array(values, dtype=np.float64)) if axis.log else np.array(values, float)
    if scale[0] == scale[-1] or not axis.even:  # or so near that their logarithms are the same
        chosen = sorted({k * (count - 1) // max(1, most - 1) for k in range(most)})
        return [(_place(k, count, size), f"{values[k]:.4g}") for k in chosen]
    places, labels = axis_ticks(float(scale[0]), float(scale[-1]), most, axis.log)
    at = (np.array(places) - scale[0]) / (scale[-1] - scale[0]) * (count - 1)
    return [(_place(k, count, size), text) for k, text in zip(at, labels, strict=True)]


def _place(index: float, count: int, size: int) -> int:
    """The character in whose part of the axis the middle of a point lies."""
    return min(size - 1, int((index + 0.5) / count * size))


def legend(raster: Raster, *, colour: bool, ascii_only: bool = False) -> list[list[Cell]]:
    """What the colours say, an entry for each class that the raster has."""
    found = []
    for number, scale in enumerate(raster.scales):
        if not (raster.classes == number).any():
            continue
        several = len(scale.colours) > 1 and scale.high > scale.low
        levels = np.linspace(0.0, 1.0, LEGEND_STEPS if several else 1)
        entry = [_sample(scale, level, colour) for level in levels.tolist()]
        words = f" {scale.name}"
        if scale.said:
            words += f": {scale.said}"
        elif several:
            unit = f"{scale.unit} " if scale.unit else ""
            words += f": {unit}{scale.low:.3g} … {scale.high:.3g}"
        elif scale.note:
            words += f": {scale.note}"
        if ascii_only:
            words = words.replace("…", "...").replace("±", "+-").replace("≤", "<=")
        found.append([*entry, *map(Cell, words)])
    return found


def _sample(scale: Scale, level: float, colour: bool) -> Cell:
    if not colour:
        return Cell(scale.mark(level))
    return Cell(" ", None, tuple(scale.paint(np.array(level)).tolist()))


def framed(
    raster: Raster, width: int, height: int, *, colour: bool = True, ascii_only: bool = False
) -> list[list[Cell]]:
    """The whole picture as ``height`` lines of at most ``width`` cells: title, legend (as many
    lines as it needs), the map with its ticks and axes' names."""
    inner = max(1, width - LABEL_CELLS - 1)
    entries = _flowed(legend(raster, colour=colour, ascii_only=ascii_only), width)
    double, crowd, heads, lines = colour and not ascii_only, "", [], 1
    for _ in range(TURNS):  # what is said of the lines takes lines
        heads = [*_texts(raster, crowd, width), *entries]
        heads += [list(map(Cell, raster.y.key[:width]))] if raster.y is not None else []
        lines = max(1, height - len(heads) - 2)
        before, crowd = crowd, crowded(raster, inner, lines, double=double)
        if crowd == before:
            break
    body = cells(raster, inner, lines, colour=colour, ascii_only=ascii_only)
    labels = dict.fromkeys(range(lines), "")
    if raster.y is not None:
        labels |= {lines - 1 - at: text for at, text in _upward(raster.y, lines)}
    stem = "|" if ascii_only else "┤"
    bar = "|" if ascii_only else "│"
    rows = []
    for k, row in enumerate(body):
        label = labels[k].rjust(LABEL_CELLS)[:LABEL_CELLS]
        rows.append([*map(Cell, label), Cell(stem if labels[k] else bar), *row])
    picture = [*heads, *rows, *_below(raster.x, inner)]
    return [_plainly(row) for row in picture] if ascii_only else picture


def _texts(raster: Raster, crowd: str, width: int) -> list[list[Cell]]:
    """The title; below it of what the values are, of how many points, and ``crowd``."""
    known, size = int((raster.classes != UNKNOWN).sum()), raster.classes.size
    about = "; ".join(filter(None, [raster.note, f"{known:,} of {size:,} points", crowd]))
    lines = [raster.title[:width], *textwrap.wrap(about, width)]
    return [list(map(Cell, line)) for line in lines]


def crowded(raster: Raster, width: int, height: int, *, double: bool) -> str:
    """What a cell shows where there are more points than cells; ``double``: it has two colours,
    one above the other."""
    tall, wide = raster.classes.shape
    across, up = (math.ceil(n / m) for n, m in ((wide, width), (tall, height * (1 + double))))
    if across * up == 1:
        return ""
    return f"the commonest class of {across} × {up} points at each place"


def _plainly(row: list[Cell]) -> list[Cell]:
    """A line in ASCII, as wide as it was."""
    text = plain("".join(cell.char for cell in row))
    return [cell._replace(char=char) for cell, char in zip(row, text, strict=True)]


def _upward(axis: Axis, lines: int) -> list[tuple[int, str]]:
    """Ticks of the upright axis: lines are closer than letters are wide."""
    return [(at // 4, text) for at, text in ticks(axis, 4 * lines)]


def _below(axis: Axis, inner: int) -> list[list[Cell]]:
    """The labels below the map and the name of the axis."""
    line = [" "] * (LABEL_CELLS + 1 + inner)
    free = 0
    for at, text in ticks(axis, inner):
        first = min(LABEL_CELLS + 1 + at - len(text) // 2, len(line) - len(text))
        if first >= free:
            line[first : first + len(text)] = text
            free = first + len(text) + 1
    name = axis.key.center(inner) if len(axis.key) < inner else axis.key[:inner]
    return [list(map(Cell, line)), list(map(Cell, " " * (LABEL_CELLS + 1) + name.rstrip()))]


def _flowed(entries: list[list[Cell]], width: int) -> list[list[Cell]]:
    """Entries side by side on as few lines as hold them."""
    lines, _ = flow([len(entry) for entry in entries], width)
    gap = [Cell(" ")] * GAP
    joined = ([cell for k in line for cell in (*gap, *entries[k])][GAP:] for line in lines)
    return [line[:width] for line in joined if line]
