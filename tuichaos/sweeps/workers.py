"""Points spread over processes: any ``concurrent.futures.Executor`` may carry them.

What a worker gets and gives back is plain data. A worker that dies takes down what was in
its care, and nothing else: that is done again, point by point, each with no company that a
death could be of, so that it is known which point it was.
"""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from multiprocessing import resource_tracker

from tuichaos.common import signals
from tuichaos.common.errors import RunFailed
from tuichaos.config.extension import trust_job
from tuichaos.sweeps.batch import TRIES, Job, run_batch
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.points import Point

UNITS_PER_WORKER = 4  # of a batch, so that no worker is idle for long at the end
MAX_IN_UNIT = 16  # points: what a worker that dies takes with it
LOOK_SECONDS = 0.2
END_SECONDS = 5.0  # for the library to see that its workers are gone
SAFE_PATH = "PYTHONSAFEPATH"
DIED = "the worker process died"
MAX_DEATHS = 10  # of workers in a row without one point that was done: it is not the points


@dataclass(frozen=True)
class Unit:
    """Points that a worker does in one go, and how often they took a worker down; ``whole``:
    they cannot be done one by one."""

    points: tuple[Point, ...]
    deaths: int = 0
    whole: bool = False


class WorkerDied(Exception):
    """What carried a unit died; other units are not touched."""

    def __init__(self, words: str = DIED) -> None:
        super().__init__(words)


class WorkerLeft(Exception):
    """What carried a unit gave it back, through no fault of the unit; ``aside``: it should wait
    for another worker, and others not for it."""

    def __init__(self, aside: bool = False) -> None:
        super().__init__()
        self.aside = aside


class Pool:
    """Who does units: an executor, which may break, and how many units it takes at once.

    A context: at its end nothing is left of it. ``apart``: a death takes down the units of one
    worker alone, and one of them can be sent to a worker that has nothing else.
    """

    apart = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *ended: object) -> None:
        return None

    def check_memory(self, needs: float) -> None:
        """InputError where it is known that no worker has the bytes that a point needs."""

    def meet(self, job: Job, stop: threading.Event) -> Iterator[None]:
        """Find out who can do points of a job; yields while that takes its time. RunFailed
        where nobody can."""
        yield from ()

    def executor(self) -> object:
        """What units are sent through: an ``Executor``, or nothing where the pool sends them."""
        raise NotImplementedError

    def slots(self) -> int:
        """How many units may run at once now; RunFailed where none will ever again."""
        raise NotImplementedError

    def worker_count(self) -> int | None:
        """The same for who watches; None while it is being found out."""
        return self.slots()

    def submit(
        self, executor: Executor, job: Job, points: tuple[Point, ...], alone: bool = False
    ) -> Future | None:
        """Have points done; ``alone``, on a worker that has nothing else meanwhile, or None where
        there is none of those now: for pools that are ``apart``."""
        return executor.submit(work, job, points)

    def most_deaths(self) -> int:
        """Deaths in a row, without one point that was done, that are not of the points."""
        return MAX_DEATHS

    def answer(self, future: Future) -> Sequence[Row]:
        """The rows of a unit that has ended. Raises BrokenExecutor where the executor broke,
        WorkerDied where only what carried this unit did, WorkerLeft where that gave it back,
        RunFailed where all is over."""
        return future.result()

    def end(self, executor: object) -> None:
        """Let an executor go, with what it is at; that is done again when the sweep goes on."""
        raise NotImplementedError

    def doubts(self) -> str:
        """Why its workers may have died, as far as that is known."""
        return ""

    def facts(self) -> dict[str, object]:
        """What the manifest should say of it, so far."""
        return {}

    def machines(self) -> list[dict[str, str]]:
        """What points were computed on, so far, where that is not this machine alone."""
        return []

    def warnings(self) -> list[str]:
        """What its user should know, so far."""
        return []


