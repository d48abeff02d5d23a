"""A Dask cluster as the crew of a sweep, through its concurrent.futures interface.

Dask places units on workers, and places them anew when a worker dies; a unit on which worker
after worker dies comes back as KilledWorker. How many units fly follows the threads of the
cluster, so that workers that join are used.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
import uuid
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from tuichaos.errors import InputError, RunFailed
from tuichaos.sweeps import far
from tuichaos.sweeps.batch import Job
from tuichaos.sweeps.crews import reach
from tuichaos.sweeps.points import Point
from tuichaos.sweeps.rows import Row
from tuichaos.sweeps.workers import Crew, WorkerDied

CONNECT_SECONDS = 10.0  # for a scheduler to answer at first
SILENCE_SECONDS = 60.0  # later on: one that is busy may be slow
COUNT_SECONDS = 1.0  # between two looks at how many threads there are
CLOSE_SECONDS = 2.0  # for goodbyes
LOGGERS = ("distributed", "tornado", "asyncio", "dask")


def connect(address: str) -> Cluster:
    """The cluster whose scheduler is at ``tcp://HOST:PORT``.

    InputError: no such address or host, Dask is not installed, or no scheduler answers.
    """
    reach(address)
    quiet = contextlib.ExitStack()
    quiet.enter_context(_silence())
    try:
        _greet(address)
        return Cluster(address, quiet)
    except Exception as error:
        reason = _reason(error)
    # A client that could not start ends when it is collected; in the middle of the start
    # of another one that would wait for itself.
    gc.collect()
    quiet.close()
    raise InputError(f"--scheduler {address}: no Dask scheduler answers there ({reason})")


def _reason(error: Exception) -> str:
    """Why nobody answers: nobody is there, or Dask itself failed (its settings, say)."""
    if isinstance(error, OSError):  # TimeoutError too
        return f"waited {CONNECT_SECONDS:g} s at most"
    return f"{type(error).__name__}: {error}"


def _greet(address: str) -> None:
    """Ask the scheduler one thing. A client waits for ever for one that listens but never
    speaks, whatever its own limit; this raises TimeoutError."""
    import distributed

    async def ask() -> None:
        async with asyncio.timeout(CONNECT_SECONDS), distributed.rpc(address) as scheduler:
            await scheduler.ncores()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(ask())
        return
    with ThreadPoolExecutor(1) as aside:  # in a notebook a loop runs already
        aside.submit(asyncio.run, ask()).result()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep Dask's own log off the terminal: what matters of it is said in our own words."""
    import distributed  # noqa: F401 (it sets up its loggers)

    names = [*LOGGERS, *logging.root.manager.loggerDict]
    found = [logging.getLogger(n) for n in dict.fromkeys(names) if n.split(".")[0] in LOGGERS]
    before = [(logger, logger.level) for logger in found]
    for logger in found:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)


class Cluster(Crew):
    """The workers of a Dask cluster, one slot for each of their threads."""

    def __init__(self, address: str, quiet: contextlib.ExitStack) -> None:
        from distributed import Client

        self.scheduler = address
        self._quiet = quiet
        self._session = uuid.uuid4().hex
        self._machines: dict[str, dict[str, Any]] = {}
        with warnings.catch_warnings():  # versions that differ: see ``warnings``
            warnings.simplefilter("ignore")
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        self._threads, self._heard, self._asked = 0, time.monotonic(), 0.0
        self._count: Future | None = None
        try:
            self._ask()
            self._threads = sum(self._count.result(CONNECT_SECONDS).values())
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *ended: object) -> None:
        with contextlib.suppress(Exception):
            self._client.close(timeout=CLOSE_SECONDS)
        self._quiet.close()

    def executor(self) -> Executor:
        return self._client.get_executor(pure=False)

    def submit(self, executor: Executor, job: Job, points: tuple[Point, ...]) -> Future:
        return executor.submit(far.work, job, points, self._session)

    def slots(self) -> int:
        """The threads of the cluster a moment ago. Never waits."""
        if self._client.status != "running":
            raise RunFailed(self._lost())
        now = time.monotonic()
        if self._count is None:
            if now - self._asked > COUNT_SECONDS:
                self._ask()
        elif self._count.done():
            with contextlib.suppress(Exception):  # if it failed, the next one tells
                self._threads = sum(self._count.result().values())
                self._heard = now
            self._count = None
        if now - self._heard > SILENCE_SECONDS:
            raise RunFailed(f"the scheduler {self.scheduler} does not answer any more")
        return self._threads

    def _ask(self) -> None:
        self._asked = time.monotonic()
        self._count = asyncio.run_coroutine_threadsafe(
            self._client.scheduler.ncores(), self._client.loop.asyncio_loop
        )

    def answer(self, future: Future) -> Sequence[Row]:
        from distributed import KilledWorker

        try:
            found: far.Answer = future.result()
        except CancelledError:  # all that flies is, when the connection breaks
            raise RunFailed(self._lost()) from None
        except KilledWorker as error:
            raise WorkerDied(error.allowed_failures + 1) from None
        except Exception as error:  # it could not be unpacked there: ``work`` raises nothing
            words = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
            raise RunFailed(
                f"the cluster {self.scheduler} cannot run tuichaos {far.version()} "
                f"(its scheduler and workers must have it installed): {words}"
            ) from None
        if found.unfit:
            raise RunFailed(f"a worker on {found.machine['host']} cannot run this: {found.unfit}")
        if found.fault:
            raise RuntimeError(found.fault)
        self._machines.setdefault(far.key(found.machine), found.machine)
        return found.rows

    def end(self, executor: Executor) -> None:
        if self._client.status == "running":
            with contextlib.suppress(Exception):
                executor.shutdown(wait=False)  # and cancel what flies

    def _lost(self) -> str:
        return f"the scheduler {self.scheduler} went away, or dropped what it was asked"

    def facts(self) -> dict[str, object]:
        return {"scheduler": self.scheduler, "threads": self._threads}

    def machines(self) -> list[dict[str, str]]:
        return list(self._machines.values())

    def warnings(self) -> list[str]:
        """Workers that are not as this process: their bits may differ."""
        here, found = far.machine(), []
        for machine in self._machines.values():
            changed = [
                f"{name} {machine[name]}, here {here[name]}"
                for name in here
                if name != "host" and machine.get(name) != here[name]
            ]
            if changed:
                found.append(
                    f"points were computed on {machine['host']} with {'; '.join(changed)}: "
                    "bits may differ from those of this machine"
                )
        return found
