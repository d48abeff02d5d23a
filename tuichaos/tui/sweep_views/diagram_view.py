"""An orbit diagram with the exponent below it."""

from __future__ import annotations

from tuichaos.common.errors import InputError
from tuichaos.plots.figure import Picture
from tuichaos.plots.orbit_diagram_plots import of_rows
from tuichaos.sweeps.points import Grid
from tuichaos.tui.sweep_views.base import axis_text
from tuichaos.tui.sweep_views.chart_view import ChartFace
from tuichaos.tui.sweep_views.point_text import numbers_of, states


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
        place = f"{axis_text(self.axis, number)} · {self.title} {self.level_at(v):.5g}: "
        if row is None:
            return f"{place}not computed yet"
        if row.status == "failed":
            return f"{place}failed: {row.reason}"
        ways = self.experiment.diagram.directions
        parts = [f"{way} {states(numbers_of(row, way), self.experiment)}" for way in ways]
        return place + (" · ".join(parts) if ways else states(row.numbers, self.experiment))
