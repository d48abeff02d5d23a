"""What ``import tuichaos`` offers for runs and sweeps alike: it chooses by the kind of folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError
from tuichaos.common.number_text import whole
from tuichaos.execution import resume as resuming
from tuichaos.execution import verify as verifying
from tuichaos.storage.run_reader import Run


def resume(
    run: Run,
    *,
    steps: int | None = None,
    data: str | Path | None = None,
    threads: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    watch: Callable[[Any], object] | None = None,
    stop: threading.Event | None = None,
    tell: Callable[[str], object] | None = None,
) -> Run:
    """Go on with a run or a sweep that was stopped, in its folder.

    Parameters
    ----------
    run : Run
        As ``tuichaos.open_run`` gives it.
    steps : int, optional
        Of a run: further than planned, also of one that is done.
    data : path, optional
        Where the file of its data is now; what is in it must be the same.
    threads, workers, scheduler
        How it is computed; workers and scheduler are for sweeps.
    watch : callable, optional
        Called with a ``Progress`` after each frame of a run, with a row for each point of a
        sweep.
    stop : threading.Event, optional
        Ends it after the frame, or the points, that it is at.
    tell : callable, optional
        Called with a line on how a run of more steps will be computed.

    Returns
    -------
    Run
        The same folder, read anew.

    Raises
    ------
    InputError
        It is done, another process is at work on it, or its files do not fit together.
    RunFailed
        It could not go on.
    """
    steps = whole(steps)
    if run.kind == "sweep":
        from tuichaos.sweeps import sweep_runner

        if steps is not None:
            raise InputError("--steps: is for runs; of a sweep, set steps in its experiment")
        how = {"threads": threads, "workers": workers, "scheduler": scheduler, "data": data}
        return sweep_runner.resume(run, **how, watch=watch, stop=stop)
    if workers is not None or scheduler is not None:
        raise InputError("--workers, --scheduler: are for sweeps")
    how = {"steps": steps, "data": data, "threads": threads}
    return resuming.resume(run, **how, watch=watch, stop=stop, tell=tell)


def verify(run: Run) -> Iterator[verifying.Check]:
    """The checks of a folder of a run or a sweep, as they are made. InputError where it is
    none, or its experiment cannot be read."""
    yield from verifying.files(run)
    if run.kind == "run":
        yield from verifying.checks(run)
    else:
        from tuichaos.sweeps import sweep_verify

        yield from sweep_verify.checks(run)
