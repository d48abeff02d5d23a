"""The small table at the end of a run: what was measured, with error bars and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuichaos.runs import Run


@dataclass(frozen=True)
class Row:
    """One line: a measure, its value with its error, how many it is from, the paper's."""

    measure: str
    value: str
    count: str = ""
    paper: str = ""


def rows(run: Run) -> list[Row]:
    """All lines for a finished (or interrupted) run."""
    return list(_rows(run.summary, run.experiment.paper))


def _rows(summary: Mapping[str, Any], paper: Mapping[str, str]) -> Iterator[Row]:
    total = summary["references"]
    yield from _nmle(summary["nmle"], paper)
    growth = summary.get("growth")
    if growth:
        yield Row(
            "twins, growth window",
            with_interval(growth),
            f"{growth['measured']} of {growth['total']}, {number(growth['length_median'])} steps",
        )
    leading = summary["lyapunov"]
    if "window" in leading:
        start, end = leading["window"]
        count = f"{leading['count']} of {leading['total']}"
        if leading["collapsed"]:
            count += f", {leading['collapsed']} superstable (−∞)"
        value, figure = with_interval(leading), paper.get("lyapunov.mean", "")
        yield Row(f"tangent exponent, {start}–{end}", value, count, figure)
    for window, rate in summary["rates"].items():
        count = f"{rate['count']} of {total}"
        figure = paper.get(f"rates.{window}.mean", "")
        yield Row(f"  rate, {window.replace('-', '–')}", with_interval(rate), count, figure)
    for key, name in PLAIN.items():
        value = look_up(summary, key)
        if value is not None:
            yield Row(name, number(value), "", paper.get(key, ""))
    if summary["diverged"]:
        when = summary["diverged_at"]
        text = f"first at step {when['first']}, last at {when['last']}"
        yield Row("diverged", text, f"{summary['diverged']} of {total}")


PLAIN = {
    "distance.final_over_scale_median": "distance / nε, median at the end",
    "loss.final_median": "loss, median at the end",
    "train_accuracy.final_median": "accuracy, train",
    "test_accuracy.final_median": "accuracy, test",
    "weight_norm.final_median": "weight norm (L1), median at the end",
}


def _nmle(nmle: Mapping[str, Any], paper: Mapping[str, str]) -> Iterator[Row]:
    if nmle["total"] is None:
        return
    value = "none kept"
    if nmle["kept"]:
        value = number(nmle["mean"])
        value += f" ± {number(nmle['std'])}" if nmle["std"] is not None else ""
    kept = f"{nmle['kept']} of {nmle['total']} kept"
    figures = [paper[key] for key in ("nmle.mean", "nmle.kept") if key in paper]
    yield Row("nMLE (paper's filter), mean ± std", value, kept, ", ".join(figures))


def with_interval(found: Mapping[str, Any]) -> str:
    """A mean with its 95 % interval."""
    if found["mean"] is None:
        return "none"
    interval = found["ci95"]
    text = number(found["mean"])
    if interval is None:
        return f"{text} (one orbit: no interval)" if found.get("count", 1) < 2 else text
    return f"{text} [{number(interval[0])}, {number(interval[1])}]"


def number(value: float | None) -> str:
    """A number for a person: four significant digits."""
    return "none" if value is None else f"{value:.4g}"


def look_up(summary: Mapping[str, Any], key: str) -> Any:
    """``nmle.mean`` as summary["nmle"]["mean"]; None where there is none."""
    found: Any = summary
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def plan_lines(plan: Any) -> Iterator[str]:
    """What an experiment that has been checked would run, and how large it is."""
    experiment, data = plan.experiment, plan.built.dataset
    system = plan.built.system
    yield f"{experiment.name}: {experiment.title}" if experiment.title else experiment.name
    if data is not None:
        network = experiment.network
        widths = "-".join(map(str, system.network.widths))
        yield f"data         {experiment.data.name}, {len(data.x)} train, {len(data.x_test)} test"
        yield f"network      {widths} {network.activation}, {experiment.loss.name}"
        yield f"optimizer    {experiment.optimizer.name}, {_shown(experiment.optimizer.learning_rate)}"
    else:
        yield f"system       {experiment.system.name}"
    ensemble = experiment.ensemble
    yield f"state        {system.dimension} numbers, {experiment.dtype}"
    yield (
        f"ensemble     {ensemble.references} references × {ensemble.twins} twins, "
        f"perturbation {ensemble.perturbation:g} at step {ensemble.perturb_at}"
    )
    yield f"size         {experiment.steps:,} steps, {plan.replica_steps:,} replica-steps"
    rows = -(-experiment.steps // experiment.record.every) + 1
    yield f"series.csv   {rows * ensemble.references:,} rows"
    every = experiment.record.states_every
    if every:
        times = -(-experiment.steps // every) + 1
        size = times * plan.replicas * system.dimension * (8 if experiment.dtype == "float64" else 4)
        yield f"states.npz   {size / 1e6:,.1f} MB"
    yield f"device       {experiment.device}"
    for warning in experiment.warnings:
        yield f"warning      {warning}"
    yield "nothing was run or written"


def _shown(rate: float | list[float]) -> str:
    return f"η = {rate:g}" if isinstance(rate, float) else f"η from {min(rate):g} to {max(rate):g}"
