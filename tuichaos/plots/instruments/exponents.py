"""Charts of finite-time exponents, of the three routes, and of perturbation sizes."""

from __future__ import annotations

import numpy as np

from tuichaos.common.summary_statistics import summarise
from tuichaos.plots.bands import Band
from tuichaos.plots.figure import Curve, Picture, Role
from tuichaos.plots.instruments.base import ZERO, Tables

ROUTES = ("free", "renormalised", "tangent")


def moving(run: Tables) -> Picture:
    """Exponents in moving windows at their middle: the median over references with the 10th
    and 90th percentile, or a few references one by one."""
    table = run.table("moving.csv")
    references = len(np.unique(table["reference"]))
    if not references:
        return Picture("exponent in moving windows", [], levels=ZERO)
    values = table["lyapunov"].reshape(-1, references)
    middles = ((table["start"] + table["end"]) / 2).reshape(-1, references)[:, 0]
    curves = Band(middles, summarise(values, averaged=False), references).curves()
    width = run.summary["moving"]["width"]
    title = f"exponent in windows of {width} steps"
    return Picture(title, curves, x_label="middle of the window", levels=ZERO)


def routes(run: Tables) -> Picture:
    """The rate of each twin by the three routes over the common window, twins in order of the
    tangent's; over the whole run where there is no common window."""
    table = run.table("routes.csv")
    common = np.isfinite(table["free"])
    name = "while d < 1e-5"
    if not common.any():  # the second row of each twin is that of the whole run
        common = np.arange(len(table["free"])) % 2 == 1
        name = "whole run"
    order = np.argsort(table["tangent"][common], kind="stable")
    index = np.arange(1.0, len(order) + 1)
    curves = [Curve(route, index, table[route][common][order], joined=False) for route in ROUTES]
    gap = run.summary["routes"]["disagreement_max"]
    apart = "" if gap is None or not np.isfinite(gap) else f", apart by {gap:.1g} at most"
    return Picture(f"three routes, {name}{apart}", curves, x_label="twin", levels=ZERO)


def sizes(run: Tables) -> Picture:
    """The exponent against log10 of the perturbation: the mean over references by growth
    window with its 95 % interval, and by the paper's best window where its filter keeps it."""
    table = run.table("sizes.csv")
    references = max(1, len(np.unique(table["reference"])))
    places = np.log10(table["perturbation"].reshape(-1, references)[:, 0])
    growth = table["growth"].reshape(-1, references)
    kept = table["kept"].reshape(-1, references) > 0
    nmle = np.where(kept, table["nmle"].reshape(-1, references), np.nan)
    rows = summarise(growth, averaged=True)
    curves = [Curve("growth window", places, rows[0])]
    if references > 1:
        curves.append(Curve("95 % low", places, rows[1], Role.LOW))
        curves.append(Curve("95 % high", places, rows[2], Role.HIGH))
    paper = summarise(nmle, averaged=True)[0]
    curves.append(Curve("nMLE of the kept", places, paper))
    title = f"exponent by perturbation, mean of {references}"
    return Picture(title, curves, x_label="log10 of the perturbation", levels=ZERO)
