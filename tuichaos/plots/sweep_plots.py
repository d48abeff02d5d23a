"""The chart of a sweep: a column of sweep.csv against the first swept key."""

from __future__ import annotations

import numpy as np

from tuichaos.common.errors import InputError, some
from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import per
from tuichaos.config.sweep_axes import Axis, axes
from tuichaos.plots.figure import Curve, Picture, Role
from tuichaos.plots.sweep_summary_plot import enough, kept_fraction, places, span, summary, too_few
from tuichaos.storage.run_reader import Run
from tuichaos.sweeps.result import Sweep
from tuichaos.sweeps.sweep_reader import read

FIRST = ("lyapunov.mean", "nmle.mean", "growth.mean", "loss.final_median")  # without --what
KEPT = "kept"  # the fraction of the references that the paper's filter kept
FIRST += ("convergence", "lyapunov", "period")  # of planes
BOUNDARY = "boundary"
MAX_CURVES = 8  # values of a second key that are drawn
TITLES = {KEPT: "fraction kept by the paper's filter"}
DECADES = 4  # positive values this far apart are drawn on a logarithmic axis

Columns = dict[str, np.ndarray]


def picture(run: Run, what: str) -> Picture:
    """A column of a sweep; of one over two keys a curve for each value of the second, eight of
    them evenly chosen. ``kept`` is the kept fraction. ``default`` of one over a single key is
    the summary of exponents and kept fraction, of others the leading exponent, or what there is.

    InputError for an unknown column, and for one without a number.
    """
    if what == BOUNDARY:
        return _boundary(run)
    found = {k: v for k, v in read(run.path).items() if not isinstance(v, list)}
    return of_columns(found, run.experiment, what, run.time_step)


def of_columns(
    found: Columns, experiment: Experiment, what: str, time_step: float | None = None
) -> Picture:
    """The same of columns (points,) that are at hand, in grid order; ``time_step`` of the
    system where it is known."""
    first, *second = axes(experiment.sweep)
    label = f"log10 {first.key}" if first.log else first.key
    unit = per(experiment.system.name, time_step)
    if what == "default":
        whole = None if second else summary(found, experiment.called, first, label, unit)
        if whole is not None:
            return whole
        what = next((name for name in FIRST if _any(found.get(name))), FIRST[0])
        if what not in found:  # nobody asked for it
            raise InputError("no point of this sweep has a number")
    share = kept_fraction(found)
    if share is not None:
        found[KEPT] = share
    if what not in found:
        raise InputError(f"--what {what}: {some(what, found, 'the first line of sweep.csv')}")
    found, few = _enough(found, what)
    if not _any(found[what]):
        raise InputError(f"--what {what}: {few or 'has no number in this sweep'}")
    curves = list(_curves(found, what, first, second[0] if second else None))
    y = found[what][np.isfinite(found[what])]
    log = y.min() > 0 and y.max() / 10.0**DECADES > y.min()
    title = f"{experiment.called}: {TITLES.get(what, what)}"
    ends = span(found, first)
    notes = [few] if few else []
    return Picture(title, curves, bool(log), label, x_range=ends, x_log=first.log, notes=notes)


def _boundary(run: Run) -> Picture:
    """Box counts of the boundary of a plane against the size of the boxes, with the line."""
    part = run.summary.get("boundary")
    if not part or part["dimension"] is None:
        why = part["reason"] if part else "this is no plane, or it has not ended"
        raise InputError(f"--what {BOUNDARY}: there is no number: {why}")
    found = Sweep(run.path).table("boundary.csv")
    size, line = np.log10(found["size"]), np.isfinite(found["line"])
    curves = [
        Curve("boxes that hold some", size, found["count"]),
        Curve(f"dimension {part['dimension']:.3f}", size[line], found["line"][line], Role.FIT),
    ]
    title = f"{run.experiment.called}: boxes on the boundary"
    return Picture(title, curves, log=True, x_label="log10 of the box size, in cells")


def _any(values: np.ndarray | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())


def _enough(found: Columns, what: str) -> tuple[Columns, str]:
    """The columns without means of the few that a filter kept, and what is said of that."""
    if not what.startswith(("nmle.mean", "nmle.std")) or KEPT not in found:
        return found, ""
    return {**found, what: enough(found, found[what])}, too_few(found)


def _curves(found: Columns, what: str, first: Axis, second: Axis | None):
    bounds = _bounds(found, what)
    for name, rows in _parts(found, what, second):
        x = places(found, first)[rows]
        order = np.argsort(x, kind="stable")
        x = x[order]
        yield Curve(name, x, found[what][rows][order])
        good = np.isfinite(found[what][rows][order])
        for label, role, column in bounds:
            yield Curve(label, x, np.where(good, found[column][rows][order], np.nan), role)


def _parts(found: Columns, what: str, second: Axis | None):
    """Names of the curves with the rows that they are of."""
    if second is None:
        yield what, np.arange(len(found[what]))
        return
    values = sorted(set(second.values))
    count = min(MAX_CURVES, len(values))
    for k in range(count):
        value = values[k * (len(values) - 1) // max(1, count - 1)]
        rows = np.flatnonzero(found[second.key] == value)
        if len(rows):
            yield f"{second.key} = {value:g}", rows


def _bounds(found: Columns, what: str) -> list[tuple[str, Role, str]]:
    """The columns of its 95 % interval: ``x.ci95.low`` beside ``x.mean``, ``x_ci95.low``
    beside another ``x``; none where it has none."""
    of_kept = "nmle.kept_ci95" if what == KEPT else f"{what}_ci95"
    for stem in (f"{what.removesuffix('.mean')}.ci95", of_kept):
        if _any(found.get(f"{stem}.low")) and f"{stem}.high" in found:
            return [
                ("95 % low", Role.LOW, f"{stem}.low"),
                ("95 % high", Role.HIGH, f"{stem}.high"),
            ]
    return []
