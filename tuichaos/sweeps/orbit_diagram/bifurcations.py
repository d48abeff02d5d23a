"""Bifurcation points of a diagram, refined past the slow convergence near them.

Near a bifurcation an orbit takes ever longer to settle, so a scan cannot say where it is. But
the cycles can be followed without waiting: those on which the scan's orbits have settled are
polished by Newton's method, carried on from value to value as long as they are stable, and
where they cease to be so the value is found at which a multiplier crosses the unit circle
(Kuznetsov, Elements of Applied Bifurcation Theory, ch. 4 and 5): at −1 a doubling, at +1 a fold,
where the cycle ends, or a branching (transcritical, pitchfork), where it goes on, and elsewhere a
Neimark–Sacker bifurcation.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tuichaos.common.devices import repeatable
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.orbit_diagram.end_of_orbit import MAX_ENDS
from tuichaos.sweeps.orbit_diagram.parameter_family import Family
from tuichaos.sweeps.orbit_diagram.periodic_orbits import Cycle, Cycles
from tuichaos.sweeps.points import Grid

FEIGENBAUM = 4.669201609102990  # of smooth maps with a quadratic extremum (Feigenbaum 1978)
MAX_PERIOD = 64  # of the cycles that are followed, as of those that are seen
CLOSES = 1e-5  # of its size: a settled orbit closes by better than this
STRAIGHT = 0.5  # of a predicted step: Newton's correction of it is smaller along one branch
HALVINGS = 12  # of the distance of two values: a branch that cannot be followed so far is lost
MAX_ENDS_REFINED = 400  # ends of branches, a fraction of a second each
ON_CIRCLE = 1e-4  # a multiplier this near to ±1 at the crossing is ±1, and no pair
CROSSED = 1e-6  # that a modulus may be from 1 there
EQUAL = 1e-7  # of the range: two bifurcation points of one kind and period are one
BRENT = 1e-13  # of the range: where the root is taken as found
MAX_EXTENDED = 25  # steps of Newton's method for a fold
ROOT = 1e-7  # that ∏(1 − μ) may be from 0 at a fold


@dataclass(frozen=True)
class Bifurcation:
    """Where a cycle of ``period`` loses its stability, or ends: the ``multiplier`` that is then
    on the unit circle, max |F^p(x) − x| there, and the values between which it must lie:
    at the one the cycle is stable, at the other it is not, or is not there."""

    kind: str
    period: int
    parameter: float
    multiplier: complex
    residual: float
    bracket: tuple[float, float]


@dataclass(frozen=True)
class Refined:
    """What was found: bifurcations by parameter; ``reason`` where nothing was looked for;
    ``left``: ends of branches that were seen and not refined."""

    bifurcations: tuple[Bifurcation, ...] = ()
    reason: str | None = None
    left: int = 0


class Stopped(Exception):
    """Somebody wants no more of it."""


def refined(grid: Grid, rows: Mapping[int, Row], stop: threading.Event | None = None) -> Refined:
    """The bifurcation points in a diagram that has been scanned; raises Stopped once ``stop``
    is set."""
    family = Family.of(grid.base)
    if not family.moves:
        return Refined(reason=f"{grid.keys[0]} changes where orbits start, not the map")
    if family.dimension > MAX_ENDS:
        words = f"not refined: {family.dimension} numbers a state, more than {MAX_ENDS}"
        return Refined(reason=words)
    try:
        with repeatable(torch.device("cpu")), np.errstate(all="ignore"):
            return _Search(grid, rows, Cycles(family), stop or threading.Event()).result()
    except (ArithmeticError, ValueError, RuntimeError) as error:  # of a user's map, mostly
        return Refined(reason=f"not refined: {str(error).strip() or type(error).__name__}")


class _Search:
    """The branches of stable cycles of a scan, and their ends."""

    def __init__(
        self, grid: Grid, rows: Mapping[int, Row], cycles: Cycles, stop: threading.Event
    ) -> None:
        self.cycles = cycles
        self.stop = stop
        values = sorted({point.values[0] for point in grid.points})
        self.values = [float(value) for value in values]
        self.range = self.values[-1] - self.values[0]
        self.place = {float(value): k for k, value in enumerate(values)}
        self.known: dict[int, list[Cycle]] = {}  # stable ones by the number of their value
        self.grid, self.rows = grid, rows
        self.left = 0

    def result(self) -> Refined:
        found: list[Bifurcation] = []
        fresh = [cycle for cycle in self._settled() if self._add(cycle)]
        ends = 0
        while fresh:
            news: list[Cycle] = []
            for cycle, direction in self._not_carried_on(fresh, news):
                ends += 1
                if self.stop.is_set():
                    raise Stopped
                if ends > MAX_ENDS_REFINED:
                    self.left += 1
                    continue
                value = self.values[self.place[cycle.value] + direction]
                seen, further = self._ends(cycle, value)
                found += filter(None, seen)
                if further is not None and self._add(further):
                    news.append(further)
            fresh = news
        return Refined(tuple(_distinct(found, self.range)), None, self.left)

    # --- the scan ---

    def _settled(self) -> Iterator[Cycle]:
        """The stable cycles on which orbits of the scan have settled."""
        values, states = [], []
        for index in sorted(self.rows):
            row = self.rows[index]
            for ends in row.ends.values():
                for end in ends:
                    if end is None or len(end) != self.cycles.family.dimension:
                        continue
                    values.append(float(self.grid.points[index].values[0]))
                    states.append(end)
        if not values:
            return
        x = np.array(states)
        orbit = self.cycles.orbit(values, x, MAX_PERIOD)
        sizes = np.maximum(np.abs(orbit).max(axis=(0, 2)), 1e-12)
        gaps = np.abs(orbit[1:] - orbit[0]).max(axis=2) / sizes
        closes = gaps <= CLOSES
        periods = np.where(closes.any(axis=0), closes.argmax(axis=0) + 1, 0)
        for period in sorted(set(periods[periods > 0].tolist())):
            at = np.flatnonzero(periods == period)
            cycles = self.cycles.find([values[k] for k in at], x[at], period)
            for k, cycle in zip(at, cycles, strict=True):
                near = cycle is not None and _moved(cycle, x[k]) <= 100 * CLOSES * cycle.size
                if near and cycle.radius < 1:
                    yield cycle

    def _add(self, cycle: Cycle) -> bool:
        """Take in a stable cycle at a value of the scan; False if it is known."""
        own = self.known.setdefault(self.place[cycle.value], [])
        if any(cycle.same(other) for other in own):
            return False
        own.append(cycle)
        return True

    def _not_carried_on(
        self, fresh: Sequence[Cycle], news: list[Cycle]
    ) -> Iterator[tuple[Cycle, int]]:
        """Those that are not stable at the next value up (+1) or down (−1); stable ones there
        that were not known are added to ``news``."""
        for direction in (1, -1):
            for period in sorted({cycle.period for cycle in fresh}):
                own = [
                    cycle
                    for cycle in fresh
                    if cycle.period == period
                    and 0 <= self.place[cycle.value] + direction < len(self.values)
                ]
                if not own:
                    continue
                targets = [self.values[self.place[c.value] + direction] for c in own]
                for cycle, other in zip(own, self._step(own, targets), strict=True):
                    if other is None or other.radius >= 1:
                        yield cycle, direction
                    elif self._add(other):
                        news.append(other)

    # --- along a branch ---

    def _step(self, cycles: Sequence[Cycle], values: Sequence[float]) -> list[Cycle | None]:
        """Cycles of one period carried to other values; None where that is not along the
        branch: the correction of the predicted state is no small part of the step."""
        steps = np.array(values) - np.array([cycle.value for cycle in cycles])
        moves = self.cycles.slopes(cycles) * steps[:, None]
        guesses = np.stack([cycle.x for cycle in cycles]) + moves
        neutral = [cycle.neutral for cycle in cycles]
        found = self.cycles.find(values, guesses, cycles[0].period, neutral)
        kept: list[Cycle | None] = []
        for cycle, other, guess, move in zip(cycles, found, guesses, moves, strict=True):
            bent = math.inf if other is None else float(np.abs(other.x - guess).max())
            most = STRAIGHT * float(np.abs(move).max()) + 1e-6 * cycle.size
            kept.append(other if bent <= most else None)
        return kept

    def _follow(self, cycle: Cycle, value: float) -> Iterator[Cycle]:
        """Cycles along the branch until ``value``, or as far as it can be followed: with steps
        that are halved where it bends."""
        whole = value - cycle.value
        step = whole
        while cycle.value != value:
            target = cycle.value + step
            if (value - target) * whole <= 0 or abs(value - target) < 1e-9 * abs(whole):
                target = value
            other = self._step([cycle], [target])[0]
            if other is None:
                step /= 2
                if abs(step) < abs(whole) / 2**HALVINGS:
                    return
                continue
            cycle = other
            yield cycle
            step *= 2

    def _ends(self, cycle: Cycle, value: float) -> tuple[list[Bifurcation | None], Cycle | None]:
        """What happens to a stable branch on the way to another value: its bifurcations, and
        the stable cycle that is there in the end, if there is one.

        Where it springs from a cycle of half its period, that one is followed further.
        """
        found: list[Bifurcation | None] = []
        while True:
            for other in self._follow(cycle, value):
                if other.radius >= 1:
                    return [*found, self._crossing(cycle, other)], None
                cycle = other
            if cycle.value == value:
                return found, cycle
            pair = self._springs_from(cycle, value)
            if pair is None:
                return [*found, self._fold(cycle, value)], None
            found.append(self._crossing(*pair))
            cycle = pair[0]

    def _crossing(self, stable: Cycle, unstable: Cycle) -> Bifurcation | None:
        """Where the largest multiplier of a branch has modulus 1."""
        from scipy.optimize import brentq

        period, seen = stable.period, {}

        def beyond(value: float) -> float:
            share = (value - stable.value) / (unstable.value - stable.value)
            guess = stable.x + share * (unstable.x - stable.x)
            near = min(seen.values(), key=lambda c: abs(c.value - value), default=None)
            for x in (guess, *([near.x] if near else [])):
                one = self.cycles.find([value], x[None], period, [stable.neutral])[0]
                if one is not None:
                    seen[value] = one
                    return one.radius - 1
            raise ArithmeticError

        try:
            ends = stable.value, unstable.value
            root = brentq(beyond, *ends, xtol=BRENT * self.range, rtol=8.9e-16)
            beyond(root)
        except (ArithmeticError, ValueError, RuntimeError):
            return None
        at = seen[root]
        if abs(at.radius - 1) > CROSSED:  # the branch was left on the way
            return None
        kind = "Neimark-Sacker"
        if abs(at.leading + 1) < ON_CIRCLE:
            kind = "doubling"
        elif abs(at.leading - 1) < ON_CIRCLE:
            kind = "branching"
        return _bifurcation(kind, at, stable.value, unstable.value)

    def _springs_from(self, cycle: Cycle, value: float) -> tuple[Cycle, Cycle] | None:
        """The cycle of half the period that a lost branch springs from: where it is stable
        and before, where it is not; None where there is none."""
        if cycle.period % 2:
            return None
        half = cycle.period // 2
        middle = (cycle.states[0] + cycle.states[half]) / 2
        before = self.cycles.find([cycle.value], middle[None], half, [cycle.neutral])[0]
        apart = float(np.abs(cycle.states[0] - cycle.states[half]).max())
        if before is None or _moved(before, middle) > apart or before.radius <= 1:
            return None
        for other in self._follow(before, value):
            if other.radius < 1:
                return other, before
            before = other
        return None

    def _fold(self, cycle: Cycle, value: float) -> Bifurcation | None:
        """The fold beyond the last cycle of a branch: Newton's method for the state and the
        value at which it closes and has a multiplier of 1."""
        x, v = cycle.x, cycle.value
        d = len(x)
        for _ in range(MAX_EXTENDED):
            h = 1e-6
            steps = [*(h * cycle.size * np.eye(d)), np.zeros(d)]
            beside = -h * self.range if v + h * self.range > self.values[-1] else h * self.range
            moved = [v] * d + [v + beside]
            sides = self._closing([*moved], x + np.array(steps), cycle)
            here = self._closing([v], x[None], cycle)
            if here is None or sides is None:
                return None
            scales = np.array([h * cycle.size] * d + [beside])
            jacobian = ((sides - here) / scales[:, None]).T
            step = np.linalg.lstsq(jacobian, -here[0], rcond=1e-9)[0]
            x, v = x + step[:d], v + float(step[d])
            outside = not self.values[0] <= v <= self.values[-1]
            far = not abs(v - cycle.value) <= abs(value - cycle.value)
            if outside or far or not np.isfinite(x).all():
                return None
            if abs(step[d]) <= BRENT * self.range and np.abs(step[:d]).max() <= 1e-9 * cycle.size:
                break
        end = self._closing([v], x[None], cycle)
        if end is None or abs(end[0, d]) > ROOT or _aside(v, cycle.value, value, self.range):
            return None
        orbit = self.cycles.orbit([v], x[None], cycle.period)[:, 0]
        residual = float(np.abs(orbit[-1] - orbit[0]).max())
        if residual > 1e-8 * cycle.size:
            return None
        kind = "branching" if self._goes_on(x, v, value, cycle) else "fold"
        bracket = (min(cycle.value, value), max(cycle.value, value))
        return Bifurcation(kind, cycle.period, v, 1 + 0j, residual, bracket)

    def _closing(self, values: list[float], x: np.ndarray, cycle: Cycle) -> np.ndarray | None:
        """F^p(x) − x and ∏(1 − μ) at states (n, d), (n, d + 1); None if not finite."""
        gap, folding = self.cycles.closing(values, x, cycle.period, cycle.neutral)
        found = np.concatenate([gap, folding[:, None]], axis=1)
        return found if np.isfinite(found).all() else None

    def _goes_on(self, x: np.ndarray, v: float, value: float, cycle: Cycle) -> bool:
        """Whether there is a cycle beside the point (x, v) just beyond it: then no fold."""
        beyond = v + 1e-3 * (value - v)
        other = self.cycles.find([beyond], x[None], cycle.period, [cycle.neutral])[0]
        if other is None:
            return False
        reach = 3 * math.sqrt(abs(beyond - v) / max(abs(cycle.value - v), 1e-300))
        return _moved(other, x) <= max(1.0, reach) * float(np.abs(cycle.x - x).max())


def _aside(v: float, inside: float, outside: float, span: float) -> bool:
    """Whether a value does not lie beyond ``inside``, on the way to ``outside``."""
    return (v - inside) * (1 if outside > inside else -1) < -1e-9 * span


def _moved(cycle: Cycle, x: np.ndarray) -> float:
    return float(np.abs(cycle.x - x).max())


def _bifurcation(kind: str, at: Cycle, one: float, other: float) -> Bifurcation:
    bracket = (min(one, other), max(one, other))
    return Bifurcation(kind, at.period, at.value, at.leading, at.residual, bracket)


def _distinct(found: Sequence[Bifurcation], span: float) -> Iterator[Bifurcation]:
    """Each bifurcation point once, by parameter."""
    kept: list[Bifurcation] = []
    for one in sorted(found, key=lambda b: (b.parameter, b.kind, b.period)):
        if not any(
            other.kind == one.kind
            and other.period == one.period
            and abs(other.parameter - one.parameter) <= EQUAL * span
            for other in kept
        ):
            kept.append(one)
    yield from kept


# --- cascades -------------------------------------------------------------------------------
