"""What a board shows of a sweep: a map of a plane, an orbit diagram, or the curve of a column.

A face takes in rows as they come, is made ready beside the screen's own thread, and is then
drawn into as many cells as there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text
from textual.geometry import Region

from tuichaos import rasters
from tuichaos.charts import PLAIN_MARKERS, draw, y_axis
from tuichaos.charts import legend as legend_of
from tuichaos.curves import Curve, Picture
from tuichaos.errors import InputError
from tuichaos.experiment import Experiment
from tuichaos.planes import PlaneValues
from tuichaos.sweeps.diagram_drawing import of_rows
from tuichaos.sweeps.drawing import FIRST, of_columns
from tuichaos.sweeps.grid import Axis, axes
from tuichaos.sweeps.points import Grid
from tuichaos.sweeps.rows import Row
from tuichaos.tui.widgets.board import BLANK, Box, Line, Mark, Sheet
from tuichaos.windows import Span, at, ends

WIDE = 150  # columns in which the legend of a map of one scale or two fits into a line
LABELS = 7  # columns left of a map for its ticks
MARGIN_SIGNS = "│┤├└|+"
LOWEST_PAIR = 15  # lines; a lower board leaves the exponent out
EXPONENT_SHARE = 0.36  # of the lines of a diagram


@dataclass(frozen=True)
class Look:
    """How it is drawn: in how many cells, and with what. ``few``: the terminal has sixteen
    colours or less, in which the shades of a scale would become those of another."""

    width: int
    height: int
    colour: bool = True
    ascii_only: bool = False
    few: bool = False


@dataclass
class Face:
    """Rows of one sweep as a picture. ``crop``: the part of the upright axis that is shown,
    None for all of it (of a diagram; a map has a key there)."""

    experiment: Experiment
    crop: Span | None = None
    rows: dict[int, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.axes = tuple(axes(self.experiment.sweep))

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows."""
        self.rows |= {row.point: row for row in rows}

    def prepare(self, look: Look) -> None:
        """What takes long of drawing the rows so far; may be called in another thread."""

    def sheet(self, look: Look) -> Sheet | None:
        """The picture in cells; None where there is nothing to draw yet."""
        raise NotImplementedError

    def legend(self, look: Look) -> list[Text]:
        """What the colours say, an entry each."""
        raise NotImplementedError

    def reading(self, u: float, v: float) -> str:
        """What is at a place, in shares of the axes from the left and from below."""
        raise NotImplementedError

    def values_at(self, u: float, v: float) -> tuple[float, ...]:
        """The values of the swept keys of the point nearest to a place."""
        raise NotImplementedError

    def spans(self, box: Box, area: Region) -> tuple[dict[str, Span], Span | None]:
        """The ranges of the keys within a box of cells, and the part of the upright axis."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        raise NotImplementedError

    def legend_lines(self, width: int) -> int:
        """How many lines the legend may need; the same from the first point to the last, so
        that the board keeps its size."""
        return 1


def short(key: str) -> str:
    """A key by its last name that says something: learning_rate; learning_rates.0."""
    head, _, last = key.rpartition(".")
    return f"{head.rpartition('.')[2]}.{last}" if last.isdigit() else last


def told(axis: Axis, index: int) -> str:
    """A key and its value at a point, with as many digits as tell it from its neighbours."""
    values = axis.values
    near = values[index + 1 if index + 1 < len(values) else index - 1]
    gap = abs(near - values[index])
    size = max(abs(values[index]), 1e-300)
    digits = 3 if gap == 0 else min(15, max(3, 2 + int(np.ceil(np.log10(size / gap)))))
    return f"{short(axis.key)} {values[index]:.{digits}g}"


# --- a map ----------------------------------------------------------------------------------


@lru_cache(65536)
def _style(front: rasters.RGB | None, behind: rasters.RGB | None) -> Style:
    fore = Color.from_rgb(*front) if front else None
    back = Color.from_rgb(*behind) if behind else None
    return Style(color=fore, bgcolor=back)


FEW = ("cyan", "magenta", "red", "yellow", "green", "blue", "white")  # in every terminal


def _few(number: int) -> Style:
    """The colour of a class where there are few; classes that share one differ by signs."""
    return Style(color=FEW[number % len(FEW)]) if number >= 0 else Style()


def marks(cells: Iterable[rasters.Cell]) -> list[Mark]:
    """A line of a map as characters with their styles."""
    return [(cell.char, _style(cell.fg, cell.bg)) for cell in cells]


class PlaneFace(Face):
    """A map over one key or two; the first one from left to right."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.value = self.experiment.plane.value
        self.known = PlaneValues(self.value, self.axes)
        self.raster: rasters.Raster | None = None
        self._waiting: list[Row] = []
        self._cells: tuple[Look, list[list[Mark]]] | None = None

    @property
    def title(self) -> str:
        return self.value

    def legend_lines(self, width: int) -> int:
        return 1 if width >= WIDE and self.value in ("convergence", "exponent") else 2

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
        self.raster = rasters.filled(self.known.raster())
        self._cells = (look, self._painted(look))

    def _painted(self, look: Look) -> list[list[Mark]]:
        """The map itself."""
        width, height = look.width - LABELS - 1, look.height - 2
        if width < 4 or height < 2:
            return []
        if look.few:
            return self._signed(width, height)
        shown = {"colour": look.colour, "ascii_only": look.ascii_only}
        return [marks(row) for row in rasters.cells(self.raster, width, height, **shown)]

    def _signed(self, width: int, height: int) -> list[list[Mark]]:
        """The map in signs for levels and a colour for each class."""
        rows = rasters.cells(self.raster, width, height, colour=False)
        classes = rasters.pixels(self.raster, width, height)[0][::-1]
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
            upward = rasters.ticks(self.axes[1], 4 * height)  # lines are wider than letters
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
        for place, text in rasters.ticks(self.axes[0], width):
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
        entries = rasters.legend(self.raster, colour=colour, ascii_only=look.ascii_only)
        found = [Text.assemble(*marks(entry)) for entry in entries]
        if look.few:
            numbers = np.unique(self.raster.classes[self.raster.classes != rasters.UNKNOWN])
            for text, number in zip(found, numbers.tolist(), strict=False):
                text.stylize(_few(number))
        return found

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
        where = " · ".join(told(a, k) for a, k in zip(self.axes, (i, j), strict=False))
        if found is None:
            return f"{where}: not computed yet"
        words = said(self.value, self.rows[i * self.tall + j])
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


