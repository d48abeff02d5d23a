"""The small table at the end of a run: what was measured, with error bars and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuichaos.common.text import clean
from tuichaos.config.instrument_spec import Entry
from tuichaos.config.instruments import specs
from tuichaos.storage.run_reader import Run


@dataclass(frozen=True)
class ReportRow:
    """One line: a measure, its value, its 95 % interval, what it is from, the paper's."""

    measure: str
    value: str
    interval: str = ""
    count: str = ""
    paper: str = ""

    def __post_init__(self) -> None:
        for name, text in list(vars(self).items()):
            object.__setattr__(self, name, clean(text))


def rows(run: Run) -> list[ReportRow]:
    """All lines for a finished (or interrupted) run."""
    return list(_rows(run.summary, run.experiment.paper))


def _rows(summary: Mapping[str, Any], paper: Mapping[str, str]) -> Iterator[ReportRow]:
    total = summary["references"]
    yield from _nmle(summary["nmle"], paper)
    growth = summary.get("growth")
    if growth:
        count = f"{growth['measured']} of {growth['total']}"
        yield _estimate("growth window", growth, count, paper.get("growth.mean", ""))
        if growth["length_median"] is not None:
            yield ReportRow("  its points", number(growth["length_median"]), "", "median")
    leading = summary["lyapunov"]
    if "window" in leading:
        start, end = leading["window"]
        count = f"{leading['count']} of {leading['total']}"
        if leading["collapsed"]:
            count += f", {leading['collapsed']} superstable: −∞"
        name = f"tangent, steps {start}–{end}"
        yield _estimate(name, leading, count, paper.get("lyapunov.mean", ""))
    for window, rate in summary["rates"].items():
        name = f"  steps {window.replace('-', '–')}"
        count = f"{rate['count']} of {total}"
        yield _estimate(name, rate, count, paper.get(f"rates.{window}.mean", ""))
    if "spectrum" in summary:
        yield from _spectrum(summary["spectrum"])
    yield from _verdicts(summary, total)
    for entry in (row for spec in specs() for row in spec.rows):
        yield from _measured(entry, summary.get(entry.part))
    yield from _reached(summary)
    for key, name in PLAIN.items():
        value = look_up(summary, key)
        if value is not None:
            part = look_up(summary, key.rpartition(".")[0])
            count = f"median of {part['count']}" if "count" in part else "final median"
            yield ReportRow(name, number(value), "", count, paper.get(key, ""))


PLAIN = {
    "distance.final_over_scale_median": "final distance / nε",
    "loss.final_median": "final loss",
    "test_loss.final_median": "final loss, test",
    "train_accuracy.final_median": "final accuracy, train",
    "test_accuracy.final_median": "final accuracy, test",
    "weight_norm.final_median": "final weight norm (L1)",
}


def _nmle(nmle: Mapping[str, Any], paper: Mapping[str, str]) -> Iterator[ReportRow]:
    if nmle["total"] is None:
        return
    if nmle["kept"] is None:  # not measured
        yield ReportRow(
            "nMLE ± std", "none", "", f"0 of {nmle['total']}", paper.get("nmle.mean", "")
        )
        return
    value = "none kept"
    if nmle["kept"]:
        value = number(nmle["mean"])
        value += f" ± {number(nmle['std'])}" if nmle["std"] is not None else ""
    kept = f"{nmle['kept']} of {nmle['total']}"
    yield ReportRow("nMLE ± std", value, "", kept, paper.get("nmle.mean", ""))
    share = f"{nmle['kept'] / nmle['total']:.3f}"
    ends = nmle.get("kept_ci95")  # none in runs of earlier versions
    yield ReportRow("  kept by filter", share, between(ends), kept, paper.get("nmle.kept", ""))


def _verdicts(summary: Mapping[str, Any], total: int) -> Iterator[ReportRow]:
    found = summary.get("verdicts") or {}
    for k, (word, count) in enumerate((summary["regimes"] or {}).items()):
        yield ReportRow("regime" if k == 0 else "", word, "", f"{count} of {total}")
        if word == "undecided":
            yield from _so_far(found.get("missing") or {}, total)
        if word == "transient-chaos":
            end = found["transient_end_median"]
            yield ReportRow("  ends at step", f"{end:g}", "", "median")
        for one in dead_of(summary, word):
            name = "  inputs do not matter"
            if one["stuck_on"] is not None:
                name = f"  k = {one['stuck_on']:g}, η_eff = {one['eta_eff']:g}"
            yield ReportRow(name, one["behaviour"], "", f"{one['references']} of {total}")


