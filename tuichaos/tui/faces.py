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
from tuichaos.charts import draw
from tuichaos.charts import legend as legend_of
from tuichaos.curves import Curve, Picture
from tuichaos.experiment import Experiment
from tuichaos.planes import PlaneValues
from tuichaos.sweeps.grid import Axis, axes
from tuichaos.sweeps.rows import Row
from tuichaos.tui.widgets.board import BLANK, Box, Line, Mark, Sheet
from tuichaos.windows import Span, at, ends

LABELS = 7  # columns left of a map for its ticks
MARGIN_SIGNS = "│┤├└|+"
LOWEST_PAIR = 15  # lines; a lower board leaves the exponent out
EXPONENT_SHARE = 0.36  # of the lines of a diagram


@dataclass(frozen=True)
class Look:
    """How it is drawn: in how many cells, and with what."""

    width: int
    height: int
    colour: bool = True
    ascii_only: bool = False


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

    def prepare(self) -> None:
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


def marks(cells: Iterable[rasters.Cell]) -> list[Mark]:
    return [(cell.char, _style(cell.fg, cell.bg)) for cell in cells]


class PlaneFace(Face):
    """A map over one key or two; the first one from left to right."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.value = self.experiment.plane.value
        self.known = PlaneValues(self.value, self.axes)
        self.raster: rasters.Raster | None = None
        self._waiting: list[Row] = []

    @property
    def title(self) -> str:
        return self.value

    @property
    def tall(self) -> int:
        """How many values the upright axis has."""
        return len(self.axes[1].values) if len(self.axes) == 2 else 1

    def add(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        super().add(rows)
        self._waiting += rows

    def prepare(self) -> None:
        rows, self._waiting = self._waiting, []
        for row in rows:
            self.known.add(row.point, row.numbers)
        self.raster = rasters.filled(self.known.raster())

    def sheet(self, look: Look) -> Sheet | None:
        if self.raster is None:
            return None
        width, height = look.width - LABELS - 1, look.height - 2
        if width < 4 or height < 2:
            return None
        shown = {"colour": look.colour, "ascii_only": look.ascii_only}
        rows = rasters.cells(self.raster, width, height, **shown)
        left = self._left(height)
        lines: list[Line] = [left[k] + marks(row) for k, row in enumerate(rows)]
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
        found = []
        entries = rasters.legend(self.raster, colour=look.colour, ascii_only=look.ascii_only)
        for entry in entries:
            text = Text()
            for char, style in marks(entry):
                text.append(char, style)
            found.append(text)
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
        ratio, loss = numbers.get("convergence"), numbers.get("final_loss")
        words = "converged" if numbers.get("converged") else "not converged"
        if ratio is not None:
            words += f", loss/first {ratio:.3g}"
        return words + (f", last loss {loss:.3g}" if loss is not None else "")
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
    """A chart as lines of single characters."""
    text = draw(picture, look.width, look.height, colour=look.colour, ascii_only=look.ascii_only)
    lines = []
    for line in Text.from_ansi(text).split("\n"):
        cells = [(char, Style()) for char in line.plain]
        for start, stop, style in line.spans:
            for k in range(start, min(stop, len(cells))):
                cells[k] = (cells[k][0], style if isinstance(style, Style) else Style.parse(style))
        lines.append((cells + [BLANK] * look.width)[: look.width])
    return (lines + [[BLANK] * look.width] * look.height)[: look.height]


def margin(lines: Sequence[Line]) -> int:
    """Columns left of the canvas of a chart, its axis among them."""
    for line in lines:
        for k, (char, _) in enumerate(line):
            if char in MARGIN_SIGNS:
                return k + 1
    return 0


class DiagramFace(Face):
    """An orbit diagram, with the leading exponent below it on the same axis."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.axis = self.axes[0]
        self.upper: Picture | None = None
        self.lower: Picture | None = None
        self.shown_range: Span = (0.0, 1.0)  # of the upright axis, as it was drawn last

    @property
    def title(self) -> str:
        return self.experiment.diagram.observable

    def prepare(self) -> None:
        upper, lower = pictures(self.experiment, dict(self.rows))
        span = self._scaled(ends(self.axis))
        if self.crop is not None:
            upper = replace(upper, y_range=self.crop)
        self.upper, self.lower = (replace(p, x_range=span) for p in (upper, lower))

    def _scaled(self, span: Span) -> Span:
        """Ends of the axis as they are drawn: logarithms on a logarithmic one."""
        return tuple(float(np.log10(end)) for end in span) if self.axis.log else span

    def sheet(self, look: Look) -> Sheet | None:
        if self.upper is None or not any(np.isfinite(c.y).any() for c in self.upper.curves):
            return None
        if look.width < 20 or look.height < 5:
            return None
        below = round(EXPONENT_SHARE * look.height) if look.height >= LOWEST_PAIR else 0
        below = below if any(np.isfinite(c.y).any() for c in self.lower.curves) else 0
        bare = replace(self.upper, title="", x_label="" if below else self.upper.x_label)
        lines, beside = self._pair(bare, look, below)
        low, high = limits(bare)
        self.shown_range = (low, high)
        top = _canvas(lines)
        area = Region(beside, 0, look.width - beside, top)
        foot = len(lines) + _canvas(below_lines) - 1 if (below_lines := self._below) else top - 1
        return Sheet([*lines, *below_lines], area, foot)

    def _pair(self, upper: Picture, look: Look, below: int) -> tuple[list[Line], int]:
        """The lines of the upper chart, and the columns left of both canvases."""
        lines = drawn(upper, replace(look, height=look.height - below))
        self._below: list[Line] = []
        if below:
            self._below = drawn(replace(self.lower, title=""), replace(look, height=below))
            # Labels of one may be wider: its axis is to stand below the other's.
            a, b = margin(lines), margin(self._below)
            wide = max(a, b)
            if a != b:
                lines = drawn(upper, replace(look, width=look.width - wide + a, height=len(lines)))
                narrow = replace(look, width=look.width - wide + b, height=below)
                self._below = drawn(replace(self.lower, title=""), narrow)
                lines = [[BLANK] * (wide - a) + list(line) for line in lines]
                self._below = [[BLANK] * (wide - b) + list(line) for line in self._below]
        return lines, margin(lines)

    def legend(self, look: Look) -> list[Text]:
        if self.upper is None:
            return []
        found = []
        for picture in (self.upper, self.lower):
            entries = list(legend_of(picture, look.colour, look.ascii_only))
            found += [Text.from_ansi(mark).append(name) for mark, name in entries]
        return found

    def value(self, u: float) -> float:
        """The parameter at a share of the axis."""
        low, high = self._scaled(ends(self.axis))
        found = low + u * (high - low)
        return 10.0**found if self.axis.log else found

    def _point(self, u: float) -> int:
        """The number of the value nearest to a place."""
        values = np.array(self.axis.values, dtype=float)
        here = self.value(u)
        apart = np.log(values / here) if self.axis.log else values - here
        return int(np.abs(apart).argmin())

    def values_at(self, u: float, v: float) -> tuple[float, ...]:
        return (self.axis.values[self._point(u)],)

    def reading(self, u: float, v: float) -> str:
        number = self._point(u)
        low, high = self.shown_range
        level = f"{self.title} {low + v * (high - low):.5g}"
        row = self.rows.get(number)
        if row is None and self.rows:
            number = min(self.rows, key=lambda k: abs(k - number))
            row = self.rows[number]
        if row is None:
            return f"{level} · {told(self.axis, number)}: not computed yet"
        place = f"{level} · {told(self.axis, number)}: "
        if row.status == "failed":
            return f"{place}failed: {row.reason}"
        ways = self.experiment.diagram.directions
        parts = [f"{way} {states(numbers_of(row, way))}" for way in ways]
        return place + (" · ".join(parts) if ways else states(row.numbers))

    def spans(self, box: Box, area: Region) -> tuple[dict[str, Span], Span | None]:
        left, top, right, bottom = box
        keys = {self.axis.key: tuple(self.value(c / area.width) for c in (left, right + 1))}
        low, high = self.shown_range
        rows = (1 - (bottom + 1) / area.height, 1 - top / area.height)
        return keys, tuple(low + share * (high - low) for share in rows)


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


