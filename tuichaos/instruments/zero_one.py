"""The 0–1 test for chaos of the scalar series.

p(n) = Σ_{j≤n} φ(j)·cos jc and q(n) = Σ_{j≤n} φ(j)·sin jc stay bounded where the dynamics is
regular and wander like a random walk where it is chaotic: K, the correlation of their mean
square displacement with time, is near 0 or near 1 (Gottwald and Melbourne 2004, Proc. R. Soc.
A 460, 603–611). As they recommend (2009, SIAM J. Appl. Dyn. Syst. 8, 129–145): the displacement
D_c(n) has its oscillating term (Eφ)²(1 − cos nc)/(1 − cos c) taken away, here by centring φ,
which makes that term 0; n goes up to a tenth of the series; K is the median over 100
frequencies c from (π/5, 4π/5), drawn from the seed.

It does not tell chaos from noise (K near 1 for both), and a slow orbit or a flow that is
sampled too often looks regular: hence the stride (see ``stride_of``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuichaos.common.rng import Purpose, generator
from tuichaos.instruments.autocorrelation import autocorrelation
from tuichaos.instruments.base import Findings
from tuichaos.instruments.series_window import (
    MAX_NEWEST,
    OfSeries,
    SeriesWindow,
    Unmeasured,
    summary,
)
from tuichaos.instruments.signals import MAX_STEPS

FREQUENCIES = 100
LOWEST, HIGHEST = math.pi / 5, 4 * math.pi / 5
CUT = 10  # the displacement is followed over this part of the series
LEAST = 500  # values after the stride: 50 displacements
CORRELATED = 1 / math.e  # values that are correlated more than this are sampled too often
AT_ONCE = 10  # frequencies that are in memory together
PLANE = 1000  # newest points of the plane p, q that are kept for a chart


@dataclass(frozen=True)
class ZeroOne:
    """``k`` (median over frequencies), between which 80 % of the frequencies lie, ``stride``
    in steps and ``points`` used; the plane (n, 2) of the frequency ``c`` that gave the
    median."""

    k: float
    low: float
    high: float
    stride: int
    points: int
    c: float
    start: int
    plane: np.ndarray


class ZeroOneTest(OfSeries, kept_as="ZeroOneTest"):
    """K over the newest MAX_NEWEST values at a stride of the part.

    References
    ----------
    .. [1] Gottwald and Melbourne 2004, Proc. R. Soc. A 460, 603–611: p(n), q(n) and K.
    .. [2] Gottwald and Melbourne 2009, SIAM J. Appl. Dyn. Syst. 8, 129–145: K by correlation, 100
       frequencies c, and the oscillating term of D_c(n).
    """

    depends_on_steps = False
    key = "zero_one"
    most = MAX_STEPS

    def measured(self, part: SeriesWindow) -> ZeroOne:
        part.require(LEAST)
        stride = stride_of(part.values)
        count = min((len(part.values) - 1) // stride + 1, MAX_NEWEST)
        if count < LEAST:
            raise Unmeasured(
                f"too few steps: the series changes so slowly that only every {stride}th is taken"
            )
        first = len(part.values) - 1 - (count - 1) * stride
        values = part.values[first::stride]
        seed = self.context.experiment.seed
        rng = generator(seed, Purpose.ZERO_ONE, part.reference)
        frequencies = rng.uniform(LOWEST, HIGHEST, FREQUENCIES)
        k = zero_one(values, frequencies)
        middle = int(np.argsort(k, kind="stable")[len(k) // 2])
        c = float(frequencies[middle])
        path = _translations(values, frequencies[middle : middle + 1])[0][-PLANE:]
        low, high = np.quantile(k, [0.1, 0.9])
        start = part.end - (len(path) - 1) * stride
        plane = np.stack([path.real, path.imag], axis=1)
        return ZeroOne(float(np.median(k)), low, high, stride, count, c, start, plane)

    def collected(self, found: Sequence[Any], window: list[int] | None) -> Findings:
        rows: list[list[Any]] = []
        plane: list[list[Any]] = []
        measured = {k: one for k, one in enumerate(found) if not isinstance(one, str)}
        for reference in range(len(found)):
            one = measured.get(reference)
            if one is None:
                rows.append([reference, *[math.nan] * 6])
                continue
            rows.append([reference, one.k, one.low, one.high, one.stride, one.points, one.c])
            steps = one.start + one.stride * np.arange(len(one.plane))
            pairs = zip(steps.tolist(), one.plane.tolist(), strict=True)
            plane += [[reference, step, *point] for step, point in pairs]
        if measured:
            spans = [(one.points - 1) * one.stride for one in measured.values()]
            window = [self.signals.end - max(spans), self.signals.end]
        columns = {name: [getattr(one, name) for one in measured.values()] for name in NAMES}
        heads = ["reference", "k", "low", "high", "stride", "points", "c"]
        return Findings(
            summary={"zero_one": summary(found, window, columns)},
            tables={
                "zero_one.csv": (heads, rows),
                "zero_one-plane.csv": (["reference", "step", "p", "q"], plane),
            },
        )


NAMES = ("k", "stride", "points")


def stride_of(x: np.ndarray) -> int:
    """The first lag at which a series (T,) is correlated with itself by at most 1/e, or at
    which its autocorrelation has its first minimum: 1 for most maps, more for a flow.

    Raises Unmeasured where a tenth of the series is not enough: it drifts, and has not been
    anywhere twice.
    """
    rho = autocorrelation(x, len(x) // CUT)
    low = np.flatnonzero((rho <= CORRELATED) | (np.diff(rho, append=-np.inf) > 0))
    if not len(low):
        raise Unmeasured("the series drifts through the whole stretch: too slow to tell")
    return int(low[0]) + 1


def zero_one(x: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """K of a series (N,), N ≥ 20, for each frequency c (k,): (k,), between −1 and 1."""
    n = np.arange(1, len(x) // CUT + 1)
    time = (n - n.mean()) / n.std()
    found = []
    for first in range(0, len(frequencies), AT_ONCE):
        moved = displacements(x, frequencies[first : first + AT_ONCE])
        moved = moved - moved.mean(axis=1, keepdims=True)
        size = moved.std(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(np.where(size > 0, (moved * time).mean(axis=1) / size, 0.0))
    return np.concatenate(found)


def displacements(x: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """D_c(n), the mean square displacement of (p, q) over n = 1 … N/10 steps from each of the
    first 9N/10 on, of a series (N,) and frequencies (k,): (k, N/10). By FFT."""
    from scipy import fft

    z = _translations(x, frequencies)
    z = z - z.mean(axis=1, keepdims=True)  # displacements stay; smaller numbers cancel less
    cut = len(x) // CUT
    starts = len(x) - cut
    size = fft.next_fast_len(len(x) + cut)
    products = fft.ifft(
        np.conj(fft.fft(z[:, :starts], size, axis=1)) * fft.fft(z, size, axis=1), axis=1
    ).real[:, 1 : cut + 1]
    squares = np.cumsum(z.real**2 + z.imag**2, axis=1)
    n = np.arange(1, cut + 1)
    ahead = squares[:, starts - 1 + n] - squares[:, n - 1]
    return (ahead + squares[:, starts - 1 : starts] - 2 * products) / starts


def _translations(x: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """p + iq of the centred series (N,) for frequencies (k,): (k, N) complex."""
    angles = frequencies[:, None] * np.arange(1, len(x) + 1)
    return np.cumsum((x - x.mean()) * np.exp(1j * angles), axis=1)