def units(batches: Sequence[Sequence[Point]], workers: int) -> list[Unit]:
    """Batches cut so that each worker gets several pieces."""
    found = []
    for batch in batches:
        size = max(1, min(MAX_IN_UNIT, len(batch) // (UNITS_PER_WORKER * workers)))
        found += [Unit(tuple(batch[k : k + size])) for k in range(0, len(batch), size)]
    return found


def work(job: Job, points: tuple[Point, ...]) -> list[Row]:
    """What a worker does: the rows of its points."""
    trust_job(job.base.table)  # who asked had it checked
    return [row for row in run_batch(job, points, threading.Event()) if isinstance(row, Row)]


def scattered(
    job: Job, todo: Sequence[Unit], pool: Pool, stop: threading.Event
) -> Iterator[Row | float]:
    """Run units by a pool, with a new executor whenever one breaks; yields rows as they come.
    Ends early once ``stop`` is set: what is then under way is given up. Raises RunFailed if no
    worker lives long enough for any point, or the pool says that it is over."""
    waiting, suspects = deque(todo), deque()
    running: dict[Future, Unit] = {}
    executor, deaths = pool.executor(), 0
    try:
        while (waiting or suspects or running) and not stop.is_set():
            broken = not _launch(pool, executor, job, waiting, suspects, running)
            if not running:  # there is no worker
                stop.wait(LOOK_SECONDS)
            done, _ = wait(running, LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                unit = running.pop(future)
                try:
                    found = pool.answer(future)
                    deaths = 0
                    yield from found
                except RunFailed:
                    raise
                except WorkerLeft as left:
                    (suspects if unit.deaths or left.aside else waiting).appendleft(unit)
                except Exception as error:  # of the worker, not of a point: those give a row
                    broken = broken or isinstance(error, BrokenExecutor)
                    # Of those with company many die at once, when a machine goes.
                    deaths += isinstance(error, WorkerDied) and unit.deaths > 0
                    yield from _again(suspects, unit, error)
            if broken:  # all that ran went down with it
                for unit in running.values():
                    yield from _again(suspects, unit, BrokenExecutor())
                running.clear()
                pool.end(executor)
                deaths += 1
            if deaths >= pool.most_deaths():
                words = "workers die again and again; try it in this process alone"
                raise RunFailed("; ".join(filter(None, [words, pool.doubts()])))
            if broken:
                executor = pool.executor()
            yield 0.0
    finally:
        pool.end(executor)


def _launch(
    pool: Pool, executor: object, job: Job, waiting: deque, suspects: deque, running: dict
) -> bool:
    """Fill the slots; units that are suspected go without company. False if the executor is
    broken."""
    slots = pool.slots()
    _cut(waiting, slots - len(running))
    while len(running) < slots and (waiting or suspects):
        if not pool.apart and (
            (suspects and running) or any(unit.deaths for unit in running.values())
        ):
            return True
        try:
            if not any(_sent(pool, executor, job, units, running) for units in (suspects, waiting)):
                return True
        except BrokenExecutor:
            return False
    return True


def _sent(pool: Pool, executor: object, job: Job, units: deque, running: dict) -> bool:
    """Send the first of some units; False where there is none, or no worker for it now."""
    if not units:
        return False
    future = pool.submit(executor, job, units[0].points, units[0].deaths > 0)
    if future is None:
        return False
    running[future] = units.popleft()
    return True


def _cut(waiting: deque, free: int) -> None:
    """Cut units in halves as long as there are fewer of them than free workers."""
    while 0 < len(waiting) < free:
        largest = max(waiting, key=lambda unit: 0 if unit.whole else len(unit.points))
        half = 0 if largest.whole else len(largest.points) // 2
        if not half:
            return
        waiting.remove(largest)
        waiting += [Unit(largest.points[:half]), Unit(largest.points[half:])]


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
            words = DIED if isinstance(error, BrokenExecutor) else text[0]
            yield Row(point.index, "failed", words)


# --- local processes -----------------------------------------------------------------------


SHARED = "/dev/shm"
REFUSED = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EDQUOT)
REFUSED += (errno.ENOSYS, errno.EMFILE, errno.ENFILE)


class Processes(Pool):
    """``count`` processes on this machine, that end with this one. A context, begun before
    anything is written: RunFailed where processes cannot be coordinated here."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Processes:
        with _shared(), _starting():
            multiprocessing.get_context("spawn").Semaphore()
        return self

    def slots(self) -> int:
        return self.count

    def facts(self) -> dict[str, object]:
        return {"workers": self.count, "threads": self.count}

    def executor(self) -> Executor:
        """They are started afresh, not forked: threads and torch do not survive a fork."""
        with _shared(), _starting():
            return ProcessPoolExecutor(
                self.count,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(os.getpid(),),
            )

    def submit(
        self, executor: Executor, job: Job, points: tuple[Point, ...], alone: bool = False
    ) -> Future | None:
        with _starting():  # a process is started for the first ones
            return super().submit(executor, job, points)

    def end(self, executor: Executor) -> None:
        for process in list((getattr(executor, "_processes", None) or {}).values()):
            with contextlib.suppress(OSError, ValueError):
                process.kill()  # one that is only starting heeds nothing else
        manager = getattr(executor, "_executor_manager_thread", None)
        executor.shutdown(wait=False, cancel_futures=True)
        if manager is not None:  # at its end it closes what the interpreter's end writes to
            manager.join(END_SECONDS)


@contextlib.contextmanager
def _shared() -> Iterator[None]:
    """RunFailed that names what the system refuses: processes are coordinated by semaphores,
    which lie in shared memory, not in the folder of the sweep."""
    try:
        yield
    except (OSError, ImportError) as error:  # ImportError: a system that has no semaphores
        number = error.errno if isinstance(error, OSError) else errno.ENOSYS
        if number not in REFUSED:
            raise
        words = error.strerror if isinstance(error, OSError) else "there are no semaphores"
        raise RunFailed(
            f"--workers: no semaphore can be had in shared memory ({SHARED}): {words}; free or "
            "enlarge it, or leave --workers out: one process then does all points"
        ) from error


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Let processes be started that no signal meets before they can answer it: one that goes to
    the whole group, as ctrl-C does, would have each of them say where it was. They inherit what
    is held back here (of this process it is answered a moment later), and so does what looks
    after their resources, which has to outlive them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.SIGNALS)
    try:
        with _safe_path():
            resource_tracker.ensure_running()  # it lets go of two of them
            signal.pthread_sigmask(signal.SIG_BLOCK, signals.SIGNALS)
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Let Python begin without the current folder among the places of its modules: a worker
    imports multiprocessing before it knows the path of this process, and the folder may be a
    stranger's, with a file of that name."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def _begin(parent: int) -> None:
    """In a worker: what asks to end is the parent's to answer, but for SIGTERM, by which the
    library ends a worker; and the parent's death ends it."""
    for number in signals.SIGNALS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SIGNALS)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
