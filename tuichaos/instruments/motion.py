"""How the state moves at the end of a run: towards a cycle, almost periodically, or drifting.

All functions take numbers of consecutive states, (T, P), as ``StateTail`` keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuichaos.common.thresholds import AHEAD
from tuichaos.instruments.period import LEAST

NEAR = 0.05  # of a component's range: an almost-period brings the orbit back so near
RECORD = 0.2  # of the range: returns worse than this are no return
EXACT = 1e-6  # of the range: the orbit repeats
BETTER = 0.7  # of the record before: what a further record must come to
MOSTLY = 0.9  # of the times: an angle jumps where it is wrapped
ALIKE = 0.1  # nats: gaps that all are of one size
SAME = 0.9  # correlation of the logarithms of gaps with those an almost-period later
COVERED = 0.5  # of the range, within one almost-period
STEADY = 0.1  # of the range, that the first third or the last may leave out
APPROACH_PERIOD = 64  # the longest cycle that an orbit is seen to close in on
SAMPLE = 128  # times at which returns are looked at, of which so many at once
SLOWER = 0.2  # of the rate at which neighbours meet: a gap that shrinks so fast is an approach
SHRINKS = 0.97  # from the first third to the last, times
CLOSE = 1e-3  # of the range
POWER = 3.0  # of time, by which the gaps of an approach shrink at least
STRAIGHT = 0.97  # of the rate of shrinking before: it does not slow down
DRIFT_SIGMA = 3.9  # of Kendall's S: p = 1e-4 two-sided
DRIFT_SIZE = 0.1  # standard deviations, from the first quarter of the spans to the last


def approached(states: np.ndarray, rate: float, end: int) -> int | None:
    """The smallest K for which |x(t+K) − x(t)| shrinks, where it does so as fast as nearby orbits
    meet, at ``rate`` < 0 (nats a step); None where there is none. ``end``: the last step.

    An orbit that closes in on a stable cycle does so at the rate at which its neighbours do,
    for it is one of them: that both rates agree within a factor of two is the evidence. So they
    do in an orbit that slows down for ever and has no end, hence ``_comes_to_an_end``.
    """
    for k, early, middle, late, steps in _gaps(states):
        if not 0 < late < early:
            continue
        agreement = np.log(late / early) / steps / rate
        if 0.5 <= agreement <= 2:
            return k if _comes_to_an_end(early, middle, late, steps, end) else None
        if agreement > SLOWER:  # it closes in on this one, but not as its neighbours do
            return None
    return None


def closes_in(states: np.ndarray, end: int) -> int | None:
    """The smallest K for which |x(t+K) − x(t)| shrinks, where it has come within CLOSE of the
    range; None where there is none. For orbits whose neighbours do not meet in every direction,
    as where something is conserved. ``end``: the last step."""
    reach = np.ptp(states, axis=0).max(initial=0.0)
    for k, early, middle, late, steps in _gaps(states):
        if 0 < late < SHRINKS * early:
            # Of gaps as 1/t, what comes in a hundred more runs is ln 100 times those of one.
            small = late * end * np.log(AHEAD) <= reach
            ends = small or _comes_to_an_end(early, middle, late, steps, end)
            return k if ends and late <= CLOSE * reach else None
    return None


def _comes_to_an_end(early: float, middle: float, late: float, steps: int, end: int) -> bool:
    """Whether gaps that shrank from ``early`` over ``middle`` to ``late`` within ``steps``, of
    which half as many followed, add up to something finite. Those that shrink exponentially do;
    those of a power of time, t^−p, for p > 1, and where an orbit began to slow down late it
    seems to have a larger one."""
    last = end - steps / 2
    if np.log(early / late) > POWER * np.log(last / max(1.0, last - steps)):
        return True
    return bool(middle > 0 and np.log(middle / late) > STRAIGHT * np.log(early / middle))


def _gaps(states: np.ndarray) -> Iterator[tuple[int, float, float, float, int]]:
    """K, the largest |x(t+K) − x(t)| in the first, the middle and the last third, and the steps
    from the first to the last, for each K up to APPROACH_PERIOD."""
    count = len(states)
    if count < 3 * LEAST or not np.isfinite(states).all():
        return
    third = count // 3
    for k in range(1, min(APPROACH_PERIOD, third // 2) + 1):
        gaps = np.abs(states[k:] - states[:-k]).max(axis=1)
        last = len(gaps) - third
        parts = (gaps[:third], gaps[last // 2 : -third], gaps[last:])
        early, middle, late = (float(part.max()) for part in parts)
        yield k, early, middle, late, last


def is_quasi_periodic(states: np.ndarray) -> bool:
    """Whether the orbit is almost periodic (Bohr 1925) without being periodic: further and
    further along it comes back nearer and nearer to where it was, at nearly all times at once,
    and covers its range in between.

    Asks for two records of closeness among the times k ≤ T/3, the second within NEAR of the
    range of every component, and for a range that does not change. An orbit that closes in on a
    cycle has its record at the period and no better one after it; chaos has none.
    """
    return _almost_period(states) is not None


def stays_on_torus(states: np.ndarray) -> bool:
    """Whether an orbit whose neighbours part is almost periodic all the same. Chaos in narrow
    bands comes back as near, but not alike: on a torus, where the orbit has come back, the gap
    that is left is what it was the time before."""
    k = _almost_period(states)
    if k is None:
        return False
    reach = np.ptp(states, axis=0)
    gaps = np.abs(states[k:] - states[:-k])[:, reach > 0] / reach[reach > 0]
    gaps = np.log(np.maximum(gaps.max(axis=1), 1e-300))
    gaps = np.clip(gaps, *np.quantile(gaps, (1 - MOSTLY, MOSTLY)))  # where an angle jumps
    before, after = gaps[:-k], gaps[k:]
    if min(before.std(), after.std()) < ALIKE:
        return True
    return bool(np.corrcoef(before, after)[0, 1] > SAME)


def _almost_period(states: np.ndarray) -> int | None:
    """The time after which an almost periodic orbit is back; None for one that is not."""
    count = len(states)
    if count < 3 * LEAST or not np.isfinite(states).all():
        return None
    reach = np.ptp(states, axis=0)
    states = states[:, reach > 1e-9 * np.abs(states).max(initial=0.0)]
    if not states.shape[1]:
        return None
    reach = np.ptp(states, axis=0)
    third = count // 3
    early, late = np.ptp(states[:third], axis=0), np.ptp(states[-third:], axis=0)
    if (np.minimum(early, late) < (1 - STEADY) * reach).any():
        return None
    records = _records(states / reach, third)
    if len(records) < 2 or not EXACT < records[-1][1] <= NEAR:
        return None
    returns = _nearness(states / reach, third, count - LEAST - 1)
    if min(found for _, found in returns) <= EXACT:
        return None  # a cycle, longer than those that are looked for
    k = records[-1][0]
    return k if (np.ptp(states[: k + 1], axis=0) >= COVERED * reach).all() else None


def _records(states: np.ndarray, most: int) -> list[tuple[int, float]]:
    """The times k ≤ ``most`` that bring the orbit nearer than every one before, with how near."""
    found: list[tuple[int, float]] = []
    for k, near in _nearness(states, 0, most):
        if near <= RECORD and (not found or near < BETTER * found[-1][1]):
            found.append((k, near))
    return found


def _nearness(states: np.ndarray, above: int, most: int) -> Iterator[tuple[int, float]]:
    """How near the orbit comes after k steps, ``above`` < k ≤ ``most``: the MOSTLY quantile, over
    its times, of the largest difference of a component."""
    sample = np.unique(np.linspace(0, len(states) - most - 1, SAMPLE).round().astype(int))
    at = int(MOSTLY * len(sample))
    for first in range(above + 1, most + 1, SAMPLE):
        times = np.arange(first, min(first + SAMPLE, most + 1))
        gaps = np.abs(states[sample[None] + times[:, None]] - states[sample]).max(axis=2)
        yield from zip(times.tolist(), np.partition(gaps, at, axis=1)[:, at].tolist(), strict=True)


def drifts(means: np.ndarray, spread: np.ndarray) -> bool:
    """Whether means over consecutive spans (n, P) have a trend in any component: Kendall's S
    (Mann 1945) beyond DRIFT_SIGMA, of a size of DRIFT_SIZE of ``spread`` (P,), the standard
    deviation of the component."""
    n = len(means)
    if n < 8 or not np.isfinite(means).all():
        return False
    later, earlier = np.tril_indices(n, -1)
    s = np.sign(means[later] - means[earlier]).sum(axis=0)
    sigma = np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    change = np.abs(means[-(n // 4) :].mean(axis=0) - means[: n // 4].mean(axis=0))
    return bool(((np.abs(s) > DRIFT_SIGMA * sigma) & (change > DRIFT_SIZE * spread)).any())
