"""Orbits that go on from one value of the parameter to the next: up, down, or both ways.

Each direction and reference is a way of its own through the values: at each of them it takes
all steps of the experiment from the last state it had at the value before. Blocks of
references go their ways side by side, on one engine; a stage costs its steps and little more.

An orbit that rests exactly on a fixed point stays there by rounding for ever, also where the
fixed point has become unstable (the quartic at w = 1). So at each new value each entry of the
state is moved by U(−ν, ν) times the state's largest entry, ν = ``diagram.nudge``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import RunFailed
from tuichaos.common.rng import Purpose, generator
from tuichaos.config.plane_and_diagram import DIRECTIONS
from tuichaos.execution.plan import plan
from tuichaos.instruments.base import Instrument, RunContext
from tuichaos.instruments.survival import Survival
from tuichaos.instruments.tangent import TangentExponent
from tuichaos.simulation.block import FIRST, WITNESS, Block
from tuichaos.simulation.frames import Frame
from tuichaos.simulation.noise_floor import NoiseFloor
from tuichaos.simulation.worker_pool import Engine
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.orbit_diagram.end_of_orbit import LastValues
from tuichaos.sweeps.orbit_diagram.fresh import listed, numbers_of, states_of
from tuichaos.sweeps.orbit_diagram.observable import observable
from tuichaos.sweeps.orbit_diagram.parameter_family import Family, leading
from tuichaos.sweeps.points import Base, Point
from tuichaos.systems.base import System
from tuichaos.systems.stepper_protocol import Stepper

LONE_STEPS = 16  # of the check that a block of one takes the same steps
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Walker:
    """One reference on its way through the values in one direction."""

    direction: str
    reference: int


@dataclass(frozen=True)
class Found:
    """What a walker found at one value; see ``LastValues`` for ``values``, ``ends``."""

    walker: Walker
    point: int
    columns: Mapping[str, float]
    values: np.ndarray
    period: int | None
    ends: np.ndarray
    afresh: bool
    noise_floor: bool


def run_continued(
    base: Base, threads: int | None, tile: Sequence[Point], stop: threading.Event
) -> Generator[Row | float, None, list[Row]]:
    """Go through all values, also those of points that are not asked for: what comes after
    them depends on them. Yields how much is done, in points, and rows as they are complete;
    ends early once ``stop`` is set. Raises RunFailed."""
    walk = Walk(base, threads, stop)
    asked = {point.index for point in tile}
    done = 0
    for complete, share in walk.rows():
        if complete is not None and complete.point in asked:
            done += 1
            yield complete
        yield max(0.0, share * len(tile) - done)
    return []


class Walk:
    """All ways of a continued diagram."""

    def __init__(self, base: Base, threads: int | None, stop: threading.Event) -> None:
        self.base = base
        self.stop = stop
        self.plan = plan(base.experiment(leading(base)), threads)
        self.family = Family.of(base)
        self.simulation = self.plan.simulation([])  # for its shapes and its engine
        self.most = self.simulation.frame_steps
        self.dtype = getattr(torch, self.plan.experiment.dtype)
        self.ordered = sorted(base.path, key=lambda point: point.values[0])
        self.groups = list(self._grouped())
        self._ended = False  # nobody asks for more

    @property
    def walkers(self) -> int:
        return sum(map(len, self.groups))

    def _grouped(self) -> Iterator[list[Walker]]:
        """Walkers that share a block: of both directions, where a block can have several
        values of the parameter."""
        count = self.plan.experiment.ensemble.references
        size = self.simulation.block_references
        ways = [[Walker(d, r) for r in range(count)] for d in self.base.diagram.directions]
        if self.family.system is not None:
            ways = [[walker for way in ways for walker in way]]
        for way in ways:
            yield from (way[k : k + size] for k in range(0, len(way), size))

    def _point(self, walker: Walker, number: int) -> Point:
        """The ``number``-th point of a walker's way."""
        return self.ordered[number if walker.direction == DIRECTIONS[0] else -1 - number]

    def rows(self) -> Iterator[tuple[Row | None, float]]:
        """Rows as they are complete, or None, each with the share of all that is done."""
        stages: queue.SimpleQueue[list[Found]] = queue.SimpleQueue()
        parts: dict[int, list[Found]] = {}
        done, total = 0, self.walkers * len(self.ordered)
        with self.simulation.engine() as engine:
            futures = [engine.submit(self._go, engine, group, stages) for group in self.groups]
            try:
                while done < total and not self.stop.is_set():
                    try:
                        stage = stages.get(timeout=LOOK_SECONDS)
                    except queue.Empty:
                        _raise(futures)
                        continue
                    done += len(stage)
                    for found in stage:
                        parts.setdefault(found.point, []).append(found)
                    complete = {f.point for f in stage if len(parts[f.point]) == self.walkers}
                    for point in sorted(complete):
                        yield self._row(parts.pop(point)), done / total
                    yield None, done / total
            finally:
                self._ended = True
                for future in futures:
                    future.cancel()

    def _go(self, engine: Engine, group: list[Walker], stages: queue.SimpleQueue) -> None:
        """Go the way of a group to its end; runs in a thread of the engine."""
        states: np.ndarray | None = None
        drawn = np.array([self.plan.ensemble.tangent(walker.reference) for walker in group])
        tangents = torch.from_numpy(drawn).to(self.simulation.device, self.dtype)
        with engine.stepper() as stepper:
            for number in range(len(self.ordered)):
                found = self._stage(stepper, group, tangents, number, states)
                if found is None:
                    return
                states = found[1]
                stages.put(found[0])

    def _starts(
        self, group: list[Walker], number: int, before: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The states (walkers, dimension) that a group goes on from at its ``number``-th value,
        and which of them start afresh: at the first value all, then those that diverged."""
        draws = self.plan.ensemble
        rows, afresh = [], []
        for k, walker in enumerate(group):
            fresh = before is None or not np.isfinite(before[k]).all()
            afresh.append(fresh)
            if fresh:
                rows.append(draws.start(walker.reference))
                continue
            size = self.base.diagram.nudge * np.abs(before[k]).max()
            which = DIRECTIONS.index(walker.direction)
            rng = generator(draws.seed, Purpose.NUDGE, walker.reference, which, number)
            rows.append(before[k] + size * rng.uniform(-1, 1, before.shape[1]))
        return np.array(rows), np.array(afresh)

    def _stage(
        self,
        stepper: Stepper,
        group: list[Walker],
        tangents: Tensor,
        number: int,
        before: np.ndarray | None,
    ) -> tuple[list[Found], np.ndarray] | None:
        """All steps at one value: what was found, and the last states; None once it should
        stop."""
        steps = self.simulation.steps
        starts, afresh = self._starts(group, number, before)
        block = self._block(group, tangents, number, starts)
        context = self._context(len(group), block.system)
        exponent, survival = TangentExponent(context), Survival(context)
        drawn = observable(context.system, self.base.diagram.observable, self.base.component)
        last = LastValues(context, drawn, self.base.diagram.last)
        instruments: list[Instrument] = [exponent, survival, last]
        floor = NoiseFloor()
        if number == 0:
            floor.lone = block.lone_orbit_agrees(stepper, min(LONE_STEPS, self.most))
        for start in range(0, steps, self.most):
            if self.stop.is_set() or self._ended:
                return None
            size = min(self.most, steps - start)
            is_last = start + size == steps
            seen = block.advance(stepper, start, size, is_last, [i.probe for i in instruments])
            floor.compare(start, seen.pop(FIRST), seen.pop(WITNESS))
            frame = Frame(np.arange(start, start + size + is_last), seen)
            for instrument in instruments:
                instrument.fold(frame)
        columns = {**exponent.columns(), "diverged_at": survival.diverged_at}
        values, periods = last.values, last.periods()
        found = [
            Found(
                walker,
                self._point(walker, number).index,
                {name: column[k] for name, column in columns.items()},
                values[:, k],
                periods[k],
                last.ends[k],
                bool(afresh[k]),
                floor.holds,
            )
            for k, walker in enumerate(group)
        ]
        return found, block.x[: len(group)].cpu().numpy().astype(np.float64)

    def _block(
        self, group: list[Walker], tangents: Tensor, number: int, starts: np.ndarray
    ) -> Block:
        """The block of a group at its ``number``-th value, with a witness of its first row."""
        device = self.simulation.device
        values = [self._point(walker, number).values[0] for walker in group]
        alike = len(set(values)) == 1
        # A block numbers its rows from 0, and so must the parameters of its system.
        system = self.family.at(values[0]) if alike else self.family.at_each(values)
        x = np.concatenate([starts, starts[:1]])
        return Block(
            0,
            len(group),
            True,
            torch.from_numpy(x).to(device, self.dtype),
            tangents,
            system.to(device, self.dtype),
        )

    def _context(self, rows: int, system: System) -> RunContext:
        whole = self.plan.experiment
        ensemble = whole.ensemble.model_copy(update={"references": rows})
        return RunContext(whole.model_copy(update={"ensemble": ensemble}), system)

    def _row(self, stages: list[Found]) -> Row:
        """The row of a value that all walkers have passed."""
        numbers, orbit, ends = {}, {}, {}
        for direction in self.base.diagram.directions:
            own = [found for found in stages if found.walker.direction == direction]
            own.sort(key=lambda found: found.walker.reference)
            names = own[0].columns
            columns = {n: np.array([found.columns[n] for found in own]) for n in names}
            part = numbers_of(columns, [found.period for found in own])
            part["afresh"] = sum(found.afresh for found in own)
            numbers |= {f"{direction}.{name}": value for name, value in part.items()}
            orbit[direction] = listed(np.stack([found.values for found in own]))
            if own[0].ends.size:
                ends[direction] = states_of(np.stack([found.ends for found in own]))
        holds = all(found.noise_floor for found in stages)
        return Row(stages[0].point, "done", "", numbers, holds, orbit, ends)


def _raise(futures: Sequence[Future]) -> None:
    """Raise what a way was ended by, as RunFailed."""
    for future in futures:
        if future.done() and not future.cancelled() and (error := future.exception()):
            text = (str(error).strip() or "no message").splitlines()[0]
            raise RunFailed(f"{type(error).__name__}: {text}") from error
