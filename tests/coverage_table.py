"""How often the intervals that are printed hold the truth: one table over many experiments.

An experiment is n references of one run. Each has draws of its own, keyed by the seed and its
number, so that groups of n are as independent as runs with other seeds. Experiments have seed 0
and groups are in order, 0 … n − 1, n … 2n − 1: none is chosen or left out. Where the truth is
another, large ensemble's, that one has seed 1.

As a script, it prints the table as Markdown: ``python tests/coverage_table.py``.
"""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # maps.py, for systems

from fractals import KOCH, SIERPINSKI, half_plane, snowflake, triangle

import tuichaos
from tuichaos.common.rng import generator
from tuichaos.common.thresholds import FLOOR_UNITS, GROWTH_LIMIT, MIN_POINTS, T_975
from tuichaos.instruments import sizes, spectrum
from tuichaos.instruments.nmle import POINTS, best_windows
from tuichaos.instruments.statistics import ANY, mean_and_interval, median_interval, share_interval
from tuichaos.plots.sweep_summary_plot import mean_of_kept
from tuichaos.sweeps import box_counting

TENT_P = 0.3
TENT = -TENT_P * math.log(TENT_P) - (1 - TENT_P) * math.log(1 - TENT_P)
HENON = (0.41922, -1.62319)  # Sprott 2003, Chaos and Time-Series Analysis, app. A
SIZES = (1e-10, 1e-8, 1e-6)
LARGE = 20_000  # orbits of an ensemble that stands for the truth
CLOSED, LONG, OTHER = "closed form", "published", "2,000 others"


@dataclass(frozen=True)
class Row:
    """One line: ``low`` and ``high`` (experiments,) are ends of the interval, ``truth`` a
    number or one for each; ``n``: what an experiment is made of. ``least``: an interval that
    promises 95 % at least. ``weights``: probabilities, where experiments are all outcomes."""

    interval: str
    system: str
    known: str
    n: str
    low: np.ndarray
    high: np.ndarray
    truth: np.ndarray | float
    least: bool = False
    weights: np.ndarray | None = None

    @property
    def covers(self) -> np.ndarray:
        return (self.low <= self.truth) & (self.truth <= self.high)

    @property
    def coverage(self) -> float:
        return float(np.average(self.covers, weights=self.weights))

    @property
    def width(self) -> float:
        return float(np.median(self.high - self.low))

    @property
    def allowance(self) -> float:
        """Two standard errors of a share of .95 among so many experiments."""
        if self.weights is not None:
            return 0.0
        return 2 * math.sqrt(0.95 * 0.05 / len(self.low))


def run(overrides: dict[str, Any], preset: str | None = None) -> Any:
    """The tables and the summary of a run without what the overrides do not ask for."""
    quiet = {"measure.regime": False, "ensemble.twins": 0, "record.every": 1000}
    with tempfile.TemporaryDirectory() as folder:
        overrides = {**quiet, **overrides}
        experiment = (
            tuichaos.preset(preset, overrides) if preset else tuichaos.resolve({}, overrides)
        )
        done = tuichaos.run(experiment, out=Path(folder) / "run")
        tables = {p.name: done.table(p.name) for p in done.path.glob("*.csv")}
        return tables, done.summary


