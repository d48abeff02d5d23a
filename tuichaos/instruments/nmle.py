"""The paper's network maximum Lyapunov exponent (nMLE), with its selection made visible.

Danovski, Soriano, Lacasa (arXiv 2404.05782): per reference, the mean distance of its twins,
its logarithm, straight lines on many windows, the window with the largest R². The selection
by R² and by a positive threshold makes a positive mean automatic, so the count of kept
references always stands beside the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.instruments.statistics import share_interval
from tuichaos.instruments.twin_distance import TwinDistance
from tuichaos.simulation.frames import Frame

STARTS = range(0, 101, 5)
LENGTHS = range(30, 101, 5)
POINTS = 201  # windows end by step 200 after the perturbation
MIN_R_SQUARED = 0.9
MIN_EXPONENT = 0.05
NO_WINDOW = f"no window of {LENGTHS[0]} points with finite distances above 0: not measured"


@dataclass(frozen=True)
class BestWindows:
    """Per reference (n,): slope in nats a step, start and length in points, R²; NaN if none."""

    slope: np.ndarray
    start: np.ndarray
    length: np.ndarray
    r_squared: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """Which pass the paper's filter: R² > 0.9 and slope > 0.05."""
        with np.errstate(invalid="ignore"):
            return (self.r_squared > MIN_R_SQUARED) & (self.slope > MIN_EXPONENT)


def best_windows(distances: np.ndarray) -> BestWindows:
    """The best window of each reference among distances (points, n) from the perturbation on.

    A window that holds a distance which is 0 or not finite is left out. Of equal R² the
    first window wins, by start, then by length.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(np.ascontiguousarray(distances[:POINTS].T))
    y[~np.isfinite(y)] = np.nan
    best = np.full((4, len(y)), np.nan)
    for start in STARTS:
        for length in LENGTHS:
            if start + length > y.shape[1]:
                break
            slope, r_squared = _line(y[:, start : start + length])
            with np.errstate(invalid="ignore"):
                better = (r_squared > best[3]) | (np.isnan(best[3]) & np.isfinite(r_squared))
            for row, value in zip(best, (slope, start, length, r_squared), strict=True):
                row[better] = value[better] if isinstance(value, np.ndarray) else value
    return BestWindows(*best)


def _line(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares slope and R² of rows y (n, points) against 0, 1, 2, …; R² is NaN for a
    row without variance. Sums run along a row, so a row's bits do not depend on the others."""
    y = np.ascontiguousarray(y)
    t = np.arange(y.shape[1]) - (y.shape[1] - 1) / 2
    square = (t * t).sum()
    centred = y - y.mean(axis=1, keepdims=True)
    slope = (centred * t).sum(axis=1) / square
    total = (centred * centred).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return slope, np.where(total > 0, slope * slope * square / total, np.nan)


class PaperExponent(Instrument, kept_as="PaperExponent"):
    """nMLE of each reference; keeps the first POINTS mean distances, whatever is recorded.

    References
    ----------
    .. [1] Danovski, Soriano and Lacasa 2024, arXiv 2404.05782: windows by R², the filter, and nMLE,
       in nats per step.
    """

    key = "nmle"
    depends_on_steps = False

    def __init__(self, context: RunContext, distance: TwinDistance) -> None:
        self.context = context
        self.distance = distance
        self.parts: list[np.ndarray] = []

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        since = frame.steps - self.context.perturb_at
        wanted = (since >= 0) & (since < POINTS)
        if wanted.any():
            self.parts.append(frame["distance"][wanted])
        return {}

    def best(self) -> BestWindows:
        """The best window of each reference so far."""
        if not self.parts:
            return BestWindows(*np.full((4, self.context.references), np.nan))
        return best_windows(np.concatenate(self.parts))

    def findings(self) -> Findings:
        best, start = self.best(), self.context.perturb_at
        exponents = best.slope / self.context.time_step
        slopes = exponents[best.kept]
        # Where no window could be fitted to any (too few steps, or not finite) none was kept or
        # left out.
        told = bool(np.isfinite(best.r_squared).any())
        count = int(best.kept.sum()) if told else None
        summary = {
            "mean": float(slopes.mean()) if len(slopes) else np.nan,
            "std": float(slopes.std(ddof=1)) if len(slopes) > 1 else np.nan,
            "kept": count,
            "kept_ci95": share_interval(count, self.context.references) if told else None,
            "total": self.context.references,
            "window": [start, min(start + POINTS - 1, max(start, self.context.steps))],
            "reason": None if told else self.distance.lost or NO_WINDOW,
        }
        columns = {
            "nmle": exponents,
            "start": best.start,
            "length": best.length,
            "r_squared": best.r_squared,
            "kept": best.kept.astype(np.float64),
        }
        return Findings(exponents=columns, summary={"nmle": summary})


def of_training(context: RunContext, distance: TwinDistance) -> PaperExponent | None:
    """The paper's windows are of steps of training; a flow has no such steps."""
    return PaperExponent(context, distance) if context.system.time_step == 1 else None
