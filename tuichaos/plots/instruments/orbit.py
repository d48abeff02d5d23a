"""Charts of the scalar series: return map, autocorrelation, recurrence, expansion, 0–1 test."""

from __future__ import annotations

import numpy as np

from tuichaos.common.summary_statistics import percentile
from tuichaos.config.reference_parameters import per
from tuichaos.plots.figure import Curve, Picture, Role
from tuichaos.plots.instruments.base import ZERO, Tables

MAX_CLOUDS = 4  # references that can be told apart in one cloud of points


def return_map(run: Tables) -> Picture:
    """L(t + 1) against L(t), with the diagonal, where fixed points lie."""
    table = run.table("orbit.csv")
    curves = []
    ends = []
    for reference in np.unique(table["reference"])[:MAX_CLOUDS]:
        x = table["signal"][table["reference"] == reference]
        curves.append(Curve(f"reference {int(reference)}", x[:-1], x[1:], joined=False))
        finite = x[np.isfinite(x)]
        ends += [finite.min(), finite.max()] if len(finite) else []
    if ends:
        line = np.array([min(ends), max(ends)])
        curves.append(Curve("same as before", line, line, Role.FIT))
    return Picture("return map: x(t + 1) against x(t)", curves, x_label="x(t)")


def autocorrelation(run: Tables) -> Picture:
    """By lag, the median over references, with the band of shuffled series."""
    table = run.table("autocorrelation.csv")
    count = len(np.unique(table["reference"]))
    if not count:
        return Picture("autocorrelation", [], x_label="lag")
    lags = np.unique(table["lag"])

    def middle(name: str) -> np.ndarray:
        return percentile(table[name].reshape(count, -1).T, 50)

    name = run.summary["autocorrelation"]["signal"]
    curves = [
        Curve(name, lags, middle("signal")),
        Curve("95 % of shuffled", lags, middle("band_low"), Role.LOW),
        Curve("95 % of shuffled", lags, middle("band_high"), Role.HIGH),
    ]
    state = middle("state")
    if np.isfinite(state).any():
        curves.append(Curve("state", lags, state))
    title = f"autocorrelation, median of {count}" if count > 1 else "autocorrelation"
    return Picture(title, curves, x_label="lag", levels=ZERO)


def recurrence(run: Tables) -> Picture:
    """Pairs of steps at which the orbit of the first measured reference is at the same place."""
    table = run.table("recurrence.csv")
    reference, own = _first(table["reference"])
    i, j = table["step"][own], table["other"][own]
    points = Curve(
        f"reference {reference}", np.concatenate([i, j]), np.concatenate([j, i]), joined=False
    )
    return Picture(f"recurrence plot of the {run.summary['recurrence']['of']}", [points])


def expansion(run: Tables) -> Picture:
    """Mean distance of neighbours after n steps, with the line of the best window."""
    table = run.table("expansion-curve.csv")
    reference, own = _first(table["reference"])
    n, distance, fitted = (table[name][own] for name in ("n", "distance", "fitted"))
    curves = [Curve(f"reference {reference}", n, distance)]
    ends = np.flatnonzero(np.isfinite(fitted))[[0, -1]] if np.isfinite(fitted).any() else []
    if len(ends):
        rate = np.log(fitted[ends[1]] / fitted[ends[0]]) / (n[ends[1]] - n[ends[0]])
        rate /= run.time_step or 1.0
        unit = per(run.experiment.system.name, run.time_step)
        curves.append(Curve(f"{rate:.3g} per {unit}", n[ends], fitted[ends], Role.FIT))
    return Picture("neighbours after n steps", curves, log=True, x_label="n")


def zero_one(run: Tables) -> Picture:
    """The plane (p, q): a random walk where the dynamics is chaotic, bounded where regular."""
    table = run.table("zero_one-plane.csv")
    reference, own = _first(table["reference"])
    k = run.table("zero_one.csv")["k"]
    shown = f": K = {k[reference]:.3g}" if len(k) > reference else ""
    points = Curve(f"reference {reference}", table["p"][own], table["q"][own], joined=False)
    return Picture(f"0–1 test, q against p{shown}", [points], x_label="p")


def _first(references: np.ndarray) -> tuple[int, np.ndarray]:
    """The first reference that has rows, and which rows are its."""
    first = int(references[0]) if len(references) else 0
    return first, references == first
