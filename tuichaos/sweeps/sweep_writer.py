"""Writing the folder of a sweep while its points come, and how far it is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuichaos.common.atomic_files import reason
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.paths import as_argument
from tuichaos.execution.manifest import ended
from tuichaos.storage import run_order
from tuichaos.storage.run_writer import checksums, tell_end, write_manifest
from tuichaos.sweeps import plane_summary, sweep_table
from tuichaos.sweeps.journal import Journal, Row
from tuichaos.sweeps.orbit_diagram import diagram_files
from tuichaos.sweeps.points import Grid
from tuichaos.sweeps.workers import Pool

TABLE_SECONDS = 2.0  # between two writings of sweep.csv while it goes on


@dataclass(frozen=True)
class SweepProgress:
    """What a watcher of a sweep is told as points end.

    Attributes
    ----------
    done : int
        Points that have ended.
    total : int
        Points of the sweep.
    failed : int
        Points that have failed, among ``done``.
    under_way : float
        How much is done of those that run, in points.
    before : int
        Points that had ended when this process began.
    seconds : float
        Since this process began.
    slots : int, optional
        Workers that do the points; None without any.
    """

    done: int
    total: int
    failed: int
    under_way: float
    before: int
    seconds: float
    slots: int | None = None

    @property
    def points_per_second(self) -> float:
        """Points per second since this process began."""
        return (self.done - self.before + self.under_way) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end at this pace; None as long as nothing is known."""
        rate = self.points_per_second
        return (self.total - self.done - self.under_way) / rate if rate else None


Watcher = Callable[[SweepProgress], object]


class SweepWriter:
    """Writes the files of a sweep while its points come; ``todo``: the points that are not done,
    those that failed before among them. They keep the row they have until a new one comes."""

    def __init__(
        self,
        path: Path,
        made: Grid,
        known: dict[str, Any],
        pool: Pool | None = None,
        spent: float = 0.0,
    ) -> None:
        self.path = path
        self.spent = spent  # seconds that went into points before they came here
        self.grid = made
        self.known = known
        self.pool = pool
        self.journal = Journal(path)
        if max(self.journal.rows, default=0) >= made.size:
            raise InputError(f"{self.journal.path}: is damaged: holds points beyond the last")
        done = self.journal.rows.keys() - self.journal.failed
        self.todo = {point.index for point in made.points} - done
        self._next_table = 0.0
        self._begun = False  # the folder says so

    def follow(
        self, source: Iterator[Row | float], watch: Watcher | None, stop: threading.Event
    ) -> None:
        """Keep rows as they come; sweep.csv and manifest.json tell how it ended."""
        start, before = time.perf_counter(), self.grid.size - len(self.todo)
        under_way = 0.0
        try:
            self.journal.mend()
            if "number" not in self.known:
                self.known["number"] = run_order.number(self.path)
            self._manifest("running")
            self._begun = True
            with contextlib.closing(source):
                for found in source:
                    if isinstance(found, Row):
                        self._keep(found)
                    else:
                        under_way = found
                    if watch is not None:
                        watch(self._progress(under_way, before, time.perf_counter() - start))
            rows = self.journal.rows
            complete = not self.todo and diagram_files.write(self.path, self.grid, rows, stop)
            self._tables()
            summed = {"files": checksums(self.path)}
            none = len(self.journal.failed) == self.grid.size  # not one point could be done
            status = ("failed" if none else "done") if complete else "interrupted"
            self._manifest(status, **self._ended(start), **summed)
        except BaseException as error:
            self._failed(error, start)
            if not isinstance(error, Exception):
                raise
            on = f"tuichaos resume {as_argument(self.path)} goes on"
            raise RunFailed(f"{self.path}: {_said(error)}; {on}") from error

    def _tables(self) -> None:
        self.journal.settle()
        sweep_table.write(self.path, self.grid, self.journal.rows)
        plane_summary.write(self.path, self.grid, self.journal.rows)

    def _ended(self, start: float) -> dict[str, Any]:
        seconds = round(self.spent + time.perf_counter() - start, 3)
        return {"finished": ended(self.known["started"]), "seconds": seconds}

    def _failed(self, error: BaseException, start: float) -> None:
        """Write what can still be written: a full disk may fail here again."""
        if self._begun:
            with contextlib.suppress(OSError):
                self._tables()
        is_fault = isinstance(error, Exception)
        words = {"reason": _said(error)} if is_fault else {}
        status = "failed" if is_fault else "interrupted"
        self._manifest(status, write=tell_end, **self._ended(start), **words)

    def _keep(self, row: Row) -> None:
        self.journal.append(row)
        self.todo.discard(row.point)
        self._refresh()

    def _refresh(self) -> None:
        """Write sweep.csv now and then, for who looks before the end: a twentieth of the time."""
        start = time.monotonic()
        if start > self._next_table:
            sweep_table.write(self.path, self.grid, self.journal.rows)
            spent = time.monotonic() - start
            self._next_table = start + max(TABLE_SECONDS, 20 * spent)

    def _progress(self, under_way: float, before: int, seconds: float) -> SweepProgress:
        failed = len(self.journal.failed - self.todo)
        done = self.grid.size - len(self.todo)
        under_way = min(under_way, self.grid.size - done)
        slots = None if self.pool is None else self.pool.worker_count()
        return SweepProgress(done, self.grid.size, failed, under_way, before, seconds, slots)

    def _manifest(
        self, status: str, *, write: Callable[..., None] = write_manifest, **ended: Any
    ) -> None:
        failed = len(self.journal.failed)
        counts = {"total": self.grid.size, "done": len(self.journal.rows) - failed}
        counts["failed"] = failed
        parted = len(self.journal.parted)
        floor = {"holds": not parted, "points_that_part": parted}
        ended["noise_floor"] = floor
        if self.pool is not None:
            ended |= self.pool.facts()
            earlier = self.known.get("machines", [])
            if more := [m for m in self.pool.machines() if m not in earlier]:
                ended["machines"] = earlier + more
            ended["warnings"] = list(dict.fromkeys(self.known["warnings"] + self.pool.warnings()))
        write(self.path, {**self.known, **ended, "status": status, "points": counts})


def _said(error: BaseException) -> str:
    if isinstance(error, OSError):
        return reason(error)
    return str(error) or type(error).__name__