def dead_of(summary: Mapping[str, Any], word: str) -> list[dict[str, Any]]:
    """What the dead networks of one verdict do: "dead-network", or "undecided" where they are
    dead so far; the commonest first."""
    found = (summary.get("verdicts") or {}).get("dead") or []
    return [one for one in found if one.get("verdict", "dead-network") == word]


SO_FAR = " so far"  # ends the first words of a reason that tells what it seems to be


def _so_far(missing: Mapping[str, int], total: int) -> Iterator[ReportRow]:
    """What of the undecided seems to be one thing as yet; the reasons stand below the table."""
    for reason, count in missing.items():
        words = reason.split(",")[0]
        if words.endswith(SO_FAR):
            yield ReportRow("  of these", words, "", f"{count} of {total}")


def _measured(entry: Entry, found: Mapping[str, Any] | None) -> Iterator[ReportRow]:
    if not found or entry.key not in found or (entry.alike and found[entry.alike] is None):
        return
    count = f"{found['count']} of {found['total']}"
    value, interval = found[entry.key], found.get(f"{entry.key}_ci95")
    if value is None:
        yield ReportRow(entry.name, "none", "", count)
        return
    shown = value if isinstance(value, str) else number(value)
    yield ReportRow(entry.name, shown, between(interval), count)


def _reached(summary: Mapping[str, Any]) -> Iterator[ReportRow]:
    """Steps until an accuracy is first reached: the median, and how many reached it."""
    for part, words in REACHED.items():
        found = summary.get(part)
        if not found:
            continue
        name = f"steps to {found['accuracy']:g} on the {words} part"
        count = f"{found['count']} of {found['total']}"
        if found["median"] is None:
            yield ReportRow(name, "none", "", count)
            continue
        ends = [f"{end:g}" if end is not None else "never" for end in found["median_ci95"] or ()]
        yield ReportRow(name, f"{found['median']:g}", f"[{', '.join(ends)}]" if ends else "", count)


REACHED = {"reach_train": "train", "reach_test": "test"}
MAX_EXPONENTS = 4  # in the table; all of them are in spectrum.csv


def _spectrum(found: Mapping[str, Any]) -> Iterator[ReportRow]:
    count = f"{found['count']} of {found['total']}"
    if found["collapsed"]:
        count += f", {found['collapsed']} with −∞"
    for k, mean in enumerate(found["mean"][:MAX_EXPONENTS]):
        one = {"mean": mean, "ci95": found["ci95"][k]}
        yield _estimate(f"spectrum λ{k + 1}", one, count, "")
    for key, name in SPECTRUM.items():
        if found[key] is not None:
            value = number(found[key])
            if key in COUNTED:  # a mean of counts where there are more references than one
                name = f"{name}, of {found['exponents']}"
                value = f"{found[key]:g}" if found["count"] == 1 else value
            many = f"mean of {found['count']}" if found["count"] > 1 else "1 reference"
            yield ReportRow(f"  {name}", value, between(found.get(f"{key}_ci95")), many)


COUNTED = ("positive", "above_zero")
SPECTRUM = {
    "positive": "above 0",
    "above_zero": "surely above 0",
    "positive_sum": "sum of positive",
    "sum": "sum of all",
    "kaplan_yorke": "Kaplan–Yorke dim.",
}


def _estimate(name: str, found: Mapping[str, Any], count: str, paper: str) -> ReportRow:
    if found["mean"] is None:
        return ReportRow(name, "none", "", count, paper)
    interval = found["ci95"]
    shown = between(interval) or ("one orbit" if found.get("count", 1) == 1 else "few differ")
    return ReportRow(name, number(found["mean"]), shown, count, paper)


NARROW = "to these digits"  # an interval within the digits that are shown


def between(ends: Sequence[float] | None) -> str:
    """An interval in a table; one of a single value, as where every step stretches alike, says
    that the value stands to its digits."""
    if not ends:
        return ""
    low, high = map(number, ends)
    return NARROW if low == high else f"[{low}, {high}]"


