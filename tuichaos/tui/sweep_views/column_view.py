"""The curve of a column of a sweep of runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.config.reference_parameters import per
from tuichaos.plots.figure import Picture
from tuichaos.plots.sweep_plots import FIRST, of_columns
from tuichaos.sweeps.journal import Row
from tuichaos.tui.sweep_views.base import axis_text
from tuichaos.tui.sweep_views.chart_view import ChartFace

ROOMY = 120  # columns in which the legend fits into a line
EXPONENTS = ("lyapunov", "nmle", "growth")  # whose means are rates


class CurveFace(ChartFace):
    """A column of a sweep of runs against its first key. ``what``: the column."""

    what = ""

    @property
    def title(self) -> str:
        return self.what

    def legend_lines(self, width: int) -> int:
        return 1 if width >= ROOMY else 2  # curves, and what is not drawn

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
            shown = of_columns(found, self.experiment, self.what)
        except InputError as error:  # no number yet, or too few
            self.why = str(error).removeprefix("--what ")
            return None, None
        self.why = ""
        return shown, None

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
        place = axis_text(self.axis, number)
        step = len(others[0].values) if others else 1
        rows = [self.rows[k] for k in range(number * step, (number + 1) * step) if k in self.rows]
        if not rows:
            return f"{place}: not computed yet"
        if len(rows) > 1:
            return f"{place}: {self.title} {self.level_at(v):.4g}"
        value, verdict = rows[0].numbers.get(self.what), rows[0].numbers.get("regime")
        if rows[0].status == "failed":
            return f"{place}: failed: {rows[0].reason}"
        words = "none" if value is None else f"{value:.5g}{self._around(rows[0].numbers)}"
        return f"{place}: {self.title} {words}" + (f" · {verdict}" if verdict else "")

    def _around(self, numbers: Mapping[str, object]) -> str:
        """The 95 % interval of the value that is shown, and the unit of an exponent."""
        stem = self.what.removesuffix(".mean")
        ends = [numbers.get(f"{stem}.ci95.{end}") for end in ("low", "high")]
        words = "" if None in ends else " [" + ", ".join(f"{end:.4g}" for end in ends) + "]"
        if stem in EXPONENTS:
            words += f" nats per {per(self.experiment.system.name)}"
        if stem == "nmle" and numbers.get("nmle.kept") is not None:
            words += f", {numbers['nmle.kept']} of {numbers['nmle.total']} kept"
        return words

    def turn(self) -> None:
        """Show the next column."""
        names = self.columns
        at = names.index(self.what) if self.what in names else -1
        if names:
            self.what, self.crop = names[(at + 1) % len(names)], None
