"""Charts of what instruments write beside series.csv, one file for each tab."""

from __future__ import annotations

from tuichaos.plots.instruments import (
    curvature,
    dimensions,
    exponents,
    orbit,
    orbital,
    projection,
    spectrum,
    verdicts,
)
from tuichaos.plots.instruments.base import TableView

TABLE_VIEWS: dict[str, TableView] = {
    **spectrum.VIEWS,
    **exponents.VIEWS,
    **curvature.VIEWS,
    **orbital.VIEWS,
    **orbit.VIEWS,
    **dimensions.VIEWS,
    **projection.VIEWS,
    **verdicts.VIEWS,
}

# The tabs of the explorer, with the switches of [measure] that fill them.
TABS: dict[str, tuple[str, ...]] = {
    "Spectrum": ("spectrum", "moving", "routes"),
    "Curvature": ("sharpness",),
    "Orbit": ("orbital", "autocorrelation", "expansion", "recurrence", "zero_one", "period"),
    "Dimensions": ("dimensions", "units"),
    "Projection": ("projection",),
}
