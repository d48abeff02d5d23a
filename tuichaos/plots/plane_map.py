"""A map over the swept keys: the classes of its points on colour scales. Free of torch."""

from __future__ import annotations

import numpy as np

from tuichaos.plots.raster_renderer import RGB, Raster, Scale
from tuichaos.sweeps.plane_values import CLASSES, FAILED, PlaneValues

# Blue where training goes well, red to orange where it leaves, purple between: told apart
# without seeing red or green. Each ends lightest where another class is likely to be next to it.
COLD: tuple[RGB, ...] = ((8, 29, 88), (34, 94, 168), (65, 182, 196), (199, 233, 220))
STUCK: tuple[RGB, ...] = ((206, 150, 214), (122, 1, 119))
SOON_LATE: tuple[RGB, ...] = ((90, 8, 20), (200, 40, 30), (253, 164, 72))
NEGATIVE: tuple[RGB, ...] = ((5, 48, 97), (67, 147, 195), (240, 244, 247))
POSITIVE: tuple[RGB, ...] = ((247, 240, 236), (214, 96, 77), (103, 0, 31))
NEUTRAL: tuple[RGB, ...] = ((150, 200, 150),)  # as of marginal verdicts
NOTHING: tuple[RGB, ...] = ((120, 120, 124),)
GONE: tuple[RGB, ...] = ((24, 24, 26),)

# Eight that differ in lightness as well, after Okabe and Ito 2008.
CYCLES: tuple[RGB, ...] = (
    (0, 114, 178),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (230, 159, 0),
    (213, 94, 0),
    (204, 121, 167),
    (150, 80, 200),
)
LONG: tuple[RGB, ...] = ((200, 200, 200), (240, 240, 240))

# Signs of classes are none of "+-|^>", with which axes, cross and box are drawn in ASCII.
OF_VERDICTS: dict[str, tuple[tuple[RGB, ...], str]] = {
    "monotone": (((0, 114, 178),), "m"),
    "catapult": (((86, 180, 233),), "u"),
    "edge-of-stability": (((0, 158, 115),), "e"),
    "marginal": (NEUTRAL, "g"),
    "periodic": (((240, 228, 66), (230, 159, 0)), "23456789p"),
    "transient-chaos": (((204, 121, 167),), "t"),
    "chaotic": (((213, 94, 0),), "c"),
    "dead-network": (((120, 94, 60),), "d"),
    "undecided": (NOTHING, "?"),
    "diverged": (GONE, "#"),
    "saddle-escape": (((150, 80, 200),), "s"),
    "quasi-periodic": (((0, 190, 190),), "q"),
}
WIDE = 98  # percentile of the sizes of exponents that ends their scale: a few would hide all


def raster(plane: PlaneValues) -> Raster:
    """What is known of a plane so far, as classes on scales."""
    scales = (*SCALES[plane.value](plane), Scale(FAILED, NOTHING, "?"))
    y = plane.axes[1] if len(plane.axes) == 2 else None
    return Raster(
        plane.title, plane.axes[0], y, plane.classes(), plane.values(), scales, plane.note
    )


def _convergence(plane: PlaneValues) -> tuple[Scale, ...]:
    """How far the loss has come down; where it has not, how far up, or when it left."""
    converged, stuck, gone, none = CLASSES["convergence"]
    classes, ratio = plane.classes(), plane.grid("convergence")
    low = _least(ratio[(classes == 0) & (ratio > 0)], 1e-3)
    high = _largest(ratio[(classes == 1) & np.isfinite(ratio)], 1e3)
    ends = _ends(plane.grid("diverged_at"))
    unit = "loss/first"
    return (
        Scale(converged, COLD, ":;=*", low, 1.0, log=True, unit=unit),
        Scale(stuck, STUCK, "os", 1.0, high, log=True, unit=unit),
        Scale(gone, SOON_LATE, "#%@", *ends, log=True, unit="at step"),
        Scale(none, NOTHING, "?"),
    )


def _exponent(plane: PlaneValues) -> tuple[Scale, ...]:
    """Both signs on one scale, as long on either side of 0; what is not told from 0 apart."""
    stable, near, unstable, gone, none = CLASSES["exponent"]
    classes, exponent = plane.classes(), plane.grid("lyapunov")
    end = _wide(np.abs(exponent[classes < 3]))
    bounds = plane.neutral_bounds()
    ends = [] if bounds is None else _ends_said(*bounds)
    note = "|λ| up to " + " … ".join(ends) if ends else ""
    # Ranges that do not overlap: with one bound it divides them, else the sign does.
    edge = ends[0] if len(ends) == 1 else "0"
    neutral = f"|λ| ≤ {edge}" if len(ends) == 1 else f"0 within ± {' … '.join(ends)}"
    minus = "-" * (edge != "0")
    below = f"λ {_at_most(exponent, -end)}{-end:.3g} … < {minus}{edge}"
    above = f"λ > {edge} … {end:.3g}{_at_least(exponent, end)}"
    return (
        Scale(stable, NEGATIVE, "=~:", -end, 0.0, unit="λ", said=below),
        Scale(near, NEUTRAL, "0", note=note, said=neutral if ends else ""),
        Scale(unstable, POSITIVE, "ox8", 0.0, end, unit="λ", said=above),
        Scale(gone, GONE, "#"),
        Scale(none, NOTHING, "?"),
    )


def _period(plane: PlaneValues) -> tuple[Scale, ...]:
    *short, long, none, gone = CLASSES["period"]
    paints = enumerate(zip(short, CYCLES, strict=True), 1)
    own = [Scale(name, (colour,), f"{k}") for k, (name, colour) in paints]
    period, first = plane.grid("period"), len(own) + 1
    high = _largest(period[np.isfinite(period)], first + 1)
    rest = Scale(long, LONG, "n", first, high, unit="period")
    return (*own, rest, Scale(none, NOTHING, "."), Scale(gone, GONE, "#"))


def _verdict(plane: PlaneValues) -> tuple[Scale, ...]:
    *verdicts, none = CLASSES["verdict"]
    periods = plane.values()
    high = max(3.0, _largest(periods[np.isfinite(periods)], 3.0))
    scales = (
        Scale(name, *OF_VERDICTS[name], 2.0, high, log=True, unit="period") for name in verdicts
    )
    return (*scales, Scale(none, NOTHING, "?"))


SCALES = {
    "convergence": _convergence,
    "exponent": _exponent,
    "period": _period,
    "verdict": _verdict,
}


def _at_most(values: np.ndarray, end: float) -> str:
    """Before the lower end of a scale that some values lie beyond."""
    return "≤ " if (values < end).any() else ""


def _at_least(values: np.ndarray, end: float) -> str:
    """Behind the upper end of a scale that some values lie beyond."""
    return " and above" if (values > end).any() else ""


def _least(values: np.ndarray, otherwise: float) -> float:
    return float(min(values.min(), 0.999)) if values.size else otherwise


def _largest(values: np.ndarray, otherwise: float) -> float:
    return float(max(values.max(), 1.001)) if values.size else otherwise


def _ends(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (1.0, 10.0)


def _ends_said(low: float, high: float) -> list[str]:
    """Two bounds as texts, one where they read alike."""
    return list(dict.fromkeys(f"{end:.2g}" for end in (low, high)))


def _wide(values: np.ndarray) -> float:
    """The WIDE-th percentile of those above 0."""
    above = values[np.isfinite(values) & (values > 0)]
    return float(np.percentile(above, WIDE)) if above.size else 1.0
