"""What is said of a sweep: before it, and at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuichaos.common.number_text import said
from tuichaos.execution.plan import Plan
from tuichaos.instruments.statistics import mean_and_interval
from tuichaos.reports.run_report import ONE_SPLIT, between, number, plan_lines
from tuichaos.storage.run_reader import Run
from tuichaos.sweeps.points import Grid

MAX_ROWS = 40  # of the table on the terminal
MAIN = {
    "lyapunov.mean": "exponent",
    "nmle.mean": "nMLE",
    "nmle.kept": "kept",
    "nmle.kept_ci95.low": "kept, 95 %",
    "growth.mean": "growth",
    "loss.final_median": "loss",
    "sharpness.final_median": "sharpness",
    "reach_train.median": "to train",
    "reach_test.median": "to test",
    "diverged": "diverged",
    "regime": "verdict",
}
# What is left out of the table where it is too wide, the first ones first; the exponent, the kept
# fraction and the swept keys stay.
LEAST = (
    "growth.mean",
    "loss.final_median",
    "nmle.kept_ci95.low",
    "sharpness.final_median",
    "nmle.mean",
    "reach_train.median",
    "diverged",
    "reach_test.median",
    "regime",
)
INTERVAL = "interval of kept"  # its name in a list
RATES = ("lyapunov.mean", "nmle.mean", "growth.mean")  # means over references
OTHERS = {
    "loss.final_median": "loss: final median",
    "sharpness.final_median": "sharpness: median at the last step",
    "reach_train.median": "to train: median of steps",
    "reach_test.median": "to test: median of steps",
    "regime": "verdict: the most frequent, in how many references",
}

Line = Mapping[str, Any]
Measure = Callable[[str], int]


def plan_of(made: Grid, first: Plan) -> Iterator[str]:
    """What a sweep would run, and how large it is."""
    batches = made.batches()
    for axis in made.axes:
        ends = f"{axis.values[0]:g} … {axis.values[-1]:g}"
        spacing = ", logarithmic" if axis.log else ""
        yield f"sweep        {axis.key}: {len(axis.values):,} values, {ends}{spacing}"
    words = "1 batch" if len(batches) == 1 else f"{len(batches):,} batches"
    steps = first.replica_steps * made.size * made.ways
    yield f"points       {made.size:,} in {words}, {steps:,} replica-steps"
    if (diagram := made.experiment.diagram).observable != "none":
        how = "afresh" if diagram.continued == "no" else f"continued: {diagram.continued}"
        yield f"diagram      the last {diagram.last:,} values of {diagram.observable}, {how}"
    yield "each point:"
    yield from plan_lines(first)


SHORT = {
    "optimizer.learning_rate": "η",
    "ensemble.perturbation": "ε",
    "data.seed": "data.seed",
}  # heads of the table


@dataclass(frozen=True)
class Table:
    """Heads and rows of what fits; ``left_out``: names of the columns that do not;
    ``width``: that it has; ``tight``: columns stand one apart, not two; ``units``: what the
    numbers are."""

    heads: list[str]
    rows: list[list[str]]
    left_out: list[str]
    width: int
    tight: bool
    units: str


def table(
    lines: list[Line], keys: tuple[str, ...], width: int, unit: str, measure: Measure = len
) -> Table:
    """The table of swept keys and main numbers that at least one point has, of at most MAX_ROWS
    points, evenly chosen. No cell is cut: columns that a terminal of ``width`` columns has no
    room for are left out. ``unit``: of exponents; ``measure``: how wide a text is."""
    shown = [key for key in MAIN if any(row.get(key) is not None for row in lines)]
    if not any(row.get("diverged") for row in lines) and "diverged" in shown:
        shown.remove("diverged")
    left_out = []
    for least in (*(key for key in LEAST if key in shown), None):
        heads = [*map(_short, keys), *(MAIN[key] for key in shown)]
        rows = [_cells(line, keys, shown) for line in _chosen(lines)]
        widths = [max(map(measure, column)) for column in zip(heads, *rows, strict=True)]
        narrow, wide = sum(widths) + len(widths) - 1, sum(widths) + 2 * len(widths)
        if narrow <= width or least is None:
            break
        shown.remove(least)
        left_out.append(INTERVAL if least.endswith("ci95.low") else MAIN[least])
    tight = wide > width
    units = _units(lines, shown, unit)
    return Table(heads, rows, left_out, narrow if tight else wide, tight, units)


def _cells(line: Line, keys: tuple[str, ...], shown: list[str]) -> list[str]:
    cells = [_value(line[key]) for key in keys]
    if line["status"] != "failed":
        return cells + [_of(line, key) for key in shown]
    return cells + (["failed", *[""] * (len(shown) - 1)] if shown else [])


def _units(lines: list[Line], shown: list[str], unit: str) -> str:
    """What the numbers of the shown columns are; the window of the exponent where all points
    have the same."""
    names = [MAIN[key] for key in RATES if key in shown]
    spans = {(line.get("lyapunov.window.0"), line.get("lyapunov.window.1")) for line in lines}
    spans = {span for span in spans if None not in span}
    if RATES[0] in shown and len(spans) == 1:
        names[0] += " (steps {}–{})".format(*spans.pop())
    rates = f"{', '.join(names)}: nats per {unit}, means over references" if names else ""
    others = (words for key, words in OTHERS.items() if key in shown)
    return "; ".join(filter(None, (rates, *others)))


def _short(key: str) -> str:
    return SHORT.get(key, _last(key))


def _last(key: str) -> str:
    """The last part of a key; with the one before where it is a place in a list."""
    before, _, last = key.rpartition(".")
    return f"{before.rpartition('.')[2]}.{last}" if last.isdecimal() else last


def remarks(lines: list[Line], found: Table) -> Iterator[str]:
    """Which columns and points the table leaves out."""
    if found.left_out:
        yield f"left out for want of width: {', '.join(found.left_out)}; sweep.csv has them"
    if len(lines) > MAX_ROWS:
        yield f"{MAX_ROWS} of {len(lines):,} points, evenly chosen; all are in sweep.csv"


SPLIT = "data.seed"


def of_splits(lines: list[Line], keys: tuple[str, ...]) -> Iterator[str]:
    """The kept fraction over several splits of the data, where their seed is swept: mean and 95 %
    interval by Student's t over splits, for each value of the other key; else that there is one
    split."""
    known = [line for line in lines if line.get("nmle.total")]
    if not known or not any(line.get("nmle.kept_ci95.low") is not None for line in known):
        return
    if SPLIT not in keys:
        yield ONE_SPLIT
        return
    others = [key for key in keys if key != SPLIT]
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in known:
        groups.setdefault(tuple(line[key] for key in others), []).append(line)
    chosen = list(groups.items())
    for values, own in _chosen(chosen):
        where = "".join(
            f" at {_short(k)} = {_value(v)}" for k, v in zip(others, values, strict=True)
        )
        yield f"kept over {len(own)} splits{where}: {_kept_over(own)}"


def _kept_over(lines: list[Line]) -> str:
    shares = np.array([line["nmle.kept"] / line["nmle.total"] for line in lines])
    found = mean_and_interval(shares, (0.0, 1.0))
    ends = found["ci95"]
    sure = "" if ends is None else f" {between(ends)}"
    return f"{number(found['mean'])}{sure}, from {number(shares.min())} to {number(shares.max())}"


def of_plane(summary: Mapping[str, Any]) -> Iterator[str]:
    """How many points each class of a plane has, and the dimension of the boundary."""
    if not summary:
        return
    total = summary["points"]
    shares = (f"{name} {count / total:.1%}" for name, count in summary["classes"].items())
    bounds = summary.get("neutral_bounds")  # none in maps of earlier versions
    sure = f" (neutral: |λ| up to {' … '.join(_said(bounds))})" if bounds else ""
    yield f"{summary['value']} of {total:,} points: {', '.join(shares)}{sure}"
    part = summary["boundary"]
    if part["dimension"] is None:
        yield f"dimension of the boundary: no number: {part['reason']}"
        return
    ends = part.get("dimension_bounds")  # none in maps of earlier versions
    sure = "" if ends is None else f", bounds {ends[0]:.2f} to {ends[1]:.2f}"
    slopes = ", ".join(f"{slope:.2f}" for slope in part["slopes"])
    yield (
        f"dimension of the boundary: {part['dimension']:.3f}{sure}, boxes of "
        f"{part['fitted'][0]} to {part['fitted'][1]} cells (slopes {slopes}), "
        f"{part['points_on_boundary']:,} points on it"
    )


def _said(bounds: list[float]) -> list[str]:
    """Two bounds as texts, one where they read alike."""
    return list(dict.fromkeys(f"{end:.2g}" for end in bounds))


def _chosen(lines: list[Any]) -> list[Any]:
    if len(lines) <= MAX_ROWS:
        return lines
    return [lines[k * (len(lines) - 1) // (MAX_ROWS - 1)] for k in range(MAX_ROWS)]


def _of(line: Line, key: str) -> str:
    """A number of a point, a count with what it is of, an interval with both its ends."""
    if key.endswith("ci95.low"):
        ends = [line.get(key), line.get(key.removesuffix("low") + "high")]
        return "" if None in ends else between(ends)
    if key == "regime":
        return _verdict(line)
    total = line.get("nmle.total") if key == "nmle.kept" else None
    return _value(line.get(key)) + (f"/{total}" if total else "")


def _verdict(line: Line) -> str:
    """The most frequent verdict, and how many of all references have it."""
    word = _value(line.get("regime"))
    count, total = line.get(f"regimes.{word}"), line.get("references")
    return f"{word} {count}/{total}" if count and total else word


def _value(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else said(value)


# --- orbit diagrams -------------------------------------------------------------------------

MAX_BIFURCATIONS = 12  # that are listed one by one


def diagram_lines(run: Run) -> list[str]:
    """What is said of an orbit diagram at its end; empty for another sweep or one that is not
    complete."""
    if run.experiment.diagram.observable == "none" or not run.summary:
        return []
    summary = run.summary
    lines = list(_of_cascades(summary["cascades"]))
    found = summary["bifurcations"]
    chained = {p for chain in summary["cascades"] for p in chain["parameters"]}
    others = [one for one in found["found"] if one["parameter"] not in chained]
    for one in others[:MAX_BIFURCATIONS]:
        lines.append(
            f"  {one['parameter']:<12.9g} {one['kind']} of period {one['period']}, "
            f"multiplier {_complex(*one['multiplier'])}"
        )
    if len(others) > MAX_BIFURCATIONS:
        lines.append(f"  and {len(others) - MAX_BIFURCATIONS} more in bifurcations.csv")
    if found["count"]:
        words = f"{found['count']} bifurcation points of {summary['key']}, refined"
        residual = max(one["residual"] for one in found["found"])
        lines.insert(0, f"{words} (residual of F^p(x) = x at most {residual:.1g}):")
    else:
        lines.insert(0, f"bifurcation points: {found['reason'] or 'none was found'}")
    if found["not_refined"]:
        lines.append(f"  {found['not_refined']} more ends of cycles were seen and not refined")
    if summary["diverged"]:
        lines.append(f"orbits diverged at {summary['diverged']} of {summary['points']} values")
    if summary["started_afresh"]:
        lines.append(
            f"a continued orbit that had diverged started afresh at the next value: "
            f"{summary['started_afresh']} times (columns afresh)"
        )
    if summary["explained"]:
        lines.append(f"{summary['observable']} explains {summary['explained']:.1%} of the variance")
    return lines


def _of_cascades(chains: list[Mapping[str, Any]]) -> Iterator[str]:
    for chain in chains:
        periods = " → ".join(map(str, (*chain["periods"], 2 * chain["periods"][-1])))
        places = ", ".join(f"{place:.9g}" for place in chain["parameters"])
        yield f"  doublings {periods} at {places}"
        ratios = ", ".join(f"{ratio:.4g}" for ratio in chain["ratios"])
        yield f"    ratios of successive intervals {ratios}, said to approach 4.669"


def _complex(real: float, imaginary: float) -> str:
    if not imaginary:
        return f"{real:.6g}"
    return f"{real:.4f} ± {imaginary:.4f}i"
