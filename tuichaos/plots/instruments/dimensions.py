"""Charts of irrelevant dimensions: one weight a point."""

from __future__ import annotations

import re

import numpy as np

from tuichaos.common.summary_statistics import percentile
from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.instruments.base import Tables


def dimensions(run: Tables) -> Picture:
    """log10 Δ_w against log10 D_w, all references in one cloud for each layer."""
    table = run.table("weights.csv")
    found = run.summary["dimensions"]
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.log10(table["path"]), np.log10(table["delta"])
    y = np.where(np.isfinite(x) & np.isfinite(y), y, np.nan)
    curves = [
        Curve(found["pieces"][number], x[own], y[own], joined=False)
        for number, own in _layers(table)
        if np.isfinite(y[own]).any()
    ]
    correlation = found.get("correlation")
    rank = "" if correlation is None else f", rank correlation {correlation:.2f}"
    title = f"log10 Δ (relative change) against path length D{rank}"
    return Picture(title, curves, x_label="log10 D, the way a weight went")


def knock_out(run: Tables) -> Picture:
    """L_w/L of each weight, sorted downwards within each reference: the median over them."""
    table = run.table("weights.csv")
    found = run.summary["dimensions"]
    values = -np.sort(-table["knockout"].reshape(found["total"], -1), axis=1)
    rank = np.arange(1, values.shape[1] + 1)
    near = found.get("irrelevant")
    share = "" if near is None else f", {near:.3g} of {found['weights']} within 1 %"
    curves = [Curve(_median_of(found["total"]), rank, percentile(values.T, 50))]
    return Picture(
        f"loss without a weight / loss{share}",
        curves,
        log=True,
        x_label="weights, by L_w/L",
        levels=(("no change", 1.0),),
    )


def shares(run: Tables) -> Picture:
    """The share of each weight in the divergence of the twins; marks where layers begin."""
    table = run.table("weights.csv")
    found = run.summary["dimensions"]
    index = table["index"].reshape(found["total"], -1)[0]
    layer = table["layer"].reshape(found["total"], -1)[0]
    share = percentile(table["share"].reshape(found["total"], -1).T, 50)
    starts = np.flatnonzero(np.diff(layer)) + 1
    marks = [(_short(found["pieces"][int(layer[k])]), float(index[k])) for k in starts]
    title = f"share of each weight in the divergence, {_median_of(found['total'])}"
    return Picture(title, [Curve("share", index, share)], x_label="weight", marks=marks)


def units(run: Tables) -> Picture:
    """Saturated hidden units of each layer along the orbit: the median over references."""
    table, widths = run.table("units.csv"), run.summary["units"]["widths"]
    total, layers = run.summary["units"]["total"], len(widths)
    counts = table["saturated"].reshape(-1, total, layers)
    steps = table["step"].reshape(-1, total, layers)[:, 0, 0]
    curves = [
        Curve(f"layer {k} of {width} units", steps, percentile(counts[:, :, k], 50))
        for k, width in enumerate(widths)
    ]
    levels = [("all", float(width)) for width in sorted(set(widths))]
    return Picture(f"saturated units, {_median_of(total)}", curves, levels=levels)


def _layers(table: dict[str, np.ndarray]) -> list[tuple[int, np.ndarray]]:
    return [(int(k), table["layer"] == k) for k in np.unique(table["layer"])]


def _short(piece: str) -> str:
    """``layers.0.weight (10, 4)`` as W0, ``layers.0.bias (10)`` as b0; others by their name."""
    found = re.match(r"layers\.(\d+)\.(weight|bias)\b", piece)
    if found is None:
        return piece.split(" ")[0]
    return {"weight": "W", "bias": "b"}[found[2]] + found[1]


def _median_of(references: int) -> str:
    return "reference 0" if references == 1 else f"median of {references} references"
