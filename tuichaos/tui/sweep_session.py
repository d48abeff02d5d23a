"""The points of a sweep in a thread of its own, for a screen that draws them as they come."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.malloc import give_back
from tuichaos.config.experiment import Experiment
from tuichaos.config.sweep_axes import axes
from tuichaos.execution.libraries import load_libraries
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.sweeps.journal import Journal, Row
from tuichaos.sweeps.points import Grid
from tuichaos.tui.run_session import ENDED, Status

if TYPE_CHECKING:
    from pathlib import Path

Source = Callable[..., Iterator[Row | float]]


class Survey:
    """One sweep on its way; begins when it is told to go on, in its own thread.

    ``rows`` only ever grows, by whole rows, so that whoever reads it may do so at any time up
    to the length it had. Everything here may be called from any thread; nothing waits but
    ``join`` and ``keep``. ``yes``: also more points than are computed without being asked.
    """

    def __init__(
        self,
        experiment: Experiment,
        rows: Iterable[Row] = (),
        *,
        threads: int | None = None,
        yes: bool = False,
    ) -> None:
        self.experiment = experiment
        self.axes = tuple(axes(experiment.sweep))
        self.size = Grid(experiment, self.axes).size
        self.rows: list[Row] = list(rows)
        self.failed = sum(row.status == "failed" for row in self.rows)
        self.under_way = 0.0
        self.reason = ""
        self.device = ""
        self.told: list[str] | None = None  # how data were read, once it is known
        self._threads, self._yes = threads, yes
        self.before = len(self.rows)  # those that it did not compute
        self._seconds, self._since = 0.0, None
        self._clock = threading.Lock()
        self._going = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._status = Status.DONE if self.whole else Status.INTERRUPTED
        self._kept: tuple[int, Path | None] = (0, None)  # how many rows, and where

    # --- what a screen shows ---

    @property
    def total(self) -> int:
        """How many points it has (as ``SweepProgress`` tells)."""
        return self.size

    @property
    def status(self) -> Status:
        if self._status == Status.RUNNING and not self._going.is_set():
            return Status.PAUSED
        return self._status

    @property
    def ended(self) -> bool:
        """Whether nothing is computed, now or later."""
        return self.status in ENDED

    @property
    def working(self) -> bool:
        """Whether it computes, or waits to go on; not so once it was told to stop."""
        alive = self._thread is not None and self._thread.is_alive()
        return alive and not self._stop.is_set()

    @property
    def done(self) -> int:
        return len(self.rows)

    @property
    def whole(self) -> bool:
        """Whether every point has ended."""
        return self.done >= self.size

    @property
    def seconds(self) -> float:
        """How long it has computed, pauses left out."""
        with self._clock:
            now = time.perf_counter()
            return self._seconds + (now - self._since if self._since is not None else 0.0)

    @property
    def slots(self) -> None:
        """Of workers: there are none."""
        return None

    @property
    def points_per_second(self) -> float:
        done = self.done - self.before + self.under_way
        return done / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """None as long as nothing is known."""
        rate = self.points_per_second
        return (self.size - self.done - self.under_way) / rate if rate else None

    # --- steering ---

    def go_on(self) -> None:
        """Compute what is missing; also after a pause, a stop or a failure."""
        self._going.set()
        if self.working:
            self._count(self._status == Status.RUNNING)
            return
        if self.whole:
            return
        former, self._stop = self._thread, threading.Event()
        self.reason, self._status = "", Status.PREPARING
        arguments = (self._stop, former)
        self._thread = threading.Thread(
            target=self._work, args=arguments, name="tuichaos-survey", daemon=True
        )
        self._thread.start()

    def pause(self) -> None:
        """Wait after what it is at."""
        self._count(False)
        self._going.clear()

    def stop(self) -> None:
        """End soon; the rows stay, and it may go on later."""
        self._count(False)
        self._stop.set()
        self._going.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for its thread; whether it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def keep(self, out: str | Path | None = None) -> Path:
        """Write the rows so far as the folder of a sweep, which it would have written itself;
        its path. Takes a while. Raises InputError, RunFailed."""
        load_libraries("tuichaos.sweeps.sweep_runner")
        from tuichaos.sweeps.sweep_runner import keep

        rows = list(self.rows)
        path = keep(
            self.experiment, rows, out=out, threads=self._threads, seconds=self.seconds
        ).path
        self._kept = len(rows), path
        return path

    @property
    def kept(self) -> Path | None:
        """The folder that ``keep`` has written of these very rows, while it is there."""
        count, path = self._kept
        same = path is not None and count == len(self.rows)
        return path if same and (path / "manifest.json").is_file() else None

    def _count(self, running: bool) -> None:
        """Let the clock run, or stop it."""
        with self._clock:
            now = time.perf_counter()
            if self._since is not None:
                self._seconds += now - self._since
            self._since = now if running else None

    # --- its thread ---

    def _work(self, stop: threading.Event, former: threading.Thread | None) -> None:
        ended, reason = Status.FAILED, ""
        try:
            if former is not None:
                former.join()  # two at a time would be in each other's way
            with contextlib.closing(self._source(stop)) as source:
                for found in source:
                    self._take(found, stop)
                    if stop.is_set():
                        break
            ended = Status.DONE if self.whole else Status.INTERRUPTED
        except (InputError, RunFailed) as error:
            reason = str(error)
        except Exception as error:  # the screen must live, and say what happened
            reason = f"{type(error).__name__}: {error}"
        finally:
            if self._stop is stop:  # else another thread has taken over
                self._count(False)
                self.reason, self._status, self.under_way = reason, ended, 0.0
            give_back()

    def _source(self, stop: threading.Event) -> Iterator[Row | float]:
        load_libraries("tuichaos.sweeps.sweep_runner")
        from tuichaos.sweeps import points, sweep_runner

        made = points.grid(self.experiment, self._yes)
        known = frozenset(row.point for row in self.rows)
        first = sweep_runner.first_plan(made, self._threads)
        self.told, self.device = first.told, sweep_runner.where(first)
        if self._stop is stop:
            self._status = Status.RUNNING
            self._count(self._going.is_set())
        yield from sweep_runner.stream(made, threads=self._threads, stop=stop, known=known)

    def _take(self, found: Row | float, stop: threading.Event) -> None:
        if isinstance(found, Row):
            self.failed += found.status == "failed"
            self.rows.append(found)
            self.under_way = max(0.0, self.under_way - 1)
        else:
            self.under_way = min(found, self.size - self.done)
        while not self._going.wait(0.5):
            if stop.is_set():
                return


class KeptSweep(Survey):
    """The points of a kept sweep: read from its folder, again while another process writes it.
    What is missing of one that was stopped is computed here, and not written there."""

    def __init__(self, run: Run, *, threads: int | None = None) -> None:
        self.run = run
        rows = Journal(run.path).rows.values()
        super().__init__(run.experiment, rows, threads=threads, yes=True)
        self.device = str(run.manifest.get("device", ""))
        self._seconds = float(run.manifest.get("seconds") or 0.0)

    @property
    def growing(self) -> bool:
        """Whether another process is at it."""
        return self.run.status == "running"

    def read_again(self) -> None:
        """Take in the rows that were written since. Raises InputError."""
        self.run = open_run(self.run.path)
        known = {row.point for row in self.rows}
        found = [r for k, r in Journal(self.run.path).rows.items() if k not in known]
        self.failed += sum(row.status == "failed" for row in found)
        self.before += len(found)
        self.rows += found
        if self.whole:
            self._status = Status.DONE
