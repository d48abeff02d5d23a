"""sweep.csv read back."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TextIO

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.limits import check_file
from tuichaos.storage.column_reader import whole_lines
from tuichaos.storage.run_reader import words_of

NAME = "sweep.csv"
DIAGRAM = "diagram.csv"  # the points of an orbit diagram
MAX_BYTES = 100_000_000  # a million points; in memory ten times as much
MAX_CELLS = 20_000_000
SHORT = 4


def read(folder: Path, name: str = NAME) -> dict[str, np.ndarray | list[str]]:
    """The columns of sweep.csv, or of another table: numbers (rows,), NaN where empty, or texts.

    InputError where it cannot be read.
    """
    path = folder / name
    try:
        check_file(path)
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: is larger than {MAX_BYTES // 10**6} MB")
        with open(path, encoding="utf-8", newline="") as file:
            head, *rows = _rows(file, path) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {words_of(error)}") from None
    if any(len(row) != len(head) for row in rows):
        raise InputError(f"{path}: is damaged: a row of another length")
    return {name: _column([row[k] for row in rows]) for k, name in enumerate(head)}


def _rows(file: TextIO, path: Path) -> list[list[str]]:
    found, cells, short = [], 0, {}
    for row in csv.reader(whole_lines(file, path)):
        # Texts of a few characters, which may be millions, are in memory once.
        found.append([short.setdefault(c, c) if len(c) < SHORT else c for c in row])
        cells += 1 + len(row)
        if cells > MAX_CELLS:
            raise InputError(f"{path}: has more than {MAX_CELLS // 10**6} million fields")
    return found


def _column(cells: list[str]) -> np.ndarray | list[str]:
    try:
        return np.array([float(cell) if cell else math.nan for cell in cells])
    except ValueError:
        return cells
