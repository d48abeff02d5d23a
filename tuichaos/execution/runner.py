"""Running an experiment: the one way from an Experiment to a run folder."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tuichaos.common import signals
from tuichaos.common.errors import Stopped
from tuichaos.common.paths import as_argument
from tuichaos.config.experiment import Experiment
from tuichaos.execution.plan import Plan, plan
from tuichaos.execution.progress_event import Watcher
from tuichaos.execution.recording import prepare
from tuichaos.simulation.run_control import RunControl
from tuichaos.storage.folder_lock import locked
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.storage.run_writer import (
    checked_folder,
    new_folder,
)


def run(
    experiment: Experiment,
    *,
    out: str | Path | None = None,
    threads: int | None = None,
    watch: Watcher | None = None,
    stop: threading.Event | None = None,
    tell: Callable[[str], object] | None = None,
) -> Run:
    """Run an experiment into a new run folder and open it.

    Parameters
    ----------
    experiment : Experiment
        Of one run, without ``sweep``; see ``load``, ``preset`` and ``resolve``.
    out : path, optional
        The run folder, new or empty; by default a new one among the kept runs.
    threads : int, optional
        Threads of a run on the CPU; all by default.
    watch : callable, optional
        Called with a ``Progress`` after each frame.
    stop : threading.Event, optional
        Once it is set, the run ends cleanly after the frame that it is at.
    tell : callable, optional
        Called before the first step with a line on how data from a file were read, and with each
        warning (``"warning: …"``).

    Returns
    -------
    Run
        The folder, read back.

    Raises
    ------
    InputError
        The experiment cannot be run here; nothing was written.
    RunFailed
        The run cannot go on; the folder says why.
    Stopped
        Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 or SIGXCPU ended the run after a frame. It is a
        KeyboardInterrupt; the folder is complete up to there, and ``resume`` goes on.

    Examples
    --------
    >>> import tuichaos
    >>> small = {"steps": 20, "ensemble": {"references": 2, "twins": 1}}
    >>> run = tuichaos.run(tuichaos.resolve(small))
    >>> run.series["distance"].shape  # (recorded steps, references)
    (21, 2)
    >>> run.exponents["lyapunov"].shape  # (references,), nats per step
    (2,)
    """
    ready = plan(experiment, threads)
    ready.check_room(checked_folder(out))
    for line in lines_of(ready) if tell is not None else ():
        tell(line)
    stop = stop or threading.Event()
    with interrupts(stop) as seen, new_folder(ready.experiment, out) as path, locked(path):
        prepare(ready, path, RunControl(stop=stop)).run(watch)
    return unless_interrupted(open_run(path), seen)


def lines_of(ready: Plan) -> list[str]:
    """What should be said before a run."""
    return [*ready.told, *(f"warning: {words}" for words in ready.warnings)]


def unless_interrupted(done: Run, interrupted: Sequence[int]) -> Run:
    """A run that has ended; Stopped where a signal has ended it before it was done."""
    if interrupted and done.manifest["status"] != "done":
        raise Stopped(
            f"interrupted at step {done.manifest['step']} of {done.experiment.steps}; "
            f"what was computed is in {done.path}; "
            f"tuichaos resume {as_argument(done.path)} goes on",
            interrupted[0],
        )
    return done


@contextlib.contextmanager
def interrupts(stop: threading.Event) -> Iterator[list[int]]:
    """Let ctrl-C and the other signals that ask to end (see common/signals.py) set ``stop``, and
    a second ctrl-C interrupt at once; a terminal that closes and those that shut down a machine
    send several of the others. Raises Stopped where one came before and was lost on its way, as
    one does inside a library that is being loaded."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def handle(number: int, frame: object) -> None:
        if number == signal.SIGINT and number in seen:
            raise KeyboardInterrupt
        seen.append(number)
        stop.set()

    before = {number: signal.signal(number, handle) for number in signals.ours()}
    try:
        signals.raise_missed()
        yield seen
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: of a library in C, which cannot be put back
                signal.signal(number, handler)
