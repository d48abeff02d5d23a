"""Intervals that are printed hold the truth as often as they say."""

from __future__ import annotations

import pytest
from coverage_table import PARTS

LOW, HIGH = 0.90, 0.98


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_intervals_hold_the_truth_as_often_as_they_say(part):
    for row in part():
        assert row.weights is not None or len(row.low) >= 100
        # What promises 95 % at least may hold it always.
        high = 1.0 if row.least else HIGH + row.allowance
        assert LOW - row.allowance <= row.coverage <= high, row.interval
        assert 0 < row.width < float("inf")