def pictures(experiment: Experiment, rows: dict[int, Row]) -> tuple[Picture, Picture]:
    """The states at each value, and the exponents below them; a curve for each way through the
    values."""
    (axis,) = axes(experiment.sweep)
    label = f"log10 {axis.key}" if axis.log else axis.key
    places = np.array(axis.values, dtype=float)
    places = np.log10(places) if axis.log else places
    ways = experiment.diagram.directions
    uppers, lowers = [], []
    for way in ways or ("fresh",):
        numbers = sorted(rows)
        found = [_values(rows[k], way) for k in numbers]
        x = np.repeat(places[numbers], [len(values) for values in found])
        y = np.concatenate([*found, np.empty(0)])
        name = way if ways else experiment.diagram.observable
        uppers.append(Curve(name, x, y, joined=False))
        prefix = f"{way}." if ways else ""
        exponents = [rows[k].numbers.get(f"{prefix}lyapunov") for k in numbers]
        y = np.array([np.nan if e is None else e for e in exponents], dtype=float)
        lowers.append(Curve(f"exponent {way}" if ways else "exponent", places[numbers], y))
    upper = Picture(experiment.diagram.observable, uppers, x_label=label)
    return upper, Picture("exponent", lowers, x_label=label, levels=[("", 0.0)])


def _values(row: Row, way: str) -> np.ndarray:
    """What is drawn at one value."""
    parts = [np.array(orbit, dtype=float) for orbit in row.orbit.get(way, ()) if orbit]
    return np.concatenate(parts) if parts else np.empty(0)


def limits(picture: Picture) -> Span:
    """Where the upright axis begins and ends."""
    if picture.y_range is not None:
        return picture.y_range
    values = np.concatenate([c.y[np.isfinite(c.y)] for c in picture.curves])
    return float(values.min()), float(values.max())


def _canvas(lines: Sequence[Line]) -> int:
    """How many lines of a chart are above its x axis."""
    for k, line in enumerate(lines):
        if sum(char in "─┬-" for char, _ in line) > len(line) // 2:
            return k
    return len(lines)


def face(experiment: Experiment, crop: Span | None = None) -> Face:
    """The face of a sweep."""
    if experiment.diagram.observable != "none":
        return DiagramFace(experiment, crop)
    return PlaneFace(experiment, crop)
