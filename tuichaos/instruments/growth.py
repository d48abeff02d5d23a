"""Growth of the twins' distance between two fixed levels: an exponent without selection.

Every twin is followed from the perturbation on for as long as its distance lies above the
rounding floor, 100·u·S, and below the growth limit, S/1000, where S is the largest ‖x‖₁ its
reference has had so far and u the unit in the last place of 1. The slope of ln d over that
first passage is its exponent, whatever its sign and however straight the line: nothing is
chosen by the result, and every reference is counted.

Where twins meet, the passage ends at the rounding floor and may be over before the motion has
settled, or hold a few uneven steps: a line through it then tells no rate. There is a slope
only where the line is one (``thresholds.is_line``), and no mean where that would choose
among the references.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuichaos.common.thresholds import FALL, FLOOR_UNITS, GROWTH_LIMIT, MIN_POINTS, is_line
from tuichaos.instruments.base import Findings, Instrument, RunContext
from tuichaos.instruments.statistics import mean_and_interval, median
from tuichaos.instruments.twin_distance import TwinDistance
from tuichaos.simulation.frames import Frame
from tuichaos.storage.checkpoint_encoding import kept

PLUNGE = 3
PLUNGE_STEPS = 30
HALF = 0.5
NEAR_TOP = 0.75  # of the largest ln d, for its mean; that of a line is a half
MAX_UNTOLD = 0.05  # of the references, without a slope for how they fall


@kept("GrowthWindow")
class GrowthWindow:
    """The growth windows of distances (references, n), folded as they come.

    ``slopes`` (references, n): least-squares slope of ln d(t) per unit of time over each
    window. A distance with fewer than MIN_POINTS in its window has none (it started too near
    the floor or the growth limit), nor has one that falls through the floor within
    PLUNGE_STEPS with a last drop PLUNGE times the mean one (a superstable point: −∞), nor one
    whose reference does not stay finite: while it runs away there is no bounded
    motion, nor one that falls to the floor along what is no line. ``lengths``
    (references, n): points of each window.
    """

    def __init__(self, shape: tuple[int, int], unit: float, time_step: float) -> None:
        self.unit = unit
        self.time_step = time_step
        self.open = np.ones(shape, dtype=bool)
        self.finite = np.ones(shape[0], dtype=bool)
        self.previous = np.full(shape, np.nan)  # ln d of the last point, if still open
        self.plunged = np.zeros(shape, dtype=bool)
        self.origin = np.full(shape, np.nan)
        self.scale = np.zeros(shape[0])
        self.fallen = np.zeros(shape, dtype=bool)  # through the floor, from well above it
        self.highest = np.full(shape, -np.inf)  # ln d above the first one, within the window
        self.sums = np.zeros((5, *shape))  # n, Σt, Σy, Σt², Σty
        self.higher = np.zeros((4, *shape))  # Σt³, Σt⁴, Σt²y, Σy²

    def take(
        self, since: np.ndarray, distances: np.ndarray, scale: np.ndarray, alive: np.ndarray
    ) -> None:
        """Take in steps ``since`` the perturbation (T,), negative before it, with distances
        (T, references, n), ‖x‖₁ and whether it is finite (T, references)."""
        scale = np.maximum.accumulate(np.concatenate([self.scale[None], scale]))[1:]
        self.scale = scale[-1]
        self.finite &= alive.all(axis=0)
        wanted = since >= 0
        if wanted.any() and self.open.any():
            self._add(since[wanted], distances[wanted], scale[wanted])

    def _add(self, t: np.ndarray, distances: np.ndarray, scale: np.ndarray) -> None:
        within = between_levels(distances, scale[:, :, None], self.unit)
        with np.errstate(invalid="ignore", divide="ignore"):
            y = np.log(distances)
        within = np.logical_and.accumulate(within, axis=0) & self.open
        if t[0] == 0:
            self.origin = y[0]
        self._note_plunges(t, y, within)
        self.open = within[-1]
        with np.errstate(invalid="ignore"):  # where both are infinite
            above = np.where(within, y - self.origin, -np.inf)
            self.highest = np.maximum(self.highest, above.max(axis=0))
            y = np.where(within, y - self.origin, 0.0)
        t = np.where(within, t[:, None, None].astype(np.float64), 0.0)
        square = t * t
        self.sums = _added(self.sums, [within.astype(np.float64), t, y, square, t * y])
        self.higher = _added(self.higher, [square * t, square * square, square * y, y * y])

    def _note_plunges(self, t: np.ndarray, y: np.ndarray, within: np.ndarray) -> None:
        """Mark distances that leave through the floor ever faster: at a superstable point the
        exponent is −∞, and the slope of the few points before tells nothing of it."""
        before = np.concatenate([self.previous[None], y[:-1]])
        self.previous = y[-1]
        open_before = np.concatenate([self.open[None], within[:-1]])
        leaves = open_before & ~within & (t[:, None, None] > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            drop = y - before  # −∞ where the distance becomes 0
            mean = (before - self.origin) / np.maximum(t - 1, 1)[:, None, None]
            plunge = leaves & (mean < 0) & (drop < PLUNGE * mean)
            self.fallen |= (leaves & (y - self.origin < -FALL)).any(axis=0)
        self.plunged |= (plunge & (t < PLUNGE_STEPS)[:, None, None]).any(axis=0)

    def slopes(self) -> np.ndarray:
        """The exponents (references, n), NaN where there is none."""
        n, st, sy, stt, sty = self.sums
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = (n * sty - st * sy) / (n * stt - st * st)
        counted = (n >= MIN_POINTS) & self.finite[:, None] & ~self.untold
        return np.where(counted, slope / self.time_step, np.nan)

    @property
    def untold(self) -> np.ndarray:
        """Which fall to the floor in a way that tells no rate, or are held (references, n)."""
        bent = self.fallen & ~is_line(*self.sums, *self.higher)
        return self.plunged | (bent & (self.sums[0] >= MIN_POINTS)) | self.held

    @property
    def held(self) -> np.ndarray:
        """Which have grown, but stay below the growth limit, mostly near the top (references, n):
        the motion is small beside the state, as beside a large constant, and the window holds
        distances that are as large as they get."""
        with np.errstate(invalid="ignore", divide="ignore"):
            high = self.sums[2] / self.sums[0] > NEAR_TOP * self.highest
        grown = self.open & (self.highest >= FALL) & (self.sums[0] >= MIN_POINTS)
        return grown & high

    @property
    def lengths(self) -> np.ndarray:
        return self.sums[0]


def _added(sums: np.ndarray, terms: list[np.ndarray]) -> np.ndarray:
    """Sums (k, …) and k terms (T, …) more: added one by one, so that they do not depend on where
    frames begin."""
    whole = np.concatenate([sums[:, None], np.stack(terms)], axis=1)
    return np.add.accumulate(whole, axis=1)[:, -1]


def between_levels(distances: np.ndarray, scale: np.ndarray, unit: float) -> np.ndarray:
    """Which distances lie above the rounding floor and below the growth limit, for the largest
    norm so far ``scale`` (broadcast against them) and the unit in the last place of 1."""
    with np.errstate(invalid="ignore"):
        return (distances >= FLOOR_UNITS * unit * scale) & (distances <= GROWTH_LIMIT * scale)


class GrowthExponent(Instrument, kept_as="GrowthExponent"):
    """The slope of each twin over its growth window, nats per unit of time; a reference has
    the mean over its twins, and none unless all its twins have one. There is no interval for one
    reference: its twins share its orbit, so how they differ does not tell how it does."""

    key = "growth"
    depends_on_steps = False

    def __init__(self, context: RunContext, distance: TwinDistance) -> None:
        self.context = context
        self.distance = distance
        shape = (context.references, context.experiment.ensemble.twins)
        self.window = GrowthWindow(shape, context.unit, context.time_step)

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        since = frame.steps - self.context.perturb_at
        self.window.take(since, frame["twin_distances"], frame["scale"], frame["alive"])
        return {}

    def findings(self) -> Findings:
        slopes = self.window.slopes()
        exponent = slopes.mean(axis=1)
        length = np.where(np.isfinite(exponent), self.window.lengths.mean(axis=1), np.nan)
        found = mean_and_interval(exponent)
        untold = int(self.window.untold.any(axis=1).sum())
        if untold > MAX_UNTOLD * self.context.references:
            found |= {"mean": np.nan, "ci95": None}  # of those that fall otherwise: chosen
        summary = {
            "mean": found["mean"],
            "ci95": found["ci95"],
            "measured": found["count"],
            "total": self.context.references,
            "length_median": median(length),
            "window": [self.context.perturb_at, None],  # and on, until it leaves its levels
        }
        if not np.isfinite(found["mean"]) and self.context.experiment.ensemble.twins:
            summary["reason"] = self._why_none(untold)
        columns = {
            "growth": exponent,
            "growth_length": length,
        }
        return Findings(exponents=columns, summary={"growth": summary})

    def _why_none(self, untold: int) -> str:
        window, total = self.window, self.context.references
        if held := int(window.held.any(axis=1).sum()):
            return (
                f"in {held} of {total} references twins stop parting below the growth limit, "
                f"{GROWTH_LIMIT:g} of the size of the state: the motion is small beside it; see "
                "the tangent exponent"
            )
        if untold:
            return (
                f"in {untold} of {total} references twins reach the rounding floor before their "
                "distance falls at a steady rate; see the tangent exponent, or take a larger "
                "ensemble.perturbation"
            )
        if not window.finite.any():
            return "no reference stayed finite"
        if not np.isfinite(window.origin).any():
            words = "the twins were not moved yet, or their first distance is 0"
            return self.distance.lost or words
        with np.errstate(over="ignore", invalid="ignore"):
            first = np.exp(window.origin)
        scale = window.scale[:, None]
        if (first > GROWTH_LIMIT * scale).mean() > HALF:
            return (
                f"twins start too far apart: most distances are above {GROWTH_LIMIT:g} of the size "
                "of the state; take a smaller ensemble.perturbation"
            )
        if (first < FLOOR_UNITS * window.unit * scale).mean() > HALF:
            return (
                f"twins start too near: most distances are below {FLOOR_UNITS * window.unit:.2g} "
                "of the size of the state, where rounding rules; take a larger "
                "ensemble.perturbation"
            )
        return f"no reference has {MIN_POINTS} steps with all its twins between the two levels"
