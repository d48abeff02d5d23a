"""The memory of a worker's process: how much its points may take, shared by its threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from tuichaos.common import memory

LATER = 100_000_000  # bytes that libraries take at the first point: what they load only then
WAIT_SECONDS = 0.2
SHARES = ("terminate", "pause")  # of its limit, in Dask's settings


class Room:
    """So many bytes for all points under way on some threads, which wait for their share."""

    def __init__(self, total: float, threads: int = 1) -> None:
        self.total = total
        self._share = total / threads
        self._free = total
        self._change = threading.Condition()

    @contextlib.contextmanager
    def taken(
        self, least: float, most: float, unwanted: Callable[[], bool] = lambda: False
    ) -> Iterator[float]:
        """At least ``least`` bytes, up to ``most`` where the share of a thread is larger; fewer
        than the least once ``unwanted`` says that nobody wants what they are for."""
        most = max(least, min(most, self._share))
        with self._change:
            while self._free < least and not unwanted():
                self._change.wait(WAIT_SECONDS)
            got = max(0.0, min(self._free, most))
            self._free -= got
        try:
            yield got
        finally:
            with self._change:
                self._free += got
                self._change.notify_all()


def of_worker() -> tuple[float, float, float]:
    """Bytes that the process of this worker has now; at which it is ended; and from which on it
    starts nothing more. Called before its first point, with all that it needs loaded."""
    held, most = memory.held() or 0.0, float(memory.installed())
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        import dask
        from distributed import get_worker

        limit = get_worker().memory_manager.memory_limit
        if limit:
            shares = (dask.config.get(f"distributed.worker.memory.{k}", None) for k in SHARES)
            ended, paused = (min(most, float(limit) * (share or 1.0)) for share in shares)
            return held, ended, paused
    return held, most, most


def threads_of_worker() -> int:
    """How many units this process is given at once."""
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        from distributed import get_worker

        return max(1, get_worker().state.nthreads)
    return 1
