"""Recurrence plot of the orbit and what it is quantified by.

R(i, j) = 1 where the orbit at step i is within a threshold of the orbit at step j (Eckmann,
Kamphorst and Ruelle 1987, Europhys. Lett. 4, 973–977). Recurrence rate: the share of pairs
i ≠ j with R = 1; determinism: the share of recurrent points on diagonal lines of at least 2;
mean diagonal: their mean length in steps; laminarity: the share on vertical lines of at least
2 (Marwan, Romano, Thiel and Kurths 2007, Phys. Rep. 438, 237–329). The line of identity is no
part of any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.thresholds import FLOOR_UNITS
from tuichaos.instruments.base import Findings, RunContext, option
from tuichaos.instruments.memory import Memory
from tuichaos.instruments.series_window import CONSTANT, OfSeries, SeriesWindow, Unmeasured, summary
from tuichaos.instruments.signals import Signals

POINTS = 400
MAX_POINTS = 1000  # distances of all pairs are in memory together
WORK = 1e8  # multiplications that distances of states may take; else those of the signal
SHARE = 0.1  # of the orbit's size (see ``recurrence``) that counts as near, below Marwan's 10 %
LEAST = 50  # points
PLOTTED = 200  # newest points of recurrence.csv: a terminal cannot show more


@dataclass(frozen=True)
class Recurrence:
    """``matrix`` (N, N) bool without the line of identity, and what it is quantified by;
    ``mean_diagonal`` is NaN without diagonal lines, shares are NaN without recurrence."""

    matrix: np.ndarray
    threshold: float
    rate: float
    determinism: float
    laminarity: float
    mean_diagonal: float


class RecurrencePlot(OfSeries, kept_as="RecurrencePlot"):
    """Over the newest ``points`` steps (400): Euclidean distance of whole states where that is
    affordable (enough of them kept, see Memory, and at most WORK multiplications), else of
    the signal; ``of`` in the summary says which. Steps that follow each other in time are
    not left out.

    References
    ----------
    .. [1] Eckmann, Kamphorst and Ruelle 1987, Europhys. Lett. 4, 973–977: R(i, j).
    .. [2] Marwan, Romano, Thiel and Kurths 2007, Phys. Rep. 438, 237–329: what quantifies it.
    """

    key = "recurrence"

    def __init__(self, context: RunContext, signals: Signals, memory: Memory) -> None:
        super().__init__(context, signals)
        self.memory = memory
        self.points = option(self.switch, "points", POINTS)
        self.most = self.points
        if self.points > MAX_POINTS:
            raise InputError(
                f"measure.recurrence: points must be at most {MAX_POINTS}, not {self.points}"
            )
        if self.points < LEAST:
            raise InputError(
                f"measure.recurrence: points must be at least {LEAST}, not {self.points}"
            )
        kept = memory.capacity >= min(self.points, context.steps + 1)
        self.states = kept and self.points**2 / 2 * memory.dimension <= WORK

    def measured(self, part: SeriesWindow) -> tuple[int, Recurrence]:
        part.require(LEAST, moving=False)
        x, floor = part.values[:, None], part.floor
        if self.states:
            x = self.memory.states(part.reference, part.start)[1]
            floor = FLOOR_UNITS * part.unit * float(np.abs(x).max())
        if np.ptp(x, axis=0).max() <= floor:
            raise Unmeasured(CONSTANT)
        return part.start, recurrence(x)

    def collected(self, found: Sequence[Any], window: list[int] | None) -> Findings:
        rows: list[list[Any]] = []
        measured = {k: one for k, one in enumerate(found) if not isinstance(one, str)}
        for reference, (start, one) in measured.items():
            skip = max(0, len(one.matrix) - PLOTTED)
            i, j = np.nonzero(np.triu(one.matrix[skip:, skip:]))
            first, second = (i + start + skip).tolist(), (j + start + skip).tolist()
            rows += [[reference, a, b] for a, b in zip(first, second, strict=True)]
        columns = {name: [getattr(one, name) for _, one in measured.values()] for name in NAMES}
        part = summary(found, window, columns)
        kind = "state" if self.states else self.signals.name
        return Findings(
            summary={"recurrence": {"of": kind, **part}},
            tables={"recurrence.csv": (["reference", "step", "other"], rows)},
        )


NAMES = ("rate", "determinism", "laminarity", "mean_diagonal", "threshold")


def recurrence(x: np.ndarray) -> Recurrence:
    """The recurrence plot of points (N, dimension) in order of time, N ≥ 2.

    The threshold is SHARE of the orbit's size, the root mean square distance from its mean
    (of a series, its standard deviation), so that the rate tells how much comes back.
    """
    from scipy.spatial.distance import pdist, squareform

    size = float(np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean()))
    threshold = SHARE * size
    matrix = squareform(pdist(x)) <= threshold
    np.fill_diagonal(matrix, False)
    points = int(matrix.sum())
    on_diagonals, diagonals = _on_lines(matrix, 1, 1)
    on_verticals, _ = _on_lines(matrix, 1, 0)
    nothing = float("nan")
    return Recurrence(
        matrix,
        threshold,
        points / (len(x) * (len(x) - 1)),
        on_diagonals / points if points else nothing,
        on_verticals / points if points else nothing,
        on_diagonals / diagonals if diagonals else nothing,
    )


def _on_lines(matrix: np.ndarray, down: int, right: int) -> tuple[int, int]:
    """How many points lie on lines of at least 2 in a direction, and how many such lines: a
    point does if one of its two neighbours is set, a line begins where only the next one is."""
    height, width = matrix.shape
    framed = np.zeros((height + 2, width + 2), dtype=bool)
    framed[1:-1, 1:-1] = matrix
    after = framed[1 + down : 1 + down + height, 1 + right : 1 + right + width]
    before = framed[1 - down : 1 - down + height, 1 - right : 1 - right + width]
    on = matrix & (after | before)
    return int(on.sum()), int((matrix & after & ~before).sum())
