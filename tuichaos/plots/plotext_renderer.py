"""Pictures drawn with plotext, for the command line and the explorer alike."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tuichaos.common.ascii_text import RAISED, plain
from tuichaos.plots.figure import DRAWABLE, Curve, Picture, Role, lettered, prepare
from tuichaos.plots.legends import GAP, flow, more

LABEL_WIDTH = 6  # at least, so that the axes of charts above each other meet
X_TICK = 14  # characters of the x axis for each of its labels
MAX_PLAIN = 5  # powers of ten that an x axis is labelled with 0.01, 0.1, … instead of 10⁻², …
LABEL_HEIGHT = 12  # lines; a smaller chart leaves out the name of its x axis

MANY = 1_000  # columns, more than any terminal has
LARGEST = 307  # power of ten of a tick
DIGITS = (range(1, 10), (1, 2, 5), (1, 3), (1,))  # of the ticks of a short logarithmic axis

# Eight that differ, of the sixteen every terminal has.
COLOURS = ("cyan", "orange", "green", "magenta", "red", "blue", "orange+", "gray+")
BOUND = "blue"  # of a single curve; bounds of several have their curve's colour
BEHIND = "gray"
MARK = "orange"  # of lines that mark a place
LINE = "│ "  # at the head of a note on one
MARK_LINES = 3  # on which names of marks stand in turn
MAX_LEGEND = 3  # lines of a legend
LETTER_CELLS = 40  # of a line between two of its letters
PLAIN_MARKERS = "*ox+#s%@"
SMALL_MARKERS = {Role.LOW: "·", Role.HIGH: "˙", Role.RAW: "·", Role.FIT: "="}
ASCII_MARKERS = {Role.LOW: ".", Role.HIGH: "'", Role.RAW: ".", Role.FIT: "="}
LOG10 = "log10 "  # at the head of the name of an axis whose places are logarithms
BANDS = {"10 %": "10–90 %", "95 % low": "95 % interval"}  # two bounds by one name
SUPERSCRIPTS = str.maketrans("-0123456789", RAISED)


CODE = re.compile(r"(\x1b\[[0-9;]*m)")
UPPER = 0.6  # share of the lines that the first of several charts has


def stacked(
    pictures: Sequence[Picture], width: int, height: int, *, colour: bool, ascii_only: bool
) -> str:
    """Pictures under one another, in ``height`` lines together, with equal margins; only the
    last one names the x axis."""
    if len(pictures) == 1:
        return draw(pictures[0], width, height, colour=colour, ascii_only=ascii_only)
    upper = round(UPPER * height)
    rest = (height - upper) // (len(pictures) - 1)
    heights = [upper, *[rest] * (len(pictures) - 1)]
    shown = [*(replace(one, x_label="") for one in pictures[:-1]), pictures[-1]]
    both = list(zip(shown, heights, strict=True))
    margin = max(_margin(one, width, lines) for one, lines in both)
    how = {"colour": colour, "ascii_only": ascii_only, "margin": margin}
    return "\n".join(draw(one, width, lines, **how).rstrip("\n") for one, lines in both)


def _margin(picture: Picture, width: int, height: int) -> int:
    """How wide the labels of its y axis are."""
    prepared = [prepare(_near(c, picture), picture.log, width) for c in picture.curves]
    if not any(prepared):
        return LABEL_WIDTH
    return max([LABEL_WIDTH, *map(len, _y_ticks(picture, prepared, height)[1])])


def draw(
    picture: Picture,
    width: int,
    height: int,
    *,
    colour: bool,
    ascii_only: bool,
    margin: int = LABEL_WIDTH,
) -> str:
    """The picture as text of ``height`` lines; says so when there is nothing to draw.

    A picture with a title has it in the first line, and its legend in the second one.
    ``margin``: characters that labels of the y axis have at least.
    """
    curves = [_near(_within(picture, c), picture) for c in picture.curves]
    prepared = [prepare(c, picture.log, width) for c in curves]
    if not any(prepared):
        return f"{picture.title}: nothing to draw"[-width:] if picture.title else "nothing to draw"
    head = []
    picture = lettered(picture)
    if picture.title:
        marks = [mark + name for mark, name in legend(picture, colour, ascii_only)]
        most = MAX_LEGEND if height >= LABEL_HEIGHT else 1
        head = [picture.title[:width], *_flowed(marks, width, most, colour)]
    text = _plot(picture, prepared, width, height - len(head), colour, ascii_only, margin)
    text = "\n".join([*head, text])
    return plain(text) if ascii_only else text


def y_axis(picture: Picture) -> tuple[float, float]:
    """Where the y axis of a picture that has points begins and ends, in logarithms where it is
    logarithmic."""
    prepared = [prepare(_within(picture, c), picture.log, MANY) for c in picture.curves]
    return _limits(prepared, picture)


def _within(picture: Picture, curve: Curve) -> Curve:
    """The curve where it lies on the y axis that was asked for."""
    if picture.y_range is None:
        return curve
    low, high = picture.y_range
    return replace(curve, y=np.where((curve.y >= low) & (curve.y <= high), curve.y, np.nan))


def _near(curve: Curve, picture: Picture) -> Curve:
    """A curve without what lies farther off its axis than the axis is long: a line to there
    would be drawn dot by dot."""
    if picture.x_range is None or not len(curve.x):
        return curve
    first, last = picture.x_range
    span = last - first
    near = (curve.x >= first - span) & (curve.x <= last + span)
    return curve if near.all() else replace(curve, y=np.where(near, curve.y, np.nan))


def legend(
    picture: Picture, colour: bool, ascii_only: bool, *, short: bool = False
) -> Iterator[tuple[str, str]]:
    """What each curve is called, behind its letter and a mark in its colour (ANSI) or its
    marker, of one character if ``short``; a lower and an upper bound have one entry. Then the
    notes on lines that mark a place."""
    import plotext

    picture = lettered(picture)
    for curve, paint, marker in _styles(picture, colour, ascii_only):
        if curve.role not in (Role.RAW, Role.HIGH):
            mark = ("━" if marker == "braille" else marker) * (1 if short else 2)
            name = BANDS.get(curve.name, curve.name)
            if curve.letter and curve.role == Role.MAIN:
                mark = f"{curve.letter} {mark[:1]}"
            yield (plotext.colorize(mark, paint) if colour else mark) + " ", name
    for note in picture.notes:
        if note.startswith(LINE):
            note = note.removeprefix(LINE)
            yield plotext.colorize(LINE, MARK) if colour else LINE, note
        else:
            yield "", note


def _flowed(entries: Sequence[str], width: int, most: int, colour: bool) -> list[str]:
    """Entries side by side on at most so many lines; how many had no room is said."""
    lines, left = flow([_length(entry) for entry in entries], width, most)
    texts = [[entries[k] for k in line] for line in lines]
    texts[-1] += [more(left)] if left else []
    return [_cut((" " * GAP).join(line), width, colour) for line in texts]


def _length(text: str) -> int:
    """How wide it is: colour codes take no room."""
    return len(CODE.sub("", text))


def _cut(text: str, width: int, colour: bool) -> str:
    """A line no longer than ``width``, its colour codes not counted."""
    if not colour:
        return text[:width]
    kept, room = [], width
    for piece in CODE.split(text):  # colour codes take no room
        if not CODE.fullmatch(piece):
            piece, room = piece[:room], room - len(piece[:room])
        kept.append(piece)
    return "".join(kept) + "\x1b[0m"


def _styles(picture: Picture, colour: bool, ascii_only: bool) -> Iterator[tuple[Curve, str, str]]:
    """Each curve with its colour and its marker; where there is no colour markers differ."""
    mains = sum(curve.role == Role.MAIN for curve in picture.curves)
    number = -1
    for curve in picture.curves:
        number += curve.role == Role.MAIN
        own = COLOURS[max(number, 0) % len(COLOURS)]
        if curve.role == Role.MAIN:
            paint = own
        elif curve.role == Role.RAW:
            paint = BEHIND
        elif curve.role == Role.FIT:
            paint = COLOURS[mains % len(COLOURS)]
        else:
            paint = BOUND if mains == 1 else own
        yield curve, paint, _marker(curve.role, max(number, 0), colour, ascii_only)


def _marker(role: Role, number: int, colour: bool, ascii_only: bool) -> str:
    if ascii_only:
        return ASCII_MARKERS.get(role, PLAIN_MARKERS[number % len(PLAIN_MARKERS)])
    if colour or (role == Role.MAIN and number == 0):
        return "braille"
    return SMALL_MARKERS.get(role, PLAIN_MARKERS[number % len(PLAIN_MARKERS)])


def _plot(
    picture: Picture,
    prepared: list,
    width: int,
    height: int,
    colour: bool,
    ascii_only: bool,
    margin: int,
) -> str:
    import plotext

    plotext.clear_figure()
    plotext.limit_size(False, False)  # it is not the terminal that bounds a chart
    plotext.plotsize(width, height)
    plotext.theme("clear" if not colour else "default")
    plotext.canvas_color("default")
    plotext.axes_color("default")
    plotext.ticks_color("default")
    plotext.xaxes(True, False)
    plotext.yaxes(True, False)
    if height >= LABEL_HEIGHT:
        plotext.xlabel(picture.x_label.removeprefix(LOG10 if picture.x_log else ""))
    low, high = _limits(prepared, picture)
    # What lies behind is drawn first.
    styled = zip(_styles(picture, colour, ascii_only), prepared, strict=True)
    for (curve, paint, marker), pieces in sorted(styled, key=lambda item: _depth(item[0][0])):
        drawn = plotext.plot if curve.joined else plotext.scatter
        for x, y in pieces:
            drawn(x.tolist(), y.tolist(), color=paint, marker=marker)
    _lines(picture, prepared, low, high, height)
    _letters(picture, prepared, width, colour, ascii_only)
    plotext.ylim(low, high)
    places = _y_ticks(picture, prepared, height)
    plotext.yticks(places[0], [label.rjust(margin) for label in places[1]])
    first, last = _ends(picture, prepared)
    if last > first:
        plotext.xlim(first, last)
    plotext.xticks(*_x_ticks(first, last, max(2, width // X_TICK), picture.x_log))
    text = plotext.build()
    if not colour:
        text = plotext.uncolorize(text)
    return text


def _y_ticks(picture: Picture, prepared: list, height: int) -> tuple[list[float], list[str]]:
    """Where and how to label the y axis."""
    low, high = _limits(prepared, picture)
    ticks = max(2, min(8, (height - 3) // 2))
    return _log_ticks(low, high, ticks) if picture.log else _linear_ticks(low, high, ticks)


def _depth(curve: Curve) -> int:
    order = (Role.RAW, Role.LOW, Role.HIGH, Role.FIT, Role.MAIN)
    return order.index(curve.role)


def _letters(picture: Picture, prepared: list, width: int, colour: bool, ascii_only: bool) -> None:
    """The letters of curves, each at places of its own along them."""
    import plotext

    first, last = _ends(picture, prepared)
    styled = list(zip(_styles(picture, colour, ascii_only), prepared, strict=True))
    styled = [(c, p, parts) for (c, p, _), parts in styled if c.letter and c.role == Role.MAIN]
    times = max(1, width // LETTER_CELLS)
    for k, (curve, paint, pieces) in enumerate(styled):
        if not pieces:
            continue
        x, y = (np.concatenate([piece[axis] for piece in pieces]) for axis in (0, 1))
        for turn in range(times):
            share = (turn + (k + 0.5) / len(styled)) / times
            at = int(np.abs(x - (first + share * (last - first))).argmin())
            plotext.text(curve.letter, float(x[at]), float(y[at]), color=paint)


def _lines(picture: Picture, prepared: list, low: float, high: float, height: int) -> None:
    """Levels and marks, with their names."""
    import plotext

    first, last = _ends(picture, prepared)
    for name, level in _levels(picture):
        plotext.hline(level, "gray")
        plotext.text(name, last, level, color="gray", alignment="right")
    for k, (name, place) in enumerate(picture.marks):
        if first <= place <= last:
            plotext.vline(place, MARK if name else "gray")
            side = "left" if place < (first + last) / 2 else "right"
            below = k % MARK_LINES * (high - low) / max(1, height - 4)
            level = high - below  # neighbours do not write over each other
            plotext.text(name, place, level, color=MARK, alignment=side)


def _levels(picture: Picture) -> Iterator[tuple[str, float]]:
    """The levels that have a place on the y axis, and where it is."""
    for name, value in picture.levels:
        if not abs(value) <= (math.inf if picture.log else DRAWABLE) or math.isinf(value):
            continue
        if not picture.log:
            yield name, value
        elif value > 0:
            yield name, math.log10(value)


def _ends(picture: Picture, prepared: list) -> tuple[float, float]:
    """Where the x axis begins and ends."""
    if picture.x_range is not None:
        return picture.x_range
    ends = [x for pieces in prepared for xs, _ in pieces for x in (xs.min(), xs.max())]
    return min(ends), max(ends)


def _round_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most about ``most`` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    if rough == 0:  # between neighbours of the smallest numbers there are
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    if power == 0 or not math.isfinite(power):
        return [low, high]
    stride = next((f * power for f in (1, 2, 5, 10) if f * power >= rough), 10 * power)
    return [k * stride for k in range(math.ceil(low / stride), math.floor(high / stride) + 1)]


def _linear_ticks(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """Where and how to label a linear axis; its ends where no two round numbers fit."""
    finer = (_round_ticks(low, high, count) for count in range(most, most + 4))
    ticks = next((ticks for ticks in finer if len(ticks) > 1), [low, high])
    return ticks, [f"{tick + 0.0:.4g}" for tick in ticks]


def _x_ticks(first: float, last: float, most: int, log: bool) -> tuple[list[float], list[str]]:
    """Where and how to label the x axis."""
    if log:
        return _log_ticks(first, last, most, MAX_PLAIN)
    places = _linear_ticks(first, last, most)[0]
    return places, [f"{place + 0.0:g}" for place in places]


def _log_ticks(
    low: float, high: float, most: int, most_plain: int = 2
) -> tuple[list[float], list[str]]:
    """Where and how to label a logarithmic axis from 10^low to 10^high: with powers of ten
    where it is of more than ``most_plain`` of them."""
    if high - low > most_plain:
        ticks = decades(low, high, most)
        return ticks, [f"10{str(tick).translate(SUPERSCRIPTS)}" for tick in ticks]
    low, high = (min(max(end, -LARGEST), LARGEST) for end in (low, high))
    powers = range(math.floor(low), math.ceil(high) + 1)
    for digits in DIGITS:
        values = [digit * 10.0**power for power in powers for digit in digits]
        ticks = [v for v in values if v > 0 and low - 1e-9 <= math.log10(v) <= high + 1e-9]
        if 1 < len(ticks) <= most:
            break
    else:  # less than from one digit to the next, or too low a chart
        ticks = [v for v in _linear_ticks(10.0**low, 10.0**high, most)[0] if v > 0]
    return [math.log10(tick) for tick in ticks], [f"{tick:.4g}" for tick in ticks]


def _limits(prepared: list, picture: Picture) -> tuple[float, float]:
    if picture.y_range is not None:
        low, high = picture.y_range
        return (math.log10(low), math.log10(high)) if picture.log else (low, high)
    values = np.concatenate([y for pieces in prepared for _, y in pieces])
    low, high = float(values.min()), float(values.max())
    if picture.log and math.ceil(high) - math.floor(low) > 2:
        low, high = math.floor(low), math.ceil(high)
    for _, level in _levels(picture):
        low, high = min(low, level), max(high, level)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        margin = 0.5 * max(1.0, abs(low))
        low, high = low - margin, high + margin
    return low, high


def decades(low: float, high: float, most: int = 8) -> list[int]:
    """Whole exponents of ten between two, at most ``most`` of them, evenly spaced."""
    first, last = math.ceil(low), math.floor(high)
    stride = max(1, math.ceil((last - first + 1) / most))
    return list(range(first, last + 1, stride))


def axis_ticks(low: float, high: float, most: int, log: bool) -> tuple[list[float], list[str]]:
    """Where and how to label an axis from ``low`` to ``high``, at most about ``most`` labels; of
    a logarithmic one the places and the ends are powers of ten."""
    return _log_ticks(low, high, most) if log else _linear_ticks(low, high, most)
