"""Runs side by side: their medians in one picture, their experiments key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuichaos.common.errors import InputError
from tuichaos.common.number_text import said
from tuichaos.plots.bands import AVERAGED, Band
from tuichaos.plots.figure import LETTERS, Curve, Picture
from tuichaos.plots.run_plots import Kept
from tuichaos.plots.series_views import VIEWS, title
from tuichaos.storage.run_reader import Run

MAX_OVERLAID = 8
TALK = ("title", "about", "paper")  # keys that change nothing of a run


def overlay(runs: Sequence[Run], what: str) -> Picture:
    """One view of several runs: the median, or mean, of each, in the order given (so colours
    and letters stay)."""
    chosen = VIEWS[what]
    middle = "mean" if chosen.column in AVERAGED else "median"
    curves = []
    for letter, run in zip(LETTERS, runs[:MAX_OVERLAID], strict=False):
        try:
            band = Kept(run).band(chosen.column)
        except InputError:  # a folder that vanished or is damaged is left out
            continue
        name = f"{run.path.name} ({_of(band, middle)})"
        curves.append(Curve(name, band.steps, band.middle, letter=letter))
    name = f"{title(what, runs[0].experiment)}, {middle} over references"
    return Picture(name, curves, chosen.log)


def _of(band: Band, middle: str) -> str:
    """What a curve is, and of how many references: 2 are no 40."""
    return "1 reference" if band.references == 1 else f"{middle} of {band.references}"


def differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The keys in which the experiments differ, each with its value in every run."""
    tables = [_flat(run.experiment.model_dump()) for run in runs]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    keys = [key for key in keys if not key.startswith(TALK)]
    rows = [(key, [said(table.get(key, "")) for table in tables]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
