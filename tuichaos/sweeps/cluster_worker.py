"""What a worker of a cluster does: it says what it can do, and the rows of its points, with
what they were computed on."""

from __future__ import annotations

import contextlib
import functools
import pickle
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tuichaos.common.errors import InputError, OtherData, RunFailed
from tuichaos.common.limits import size_of
from tuichaos.config.extension import trust_job
from tuichaos.execution.manifest import versions
from tuichaos.execution.plan import plan
from tuichaos.sweeps.batch import RUNS_PER_THREAD, Job, needs, run_batch
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.points import Point
from tuichaos.sweeps.worker_memory import LATER, Room, of_worker, threads_of_worker

LOOK_SECONDS = 0.5  # between two looks whether the rows are still wanted


@dataclass(frozen=True)
class Answer:
    """Rows of a unit and the machine they are from; ``unfit``: why this process cannot do any
    point; ``fault``: what broke this time; ``short``: the bytes that a point needs and that are
    not here."""

    rows: tuple[Row, ...]
    machine: dict[str, str]
    unfit: str = ""
    fault: str = ""
    short: float = 0.0


class TooLarge(InputError):
    """A point that needs more bytes than this process has."""

    def __init__(self, needs: float) -> None:
        super().__init__(_too_small(needs))
        self.needs = needs


def packed_work(packed: bytes) -> bytes:
    """``work`` of what is packed, its answer packed: what lies between needs no tuichaos."""
    return pickle.dumps(work(*pickle.loads(packed)))


def work(job: Job, points: tuple[Point, ...], session: str) -> Answer:
    """The rows of points, computed with one thread. Raises nothing: what fails is told."""
    # For good: another unit in this process must not have it set back meanwhile.
    torch.set_num_threads(1)
    trust_job(job.base.table)  # who asked had it checked
    if unfit := _unfit(job, session):
        return Answer((), machine(), unfit)
    try:
        return Answer(tuple(_within(job, points)), machine())
    except OtherData as error:
        return Answer((), machine(), str(error))
    except TooLarge as error:
        return Answer((), machine(), fault=str(error), short=error.needs)
    except Exception as error:
        words = str(error).strip().splitlines()
        return Answer((), machine(), fault=words[0] if words else type(error).__name__)


def asked(job: Job, session: str, threads: int) -> dict[str, object]:
    """Whether this process can do points of a job: ``unfit``, why it cannot; how many at once
    by its ``threads`` and its memory (``slots``); how many bytes of ``room`` it has for them,
    and how many a process with a point in it ``needs``."""
    trust_job(job.base.table)
    found: dict[str, object] = {"slots": threads, "room": 0.0}
    if unfit := _unfit(job, session):
        return {**found, "unfit": unfit}
    space, need, held = _room(), needs(job, job.known), _memory()[0] + LATER
    slots = min(threads, int(space.total // need)) if need > 0 else threads
    found |= {"slots": slots, "room": space.total, "needs": held + need}
    return found if slots else {**found, "unfit": _too_small(need)}


def _within(job: Job, points: tuple[Point, ...]) -> Iterator[Row]:
    """The rows, with no more under way at once than the memory of this process holds."""
    try:
        space, least = _room(), needs(job, points[0])
    except (InputError, RunFailed):  # it is no experiment that can run: told point by point
        yield from _rows(job, points)
        return
    if least > space.total:
        raise TooLarge(least)
    together = len(points) if job.base.dense else min(RUNS_PER_THREAD, len(points))
    most = least if job.base.continued else together * least
    with space.taken(least, most, _dropped) as got:
        yield from _rows(job if got >= most else replace(job, memory=got), points)


def _too_small(need: float) -> str:
    held, ended, paused = _memory()
    own = held + LATER
    most = f"{size_of(ended)}" if own <= paused else f"{size_of(paused)} to start anything"
    return (
        f"memory: a point needs about {size_of(need)}, and about {size_of(own)} are for Python and "
        f"torch; the worker may have {most}"
    )


@functools.cache
def _memory() -> tuple[float, float, float]:
    return of_worker()


@functools.cache
def _room() -> Room:
    held, limit, starts = _memory()
    if held + LATER > starts:  # after its first point it would start nothing more
        return Room(0.0)
    return Room(max(0.0, limit - held - LATER), threads_of_worker())


def _rows(job: Job, points: tuple[Point, ...]) -> Iterator[Row]:
    """Rows as they come; InputError once nobody wants them."""
    stop, next_look = threading.Event(), time.monotonic() + LOOK_SECONDS
    if _dropped():
        raise InputError("it was dropped")
    with contextlib.closing(run_batch(job, points, stop)) as source:
        for found in source:
            if isinstance(found, Row):
                yield found
            if time.monotonic() > next_look:
                next_look = time.monotonic() + LOOK_SECONDS
                if _dropped():
                    stop.set()
    if stop.is_set():
        raise InputError("it was dropped")


_fit: set[str] = set()  # the sessions that this process is fit for


def _unfit(job: Job, session: str) -> str:
    """Why this process cannot do what the one that asks can do; empty if it can."""
    if session in _fit:
        return ""
    try:
        plan(job.base.experiment(job.known), 1)
    except (InputError, OtherData) as error:
        return str(error)
    if job.runs is not None and not (Path(job.runs).parent / "experiment.toml").exists():
        return f"--keep: it does not see {Path(job.runs).parent}; that takes a shared file system"
    _fit.add(session)
    return ""


def _dropped() -> bool:
    """Whether the task that this thread is at has been cancelled, or its client is gone."""
    from distributed import get_worker

    try:
        worker = get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
    except ValueError:  # not on a worker
        return False
    return task is None or task.state == "cancelled"


@functools.cache
def machine() -> dict[str, str]:
    """What the bits of a point depend on, and whose machine it is."""
    return {
        "host": platform.node(),
        **versions(),
    }


def key(machine: dict[str, str]) -> str:
    """Machines of one key are one."""
    return repr(sorted(machine.items()))
