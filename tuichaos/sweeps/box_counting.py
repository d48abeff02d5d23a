"""Box-counting dimension of the boundary between the classes of a map.

Four neighbouring points of the grid make a cell; a cell lies on the boundary if the four are
not of one class. N(s) is the number of boxes of s × s cells that hold such a cell; the
dimension is minus the slope of ln N against ln s (Falconer, *Fractal Geometry*, section 3.1).

N(s) is the mean over all s² places of the box grid, so no place is preferred; a box counts
if its middle lies in the plane, half if on its edge: an upright line from edge to edge then has
N = n/s exactly, and a plane full of boundary n²/s².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The smallest box that is fitted, in cells: what the boundary does between the points of the
# grid is not seen, so small boxes are too few. Slopes of a Koch curve (1.262) between sizes 1
# and 2, 2 and 4, 4 and 8, … came out as 1.13, 1.19, 1.23, 1.24, 1.25.
SMALLEST = 4
LARGEST_SHARE = 8  # the largest box is at most an eighth of the shorter side: few say nothing
LEAST_SIZES = 3  # box sizes, for a slope with something to say of its straightness
LEAST_CELLS = 16  # on the boundary: fewer are not a curve
PARTS = 4  # the plane is cut into 4 × 4 parts, and the slope found without each in turn
LEAST_PARTS = 4  # that hold some boundary, for an interval

# What has one dimension has one slope at all sizes, and in both directions. Local slopes are
# compared from this size on; below, what is seen at all depends on the grid too much.
COMPARED = 2
# Between the largest and the smallest local slope: beyond, there is no number. Those of the
# Koch curve, the Sierpinski triangle and carpet differ by .08 to .23, of grids of 256² and 512²;
# of a sine of 20 periods by .8, of isolated points by .3 to 1.2.
MAX_SPREAD = 0.25
MAX_BELOW = 0.4  # with those of boxes too small to be fitted
LEAST_SLOPE = 0.9  # what parts regions has 1 at least; below are points smaller than the grid
# Of the ratio of steps across the boundary in either direction, as a power of the grid's
# spacing: 0 of a self-similar set, D − 1 of a graph whose dimension is D (self-affine). Slopes
# of such a graph approach D so slowly that a grid tells nothing of it: 1.3 for 1.5, 1.45 for 1.8.
MAX_AFFINE = 0.25
SPACINGS = (1, 2, 4, 8)
LEAST_STEPS = 16  # across the boundary, in either direction, for such a ratio


@dataclass(frozen=True)
class Boxes:
    """``sizes`` (S,) of boxes in cells; ``counts`` (S,) mean numbers of boxes that hold some
    boundary."""

    sizes: np.ndarray
    counts: np.ndarray

    @property
    def fitted(self) -> Boxes:
        """Those that a line is fitted to."""
        large = self.sizes >= SMALLEST
        return Boxes(self.sizes[large], self.counts[large])


@dataclass(frozen=True)
class Fit:
    """ln N = intercept − dimension · ln s by least squares."""

    dimension: float
    intercept: float
    r_squared: float

    def at(self, sizes: np.ndarray) -> np.ndarray:
        """N of the line at some sizes."""
        return np.exp(self.intercept - self.dimension * np.log(sizes))


def boundary_cells(kinds: np.ndarray) -> np.ndarray:
    """Which cells (ny − 1, nx − 1) of classes (ny, nx) lie on the boundary. Where a corner has
    no class (−1, −2) none does."""
    corners = np.stack([kinds[:-1, :-1], kinds[:-1, 1:], kinds[1:, :-1], kinds[1:, 1:]])
    known = ((corners != -1) & (corners != -2)).all(0)
    return known & (corners != corners[0]).any(0)


def boundary_points(kinds: np.ndarray) -> np.ndarray:
    """Which points (ny, nx) differ in class from one of their four neighbours."""
    known = (kinds != -1) & (kinds != -2)
    found = np.zeros(kinds.shape, dtype=bool)
    for a, b in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1, :], np.s_[1:, :]),
    ):
        differ = (kinds[a] != kinds[b]) & known[a] & known[b]
        found[a] |= differ
        found[b] |= differ
    return found


def box_sizes(shape: tuple[int, ...]) -> list[int]:
    """Powers of two up to an eighth of the shorter side of so many points."""
    most = min(shape) // LARGEST_SHARE
    return [2**k for k in range(most.bit_length())] if most else []


def count(cells: np.ndarray, sizes: Sequence[int]) -> Boxes:
    """N(s) of a set of cells (h, w), bool, for each box size."""
    return Boxes(np.array(sizes), np.array([_counted(cells, size) for size in sizes]))


def _counted(cells: np.ndarray, size: int) -> float:
    """The mean number of boxes that hold a cell."""
    # All boxes of the size, those that stick out on either side among them: box k of an axis
    # covers the cells k − size + 1 … k.
    hit = _windows(np.pad(cells, size - 1).astype(np.int64), size) > 0
    weights = []
    for length in cells.shape:
        middle = np.arange(length + size - 1) - size + 1 + size / 2
        edge = (middle == 0) | (middle == length)
        weights.append(np.where(edge, 0.5, (middle > 0) & (middle < length)))
    return float((hit * np.outer(*weights)).sum() / size**2)


def _windows(padded: np.ndarray, size: int) -> np.ndarray:
    """Sums over all windows of size × size."""
    total = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows = total[size:] - total[:-size]
    return rows[:, size:] - rows[:, :-size]


def fit(sizes: np.ndarray, counts: np.ndarray) -> Fit:
    """The line through ln N against ln s."""
    x, y = np.log(sizes), np.log(counts)
    slope, intercept = np.polyfit(x, y, 1)
    rest = y - (slope * x + intercept)
    spread = ((y - y.mean()) ** 2).sum()
    straight = 1 - (rest**2).sum() / spread if spread > 0 else math.nan
    return Fit(float(-slope), float(intercept), float(straight))


def local_slopes(boxes: Boxes) -> np.ndarray:
    """The dimension between neighbouring sizes."""
    return -np.diff(np.log(boxes.counts)) / np.diff(np.log(boxes.sizes))


def spread(boxes: Boxes) -> float:
    """How far local slopes lie apart, from boxes of COMPARED cells on."""
    large = boxes.sizes >= COMPARED
    return float(np.ptp(local_slopes(Boxes(boxes.sizes[large], boxes.counts[large]))))


def affine(kinds: np.ndarray) -> float:
    """The power of the grid's spacing by which steps across the boundary along x and along y
    grow apart; NaN where either are too few to tell."""
    ratios = []
    for every in SPACINGS:
        part = kinds[::every, ::every]
        along = [_steps(part[:, :-1], part[:, 1:]), _steps(part[:-1], part[1:])]
        if min(along) < LEAST_STEPS:
            return math.nan
        ratios.append(math.log(along[0] / along[1]))
    return float(np.polyfit(np.log(SPACINGS), ratios, 1)[0])


def _steps(a: np.ndarray, b: np.ndarray) -> int:
    return int(((a != b) & (a != -1) & (a != -2) & (b != -1) & (b != -2)).sum())


def why_none(every: Boxes, kinds: np.ndarray) -> str | None:
    """Why the slope of a line through the counts would be no dimension; None if it is one."""
    large = every.sizes >= COMPARED
    slopes = local_slopes(Boxes(every.sizes[large], every.counts[large]))
    ends = f"{slopes.min():.2f} … {slopes.max():.2f}"
    if np.ptp(local_slopes(every.fitted)) > MAX_SPREAD or np.ptp(slopes) > MAX_BELOW:
        return f"slopes between neighbouring box sizes disagree ({ends})"
    if slopes.min() < LEAST_SLOPE:
        return f"slopes below 1 ({ends}): points smaller than the grid can show"
    power = affine(kinds)
    if abs(power) > MAX_AFFINE:
        return (
            "it scales along x otherwise than along y (their ratio goes as the spacing to the "
            f"power {power:.2f}): slopes are far from a dimension at these sizes"
        )
    return None


def bounds(cells: np.ndarray, sizes: Sequence[int], wider: float = 0.0) -> list[float] | None:
    """Bounds of the dimension: the slope without the boundary in each of PARTS² parts of
    the plane in turn (jackknife; Student's t with one degree less than parts that hold some),
    made wider on either side by what slopes at different sizes lie apart (``wider``).

    No confidence interval: what a slope at these sizes is off by is no random error. The first
    says how much the parts of this boundary differ, and so what another piece of it might have
    given; the second what other sizes might have. The scatter about the fitted line would say
    neither: counts at different sizes are counts of the same cells. None where too few parts
    hold some.
    """
    from scipy.stats import t

    rows, columns = (np.arange(length) * PARTS // length for length in cells.shape)
    part = rows[:, None] * PARTS + columns[None, :]
    held = np.unique(part[cells])
    if len(held) < LEAST_PARTS:
        return None
    rest = [count(cells & (part != k), sizes) for k in held]
    without = np.array([fit(boxes.sizes, boxes.counts).dimension for boxes in rest])
    n = len(held)
    error = math.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    whole = count(cells, sizes)
    half = float(t.ppf(0.975, n - 1)) * error + wider
    middle = fit(whole.sizes, whole.counts).dimension
    return [max(0.0, middle - half), min(2.0, middle + half)]


def nothing(reason: str | None) -> dict[str, Any]:
    """The part ``boundary`` of summary.json where there is no number."""
    names = ("dimension", "dimension_bounds", "slopes", "r_squared", "fitted", "sizes", "counts")
    return {**dict.fromkeys(names), "cells": None, "points_on_boundary": None, "reason": reason}


def dimension(kinds: np.ndarray) -> tuple[dict[str, Any], Boxes | None]:
    """The boundary of classes (ny, nx), as the part ``boundary`` of summary.json, and the box
    counts that it rests on; numbers are None where ``reason`` says why.

    ``dimension`` with its bounds, none where the counts follow no power law; ``fitted``: the
    smallest and the largest box that the line goes through; ``slopes`` between neighbouring
    sizes there: of a true power law all alike; ``sizes`` and ``counts`` of all boxes.
    """
    cells = boundary_cells(kinds)
    found = nothing(None)
    found |= {"cells": int(cells.sum()), "points_on_boundary": int(boundary_points(kinds).sum())}
    sizes = box_sizes(kinds.shape)
    if (kinds == -1).any():
        return {**found, "reason": "some points are not known yet"}, None
    least = LARGEST_SHARE * SMALLEST * 2 ** (LEAST_SIZES - 1)
    if min(kinds.shape) < least:
        return {**found, "reason": f"fewer than {least} points a side"}, None
    if not cells.any():
        return {**found, "reason": "one class, no boundary"}, None
    if cells.sum() < LEAST_CELLS:
        return {**found, "reason": f"fewer than {LEAST_CELLS} cells on the boundary"}, None
    every = count(cells, sizes)
    boxes = every.fitted
    found |= {
        "slopes": local_slopes(boxes).tolist(),
        "fitted": boxes.sizes[[0, -1]].tolist(),
        "sizes": sizes,
        "counts": every.counts.tolist(),
    }
    if reason := why_none(every, kinds):
        return {**found, "reason": reason}, every
    line = fit(boxes.sizes, boxes.counts)
    found |= {
        "dimension": line.dimension,
        "dimension_bounds": bounds(cells, boxes.sizes.tolist(), spread(every)),
        "r_squared": line.r_squared,
    }
    return found, every


def table(boxes: Boxes | None) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of boundary.csv."""
    if boxes is None:
        return ["size", "count", "line"], []
    line = fit(boxes.fitted.sizes, boxes.fitted.counts).at(boxes.sizes)
    drawn = np.where(boxes.sizes >= SMALLEST, line, np.nan)
    columns = (boxes.sizes.tolist(), boxes.counts.tolist(), drawn.tolist())
    return ["size", "count", "line"], [list(row) for row in zip(*columns, strict=True)]
