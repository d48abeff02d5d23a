"""Points spread over processes: any ``concurrent.futures.Executor`` may carry them.

What a worker gets and gives back is plain data. A worker that dies takes down what was in
its hands, and nothing else: that is done again, point by point and one at a time, so that it
is known which point it was.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass

from tuichaos.errors import RunFailed
from tuichaos.sweeps.batch import TRIES, Job, perform
from tuichaos.sweeps.points import Point
from tuichaos.sweeps.rows import Row

UNITS_PER_WORKER = 4  # of a batch, so that no worker is idle for long at the end
MOST_IN_UNIT = 16  # points: what a worker that dies takes with it
LOOK_SECONDS = 0.2
MOST_DEATHS = 10  # of workers in a row without one point that was done: it is not the points


@dataclass(frozen=True)
class Unit:
    """Points that a worker does in one go, and how often they took a worker down; ``whole``:
    they cannot be done one by one."""

    points: tuple[Point, ...]
    deaths: int = 0
    whole: bool = False


def units(batches: Sequence[Sequence[Point]], workers: int) -> list[Unit]:
    """Batches cut so that each worker gets several pieces."""
    found = []
    for batch in batches:
        size = max(1, min(MOST_IN_UNIT, len(batch) // (UNITS_PER_WORKER * workers)))
        found += [Unit(tuple(batch[k : k + size])) for k in range(0, len(batch), size)]
    return found


def work(job: Job, points: tuple[Point, ...]) -> list[Row]:
    """What a worker does: the rows of its points."""
    return [row for row in perform(job, points, threading.Event()) if isinstance(row, Row)]


def scattered(
    job: Job,
    todo: Sequence[Unit],
    make: Callable[[], Executor],
    slots: int,
    stop: threading.Event,
) -> Iterator[Row | float]:
    """Run units on an executor, ``slots`` at a time, a new one whenever it breaks; yields rows
    as they come. Ends early once ``stop`` is set: what is then under way is given up. Raises
    RunFailed if no worker lives long enough for any point."""
    waiting, suspects = deque(todo), deque()
    flying: dict[Future, Unit] = {}
    executor, deaths = make(), 0
    try:
        while (waiting or suspects or flying) and not stop.is_set():
            broken = not _launch(executor, job, waiting, suspects, flying, slots)
            done, _ = wait(flying, LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                unit = flying.pop(future)
                try:
                    found = future.result()
                    deaths = 0
                    yield from found
                except Exception as error:  # of the worker, not of a point: those give a row
                    broken = broken or isinstance(error, BrokenExecutor)
                    yield from _again(suspects, unit, error)
            if broken:  # all that flew went down with it
                for unit in flying.values():
                    yield from _again(suspects, unit, BrokenExecutor("a worker process died"))
                flying.clear()
                _end(executor)
                deaths += 1
                if deaths == MOST_DEATHS:
                    raise RunFailed("worker processes die again and again; try without --workers")
                executor = make()
            yield 0.0
    finally:
        _end(executor)


def _launch(
    executor: Executor, job: Job, waiting: deque, suspects: deque, flying: dict, slots: int
) -> bool:
    """Fill the slots; units that are suspected go alone. False if the executor is broken."""
    while len(flying) < slots and (waiting or suspects):
        if (suspects and flying) or any(unit.deaths for unit in flying.values()):
            return True
        unit = (suspects or waiting).popleft()
        try:
            flying[executor.submit(work, job, unit.points)] = unit
        except BrokenExecutor:
            (suspects if unit.deaths else waiting).appendleft(unit)
            return False
    return True


def _again(suspects: deque, unit: Unit, error: Exception) -> Iterator[Row]:
    """Let the points of a unit be done again, one by one, or give up the one that it is."""
    deaths = unit.deaths + 1
    if unit.whole and deaths < TRIES:
        suspects.append(Unit(unit.points, deaths, whole=True))
        return
    for point in unit.points:
        if deaths < TRIES:
            suspects.append(Unit((point,), deaths))
        else:
            text = str(error).strip().splitlines() or [type(error).__name__]
            died = isinstance(error, BrokenExecutor)
            yield Row(point.index, "failed", "the worker process died" if died else text[0])


# --- local processes -----------------------------------------------------------------------


def processes(count: int) -> Executor:
    """``count`` processes on this machine, that end with this one.

    They are started afresh, not forked: threads and torch do not survive a fork.
    """
    return ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(os.getpid(),),
    )


def _begin(parent: int) -> None:
    """In a worker: ctrl-C is the parent's to answer, and its death ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _end(executor: Executor) -> None:
    """Let an executor go, with what it is at; that is done again when the sweep goes on."""
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        with contextlib.suppress(OSError, ValueError):
            process.terminate()
    executor.shutdown(wait=False, cancel_futures=True)
