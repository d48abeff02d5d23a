"""Rows of series.csv are the same text, whether few are written at once or many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from tuichaos.storage import series_text
from tuichaos.storage.series_text import series_lines

HARD = [0.0, -0.0, 1.0, -3.0, 1e15, 1e16, 123456789012345680.0, 1e22, 1e-4, 9.9999e-5, 1e-5]
HARD += [5e-324, 1.7976931348623157e308, 0.1, 1 / 3, 999999999999999.9, 1e15 - 0.125]
HARD += [999999999999.5, 1e12 + 0.5, np.nan, np.inf, -np.inf]


def both(columns, references):
    steps = np.arange(7, 7 + len(columns["loss"]))
    kept = np.arange(0, len(steps), 2)
    names = ["loss", "distance", "other"]
    found = []
    for many in (10**9, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(series_text, "MANY", many)
            found.append(series_lines(steps, kept, columns, names, references))
    return found


@settings(deadline=None)
@given(some.lists(some.floats(width=64), min_size=1, max_size=60))
@example(HARD)
@example([np.nan, np.inf])
def test_any_numbers(values):
    column = np.array(values)[:, None]
    few, many = both({"loss": column, "distance": column[::-1]}, 1)
    assert many == few


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_numbers_of_every_size(kind):
    rng = np.random.default_rng(3)
    values = (rng.standard_normal((300, 40)) * 10.0 ** rng.uniform(-12, 18, (300, 40))).astype(kind)
    values[rng.random(values.shape) < 0.1] = np.nan
    few, many = both({"loss": values, "distance": np.round(values, 3), "other": values * 1e-5}, 40)
    assert many == few
    assert few.count("\n") == 150 * 40
    assert float(few.split(",")[2]) == float(values[0, 0])
