"""Charts: what goes into them, and that nothing breaks them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tuichaos.plots.figure import Curve, Picture, Role, prepare
from tuichaos.plots.plotext_renderer import _linear_ticks, _log_ticks, decades, draw

X = np.arange(1000.0)


def test_gaps_split_a_curve_and_nothing_bad_gets_through():
    y = np.sin(X / 50)
    y[100:110] = np.nan
    y[500] = np.inf
    pieces = prepare(Curve("a", X, y), log=False, columns=2000)
    assert [len(x) for x, _ in pieces] == [100, 390, 499]
    assert all(np.isfinite(values).all() for _, values in pieces)


def test_logarithms_leave_out_what_has_none():
    pieces = prepare(Curve("a", X[:4], np.array([1.0, 0.0, -1.0, 100.0])), log=True, columns=10)
    assert [values.tolist() for _, values in pieces] == [[0.0], [2.0]]


def test_thinning_keeps_spikes():
    y = np.zeros(100_000)
    y[[77, 54_321]] = [5, -7]
    x = np.arange(100_000.0)
    ((thin_x, thin_y),) = prepare(Curve("a", x, y), log=False, columns=160)
    assert len(thin_x) < 400
    assert thin_y.max() == 5
    assert thin_y.min() == -7
    assert thin_x[0] == 0
    assert thin_x[-1] == 99_999


@pytest.mark.parametrize("width", [40, 80, 140])
@pytest.mark.parametrize(
    "y",
    [
        np.full(50, np.nan),
        np.zeros(50),
        np.full(50, 3.0),
        np.where(np.arange(50) % 2, np.nan, 1.0),
        np.geomspace(1e-300, 1e300, 50),
        np.array([1.0] + [np.inf] * 49),
    ],
    ids=["nothing", "zeros", "constant", "dots", "huge", "infinite"],
)
def test_drawing_anything(y, width):
    for log in (False, True):
        picture = Picture("t", [Curve("a", X[:50], y)], log, levels=(("one", 1.0),))
        text = draw(picture, width, 12, colour=False, ascii_only=False)
        assert "\x1b" not in text
        assert all(len(line) <= width for line in text.splitlines())
        assert "nan" not in text
        plain = draw(picture, width, 12, colour=False, ascii_only=True)
        assert plain.isascii()


def test_drawing_the_same_picture_twice():
    picture = Picture("t", [Curve("a", X[:50], np.geomspace(1, 1e9, 50))], log=True)
    once = draw(picture, 80, 12, colour=True, ascii_only=False)
    assert once == draw(picture, 80, 12, colour=True, ascii_only=False)
    assert "10⁰" in once
    assert "10⁹" in once or "10⁸" in once


def test_a_chart_is_as_wide_as_it_is_asked_to_be():
    picture = Picture("t", [Curve("a", X[:50], X[:50])])
    lines = draw(picture, 180, 40, colour=False, ascii_only=False).splitlines()
    assert len(lines) == 40
    assert max(map(len, lines)) == 180


def test_decades():
    assert decades(-7.2, 1.0) == [-7, -6, -5, -4, -3, -2, -1, 0, 1][::2]
    assert decades(0, 3) == [0, 1, 2, 3]
    assert len(decades(-300, 300)) <= 8


def test_ticks_of_a_short_logarithmic_axis_are_round_and_where_they_belong():
    ticks, labels = _log_ticks(np.log10(0.4), np.log10(30), 5)
    assert labels == ["1", "3", "10", "30"]
    assert 10.0 ** np.array(ticks) == pytest.approx([float(label) for label in labels])
    ticks, labels = _log_ticks(np.log10(0.96), np.log10(1.04), 5)
    assert "1" in labels
    assert ticks[labels.index("1")] == pytest.approx(0, abs=1e-12)
    assert len(ticks) >= 2


def test_every_axis_has_two_ticks():
    for low, high in ((0.0, 3.0), (17.0, 19.5), (-0.93, 0.47), (1e-9, 9e-9)):
        assert len(_linear_ticks(low, high, 2)[0]) >= 2


@pytest.mark.parametrize(("colour", "ascii_only"), [(True, False), (False, False), (False, True)])
def test_lines_are_told_apart_without_colour(colour, ascii_only):
    x = np.arange(200.0)
    curves = [Curve(f"run {k}", x, 10.0 * k + np.sin(x)) for k in range(3)]
    low = Curve("10 %", x, curves[0].y - 1, Role.LOW)
    picture = Picture("t", [curves[0], low, *curves[1:]])
    text = draw(picture, 80, 20, colour=colour, ascii_only=ascii_only)
    plainly = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    named = [re.search(rf"{letter} \S+ run {k}", plainly[1]) for k, letter in enumerate("ABC")]
    assert all(named)
    for k, letter in enumerate("ABC"):  # each on its own curve, twice
        lines = [line for line in plainly[2:] if letter in line]
        assert sum(line.count(letter) for line in lines) == 2
        assert all(not (set("ABC") - {letter}) & set(line) for line in lines), k
    alone = Picture("t", curves[:1])
    assert " A " not in draw(alone, 80, 20, colour=False, ascii_only=ascii_only)


def test_a_legend_says_how_much_of_it_is_left_out():
    x = np.arange(9.0)
    curves = [Curve(f"a rather long name {k:02}", x, x + k) for k in range(12)]
    lines = draw(Picture("t", curves), 80, 24, colour=False, ascii_only=False).splitlines()
    told = " ".join(lines[1:4])
    names = sum(f"a rather long name {k:02}" in told for k in range(12))
    assert f"… {12 - names} more" in told
    assert max(map(len, lines)) <= 80
