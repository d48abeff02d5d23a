"""From series to pictures: one preparation for every chart, drawn with plotext."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tuichaos.errors import InputError, nearest
from tuichaos.runs import Run

CELL_DOTS = 2  # dots of braille across a character cell
LABEL_HEIGHT = 12  # lines; a smaller chart leaves out the name of its x axis
DRAWABLE = 1e100  # on a linear axis; plotext overflows on larger ones


@dataclass(frozen=True)
class Curve:
    """A named series: ``x`` (n,), ``y`` (n,), NaN where there is nothing to draw."""

    name: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Picture:
    """What a chart shows. ``log``: the y axis is logarithmic. ``levels``: named values of y;
    ``marks``: named places on x. Levels and marks are drawn as lines with their names."""

    title: str
    curves: Sequence[Curve]
    log: bool = False
    x_label: str = "step"
    levels: Sequence[tuple[str, float]] = field(default_factory=tuple)
    marks: Sequence[tuple[str, float]] = field(default_factory=tuple)


def prepare(curve: Curve, log: bool, columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """A curve as pieces that can be drawn: finite, log10 taken, split at gaps, thinned.

    Thinning keeps the least and the largest value of each of ``columns`` stretches of x, so
    spikes survive and the cost does not grow with length.
    """
    y = np.asarray(curve.y, dtype=np.float64)
    y = np.where(np.abs(y) <= (np.inf if log else DRAWABLE), y, np.nan)
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.where(y > 0, np.log10(y), np.nan)
    good = np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    pieces = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        x_part, y_part = curve.x[start:end], y[start:end]
        share = max(2, math.ceil(columns * len(x_part) / len(y)))
        pieces.append(_thin(x_part, y_part, share))
    return pieces


def _thin(x: np.ndarray, y: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    if len(x) <= 2 * columns:
        return x, y
    bounds = np.linspace(0, len(x), columns + 1).astype(int)
    kept = set()
    for start, end in itertools.pairwise(bounds):
        kept |= {start + int(np.argmin(y[start:end])), start + int(np.argmax(y[start:end]))}
    index = np.array(sorted(kept | {0, len(x) - 1}))
    return x[index], y[index]


def draw(picture: Picture, width: int, height: int, *, colour: bool, ascii_only: bool) -> str:
    """The picture as text of ``height`` lines; says so when there is nothing to draw."""
    import plotext

    prepared = [prepare(c, picture.log, CELL_DOTS * width) for c in picture.curves]
    if not any(prepared):
        return f"{picture.title}: nothing to draw"
    plotext.clear_figure()
    plotext.limit_size(False, False)  # it is not the terminal that bounds a chart
    plotext.plotsize(width, height)
    ticks = max(2, min(8, (height - 3) // 2))
    plotext.yfrequency(ticks)
    plotext.theme("clear" if not colour else "default")
    plotext.canvas_color("default")
    plotext.axes_color("default")
    plotext.ticks_color("default")
    if picture.title:
        plotext.title(picture.title)
    if height >= LABEL_HEIGHT:
        plotext.xlabel(picture.x_label)
    low, high = _limits(prepared, picture)
    for k, (curve, pieces) in enumerate(zip(picture.curves, prepared, strict=True)):
        for number, (x, y) in enumerate(pieces):
            plotext.plot(
                x.tolist(),
                y.tolist(),
                label=curve.name if number == 0 else None,
                color=COLOURS[k % len(COLOURS)],
                marker=_marker(k, colour, ascii_only),
            )
    ends = [x for pieces in prepared for xs, _ in pieces for x in (xs[0], xs[-1])]
    for name, value in picture.levels:
        level = math.log10(value) if picture.log else value
        plotext.hline(level, "gray")
        plotext.text(name, max(ends), level, color="gray", alignment="right")
    for name, place in picture.marks:
        if min(ends) <= place <= max(ends):
            plotext.vline(place, "orange")
            plotext.text(name, place, low, color="orange", alignment=_side(place, ends))
    plotext.ylim(low, high)
    if picture.log:
        plotext.yticks(*_log_ticks(low, high, ticks))
    places = _round_ticks(min(ends), max(ends), max(2, width // 16))
    plotext.xticks(places, [f"{place:g}" for place in places])
    text = plotext.build()
    if not colour:
        text = plotext.uncolorize(text)
    return _plain(text) if ascii_only else text


COLOURS = ("cyan", "blue", "blue", "orange", "green", "magenta", "red", "yellow")
PLAIN_MARKERS = "*·˙ox+#s"
ASCII_MARKERS = "*.'ox+#s"


def _round_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most about ``most`` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    stride = next(f * power for f in (1, 2, 5, 10) if f * power >= rough)
    return [k * stride for k in range(math.ceil(low / stride), math.floor(high / stride) + 1)]


def _side(place: float, ends: Sequence[float]) -> str:
    """Which way a name is written beside a mark, to stay inside."""
    return "left" if place < (min(ends) + max(ends)) / 2 else "right"


def _marker(k: int, colour: bool, ascii_only: bool) -> str:
    """Curves differ by colour, or where there is none by marker."""
    if ascii_only:
        return ASCII_MARKERS[k % len(ASCII_MARKERS)]
    return "braille" if colour or k == 0 else PLAIN_MARKERS[k % len(PLAIN_MARKERS)]


def _log_ticks(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """Where and how to label a logarithmic axis from 10^low to 10^high."""
    if high - low > 2:
        ticks = decades(low, high, most)
        return ticks, [f"10^{tick}" for tick in ticks]
    ticks = np.linspace(low, high, min(5, most)).tolist()
    return ticks, [f"{10.0**tick:.3g}" for tick in ticks]


def _limits(prepared: list, picture: Picture) -> tuple[float, float]:
    values = np.concatenate([y for pieces in prepared for _, y in pieces])
    low, high = float(values.min()), float(values.max())
    if picture.log and math.ceil(high) - math.floor(low) > 2:
        low, high = math.floor(low), math.ceil(high)
    for _, value in picture.levels:
        level = math.log10(value) if picture.log else value
        low, high = min(low, level), max(high, level)
    if high == low:
        low, high = low - 0.5, high + 0.5
    return low, high


def decades(low: float, high: float, most: int = 8) -> list[int]:
    """Whole exponents of ten between two, at most ``most`` of them, evenly spaced."""
    first, last = math.ceil(low), math.floor(high)
    stride = max(1, math.ceil((last - first + 1) / most))
    return list(range(first, last + 1, stride))


def _plain(text: str) -> str:
    return text.translate(str.maketrans("┌┐└┘┤├┬┴┼─│", "++++++++" + "+-|"))


# --- pictures of a run -------------------------------------------------------------------

VIEWS: dict[str, tuple[str, str, bool]] = {
    "loss": ("loss", "loss", False),
    "distance": ("distance", "distance of the twins (L1)", True),
    "exponent": ("lyapunov", "running exponent (nats per step)", False),
    "accuracy": ("train_accuracy", "accuracy on the train part", False),
    "test-accuracy": ("test_accuracy", "accuracy on the test part", False),
    "weight-norm": ("weight_norm", "weight norm (L1)", False),
}


def picture(run: Run, what: str) -> Picture:
    """The chart of one view of a run; InputError for an unknown or unmeasured one.

    ``what``: a view, ``layers`` (distance by layer), or a column of series.csv. Many
    references are drawn as their median and the 10th and 90th percentile.
    """
    known = run.columns
    if what == "layers":
        curves = [
            Curve(name.removeprefix("distance."), run.steps, _median(run.column(name)))
            for name in known
            if name.startswith("distance.")
        ]
        return Picture("distance by layer (median, L1)", _measured(curves, what), log=True)
    if what not in VIEWS and what not in known:
        choices = dict.fromkeys([*VIEWS, "layers", *known])
        raise InputError(f"--what {what}: {nearest(what, choices)}")
    column, title, log = VIEWS.get(what, (what, what, what.startswith("distance")))
    values = run.column(column)
    log = log or _spans_decades(values)
    levels = (("zero", 0.0),) if what == "exponent" else ()
    curves = _measured(_spread(run.steps, values), what)
    return Picture(f"{run.experiment.name}: {title}", curves, log, levels=levels)


def _spans_decades(values: np.ndarray) -> bool:
    """Whether values are all positive and so far apart that a linear axis would hide most."""
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and finite.min() > 0 and finite.max() > 1e4 * finite.min()


def _measured(curves: list[Curve], what: str) -> list[Curve]:
    if not any(np.isfinite(curve.y).any() for curve in curves):
        raise InputError(f"--what {what}: was not measured in this run")
    return curves


def _spread(steps: np.ndarray, values: np.ndarray) -> list[Curve]:
    count = values.shape[1] if values.size else 0
    if count <= 5:
        return [Curve(f"reference {k}", steps, values[:, k]) for k in range(count)]
    curves = [Curve(f"median of {count}", steps, _median(values))]
    for q in (10, 90):
        curves.append(Curve(f"{q} %", steps, percentile(values, q)))
    return curves


def _median(values: np.ndarray) -> np.ndarray:
    return percentile(values, 50)


def percentile(values: np.ndarray, q: float) -> np.ndarray:
    """Percentile over references (T,), of the finite ones; NaN where there is none."""
    found = np.full(len(values), np.nan)
    some = np.isfinite(values).any(axis=1)
    if some.any():
        found[some] = np.nanpercentile(values[some], q, axis=1)
    return found