def grouped(values: np.ndarray, n: int) -> np.ndarray:
    """(experiments, n) of values (references,)."""
    return values[: len(values) // n * n].reshape(-1, n)


def ends(groups: np.ndarray, interval: Callable[[np.ndarray], Any]) -> tuple[np.ndarray, ...]:
    """Low and high ends (experiments,); an experiment without an interval is left out."""
    found = [interval(group) for group in groups]
    return tuple(np.array([pair for pair in found if pair is not None]).T)


def means(values: np.ndarray, n: int, bounds: tuple[float, float] = ANY):
    """The intervals of means over n references, as summary.json has them."""
    return ends(grouped(values, n), lambda group: mean_and_interval(group, bounds)["ci95"])


# --- exponents of maps ---------------------------------------------------------------------


def tangents() -> Iterator[Row]:
    """Exponents from tangents, over references and over time."""
    common = {"system.name": "maps:SkewTent", "ensemble.references": 4000, "steps": 200}
    moving = {"width": 10, "every": 10}
    tables, summary = run({**common, "measure.moving": moving})
    found = tables["exponents.csv"]["lyapunov"]
    assert summary["lyapunov"]["ci95"] == mean_and_interval(found)["ci95"]
    yield Row("tangent, mean", "skew tent", CLOSED, "5", *means(found, 5), TENT)
    yield Row("tangent, mean", "skew tent", CLOSED, "20", *means(found, 20), TENT)
    rates = tables["rates.csv"]
    for start, end in ((0, 50), (50, 200)):
        own = rates["lyapunov"][(rates["start"] == start) & (rates["end"] == end)]
        name = f"rate, steps {start}–{end}"
        yield Row(name, "skew tent", CLOSED, "20", *means(own, 20), TENT)
    for system, truth, known, discard in (
        ("maps:SkewTent", TENT, CLOSED, 0),
        ("henon", HENON[0], LONG, 100),
    ):
        long = {"system.name": system, "ensemble.references": 400, "steps": 2000}
        table = run({**long, "measure.discard": discard, "record.every": 20})[0]["exponents.csv"]
        half = T_975 * table["lyapunov_error"]
        pair = table["lyapunov"] - half, table["lyapunov"] + half
        name = "tangent, batch means"
        yield Row(
            name,
            {"henon": "Hénon"}.get(system, "skew tent"),
            known,
            "one, 2,000 steps",
            *pair,
            truth,
        )


def windows() -> Iterator[Row]:
    """The share of moving windows in which the tangent grew."""
    width = 3
    overrides = {"system.name": "maps:Arcsine", "ensemble.references": 4000, "steps": 60}
    tables, _ = run({**overrides, "measure.moving": {"width": width, "every": width}})
    table = tables["moving.csv"]
    grew = (table["lyapunov"] > 0).reshape(-1, 4000).mean(axis=0)
    phase = (np.arange(2_000_000) + 0.5) / 2_000_000
    growth = 2**width * np.abs(np.sin(2 ** (width + 1) * np.pi * phase) / np.sin(2 * np.pi * phase))
    truth = float((growth > 1).mean())
    yield Row(
        "moving windows > 0", "logistic, r = 4", CLOSED, "20", *means(grew, 20, (0.0, 1.0)), truth
    )


def twins() -> Iterator[Row]:
    """Exponents of twins, whose truth is the mean over all starts, from a simulation of its own."""
    overrides = {"system.name": "maps:SkewTent", "ensemble.references": 2000, "steps": 110}
    tables, summary = run({**overrides, "ensemble.twins": 5, "measure.tangent": False})
    table = tables["exponents.csv"]
    assert summary["growth"]["ci95"] == mean_and_interval(table["growth"])["ci95"]
    kept = np.where(table["kept"] == 1, table["nmle"], np.nan)
    growth, papers = tent_twins(LARGE, overrides["steps"])
    known = f"{LARGE:,} others, NumPy"
    for n in (5, 10):
        yield Row("growth, mean", "skew tent", known, str(n), *means(table["growth"], n), growth)
    yield Row(
        "growth, mean", "skew tent", "λ, closed form", "10", *means(table["growth"], 10), TENT
    )
    known = f"{LARGE // 4:,} others, NumPy"
    yield Row("nMLE, mean of kept", "skew tent", known, "10", *nmle(kept, 10), papers)


def nmle(kept: np.ndarray, n: int) -> tuple[np.ndarray, ...]:
    """The intervals of means of the kept (others are NaN) where sweeps draw one."""

    def one(group: np.ndarray) -> tuple[float, float] | None:
        own = group[np.isfinite(group)]
        if len(own) < 2:
            return None
        columns = {
            "nmle.mean": own.mean(),
            "nmle.std": own.std(ddof=1),
            "nmle.kept": len(own),
            "nmle.total": n,
        }
        _, low, high = mean_of_kept({k: np.array([float(v)]) for k, v in columns.items()})
        return None if np.isnan(low[0]) else (float(low[0]), float(high[0]))

    return ends(grouped(kept, n), one)


def tent_twins(count: int, steps: int) -> tuple[float, float]:
    """Means of the growth exponent and of the kept nMLE over ``count`` starts of the skew tent
    map with five twins, by another program than the one under test, but for the choice of the
    best window."""
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (count, 1))
    x = np.hstack([x, x + rng.uniform(-1e-8, 1e-8, (count, 5))])
    away, scale = [], []
    for _ in range(steps + 1):
        away.append(np.abs(x[:, 1:] - x[:, :1]))
        scale.append(np.abs(x[:, 0]))
        x = np.where(x < TENT_P, x / TENT_P, (1 - x) / (1 - TENT_P))
    away, scale = np.array(away), np.maximum.accumulate(np.array(scale))[:, :, None]
    within = (away >= FLOOR_UNITS * 2.0**-52 * scale) & (away <= GROWTH_LIMIT * scale)
    within = np.logical_and.accumulate(within, axis=0)
    n, t = within.sum(axis=0), np.arange(steps + 1)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(within, np.log(away), 0.0)
        t_mean, y_mean = (within * t).sum(0) / n, y.sum(0) / n
        left = np.where(within, t - t_mean, 0.0)
        slope = (left * (y - y_mean)).sum(0) / (left**2).sum(0)
    growth = np.where(n >= MIN_POINTS, slope, np.nan).mean(axis=1)
    best = best_windows(away[:POINTS].mean(axis=2)[:, : count // 4])
    return float(np.nanmean(growth)), float(best.slope[best.kept].mean())


# --- spectra -------------------------------------------------------------------------------


def spectra() -> Iterator[Row]:
    """Exponents of one reference (blocks of time, frames), and means over references."""
    common = {"measure.tangent": False, "measure.spectrum": True, "measure.discard": 50}
    tent = {"system.name": "maps:SkewTent", "ensemble.references": 1000, "steps": 350}
    table = run({**common, **tent})[0]["spectrum.csv"]
    pair = table["low"], table["high"]
    yield Row("spectrum, λ1", "skew tent", CLOSED, "one, 300 steps", *pair, TENT)
    pair = means(table["exponent"], 5)
    yield Row("spectrum, mean of λ1", "skew tent", CLOSED, "5", *pair, TENT)
    henon = {"system.name": "henon", "ensemble.references": 250, "steps": 2050}
    table = run({**common, **henon})[0]["spectrum.csv"]
    for index in (1, 2):
        own = table["index"] == index
        pair = table["low"][own], table["high"][own]
        name, truth = f"spectrum, λ{index}", HENON[index - 1]
        yield Row(name, "Hénon", LONG, "one, 2,000 steps", *pair, truth)


def frames() -> Iterator[Row]:
    """Exponents that lie close: what other frames of tangents find."""
    curvatures = [0.5, 0.505, 0.51, 0.515, 0.52, 0.525]
    parameters = {"eta": 1.0, "curvatures": curvatures}
    common = {"measure.tangent": False, "measure.spectrum": True}
    system = {"system.name": "quadratic", "system.parameters": parameters}
    size = {"ensemble.references": 200, "steps": 200}
    first, other = (
        run({**common, **system, **size, "seed": seed})[0]["spectrum.csv"] for seed in (0, 1)
    )
    pair = first["low"], first["high"]
    n = "one, 6 of 200 steps"
    yield Row("spectrum, other frames", "quadratic", "seed 1", n, *pair, other["exponent"])
    yield other_frames()


def other_frames() -> Row:
    """The same of a network, whose orbit stays as it is. How its exponents differ in time is
    counted as well, and more: so other frames alone lie within more often than 95 %."""
    found = []
    for shift in (0, 1000, 2000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                spectrum, "generator", lambda seed, *key, by=shift: generator(seed + by, *key)
            )
            overrides = {"measure.tangent": False, "ensemble.references": 1}
            found.append(run(overrides, "spectrum")[0]["spectrum.csv"])
    pairs = list(itertools.permutations(found, 2))
    low, high = (np.concatenate([one[end] for one, _ in pairs]) for end in ("low", "high"))
    others = np.concatenate([other["exponent"] for _, other in pairs])
    n = "one, 83 of 200 steps"
    return Row("spectrum, other frames", "network", "2 others", n, low, high, others, least=True)


def verdicts() -> Iterator[Row]:
    """The exponent that a verdict rests on, of the last part of one orbit."""
    overrides = {"system.name": "maps:SkewTent", "ensemble.references": 200, "steps": 640}
    table = run({**overrides, "measure.regime": True})[0]["regime.csv"]
    pair = table["low"], table["high"]
    yield Row("verdict, exponent", "skew tent", CLOSED, "one, 8 spans", *pair, TENT)


# --- training ------------------------------------------------------------------------------

OF_EXPERIMENTS = 8000  # references in experiments; 2,000 others are the truth
TRAINING = {
    "network.hidden": [3],
    "optimizer.learning_rate": 1.5,
    "ensemble.references": OF_EXPERIMENTS + 2000,
    "measure.accuracy": False,
    "measure.weight_norm": False,
}


def networks() -> Iterator[Row]:
    """Means over references of training, and the kept fraction."""
    tables, summary = run({**TRAINING, "ensemble.twins": 2, "steps": 80})
    table = tables["exponents.csv"]
    assert summary["nmle"]["kept_ci95"] == share_interval(
        int(table["kept"].sum()), len(table["kept"])
    )
    nmles = np.where(table["kept"] == 1, table["nmle"], np.nan)
    for name, values, intervals, n in (
        ("tangent, mean", table["lyapunov"], means, 20),
        ("growth, mean", table["growth"], means, 20),
        ("nMLE, mean of kept", nmles, nmle, 30),  # of which ten are kept, mostly
        ("kept fraction", table["kept"], fractions, 20),
    ):
        own, truth = values[:OF_EXPERIMENTS], float(np.nanmean(values[OF_EXPERIMENTS:]))
        yield Row(name, "network", OTHER, str(n), *intervals(own, n), truth)


def fractions(kept: np.ndarray, n: int) -> tuple[np.ndarray, ...]:
    return ends(grouped(kept, n), lambda group: share_interval(int(group.sum()), len(group)))


def others() -> Iterator[Row]:
    """Means over references of what other instruments measure of the skew tent map."""
    overrides = {"system.name": "maps:SkewTent", "ensemble.references": 6000, "steps": 60}
    overrides |= {"ensemble.twins": 1, "measure.tangent": False, "measure.sizes": list(SIZES)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizes, "REFERENCES", 6000)
        tables, summary = run({**overrides, "measure.routes": {"references": 6000}})
    routes = tables["routes.csv"]
    common = np.isfinite(routes["free"])
    for name in ("free", "renormalised", "tangent"):
        found = np.full(6000, np.nan)
        found[routes["reference"][common].astype(int)] = routes[name][common]
        name = {"free": "free twins", "renormalised": "renormalised twins"}.get(name, "tangents")
        yield of_others(f"{name}, mean", "skew tent", found)
    size = tables["sizes.csv"]
    own = size["perturbation"] == SIZES[0]
    assert summary["sizes"]["growth_ci95"][0] == mean_and_interval(size["growth"][own])["ci95"]
    growth = np.stack([size["growth"][size["perturbation"] == one] for one in SIZES], axis=1)
    yield of_others("growth of 1e-10, mean", "skew tent", growth[:, 0])
    yield of_others(
        "growth per decade, mean", "skew tent", sizes.per_decade(np.array(SIZES), growth)
    )


def of_network() -> Iterator[Row]:
    """The median over references of the sharpness of training: of the mean there is no interval
    (a long tail: Student's would hold it in 89 % of groups of twenty)."""
    overrides = {**TRAINING, "ensemble.references": 6000, "measure.tangent": False, "steps": 20}
    tables, summary = run({**overrides, "measure.sharpness": {"every": 20}})
    found = tables["exponents.csv"]["sharpness"]
    assert summary["sharpness"]["final_median_ci95"] == list(median_interval(found))
    own, truth = found[:4000], float(np.nanmedian(found[4000:]))
    pair = ends(grouped(own, 20), median_interval)
    yield Row("sharpness, median", "network", OTHER, "20", *pair, truth, least=True)


def of_others(name: str, system: str, found: np.ndarray, bounds: tuple[float, float] = ANY) -> Row:
    """Intervals of means over 20 of 4,000 references; the mean of 2,000 others is the truth."""
    own, truth = found[:4000], float(np.nanmean(found[4000:]))
    return Row(name, system, OTHER, "20", *means(own, 20, bounds), truth)


def further() -> Iterator[Row]:
    """The step at which an accuracy is reached, and the mean of another instrument."""
    overrides = {"steps": 40, "measure.tangent": False, "measure.accuracy": True}
    overrides |= {"measure.projection": {"points": 10, "references": OF_EXPERIMENTS + 2000}}
    overrides |= {"measure.reach": {"accuracy": 0.6}}
    tables, summary = run({**TRAINING, **overrides})
    plane = tables["projection-components.csv"]["explained"].reshape(-1, 2).sum(axis=1)
    assert summary["projection"]["plane_ci95"] == mean_and_interval(plane, (0.0, 1.0))["ci95"]
    own, truth = plane[:OF_EXPERIMENTS], float(plane[OF_EXPERIMENTS:].mean())
    pair = means(own, 20, (0.0, 1.0))
    yield Row("variance in the plane, mean", "network", OTHER, "20", *pair, truth)
    reached = tables["exponents.csv"]["reach_train"]
    waits = np.where(np.isfinite(reached), reached, np.inf)
    truth = float(np.median(waits[OF_EXPERIMENTS:]))
    pair = ends(grouped(waits[:OF_EXPERIMENTS], 20), median_interval)
    yield Row("reach, median", "network", OTHER, "20", *pair, truth, least=True)


def shares() -> Iterator[Row]:
    """The kept fraction where each reference is kept with a probability that is known: all
    outcomes by their probability, no sample."""
    from scipy.stats import binom

    for total in (20, 500):
        for p in (0.05, 0.24, 0.5, 0.884):
            counts = np.arange(total + 1)
            pair = ends(counts, lambda count, total=total: share_interval(int(count), total))
            weights = binom.pmf(counts, total, p)
            yield Row(
                "kept fraction", "binomial", f"p = {p}", str(total), *pair, p, weights=weights
            )


def boundaries() -> Iterator[Row]:
    """The box dimension of sets whose place in the plane is random. Its bounds
    count what slopes at different sizes lie apart: they are no confidence interval."""
    rng = np.random.default_rng(0)
    lines = (half_plane(128, slope, rng.uniform(0.3, 0.7, 2)) for slope in rng.uniform(-3, 3, 200))
    flakes = (snowflake(128, turn, 1024) for turn in rng.uniform(0, 2, 200))
    pieces = (triangle(512)[a : a + 256, b : b + 256] for a, b in rng.integers(0, 140, (200, 2)))
    for name, truth, images in (
        ("straight line", 1.0, lines),
        ("Koch snowflake", KOCH, flakes),
        ("part of a Sierpinski triangle", SIERPINSKI, pieces),
    ):
        found = [box_counting.dimension(image)[0]["dimension_bounds"] for image in images]
        pair = np.array([ends for ends in found if ends is not None]).T
        yield Row("box dimension, bounds", name, CLOSED, "one map", *pair, truth, least=True)


PARTS = (
    tangents,
    windows,
    twins,
    spectra,
    frames,
    networks,
    others,
    of_network,
    further,
    shares,
    boundaries,
    verdicts,
)


def table() -> Iterator[Row]:
    """All rows."""
    for part in PARTS:
        yield from part()


HEADS = ("interval", "system", "truth", "n", "experiments", "coverage", "median width")


def cells(row: Row) -> tuple[str, ...]:
    """A line of the table."""
    experiments = "all" if row.weights is not None else f"{len(row.low):,}"
    numbers = (experiments, f"{row.coverage:.3f}", f"{row.width:.3g}")
    name = f"{row.interval} (at least)" if row.least else row.interval
    return (name, row.system, row.known, row.n, *numbers)


if __name__ == "__main__":
    print("| " + " | ".join(HEADS) + " |\n" + "|---" * len(HEADS) + "|")
    for line in table():
        print("| " + " | ".join(cells(line)) + " |", flush=True)