def said(value: str, row: Row) -> str:
    """The number of a point in words."""
    numbers = row.numbers
    if row.status == "failed":
        return f"failed: {row.reason}"
    gone = numbers.get("diverged_at")
    if value == "verdict":
        words = str(numbers.get("verdict") or "no verdict")
        return f"{words} at step {gone}" if gone is not None and words == "diverged" else words
    if gone is not None:
        return f"diverged at step {gone}"
    if value == "convergence":
        ratio, loss = numbers.get("convergence"), numbers.get("late_loss")
        words = "converged" if numbers.get("converged") else "not converged"
        if ratio is not None:
            words += f", loss/first {ratio:.3g}"
        return words + (f", mean of the last losses {loss:.3g}" if loss is not None else "")
    if value == "exponent":
        return exponent(numbers)
    period = numbers.get("period")
    return f"period {period:g}" if period is not None else "no period"


def exponent(numbers: Mapping[str, object]) -> str:
    """The leading exponent with its error."""
    found, error = numbers.get("lyapunov"), numbers.get("lyapunov_error")
    if found is None:
        return "no exponent (superstable)"
    around = f" ± {error:.1g}" if error is not None else ""
    return f"exponent {found:+.4g}{around}"


# --- charts -----------------------------------------------------------------------------------


def drawn(picture: Picture, look: Look) -> list[list[Mark]]:
    """A chart as lines of single characters. Clouds of points are laid on here, dot by dot."""
    low, high = y_axis(picture)
    ends = (10.0**low, 10.0**high) if picture.log else (low, high)
    frame = replace(picture, curves=[_one(c, *ends) for c in picture.curves], y_range=ends)
    lines = _lines(frame, look)
    if any(not curve.joined for curve in picture.curves):
        width, height = look.width - margin(lines), _canvas(lines)
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


