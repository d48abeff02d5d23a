"""Charts of what instruments write beside series.csv, one file for each tab."""

from __future__ import annotations

from tuichaos.drawings import curvature, spectrum
from tuichaos.drawings.base import TableView

TABLE_VIEWS: dict[str, TableView] = {**spectrum.VIEWS, **curvature.VIEWS}
