"""A chart over the first key of a sweep, and perhaps another one below it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.text import Text
from textual.geometry import Region

from tuichaos.plots.figure import Picture
from tuichaos.plots.plotext_renderer import legend as legend_of
from tuichaos.plots.plotext_renderer import y_axis
from tuichaos.tui.sweep_views.base import Face, Look
from tuichaos.tui.sweep_views.cell_drawing import canvas, drawable, drawn, margin
from tuichaos.tui.widgets.cell_canvas import BLANK, Box, Sheet
from tuichaos.tui.zoom import Span, ends

LOWEST_PAIR = 15  # lines; a lower board leaves the exponent out
EXPONENT_SHARE = 0.36  # of the lines of a diagram


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
        if not drawable(upper) or look.width < 20 or look.height < 5:
            return None
        below = round(EXPONENT_SHARE * look.height) if look.height >= LOWEST_PAIR else 0
        below = below if drawable(lower) else 0
        upper = replace(upper, title="", x_label="" if below else upper.x_label)
        self.shown_range = y_axis(upper)
        # The lower one has the labels of both: those of the upper one, its last line, are cut.
        charts = [(upper, look.height - below + bool(below))]
        charts += [(replace(lower, title=""), below)] if below else []
        blocks = [drawn(chart, replace(look, height=height)) for chart, height in charts]
        # Labels of one may be wider: the axes are to stand above each other.
        wide = max(map(margin, blocks))
        for k, block in enumerate(blocks):
            spare = wide - margin(block)
            if spare:
                narrow = replace(look, width=look.width - spare, height=len(block))
                blocks[k] = [[BLANK] * spare + line for line in drawn(charts[k][0], narrow)]
        tall = canvas(blocks[0])
        blocks[0] = blocks[0][: look.height - below]
        foot = tall - 1 if not below else len(blocks[0]) + canvas(blocks[1]) - 1
        lines = [line for block in blocks for line in block]
        return Sheet(lines, Region(wide, 0, look.width - wide, tall), foot)

    def legend(self, look: Look) -> list[Text]:
        if self.upper is None:
            return []
        entries = legend_of(self.upper, look.colour, look.ascii_only)
        found = [Text.from_ansi(mark).append(name) for mark, name in entries]
        if drawable(self.lower):
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