class ChartFace(Face):
    """A chart over the first key, and perhaps another one below it on the same axis."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.axis = self.axes[0]
        self.upper: Picture | None = None
        self.lower: Picture | None = None
        self.shown_range: Span = (0.0, 1.0)  # of the upright axis, as it was drawn last

    def pictures(self) -> tuple[Picture | None, Picture | None]:
        """What is drawn of the rows so far."""
        raise NotImplementedError

    def prepare(self, look: Look) -> None:
        upper, lower = self.pictures()
        span = self._scaled(ends(self.axis))
        if upper is not None:
            upper = replace(upper, x_range=span, y_range=self.crop)
        if lower is not None:
            lower = replace(lower, x_range=span)
        self.upper, self.lower = upper, lower

    def _scaled(self, span: Span) -> Span:
        """Ends of the axis as they are drawn: logarithms on a logarithmic one."""
        return tuple(float(np.log10(end)) for end in span) if self.axis.log else span

    def sheet(self, look: Look) -> Sheet | None:
        upper, lower = self.upper, self.lower
        if not _drawable(upper) or look.width < 20 or look.height < 5:
            return None
        below = round(EXPONENT_SHARE * look.height) if look.height >= LOWEST_PAIR else 0
        below = below if _drawable(lower) else 0
        upper = replace(upper, title="", x_label="" if below else upper.x_label)
        self.shown_range = y_axis(upper)
        charts = [(upper, look.height - below)]
        charts += [(replace(lower, title=""), below)] if below else []
        blocks = [drawn(chart, replace(look, height=height)) for chart, height in charts]
        # Labels of one may be wider: the axes are to stand above each other.
        wide = max(map(margin, blocks))
        for k, block in enumerate(blocks):
            spare = wide - margin(block)
            if spare:
                narrow = replace(look, width=look.width - spare, height=len(block))
                blocks[k] = [[BLANK] * spare + line for line in drawn(charts[k][0], narrow)]
        tall = _canvas(blocks[0])
        foot = tall - 1 if not below else len(blocks[0]) + _canvas(blocks[1]) - 1
        lines = [line for block in blocks for line in block]
        return Sheet(lines, Region(wide, 0, look.width - wide, tall), foot)

    def legend(self, look: Look) -> list[Text]:
        if self.upper is None:
            return []
        entries = legend_of(self.upper, look.colour, look.ascii_only)
        found = [Text.from_ansi(mark).append(name) for mark, name in entries]
        if _drawable(self.lower):
            found.append(Text(f"below: {self.lower.title.partition(';')[0]}"))
        return found

    def value(self, u: float) -> float:
        """The parameter at a share of the axis."""
        low, high = self._scaled(ends(self.axis))
        found = low + u * (high - low)
        return 10.0**found if self.axis.log else found

    def nearest(self, u: float) -> int:
        """The number of the value nearest to a place."""
        values = np.array(self.axis.values, dtype=float)
        here = self.value(u)
        apart = np.log(values / here) if self.axis.log else values - here
        return int(np.abs(apart).argmin())

    def values_at(self, u: float, v: float) -> tuple[float, ...]:
        others = (axis.values[len(axis.values) // 2] for axis in self.axes[1:])
        return (self.axis.values[self.nearest(u)], *others)

    def level_at(self, v: float) -> float:
        """The value at a height of the upright axis."""
        low, high = self.shown_range
        found = low + v * (high - low)
        return 10.0**found if self.upper is not None and self.upper.log else found

    def spans(self, box: Box, area: Region) -> tuple[dict[str, Span], Span | None]:
        left, top, right, bottom = box
        keys = {
            self.axis.key: (self.value(left / area.width), self.value((right + 1) / area.width))
        }
        shares = (1 - (bottom + 1) / area.height, 1 - top / area.height)
        return keys, (self.level_at(shares[0]), self.level_at(shares[1]))


class DiagramFace(ChartFace):
    """An orbit diagram, with the leading exponent below it on the same axis."""

    @property
    def title(self) -> str:
        return self.experiment.diagram.observable

    def pictures(self) -> tuple[Picture | None, Picture | None]:
        try:
            upper, lower = of_rows(Grid(self.experiment, self.axes), dict(self.rows), "default")
        except InputError:  # no number yet
            return None, None
        return upper, lower

    def reading(self, u: float, v: float) -> str:
        number = self.nearest(u)
        if number not in self.rows and self.rows:
            number = min(self.rows, key=lambda k: abs(k - number))
        row = self.rows.get(number)
        place = f"{told(self.axis, number)} · {self.title} {self.level_at(v):.5g}: "
        if row is None:
            return f"{place}not computed yet"
        if row.status == "failed":
            return f"{place}failed: {row.reason}"
        ways = self.experiment.diagram.directions
        parts = [f"{way} {states(numbers_of(row, way))}" for way in ways]
        return place + (" · ".join(parts) if ways else states(row.numbers))


def numbers_of(row: Row, way: str) -> dict[str, object]:
    """The numbers of one way through the values, by their names."""
    named = f"{way}."
    return {k.removeprefix(named): v for k, v in row.numbers.items() if k.startswith(named)}


def states(numbers: Mapping[str, object]) -> str:
    """How the states of a point repeat, and its exponent."""
    period, gone = numbers.get("period"), numbers.get("diverged_at")
    if gone is not None:
        return f"diverged at step {gone}"
    repeats = f"period {period:g}" if period is not None else "no period"
    return f"{repeats}, {exponent(numbers)}"


def _drawable(picture: Picture | None) -> bool:
    return picture is not None and any(np.isfinite(c.y).any() for c in picture.curves)


def _canvas(lines: Sequence[Line]) -> int:
    """How many lines of a chart are above its x axis, which no label stands before."""
    for k, line in enumerate(lines):
        if "".join(char for char, _ in line).lstrip().startswith(("└", "+-")):
            return k
    return len(lines)


class CurveFace(ChartFace):
    """A column of a sweep of runs against its first key. ``what``: the column."""

    what = ""

    @property
    def title(self) -> str:
        return self.what

    @property
    def columns(self) -> list[str]:
        """The columns that have a number, those of intuitive interest first."""
        names = dict.fromkeys(name for row in self.rows.values() for name in row.numbers)
        have = [name for name in names if self._has(name)]
        return sorted(have, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))

    def _has(self, name: str) -> bool:
        return any(isinstance(r.numbers.get(name), int | float) for r in self.rows.values())

    def pictures(self) -> tuple[Picture | None, Picture | None]:
        found, names = self._table(dict(self.rows)), self.columns
        if self.what not in names and names:
            self.what = names[0]
        try:
            return of_columns(found, self.experiment, self.what), None
        except InputError:  # no number yet
            return None, None

    def _table(self, rows: dict[int, Row]) -> dict[str, np.ndarray]:
        """Columns (points,) of what has come, in grid order."""
        numbers = sorted(rows)
        places = np.unravel_index(numbers, [len(axis.values) for axis in self.axes])
        found = {
            a.key: np.array(a.values, float)[k] for a, k in zip(self.axes, places, strict=True)
        }
        for name in dict.fromkeys(name for k in numbers for name in rows[k].numbers):
            cells = [rows[k].numbers.get(name) for k in numbers]
            if not any(isinstance(cell, str) for cell in cells):
                found[name] = np.array([np.nan if c is None else c for c in cells], dtype=float)
        return found

    def reading(self, u: float, v: float) -> str:
        number, others = self.nearest(u), self.axes[1:]
        place = told(self.axis, number)
        step = len(others[0].values) if others else 1
        rows = [self.rows[k] for k in range(number * step, (number + 1) * step) if k in self.rows]
        if not rows:
            return f"{place}: not computed yet"
        if len(rows) > 1:
            return f"{place}: {self.title} {self.level_at(v):.4g}"
        value, verdict = rows[0].numbers.get(self.what), rows[0].numbers.get("regime")
        if rows[0].status == "failed":
            return f"{place}: failed: {rows[0].reason}"
        words = "none" if value is None else f"{value:.5g}"
        return f"{place}: {self.title} {words}" + (f" · {verdict}" if verdict else "")

    def turn(self) -> None:
        """Show the next column."""
        names = self.columns
        at = names.index(self.what) if self.what in names else -1
        if names:
            self.what, self.crop = names[(at + 1) % len(names)], None


def face(experiment: Experiment, crop: Span | None = None) -> Face:
    """The face of a sweep."""
    if experiment.diagram.observable != "none":
        return DiagramFace(experiment, crop)
    return PlaneFace(experiment, crop) if experiment.is_dense else CurveFace(experiment, crop)
