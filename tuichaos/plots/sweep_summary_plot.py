"""The chart of a sweep as a whole: exponents and the kept fraction on one axis."""

from __future__ import annotations

import numpy as np

from tuichaos.config.sweep_axes import Axis
from tuichaos.plots.figure import Curve, Picture, Role

MIN_KEPT = 10  # references: a mean of fewer that were kept is not drawn where more were there
# Names as short as fit into 80 columns together.
KEPT, LEADING, PAPERS = "kept fraction", "leading exponent", "nMLE of kept"
ENDS = ("its 95 %", "its 95 %, high")  # the first one stands for both

Columns = dict[str, np.ndarray]


def summary(found: Columns, name: str, axis: Axis, x_label: str, unit: str) -> Picture | None:
    """The fraction that the paper's filter keeps, the mean exponent of the kept and the leading
    exponent from tangents, those there are, with their 95 % intervals, against the swept key.

    ``unit``: what exponents are per. They share an axis: the fraction lies in [0, 1], the
    exponents of training are of that order.
    None where there is no kept fraction.
    """
    share = kept_fraction(found)
    if share is None or not np.isfinite(share).any():
        return None
    x = places(found, axis)
    order = np.argsort(x, kind="stable")
    curves = [Curve(KEPT, x[order], share[order])]
    for label, (mean, low, high) in _exponents(found).items():
        if np.isfinite(mean).any():
            curves.append(Curve(label, x[order], mean[order]))
            curves.append(Curve(ENDS[0], x[order], low[order], Role.LOW))
            curves.append(Curve(ENDS[1], x[order], high[order], Role.HIGH))
    few = too_few(found)
    return Picture(
        f"{name}: exponents (nats per {unit}) and kept fraction",
        curves,
        x_label=x_label,
        x_range=span(found, axis),
        levels=[("zero", 0.0)],
        x_log=axis.log,
        notes=[f"{PAPERS}: {few}"] if few else [],
    )


def places(found: Columns, axis: Axis) -> np.ndarray:
    """Where the points (points,) of a sweep lie on the axis of a key: log10 of it on a
    logarithmic one."""
    return np.log10(found[axis.key]) if axis.log else found[axis.key]


def span(found: Columns, axis: Axis) -> tuple[float, float]:
    """The whole axis of a key, also where a column has no number; the same in every chart."""
    x = places(found, axis)
    return float(x.min()), float(x.max())


def kept_fraction(found: Columns) -> np.ndarray | None:
    """nmle.kept / nmle.total (points,), None where it was not measured."""
    kept, total = found.get("nmle.kept"), found.get("nmle.total")
    if kept is None or total is None:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        return kept / total


def enough(found: Columns, values: np.ndarray) -> np.ndarray:
    """Values that belong to the kept references, NaN where these are too few."""
    few = (found["nmle.kept"] < MIN_KEPT) & (found["nmle.total"] >= MIN_KEPT)
    return np.where(few, np.nan, values)


def too_few(found: Columns) -> str:
    """Why means of the kept references are not drawn, at all points or at some; empty where
    they all are."""
    kept, total = found.get("nmle.kept"), found.get("nmle.total")
    if kept is None or total is None:
        return ""
    known = np.isfinite(kept)
    few = known & (kept < MIN_KEPT) & (total >= MIN_KEPT)
    if not few.any():
        return ""
    if few.sum() < known.sum():
        return f"left out at {few.sum()} of {known.sum()} points, fewer than {MIN_KEPT} kept there"
    most = int(np.nanargmax(np.where(few, kept, -1)))
    return f"only {kept[most]:.0f} of {total[most]:.0f} kept: at least {MIN_KEPT} are needed"


def _exponents(found: Columns) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Mean, lower and upper end of the 95 % interval of the mean, by label."""
    known = {}
    if "nmle.mean" in found and "nmle.std" in found:
        known[PAPERS] = mean_of_kept(found)
    if "lyapunov.mean" in found:
        mean = found["lyapunov.mean"]
        nothing = np.full(len(mean), np.nan)
        ends = (found.get(f"lyapunov.ci95.{end}", nothing) for end in ("low", "high"))
        known[LEADING] = (mean, *ends)
    return known


def mean_of_kept(found: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean exponent of the kept, and the ends of its 95 % interval (Student's t)."""
    mean, half = enough(found, found["nmle.mean"]), _half_width(found)
    return mean, mean - half, mean + half


def _half_width(found: Columns) -> np.ndarray:
    """Half the 95 % interval of the mean of the kept, by Student's t."""
    from scipy.special import stdtrit

    kept = np.where(found["nmle.kept"] > 1, found["nmle.kept"], np.nan)
    return stdtrit(kept - 1, 0.975) * found["nmle.std"] / np.sqrt(kept)
