"""A batch: points that differ only in per-replica parameters, side by side on one engine.

Each point is a run of its own, recorded as any other: its blocks, frames and instruments are
those it has alone, and so are its bits. What the points share is the threads, the steppers
with their buffers and compiled loops, and the process.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuichaos.common.errors import InputError, OtherData, RunFailed
from tuichaos.execution.plan import plan
from tuichaos.execution.recording import Recording, prepare
from tuichaos.simulation.run_control import RunControl
from tuichaos.simulation.worker_pool import Engine
from tuichaos.sweeps import tiled_run
from tuichaos.sweeps.journal import Row, flat
from tuichaos.sweeps.orbit_diagram import continuation, fresh
from tuichaos.sweeps.points import Base, Point

TRIES = 3  # of a point before it is recorded as failed
RUNS_PER_THREAD = 4  # that are under way: enough that no thread waits for another's frame
MAX_REPLICAS = 2_048  # under way at once: these fill the threads. Two runs always may be


@dataclass(frozen=True)
class Job:
    """How points are run: plain data. ``runs``: the folder of their run folders, or None to
    keep none; ``threads`` of the engine, None for all; ``known``: a point of which it is known
    that it can run where the sweep was asked for; ``memory``: bytes for what is under way, None
    for all there are."""

    base: Base
    runs: str | None = None
    threads: int | None = None
    known: Point | None = None
    memory: float | None = None


@dataclass
class Member:
    """A point under way."""

    point: Point
    tries: int
    recording: Recording
    frames: Iterator[None]


def run_batch(job: Job, points: Sequence[Point], stop: threading.Event) -> Iterator[Row | float]:
    """Run points of one batch; yields a row when a point has ended, in no certain order, and
    in between how much is done of those under way, in points. Ends early once ``stop`` is set.
    """
    if job.base.dense:
        yield from _dense(job, points, stop)
        return
    waiting = deque((point, 1) for point in points)
    members: deque[Member] = deque()
    with contextlib.ExitStack() as stack:
        stack.callback(_drop, members)
        engine: Engine | None = None
        while (waiting or members) and not stop.is_set():
            if waiting and _room(members, job.memory):
                point, tries = waiting.popleft()
                try:
                    recording = _prepared(job, point, stop, checked=engine is not None)
                    if engine is None:
                        engine = stack.enter_context(recording.simulation.engine())
                    member = Member(point, tries, recording, recording.advance(None, engine))
                    next(member.frames)
                    members.append(member)
                except OtherData:  # no point can be done
                    raise
                except (InputError, RunFailed) as error:
                    yield from _again(waiting, point, tries, _said(error))
                continue
            member = members.popleft()
            try:
                next(member.frames)
                members.append(member)
                yield _under_way(members)
            except StopIteration:
                if stop.is_set() and member.recording.step < member.recording.plan.experiment.steps:
                    return
                yield _row(member)
            except RunFailed:
                yield from _again(waiting, member.point, member.tries, member.recording.reason)


def _dense(job: Job, tile: Sequence[Point], stop: threading.Event) -> Iterator[Row | float]:
    """The points of a tile, all at once; none is lost alone, but those that are done are done."""
    act = tiled_run.run_tile
    if job.base.diagram:
        act = continuation.run_continued if job.base.continued else fresh.run_fresh
    pieces = deque([list(tile)])
    while pieces and not stop.is_set():
        piece = pieces.popleft()
        if _too_large(job, piece):
            pieces.extendleft([piece[len(piece) // 2 :], piece[: len(piece) // 2]])
        else:
            yield from _piece(job, act, piece, stop)


def _too_large(job: Job, piece: Sequence[Point]) -> bool:
    """Whether points have to be parted, to fit into the memory that there is."""
    if job.memory is None or len(piece) < 2 or job.base.continued:
        return False
    try:
        return tiled_run.planned(job.base, piece, job.threads).needed > job.memory
    except InputError:  # more than this machine has
        return True


def needs(job: Job, point: Point) -> float:
    """Bytes that a point needs by itself; of a diagram whose points go on from each other, all
    that are side by side."""
    ways = len(job.base.diagram.directions) if job.base.continued else 1
    return ways * plan(job.base.experiment(point), 1).needed


def _piece(
    job: Job, act: Callable[..., Generator], tile: Sequence[Point], stop: threading.Event
) -> Iterator[Row | float]:
    waiting = {point.index: point for point in tile}
    for tries in range(1, TRIES + 1):
        try:
            for found in _and_returned(act(job.base, job.threads, list(waiting.values()), stop)):
                if isinstance(found, Row):
                    waiting.pop(found.point, None)
                yield found
            return
        except OtherData:
            raise
        except (InputError, RunFailed) as error:
            if tries == TRIES:
                yield from (Row(index, "failed", _said(error)) for index in waiting)


def _and_returned(
    running: Generator[Row | float, None, list[Row]],
) -> Iterator[Row | float]:
    """What a generator yields, and then the rows that it returns."""
    yield from (yield from running)


def _row(member: Member) -> Row:
    """What a point found, and whether its noise floor is 0."""
    numbers = flat(member.recording.preview.summary)
    holds = member.recording.simulation.noise_floor.holds
    return Row(member.point.index, "done", "", numbers, holds)


def _room(members: Sequence[Member], memory: float | None) -> bool:
    """Whether one more run may be under way: they are alike."""
    if not members:
        return True
    first = members[0].recording
    if memory is not None and (len(members) + 1) * first.plan.needed > memory:
        return False
    if len(members) < 2:
        return True
    most = RUNS_PER_THREAD * first.simulation.threads
    return len(members) < min(most, MAX_REPLICAS // max(1, first.simulation.replicas))


def _prepared(job: Job, point: Point, stop: threading.Event, checked: bool) -> Recording:
    """``checked``: a point of the batch was prepared before. They are of one size."""
    ready = plan(job.base.experiment(point), job.threads, checked)
    path = None if job.runs is None else folder_of(Path(job.runs), point)
    try:
        if path is not None:
            shutil.rmtree(path, ignore_errors=True)  # of a try that failed, or was cut short
            path.mkdir(parents=True)
    except OSError as error:
        raise RunFailed(f"{error.strerror}: {error.filename}") from None
    return prepare(ready, path, RunControl(stop=stop))


def folder_of(runs: Path, point: Point) -> Path:
    """The run folder of a point."""
    return runs / f"{point.index:05}"


def _again(waiting: deque, point: Point, tries: int, reason: str) -> Iterator[Row]:
    """Let a point that failed be tried again, or give it up."""
    if tries < TRIES:
        waiting.append((point, tries + 1))
    else:
        yield Row(point.index, "failed", reason)


def _said(error: Exception) -> str:
    cause = error.__cause__
    text = str(cause or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _under_way(members: Sequence[Member]) -> float:
    """How much is done of the runs under way, in points."""
    return sum(m.recording.step / m.recording.plan.experiment.steps for m in members)


def _drop(members: deque[Member]) -> None:
    """End runs that are under way; their folders say that they were interrupted."""
    for member in members:
        member.frames.close()
