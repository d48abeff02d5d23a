"""How numbers are read from a run: each function makes a reader, run → number."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence

import numpy as np

from tuichaos.selftest.checks import Reader
from tuichaos.storage.run_reader import Run

References = Sequence[int] | slice | None  # None: all


def mean(values: np.ndarray, references: References = None) -> float:
    """The mean over some references (n,); NaN unless each of them has a number."""
    chosen = values if references is None else values[_index(references)]
    return float(chosen.mean()) if len(chosen) else math.nan


def worst(values: np.ndarray, target: float, references: References = None) -> float:
    """The one number of some references that is farthest from ``target``."""
    chosen = values if references is None else values[_index(references)]
    if not np.isfinite(chosen).all():
        return math.nan
    return float(chosen[np.argmax(np.abs(chosen - target))])


def _index(references: Sequence[int] | slice) -> slice | list[int]:
    return references if isinstance(references, slice) else list(references)


def tangent(references: References = None) -> Reader:
    """The leading exponent by tangents, mean over references."""
    return lambda run: mean(run.exponents["lyapunov"], references)


def spectrum(index: int, references: References = None) -> Reader:
    """Exponent ``index`` (from 0) of the spectrum, mean over references."""
    return lambda run: mean(spectra(run)[:, index], references)


def spectrum_sum(target: float, references: References = None) -> Reader:
    """The sum of all exponents of the reference where it is farthest from ``target``."""
    return lambda run: worst(spectra(run).sum(axis=1), target, references)


def spectra(run: Run) -> np.ndarray:
    """spectrum.csv as (references, exponents)."""
    table = run.table("spectrum.csv")
    return table["exponent"].reshape(-1, int(table["index"].max()))


def column(name: str, references: References = None) -> Reader:
    """A column of exponents.csv, mean over references."""
    return lambda run: mean(run.exponents[name], references)


def last(name: str, target: float, references: References = None) -> Reader:
    """The last value of a series, of the reference where it is farthest from ``target``."""
    return lambda run: worst(run.series[name][-1], target, references)


def summary(*keys: str | int) -> Reader:
    """A number of summary.json."""

    def read(run: Run) -> float | None:
        found = run.summary
        for key in keys:
            found = found[key]
        return found

    return read


def row(name: str, reference: int, column: str, **at: float) -> Reader:
    """The one number in a column of an instrument's own CSV, of a reference and where other
    columns are ``at`` what is given."""

    def read(run: Run) -> float:
        table = run.table(name)
        here = table["reference"] == reference
        for key, value in at.items():
            here &= table[key] == value
        found = table[column][here]
        return float(found[0]) if len(found) == 1 else math.nan

    return read


def verdict(references: References = None, column: str = "verdict") -> Reader:
    """The word in a column of regime.csv; of references that differ all their words."""

    def read(run: Run) -> str:
        with open(run.path / "regime.csv", encoding="utf-8") as file:
            words = np.array([line[column] for line in csv.DictReader(file)])
        chosen = words if references is None else words[_index(references)]
        return "/".join(sorted(set(chosen.tolist())))

    return read


def stability(reference: int) -> Reader:
    """The verdict on the twins' distance to the orbit."""
    short = {"near at the same time": "same time", "near the orbit": "the orbit"}
    return lambda run: short.get(word := run.summary["orbital"]["verdicts"][reference], word)


def noise_floor(run: Run) -> float:
    """The largest distance of the unperturbed twin, NaN where a lone orbit disagreed."""
    floor = run.manifest["noise_floor"]
    return floor["largest_distance"] if floor["holds"] else math.nan


def threshold(values: Sequence[float], above: np.ndarray) -> float:
    """Where a grid of values (n,), ascending, turns from not ``above`` to ``above``: the
    middle between the two; NaN unless it does so once."""
    turns = np.flatnonzero(np.diff(above.astype(int)))
    if len(turns) != 1 or above[0]:
        return math.nan
    return float((values[turns[0]] + values[turns[0] + 1]) / 2)
