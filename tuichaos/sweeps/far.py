"""What a worker of a cluster does: the rows of its points, with what they were computed on."""

from __future__ import annotations

import contextlib
import functools
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from tuichaos.errors import InputError, OtherData
from tuichaos.manifest import versions
from tuichaos.plan import plan
from tuichaos.sweeps.batch import Job, perform
from tuichaos.sweeps.points import Point
from tuichaos.sweeps.rows import Row
from tuichaos.trusted import trust_named
from tuichaos.version import VERSION

LOOK_SECONDS = 0.5  # between two looks whether the rows are still wanted


@dataclass(frozen=True)
class Answer:
    """Rows of a unit and the machine they are from; ``unfit``: why this process cannot do any
    point; ``fault``: what broke this time."""

    rows: tuple[Row, ...]
    machine: dict[str, str]
    unfit: str = ""
    fault: str = ""


def work(job: Job, points: tuple[Point, ...], session: str) -> Answer:
    """The rows of points, computed with one thread. Raises nothing: what fails is told."""
    # For good: another unit in this process must not have it set back under its hands.
    torch.set_num_threads(1)
    trust_named(job.base.table)  # who asked had it checked
    if unfit := _unfit(job, session):
        return Answer((), machine(), unfit)
    try:
        return Answer(tuple(_rows(job, points)), machine())
    except OtherData as error:
        return Answer((), machine(), str(error))
    except Exception as error:
        words = str(error).strip().splitlines()
        return Answer((), machine(), fault=words[0] if words else type(error).__name__)


def _rows(job: Job, points: tuple[Point, ...]) -> Iterator[Row]:
    """Rows as they come; InputError once nobody wants them."""
    stop, next_look = threading.Event(), time.monotonic() + LOOK_SECONDS
    with contextlib.closing(perform(job, points, stop)) as source:
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


def version() -> str:
    """Of tuichaos, where this is called: on a worker."""
    return VERSION
