"""Warnings of features that may be none: an index, an id, a column of one value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_NAMED = 3
LEAST_RISING = 10  # rows: fewer whole numbers may rise by chance
KEPT = "it is taken as a feature: to leave it out, cut the column out of the file"


def warnings(x: np.ndarray, names: Sequence[str], first: bool) -> list[str]:
    """What is odd about columns of samples ``x`` (samples, features), called ``names``.
    ``first``: whether the first of them is the first of the file, where an index stands."""
    index = counted(x[:, 0]) if first else ""
    found = []
    if index:
        found.append(
            f"{names[0]} counts {index}: if it is an index, it gives the order of the rows away; "
            "it is taken as a feature"
        )
    rising = [name for k, name in enumerate(names) if k >= bool(index) and _rises(x[:, k])]
    if rising:
        found.append(
            f"{some(rising)} rises by whole numbers from row to row, as an id does; {KEPT}"
        )
    still = [name for k, name in enumerate(names) if len(x) > 1 and (x[:, k] == x[0, k]).all()]
    if still:
        found.append(f"{some(still)} has one value in all rows; {KEPT}")
    return found


def counted(values: np.ndarray) -> str:
    """The numbers from 0 or from 1 that a column holds, in words; empty if it does not."""
    if len(values) < 3:
        return ""
    steps = np.arange(len(values))
    for first, words in ((0, "0, 1, 2, …"), (1, "1, 2, 3, …")):
        if np.array_equal(values, steps + first):
            return words
    return ""


def some(names: Sequence[str]) -> str:
    """The first of some names, and how many others there are."""
    if len(names) <= MAX_NAMED:
        return ", ".join(names)
    return f"{names[0]} and {len(names) - 1} other columns, each,"


def _rises(values: np.ndarray) -> bool:
    """Whether whole numbers rise from each row to the next."""
    if len(values) < LEAST_RISING or not (np.diff(values) > 0).all():
        return False
    return bool((values == np.round(values)).all())
