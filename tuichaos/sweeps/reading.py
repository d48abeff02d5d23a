"""sweep.csv read back."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from tuichaos.bounds import check_file
from tuichaos.errors import InputError

NAME = "sweep.csv"
MOST_BYTES = 100_000_000  # a million points; in memory ten times as much


def read(folder: Path) -> dict[str, np.ndarray | list[str]]:
    """The columns of sweep.csv: numbers (points,), NaN where empty, or texts.

    InputError where it cannot be read.
    """
    path = folder / NAME
    try:
        check_file(path)
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: is larger than {MOST_BYTES // 10**6} MB")
        with open(path, encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if any(len(row) != len(head) for row in rows):
        raise InputError(f"{path}: is damaged: a row of another length")
    return {name: _column([row[k] for row in rows]) for k, name in enumerate(head)}


def _column(cells: list[str]) -> np.ndarray | list[str]:
    try:
        return np.array([float(cell) if cell else math.nan for cell in cells])
    except ValueError:
        return cells
