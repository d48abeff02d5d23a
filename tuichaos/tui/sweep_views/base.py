"""What every face of a sweep can do, and what it needs to know to be drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from rich.text import Text
from textual.geometry import Region

from tuichaos.config.experiment import Experiment
from tuichaos.config.sweep_axes import Axis, axes
from tuichaos.sweeps.journal import Row
from tuichaos.tui.widgets.cell_canvas import Box, Sheet
from tuichaos.tui.zoom import Span


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
    why: str = ""  # there is nothing to draw, where that is known

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


def axis_text(axis: Axis, index: int) -> str:
    """A key and its value at a point, with as many digits as tell it from its neighbours."""
    values = axis.values
    near = values[index + 1 if index + 1 < len(values) else index - 1]
    gap = abs(near - values[index])
    size = max(abs(values[index]), 1e-300)
    digits = 3 if gap == 0 else min(15, max(3, 2 + int(np.ceil(np.log10(size / gap)))))
    return f"{short(axis.key)} {values[index]:.{digits}g}"
