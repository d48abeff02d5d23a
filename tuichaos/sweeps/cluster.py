"""A Dask cluster as the pool of a sweep.

Each worker is asked first whether it can do the points (``question``); who cannot is left out,
and told. A unit is sent to one worker, chosen here: so it is known which one died, and of what.
How many units run at once follows the threads of those that can: workers that join are used.
What is sent are Python's own functions, text and bytes: the scheduler needs no tuichaos.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import pickle
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.limits import size_of
from tuichaos.sweeps import cluster_question, cluster_worker
from tuichaos.sweeps.batch import Job
from tuichaos.sweeps.cluster_connection import CONNECT_SECONDS, greet, no_answer, silenced
from tuichaos.sweeps.cluster_members import ASKED, NEW, Member, Roll
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.points import Point
from tuichaos.sweeps.worker_options import reach
from tuichaos.sweeps.workers import DIED, LOOK_SECONDS, MAX_DEATHS, Pool, WorkerDied, WorkerLeft

SILENCE_SECONDS = 60.0  # later on: one that is busy may be slow
COUNT_SECONDS = 1.0  # between two looks at who is there
WORKERS_A_SECOND = 50  # that are looked at, on average: of many a look is large
MEET_SECONDS = 5.0  # for all that are there to answer, once some have
MEMORY_DEATHS = 6  # of workers by Dask for their memory, before any point is done
LEAST_PROCESS = 200_000_000  # bytes of a worker with torch loaded, at least: 250 MB are usual
CLOSE_SECONDS = 2.0  # for goodbyes
ASK = "exec(source) or __import__('pickle').dumps(fitness(packed))"
WORK = "__import__('tuichaos.sweeps.cluster_worker').sweeps.cluster_worker.packed_work(packed)"
# Topics of Dask's events: that a worker went, and that its nanny ended it for its memory.
WENT, OVER_MEMORY = "all", "worker-restart-memory"


def connect(address: str) -> Cluster:
    """The cluster whose scheduler is at ``tcp://HOST:PORT``.

    InputError: no such address or host, Dask is not installed, or no scheduler answers.
    """
    reach(address)
    quiet = contextlib.ExitStack()
    quiet.enter_context(silenced())
    try:
        greet(address)
        return Cluster(address, quiet)
    except Exception as error:
        reason = no_answer(error)
    # A client that could not start ends when it is collected; in the middle of the start
    # of another one that would wait for itself.
    gc.collect()
    quiet.close()
    raise InputError(f"--scheduler {address}: no Dask scheduler answers there ({reason})")


class Cluster(Pool):
    """The workers of a Dask cluster that can do the points, one slot for each of their threads."""

    apart = True

    def __init__(self, address: str, quiet: contextlib.ExitStack) -> None:
        from distributed import Client

        self.scheduler = address
        self._quiet = quiet
        self._session = uuid.uuid4().hex
        self._machines: dict[str, dict[str, Any]] = {}
        self._roll = Roll()
        self._job: Job | None = None
        self._running: dict[Future, Member] = {}
        self._sent: dict[Future, tuple[Point, ...]] = {}
        self._least: dict[int, float] = {}  # bytes of points that did not fit into a worker
        self._ended: dict[Future, Exception] = {}  # what became of those taken back
        self._questions: dict[Future, Member] = {}
        self._tasks: dict[Future, Any] = {}  # Dask's own futures, which hold the tasks
        self._events: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._over_memory: dict[str, float] = {}  # what workers had that Dask ended for it
        self._memory_deaths = 0
        with warnings.catch_warnings():  # versions that differ: see ``warnings``
            warnings.simplefilter("ignore")
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        self._heard, self._asked = time.monotonic(), 0.0
        self._count: Future | None = None
        try:
            for topic in (WENT, OVER_MEMORY):
                self._client.subscribe_topic(topic, self._hear(topic))
            self._ask()
            self._roll.see(self._count.result(CONNECT_SECONDS)["workers"])
        except BaseException:
            self.__exit__()
            raise

    def _hear(self, topic: str) -> Any:
        """Keeps events for the next look; called by a thread of the client."""
        return lambda event: self._events.append((topic, event[1]))

    def __exit__(self, *ended: object) -> None:
        with contextlib.suppress(Exception):
            self._client.close(timeout=CLOSE_SECONDS)
        self._quiet.close()

    def check_memory(self, needs: float) -> None:
        limits = [member.limit for member in self._roll.members.values()]
        least = self._roll.needs = LEAST_PROCESS + needs
        if limits and all(0 < limit < least for limit in limits):
            raise InputError(
                f"--scheduler {self.scheduler}: a point needs about {size_of(least)} of memory, "
                f"{size_of(LEAST_PROCESS)} of them for Python and torch; "
                f"of {len(limits)} workers none has a limit above {size_of(max(limits))}"
            )

    def meet(self, job: Job, stop: threading.Event) -> Iterator[None]:
        self._job = job
        self._look()
        end = time.monotonic() + MEET_SECONDS
        while self._roll.undecided and not stop.wait(LOOK_SECONDS):
            self._look()
            yield
            if self._roll.slots and time.monotonic() > end:  # the others will be used later
                return

    def executor(self) -> None:
        return None

    def submit(
        self, executor: object, job: Job, points: tuple[Point, ...], alone: bool = False
    ) -> Future | None:
        least = max(self._least.get(point.index, 0.0) for point in points)
        # Where nobody has the room, any worker tells so once more, with its numbers.
        member = self._roll.free(alone, least if self._roll.may_have_room(least) else 0.0)
        if member is None:
            return None
        packed = pickle.dumps((job, points, self._session))
        future = self._send(member.address, WORK, {"packed": packed})
        member.running, member.alone = member.running + 1, alone
        self._running[future] = member
        self._sent[future] = points
        return future

    def _send(self, address: str, expression: str, names: dict[str, Any]) -> Future:
        """Let a worker evaluate an expression that gives bytes."""
        task = self._client.submit(
            eval,
            expression,
            names,
            key=f"tuichaos-{uuid.uuid4().hex}",
            workers=[address],
            allow_other_workers=False,
            pure=False,
        )

        async def arrived() -> bytes:
            return await task

        future = asyncio.run_coroutine_threadsafe(arrived(), self._client.loop.asyncio_loop)
        self._tasks[future] = task
        return future

    def slots(self) -> int:
        """How many units may run at once, as of a moment ago. Never waits."""
        self._look()
        return self._roll.slots

    def worker_count(self) -> int | None:
        return self.slots() or (None if self._roll.members else 0)

    def _look(self) -> None:
        """See who came and went, ask who is new; RunFailed where it is over."""
        if self._client.status != "running":
            raise RunFailed(self._lost())
        self._listen()
        now = time.monotonic()
        if self._count is None:
            pause = max(COUNT_SECONDS, len(self._roll.members) / WORKERS_A_SECOND)
            if now - self._asked > pause or (self._running and not self._roll.members):
                self._ask()
        elif self._count.done():
            with contextlib.suppress(Exception):  # if it failed, the next one tells
                for member in self._roll.see(self._count.result()["workers"]):
                    self._gone(member.address, died=True)
                self._heard = now
            self._count = None
        if now - self._heard > SILENCE_SECONDS:
            raise RunFailed(f"the scheduler {self.scheduler} does not answer any more")
        if self._job is not None:
            self._question()
            self._take_back()
            if words := self._roll.over():
                raise RunFailed(words)

    def _ask(self) -> None:
        self._asked = time.monotonic()
        self._count = asyncio.run_coroutine_threadsafe(
            self._client.scheduler.identity(), self._client.loop.asyncio_loop
        )

    def _listen(self) -> None:
        """What the scheduler told of workers since."""
        while self._events:
            topic, event = self._events.popleft()
            if topic == OVER_MEMORY:
                self._over_memory[str(event.get("worker"))] = float(event.get("rss") or 1)
            elif isinstance(event, Mapping) and event.get("action") == "remove-worker":
                self._gone(str(event.get("worker")), died=not event.get("expected", False))

    def _gone(self, address: str, died: bool) -> None:
        """A worker went; what it had comes back: it died under it, or left it."""
        over = self._over_memory.get(address, 0.0)
        member = self._roll.gone(address, died, over)
        if member is None:
            return
        error: Exception = WorkerLeft()
        if died:
            why = f"{DIED}: it had more than its memory limit of {size_of(member.limit)}"
            error = WorkerDied(why if over else DIED)
            self._memory_deaths += bool(over and member.alone)
        self._back(member, error)
        for future in [f for f, asked in self._questions.items() if asked is member]:
            del self._questions[future]
            self._drop(future)

    def _back(self, member: Member, error: Exception) -> None:
        for future in [f for f, carrier in self._running.items() if carrier is member]:
            if not future.done():
                self._ended[future] = error
                self._drop(future)

    def _drop(self, future: Future) -> None:
        """Let a task go: nobody waits for it any more."""
        task = self._tasks.pop(future, None)
        future.cancel()
        if task is not None:
            self._cancel([task])

    def _cancel(self, tasks: list[Any]) -> Future:
        async def cancel() -> None:
            with contextlib.suppress(Exception):
                await self._client.cancel(tasks, asynchronous=True)

        return asyncio.run_coroutine_threadsafe(cancel(), self._client.loop.asyncio_loop)

    def _question(self) -> None:
        """Ask workers that are new, and hear those that were asked."""
        from distributed import KilledWorker

        for member in self._roll.members.values():
            if member.state == NEW:
                member.state, member.asked = ASKED, time.monotonic()
                packed = pickle.dumps((self._job, self._session, member.threads))
                names = {"source": inspect.getsource(cluster_question), "packed": packed}
                self._questions[self._send(member.address, ASK, names)] = member
        for future in [future for future in self._questions if future.done()]:
            member = self._questions.pop(future)
            self._tasks.pop(future, None)
            try:
                told = pickle.loads(future.result())
            except (CancelledError, KilledWorker, OSError):  # the next look tells why
                continue
            except Exception as error:
                told = {"unfit": _words(error)}
            self._roll.answered(member, told)
        self._roll.impatient()

    def _take_back(self) -> None:
        """Units of workers that start nothing more go to others."""
        for member in self._roll.members.values():
            if member.running and member.stuck:
                self._back(member, WorkerLeft())

    def answer(self, future: Future) -> Sequence[Row]:
        from distributed import KilledWorker

        member, points = self._running.pop(future), self._sent.pop(future)
        member.running, member.alone = member.running - 1, False
        self._tasks.pop(future, None)
        try:
            if future in self._ended:
                raise self._ended.pop(future)
            found: cluster_worker.Answer = pickle.loads(future.result())
        except (WorkerDied, WorkerLeft):
            if self._memory_deaths >= MEMORY_DEATHS and not self._machines:
                raise RunFailed(self._roll.deaths()) from None
            raise
        except (KilledWorker, OSError):
            raise WorkerDied from None
        except CancelledError:  # all that runs is, when the connection breaks
            raise RunFailed(self._lost()) from None
        except Exception as error:  # it could not be unpacked there: ``work`` raises nothing
            self._roll.set_aside(member, _words(error))
            raise WorkerLeft from None
        if found.unfit:
            self._roll.set_aside(member, found.unfit)
            raise WorkerLeft
        if found.short and self._roll.may_have_room(found.short):
            self._least.update((point.index, found.short) for point in points)
            raise WorkerLeft(aside=True)
        if found.fault:
            raise RuntimeError(found.fault)
        self._machines.setdefault(cluster_worker.key(found.machine), found.machine)
        return found.rows

    def most_deaths(self) -> int:
        return MAX_DEATHS + 2 * self._roll.threads  # a machine that goes takes many with it

    def doubts(self) -> str:
        return self._roll.deaths()

    def end(self, executor: object) -> None:
        if self._client.status == "running":
            tasks = list(self._tasks.values())
            with contextlib.suppress(Exception):
                self._cancel(tasks).result(CLOSE_SECONDS)
        for future in self._tasks:
            future.cancel()
        for found in (self._tasks, self._running, self._sent, self._questions, self._ended):
            found.clear()

    def _lost(self) -> str:
        return f"the scheduler {self.scheduler} went away, or dropped what it was asked"

    def facts(self) -> dict[str, object]:
        return {"scheduler": self.scheduler, "threads": self._roll.threads}

    def machines(self) -> list[dict[str, str]]:
        return list(self._machines.values())

    def warnings(self) -> list[str]:
        """Workers that are not as this process, whose bits may differ; those that were left
        out while others did points (else it is the reason of the end); and those that died,
        where memory may be why."""
        here, found = cluster_worker.machine(), []
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
        left_out = self._roll.left_out() if self._machines else []
        return [*found, *left_out, *filter(None, [self._roll.deaths()])]


def _words(error: Exception) -> str:
    """What a worker failed by, in a line."""
    lines = str(error.__cause__ or error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
