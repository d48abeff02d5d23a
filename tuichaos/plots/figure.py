"""What a chart shows, and its one preparation: finite, on its axis, split at gaps, thinned."""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuichaos.common.text import clean

DRAWABLE = 1e100  # on a linear axis; plotext overflows on larger ones


class Role(enum.StrEnum):
    """What a curve is to the others: drawn in its colour, and in a legend or not.

    Attributes
    ----------
    MAIN
        A curve of its own.
    LOW
        The lower bound of the main curve before it.
    HIGH
        The upper one.
    RAW
        What a smoothed curve was made of, behind it.
    FIT
        A line fitted to the curve before it, as long as its window.
    """

    MAIN = "main"
    LOW = "low"  # the lower bound of the main curve before it
    HIGH = "high"  # the upper one
    RAW = "raw"  # what a smoothed curve was made of, behind it
    FIT = "fit"  # a line fitted to the curve before it, as long as its window


@dataclass(frozen=True)
class Curve:
    """A named series of a chart.

    Parameters
    ----------
    name : str
        In the legend.
    x : ndarray
        (n,).
    y : ndarray
        (n,), NaN where there is nothing to draw.
    role : Role
        What it is to the others.
    joined : bool
        Whether it is a line; else a cloud of points in any order.
    letter : str
        What stands on it, and before its name, so that it is told from others without their
        colours.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    role: Role = Role.MAIN
    joined: bool = True
    letter: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", clean(self.name))  # it may be a stranger's column
        if len(self.x) != len(self.y):  # one was read while the other grew
            length = min(len(self.x), len(self.y))
            object.__setattr__(self, "x", self.x[:length])
            object.__setattr__(self, "y", self.y[:length])


@dataclass(frozen=True)
class Picture:
    """What a chart shows.

    Parameters
    ----------
    title : str
        What it is headed by.
    curves : sequence of Curve
        In the order of the legend.
    log : bool
        Whether the y axis is logarithmic.
    x_label : str
        What the x axis is of.
    levels : sequence of (str, float)
        Named values of y, drawn as lines with their names.
    marks : sequence of (str, float)
        Named places on x, likewise.
    x_range : tuple of float, optional
        Where the x axis begins and ends, else where the curves do.
    x_log : bool
        Whether x is log10 of what the axis is of, as ``x_label`` says by "log10 " at its head; the
        axis is then labelled with what it is of.
    y_range : tuple of float, optional
        Where the y axis begins and ends; what lies beyond is left out.
    notes : sequence of str
        What the legend says besides.
    """

    title: str
    curves: Sequence[Curve]
    log: bool = False
    x_label: str = "step"
    levels: Sequence[tuple[str, float]] = field(default_factory=tuple)
    marks: Sequence[tuple[str, float]] = field(default_factory=tuple)
    x_range: tuple[float, float] | None = None
    x_log: bool = False
    y_range: tuple[float, float] | None = None
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for field_name in ("title", "x_label"):
            object.__setattr__(self, field_name, clean(getattr(self, field_name)))
        for field_name in ("levels", "marks"):
            named = [(clean(name), place) for name, place in getattr(self, field_name)]
            object.__setattr__(self, field_name, named)


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lettered(picture: Picture) -> Picture:
    """The picture with letters on its lines where there are several, and none has one yet."""
    mains = [curve for curve in picture.curves if curve.role == Role.MAIN and curve.joined]
    if not 1 < len(mains) <= len(LETTERS) or any(curve.letter for curve in mains):
        return picture
    letters, curves = iter(LETTERS), []
    for curve in picture.curves:
        own = curve.role == Role.MAIN and curve.joined
        curves.append(replace(curve, letter=next(letters)) if own else curve)
    return replace(picture, curves=curves)


def prepare(curve: Curve, log: bool, columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """A curve as pieces that can be drawn: finite, log10 taken, split at gaps, thinned.

    Thinning keeps the least and the largest value of each of ``columns`` stretches of x (the
    characters of a line, two dots each), so spikes survive, a smooth curve loses nothing, and
    the cost does not grow with length.
    """
    y = np.asarray(curve.y, dtype=np.float64)
    y = np.where(np.abs(y) <= (np.inf if log else DRAWABLE), y, np.nan)
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.where(y > 0, np.log10(y), np.nan)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(y) & (np.abs(curve.x) <= DRAWABLE)
    if not curve.joined:
        return _cells(curve.x[good], y[good], columns)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    pieces = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        x_part, y_part = curve.x[start:end], y[start:end]
        share = max(2, math.ceil(columns * len(x_part) / len(y)))
        pieces.append(_thin(x_part, y_part, share))
    return pieces


CLOUD_ROWS = 400  # that are told apart in a cloud of points, more than a terminal has


def _cells(x: np.ndarray, y: np.ndarray, columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """One point of a cloud for each cell that has some, two cells a column."""
    good = np.isfinite(x)
    x, y = x[good], y[good]
    if not len(x):
        return []
    column, row = (
        np.round((v - v.min()) / max(np.ptp(v), 1e-300) * cells)
        for v, cells in ((x, 2 * columns), (y, CLOUD_ROWS))
    )
    index = np.unique(column * (CLOUD_ROWS + 1) + row, return_index=True)[1]
    index.sort()
    return [(x[index], y[index])]


def _thin(x: np.ndarray, y: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    if len(x) <= 2 * columns:
        return x, y
    bounds = np.linspace(0, len(x), columns + 1).astype(int)
    kept = set()
    for start, end in itertools.pairwise(bounds):
        kept |= {start + int(np.argmin(y[start:end])), start + int(np.argmax(y[start:end]))}
    index = np.array(sorted(kept | {0, len(x) - 1}))
    return x[index], y[index]


def cropped(picture: Picture, low: float, high: float) -> Picture:
    """The picture between two places on x, what lies outside left out."""
    curves = []
    for curve in picture.curves:
        inside = (curve.x >= low) & (curve.x <= high)
        if curve.role == Role.FIT:  # two points: where it crosses the edges
            x = np.clip(curve.x, low, high)
            slope = (curve.y[-1] - curve.y[0]) / max(curve.x[-1] - curve.x[0], 1e-300)
            logs = picture.log and (curve.y > 0).all()
            y = _on_line(curve, x) if logs else curve.y[0] + slope * (x - curve.x[0])
            curves.append(replace(curve, x=x, y=y))
        else:
            curves.append(replace(curve, x=curve.x[inside], y=curve.y[inside]))
    return replace(picture, curves=curves, x_range=(low, high))


def _on_line(curve: Curve, x: np.ndarray) -> np.ndarray:
    """A line that is straight on a logarithmic axis, at other places."""
    return np.exp(np.interp(x, curve.x, np.log(curve.y)))


def smoothed(picture: Picture, width: int) -> Picture:
    """Each main curve as its moving average over ``width`` points, with the raw one behind it.

    On a logarithmic axis the mean is that of the logarithms. Bounds are left out: a band
    around a smoothed curve would seem to be its error.
    """
    if width < 2:
        return picture
    mains = [curve for curve in picture.curves if curve.role == Role.MAIN]
    if not all(curve.joined for curve in mains):
        return picture
    raw = [replace(curve, role=Role.RAW) for curve in mains]
    smooth = [replace(curve, y=_moving_mean(curve.y, width, picture.log)) for curve in mains]
    rest = [curve for curve in picture.curves if curve.role == Role.FIT]
    return replace(picture, curves=[*raw, *smooth, *rest])


def _moving_mean(y: np.ndarray, width: int, log: bool) -> np.ndarray:
    """Centred, over the finite ones; NaN where the value itself is missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(np.where(y > 0, y, np.nan)) if log else y
    good = np.isfinite(values)
    if not good.any():
        return y
    ones = np.ones(min(width, len(y)))
    count = np.convolve(good.astype(float), ones, mode="same")
    total = np.convolve(np.where(good, values, 0.0), ones, mode="same")
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.where(good, total / np.maximum(count, 1), np.nan)
        return np.exp(mean) if log else mean
