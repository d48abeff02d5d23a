"""Progress of a run on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from tuichaos.execution.progress_event import Progress

if TYPE_CHECKING:
    from tuichaos.sweeps.sweep_writer import SweepProgress

LINE_SECONDS = 5.0


def duration(seconds: float) -> str:
    """Seconds as 8 s, 1:05 or 2:03:04."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(progress: Progress) -> str:
    """Replica-steps a second, in words."""
    return f"{progress.replica_steps / max(progress.seconds, 1e-9):,.0f} replica-steps/s"


def short_rate(progress: Progress) -> str:
    """Replica-steps a second, to three digits: 120k/s."""
    value = progress.replica_steps / max(progress.seconds, 1e-9)
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}/s"
    return f"{value:.3g}/s"


def left(progress: Progress) -> str:
    """The time left at the rate so far."""
    done = max(progress.replica_steps, 1)
    return duration(progress.seconds * (progress.total_replica_steps - done) / done)


def say(line: str) -> None:
    """A line on stderr; where nobody reads it any more the run goes on all the same."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed
        print(line, file=sys.stderr, flush=True)


class PlainProgress:
    """Lines on stderr, at most one every few seconds."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __enter__(self) -> PlainProgress:
        return self

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self.last < LINE_SECONDS:
            return
        self.last = time.monotonic()
        say(
            f"step {progress.step} of {progress.total} · {rate(progress)} · "
            f"{left(progress)} left{_lost(progress)}"
        )

    def __exit__(self, *_: object) -> None:
        return None


class BarProgress:
    """A Rich progress bar on stderr, gone when the run is."""

    noun = "step"

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn(self.noun + " {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
        )
        self.task = self.bar.add_task("", total=1)
        self.last = 0.0

    def __enter__(self) -> BarProgress:
        with contextlib.suppress(OSError):
            self.bar.start()
        return self

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self.last < 0.1 and progress.step < progress.total:
            return
        self.last = time.monotonic()
        text = f"{rate(progress)} · {left(progress)} left{_lost(progress)}"
        self.draw(completed=progress.step, total=progress.total, description=text)

    def draw(self, **fields: object) -> None:
        """Draw the bar anew; a terminal that is gone ends no run."""
        with contextlib.suppress(OSError):
            self.bar.update(self.task, **fields)
            self.bar.refresh()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self.bar.stop()


class SweepLines(PlainProgress):
    """Lines on stderr for a sweep."""

    def __call__(self, progress: SweepProgress) -> None:
        if time.monotonic() - self.last < LINE_SECONDS:
            return
        self.last = time.monotonic()
        words = filter(None, (f"point {progress.done} of {progress.total}", sweep_words(progress)))
        say(" · ".join(words))


class SweepBar(BarProgress):
    """A Rich progress bar for a sweep, gone when the sweep is."""

    noun = "points"

    def __call__(self, progress: SweepProgress) -> None:
        if time.monotonic() - self.last < 0.1 and progress.done < progress.total:
            return
        self.last = time.monotonic()
        at, words = progress.done + progress.under_way, sweep_words(progress)
        self.draw(completed=at, total=progress.total, description=words)


def sweep_words(progress: SweepProgress) -> str:
    """Points a second once one is done, the time left as soon as something is, what failed."""
    rate, left, words = progress.points_per_second, progress.seconds_left, []
    if progress.under_way > 0 and progress.done == progress.before:  # none has ended yet
        share = (progress.done + progress.under_way) / progress.total
        words.append(f"points under way, {share:.0%} of all steps done")
    if progress.done > progress.before:
        words.append(f"{rate:.3g} points/s" if rate >= 1 else f"{1 / rate:.3g} s a point")
    if left is not None:
        words.append(f"{duration(left)} left")
    if progress.failed:
        words.append(f"{progress.failed} failed")
    if progress.slots == 0:
        words.append("no worker is there; waiting")
    return " · ".join(words)


class NoProgress(PlainProgress):
    """For --quiet."""

    def __call__(self, progress: Progress) -> None:
        return None


def _lost(progress: Progress) -> str:
    return f" · {progress.diverged} diverged" if progress.diverged else ""
