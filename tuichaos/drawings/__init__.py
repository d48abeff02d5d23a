"""Charts of what instruments write beside series.csv, one file for each tab."""

from __future__ import annotations

from tuichaos.drawings import dimensions, orbital, projection, spectrum
from tuichaos.drawings.base import TableView

TABLE_VIEWS: dict[str, TableView] = {
    **spectrum.VIEWS,
    **orbital.VIEWS,
    **dimensions.VIEWS,
    **projection.VIEWS,
}