def number(value: float) -> str:
    """A number for a person: three significant digits."""
    return f"{value:#.3g}"


def look_up(summary: Mapping[str, Any], key: str) -> Any:
    """``nmle.mean`` as summary["nmle"]["mean"]; None where there is none."""
    found: Any = summary
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


ONE_SPLIT = (
    "kept: its interval is for this one split of the data; other splits may differ by more (sweep "
    "data.seed)"
)


def remarks(run: Run) -> Iterator[str]:
    """What the numbers alone do not say, and where everything is."""
    summary, floor = run.summary, run.manifest.get("noise_floor", {})
    if summary["diverged"]:
        when = summary["diverged_at"]
        yield (
            f"diverged: {summary['diverged']} of {summary['references']} references, "
            f"the first at step {when['first']}, half of them by {when['median']:g}, "
            f"the last at step {when['last']}"
        )
    twins = summary.get("distance") or {}
    if twins.get("twins_diverged"):
        yield (
            f"twins: {twins['twins_diverged']} of {twins['twins_total']} diverged while their "
            f"reference did not, the first at step {twins['twins_diverged_first']}: their "
            "distances are left out"
        )
    if run.experiment.system.name == "training" and (summary.get("nmle") or {}).get("kept_ci95"):
        yield ONE_SPLIT
    for name, part in summary.items():
        if isinstance(part, Mapping) and part.get("reason"):
            yield f"{name}: {part['reason']}"
    found = summary.get("verdicts") or {}
    for warning in found.get("warnings", []):
        yield f"warning: {warning}"
    yield from _undecided(summary, found.get("missing") or {})
    yield from _noise_floor(floor, summary)
    speed = run.manifest.get("replica_steps_per_second", 0)
    yield f"{run.manifest.get('seconds', 0):.1f} s, {speed:,.0f} replica-steps/s"
    yield f"run folder: {run.path}"


def _noise_floor(floor: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[str]:
    """The certificate where it holds, and over how many steps it was seen to."""
    if not floor.get("holds"):
        return
    steps = floor["steps"]
    if steps:
        count = f"{steps} step" + "s" * (steps != 1)
        yield f"noise floor: 0 (an unperturbed twin stayed put for {count})"
    elif summary["diverged"]:
        yield f"noise floor: not measured: diverged at step {summary['diverged_at']['first']}"


def _undecided(summary: Mapping[str, Any], missing: Mapping[str, int]) -> Iterator[str]:
    """Why references have no verdict; the summary has the commonest reasons only."""
    for reason, count in missing.items():
        yield f"undecided in {count}: {reason}"
    others = (summary.get("regimes") or {}).get("undecided", 0) - sum(missing.values())
    if missing and others > 0:
        yield f"undecided in {others} others: for other reasons, in regime.csv"


def plan_lines(plan: Any) -> Iterator[str]:
    """What an experiment that has been checked would run, and how large it is."""
    experiment, data = plan.experiment, plan.built.dataset
    system = plan.built.system
    yield f"{experiment.name}: {experiment.title}" if experiment.title else experiment.called
    if data is not None:
        if data.told:
            yield f"read         {data.told}"
        network = experiment.network
        widths = "-".join(map(str, system.network.widths))
        yield f"data         {experiment.data.name}, {len(data.x)} train, {len(data.x_test)} test"
        yield f"network      {widths} {network.activation}, {experiment.loss.name}"
        optimizer = experiment.optimizer
        rates = optimizer.learning_rates or [optimizer.learning_rate]
        yield f"optimizer    {optimizer.name}, {'; '.join(map(_shown, rates))}"
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
        size = (
            times * plan.replicas * system.dimension * (8 if experiment.dtype == "float64" else 4)
        )
        yield f"states.npz   {size / 1e6:,.1f} MB"
    yield f"device       {experiment.device}"
    for warning in plan.warnings:
        yield f"warning      {warning}"
    yield "nothing was run or written"


def _shown(rate: float | list[float]) -> str:
    return f"η = {rate:g}" if isinstance(rate, float) else f"η from {min(rate):g} to {max(rate):g}"
