"""Charts of what instruments write beside series.csv, one file for each kind."""

from __future__ import annotations

from tuichaos.config.instrument_spec import loaded
from tuichaos.config.instruments import charts
from tuichaos.plots.figure import Picture
from tuichaos.plots.instruments.base import Tables


def drawn(name: str, run: Tables) -> Picture:
    """The chart of that name, of a run that has its table."""
    return loaded(charts()[name].draw)(run)
