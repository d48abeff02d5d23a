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

    The files are those that an undisturbed run would have written.

    Parameters
    ----------
    run : Run
        As ``tuichaos.open_run`` gives it; a ``Sweep`` for that of a sweep.
    steps : int, optional
        Of a run: so many steps in all, further than planned, also of one that is done.
    data : path, optional
        Where the file of its data is now; what is in it must be the same.
    threads : int, optional
        Threads of this process; all by default.
    workers : int, optional
        Of a sweep: processes of one thread each.
    scheduler : str, optional
        Of a sweep: the address of a Dask cluster, ``tcp://HOST:PORT``.
    watch : callable, optional
        Called with a ``Progress`` after each frame of a run, with a ``SweepProgress`` as the
        points of a sweep end.
    stop : threading.Event, optional
        Once it is set, a run ends after the frame, a sweep after the points, that it is at.
    tell : callable, optional
        Called with a line on how a run of more steps will be computed.

    Returns
    -------
    Run
        The same folder, read anew.

    Raises
    ------
    InputError
        It is done, another process is at work on it, its files do not fit together, or an
        argument is for the other kind of folder.
    RunFailed
        It could not go on.
    Stopped
        A signal ended it; what was computed is in the folder.

    Examples
    --------
    >>> import tuichaos
    >>> small = {"steps": 20, "system": {"name": "logistic"}, "ensemble": {"references": 2}}
    >>> run = tuichaos.run(tuichaos.resolve(small))
    >>> tuichaos.resume(run, steps=30).steps[-1]
    np.int64(30)
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
    """Check a folder of a run or a sweep.

    Parameters
    ----------
    run : Run
        As ``tuichaos.open_run`` gives it.

    Yields
    ------
    Check
        ``name``, ``passed`` (None where it could not be looked at) and ``words``, as they are made.

    Raises
    ------
    InputError
        It is no such folder, or its experiment cannot be read.
    """
    yield from verifying.files(run)
    if run.kind == "run":
        yield from verifying.checks(run)
    else:
        from tuichaos.sweeps import sweep_verify

        yield from sweep_verify.checks(run)
