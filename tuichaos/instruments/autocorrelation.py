"""Autocorrelation of the loss and of the state, with the band of shuffled series.

ρ(k) = ⟨δx(t)·δx(t+k)⟩/⟨δx(t)·δx(t)⟩, with δx the deviation from the mean over the window and
⟨ ⟩ the mean over the times that have a partner. Of states, the product is the scalar product
over all components: Σ_c⟨δx_c(t)·δx_c(t+k)⟩/Σ_c⟨δx_c²⟩. Shuffling a series keeps its values and
takes their order away: 95 % of the autocorrelations of SHUFFLES shuffled series lie in the
band (the null band of arXiv 2404.05782; on surrogates, Theiler et al. 1992, Physica D 58,
77–94).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.rng import Purpose, generator
from tuichaos.common.thresholds import FLOOR_UNITS
from tuichaos.instruments.base import Findings, RunContext, option
from tuichaos.instruments.memory import Memory
from tuichaos.instruments.series_window import (
    CONSTANT,
    MAX_NEWEST,
    OfSeries,
    SeriesWindow,
    Unmeasured,
    summary,
)
from tuichaos.instruments.signals import Signals

LAGS = 50
SHUFFLES = 1000  # the paper's number
AT_ONCE = 50  # shuffled series that are in memory together
SPAN = 4  # a lag needs a window so many times as long: else too few pairs are independent
LEAST = 40  # steps


@dataclass(frozen=True)
class Correlations:
    """ρ of one reference at lags 1, 2, …: of the signal, of the state, and the null band."""

    signal: np.ndarray
    state: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Autocorrelation(OfSeries, kept_as="Autocorrelation"):
    """ρ at lags 1 to ``lags`` (50; a quarter of the window at most) over the newest MAX_NEWEST
    steps; of the state over as many of these as are kept (see Memory), empty if too few.

    Each reference is shuffled by its own draws from the seed.

    References
    ----------
    .. [1] Danovski, Soriano and Lacasa 2024, arXiv 2404.05782: the null band of shuffled series.
    .. [2] Theiler et al. 1992, Physica D 58, 77–94: surrogates.
    """

    key = "autocorrelation"

    def __init__(self, context: RunContext, signals: Signals, memory: Memory) -> None:
        super().__init__(context, signals)
        self.memory = memory
        self.lags = option(self.switch, "lags", LAGS)
        if self.lags > MAX_NEWEST // SPAN:
            raise InputError(
                f"measure.autocorrelation: lags must be at most {MAX_NEWEST // SPAN}, "
                f"not {self.lags}"
            )

    def measured(self, part: SeriesWindow) -> Correlations:
        part.require(LEAST)
        lags = min(self.lags, len(part.values) // SPAN)
        signal = autocorrelation(part.values, lags)
        seed = self.context.experiment.seed
        rng = generator(seed, Purpose.SHUFFLE, part.reference)
        low, high = null_band(part.values, lags, rng)
        return Correlations(signal, self._of_the_state(part, lags), low, high)

    def _of_the_state(self, part: SeriesWindow, lags: int) -> np.ndarray:
        states = self.memory.states(part.reference, part.start)[1]
        if len(states) < max(LEAST, SPAN * lags):
            return np.full(lags, np.nan)
        floor = FLOOR_UNITS * part.unit * np.abs(states).max()
        if not np.ptp(states, axis=0).max() > floor:
            return np.full(lags, np.nan)
        return autocorrelation(states, lags)

    def collected(self, found: Sequence[Any], window: list[int] | None) -> Findings:
        rows: list[list[Any]] = []
        columns: dict[str, list[float]] = {name: [] for name in NAMES}
        for reference, one in enumerate(found):
            if isinstance(one, str):
                continue
            table = zip(one.signal, one.state, one.low, one.high, strict=True)
            rows += [[reference, k + 1, *map(float, row)] for k, row in enumerate(table)]
            outside = (one.signal < one.low) | (one.signal > one.high)
            numbers = (*one.signal[:3], outside.mean(), one.state[0])
            for name, value in zip(NAMES, numbers, strict=True):
                columns[name].append(float(value))
        heads = ["reference", "lag", "signal", "state", "band_low", "band_high"]
        part = summary(found, window, columns)
        return Findings(
            summary={"autocorrelation": {"signal": self.signals.name, **part}},
            tables={"autocorrelation.csv": (heads, rows)},
        )


NAMES = ("lag_1", "lag_2", "lag_3", "outside_band", "state_lag_1")


def autocorrelation(x: np.ndarray, lags: int) -> np.ndarray:
    """ρ(1) … ρ(lags) of a series (T,) or of states (T, dimension), by FFT: (lags,).

    Raises Unmeasured for a constant series.
    """
    from scipy import fft

    deviations = (x - x.mean(axis=0)).reshape(len(x), -1)
    size = fft.next_fast_len(len(x) + lags, real=True)
    power = (np.abs(fft.rfft(deviations, size, axis=0)) ** 2).sum(axis=1)
    products = fft.irfft(power, size)[: lags + 1]
    if not products[0] > 0:
        raise Unmeasured(CONSTANT)
    means = products / (len(x) - np.arange(lags + 1))
    return means[1:] / means[0]


def null_band(
    x: np.ndarray, lags: int, rng: np.random.Generator, shuffles: int = SHUFFLES
) -> tuple[np.ndarray, np.ndarray]:
    """Between which 95 % of the autocorrelations of shuffled series lie, by lag: two (lags,)."""
    from scipy import fft

    count = len(x)
    deviations = x - x.mean()
    size = fft.next_fast_len(count + lags, real=True)
    pairs = count - np.arange(1, lags + 1)
    scale = count / (deviations @ deviations) / pairs
    found = []
    for first in range(0, shuffles, AT_ONCE):
        copies = np.tile(deviations, (min(AT_ONCE, shuffles - first), 1))
        shuffled = rng.permuted(copies, axis=1, out=copies)
        spectrum = fft.rfft(shuffled, size, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        found.append(fft.irfft(power, size, axis=1)[:, 1 : lags + 1] * scale)
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975], axis=0)
    return low, high
