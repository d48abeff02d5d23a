"""Charts by reference: exponents by every estimator, verdicts, and the end of the orbit."""

from __future__ import annotations

import numpy as np

from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.instruments.base import ZERO, Tables

ESTIMATES = {"nmle": "nMLE (best window)", "growth": "growth window", "lyapunov": "tangent"}
LAST = 64  # steps: the longest period that is looked for
FEW = 5


def exponents(run: Tables) -> Picture:
    """The exponent of each reference by every estimator that was on."""
    table = run.table("exponents.csv")
    curves = [
        Curve(name, table["reference"], table[key], joined=False)
        for key, name in ESTIMATES.items()
        if key in table and np.isfinite(table[key]).any()
    ]
    return Picture("exponent of each reference", curves, x_label="reference", levels=ZERO)


def regime(run: Tables) -> Picture:
    """The exponent of the last quarter of each reference, with its interval."""
    table = run.table("regime.csv")
    curves = [
        Curve(name, table["reference"], table[key], joined=False)
        for key, name in (
            ("exponent", "last quarter"),
            ("low", "its 95 % low"),
            ("high", "its 95 % high"),
        )
    ]
    counts = run.summary["regimes"] or {}
    words = ", ".join(f"{word} {count}" for word, count in counts.items())
    return Picture(words, curves, x_label="reference", levels=ZERO)


def period(run: Tables) -> Picture:
    """The last steps of the series whose period was looked for, one curve a reference."""
    table, found = run.table("orbit.csv"), run.summary["period"]["found"]
    curves = []
    for reference in np.unique(table["reference"])[:FEW]:
        own = table["reference"] == reference
        steps, values = table["step"][own][-LAST:], table["signal"][own][-LAST:]
        curves.append(Curve(f"reference {reference:.0f}", steps, values))
    words = ", ".join(f"{k} in {count}" for k, count in found.items()) or "none"
    return Picture(f"last {LAST} steps; period: {words}", curves)
