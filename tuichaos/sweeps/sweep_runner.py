"""Running a sweep: from an experiment with ``[sweep]`` to a folder with sweep.csv, and on from
where one was stopped."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuichaos.common.atomic_files import replace_text
from tuichaos.common.errors import InputError, Stopped
from tuichaos.common.number_text import whole
from tuichaos.common.paths import as_argument
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import located
from tuichaos.config.titles import title_of
from tuichaos.execution.manifest import differing, facts
from tuichaos.execution.plan import Plan, plan
from tuichaos.execution.resource_limits import needed
from tuichaos.execution.runner import interrupts
from tuichaos.storage.fingerprint import digest, earlier_digest
from tuichaos.storage.folder_checks import check_entries, reading
from tuichaos.storage.folder_lock import locked
from tuichaos.storage.run_reader import Run
from tuichaos.storage.run_writer import new_folder
from tuichaos.sweeps.batch import Job, run_batch
from tuichaos.sweeps.checks import check_plans
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.orbit_diagram.fresh import with_component
from tuichaos.sweeps.points import Grid, Point, grid
from tuichaos.sweeps.result import RUNS, Sweep, open_run
from tuichaos.sweeps.sweep_writer import SweepWriter, Watcher
from tuichaos.sweeps.tiled_run import tiles
from tuichaos.sweeps.worker_options import check_known, check_pool
from tuichaos.sweeps.workers import Pool, Processes, Unit, scattered, units


def sweep(
    experiment: Experiment,
    *,
    out: str | Path | None = None,
    threads: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    keep: bool = False,
    yes: bool = False,
    watch: Watcher | None = None,
    stop: threading.Event | None = None,
    tell: Callable[[str], object] | None = None,
) -> Sweep:
    """Run an experiment at every point of its ``[sweep]`` into a new folder and open it.

    Points that differ only in per-replica parameters share one engine of ``threads`` threads. The
    rows are the same with threads, workers and a cluster.

    Parameters
    ----------
    experiment : Experiment
        With ``sweep``; see ``load``, ``preset`` and ``resolve``.
    out : path, optional
        The folder, new or empty; by default a new one among the kept runs.
    threads : int, optional
        Threads of this process; all by default.
    workers : int, optional
        Spread the points over so many processes of one thread each.
    scheduler : str, optional
        Spread the points over the workers of a Dask cluster, ``tcp://HOST:PORT``.
    keep : bool
        Keep the run folder of each point, which ``SweepPoint.run`` opens.
    yes : bool
        Allow more than 10 000 points (maps and diagrams: 100 000).
    watch : callable, optional
        Called with a ``SweepProgress`` as points end.
    stop : threading.Event, optional
        Once it is set, the sweep ends early; ``resume`` goes on.
    tell : callable, optional
        Called with a line on how data from a file were read.

    Returns
    -------
    Sweep
        The folder, read back, with ``table()`` and ``points``. A point that fails is tried again
        twice and then recorded as failed: see ``manifest["points"]``.

    Raises
    ------
    InputError
        The sweep cannot be run here; nothing was written.
    RunFailed
        The folder cannot be written, or the cluster is lost.
    Stopped
        Ctrl-C, SIGTERM, SIGHUP, SIGUSR1 or SIGXCPU ended the sweep. It is a KeyboardInterrupt.

    Examples
    --------
    >>> import tuichaos
    >>> table = {"steps": 20, "system": {"name": "logistic"}, "ensemble": {"references": 2}}
    >>> found = tuichaos.sweep(tuichaos.resolve(table, overs=["seed=[1, 2]"]))
    >>> [(point.values["seed"], point.status) for point in found.points]
    [(1, 'done'), (2, 'done')]
    """
    made = grid(experiment, yes)
    workers = whole(workers)
    check_pool(workers, scheduler)
    check_known(experiment, workers, scheduler)
    check_plans(made, threads)
    first = first_plan(made, threads)
    for line in first.told if tell is not None else ():
        tell(line)
    # With the device resolved: it goes on, and is run again, on the same.
    base = experiment.model_copy(update={"device": first.experiment.device})
    made = with_component(Grid(base, made.axes, data=_digest(first)), threads)
    with _pool(workers, scheduler, first) as pool, new_folder(base, out) as path:
        replace_text(path / "experiment.toml", base.to_toml())
        return _run(path, made, first, pool, threads, keep, watch, stop)


def resume(
    run: Run,
    *,
    threads: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    data: str | Path | None = None,
    watch: Watcher | None = None,
    stop: threading.Event | None = None,
) -> Sweep:
    """Go on with a sweep that was stopped: points that are done are not run again, those that
    failed are tried once more. ``data``: where the file of its data is now.

    Raises InputError for what is no sweep, or still running.
    """
    if run.kind != "sweep":
        raise InputError(f"{run.path.name}: is a single run, not a sweep")
    check_entries(run.path, deep=True)
    workers = whole(workers)
    check_pool(workers, scheduler)
    experiment = located(run.experiment, data, run.path.name)
    check_known(experiment, workers, scheduler)
    made = grid(experiment, yes=True)
    first = first_plan(made, threads)
    made = with_component(replace(made, data=_digest(first)), threads)
    keep = bool(run.manifest.get("keep"))
    with _pool(workers, scheduler, first) as pool:
        return _run(run.path, made, first, pool, threads, keep, watch, stop, run.manifest)


@contextlib.contextmanager
def _pool(workers: int | None, scheduler: str | None, first: Plan) -> Iterator[Pool | None]:
    """Who does the points; None for this process alone. InputError where no worker has the
    memory for the ``first`` of them."""
    if scheduler is not None:
        from tuichaos.sweeps.cluster import connect

        with connect(scheduler) as pool:
            pool.check_memory(needed(first.experiment, first.built, 1))
            yield pool
    else:
        with contextlib.nullcontext() if workers is None else Processes(workers) as pool:
            yield pool


def _run(
    path: Path,
    made: Grid,
    first: Plan,
    pool: Pool | None,
    threads: int | None,
    keep: bool,
    watch: Watcher | None,
    stop: threading.Event | None,
    before: Mapping[str, Any] | None = None,
) -> Run:
    """The points that are not done yet, into a folder that is there; ``before``: its manifest
    when it was stopped."""
    stop = stop or threading.Event()
    known = _facts(made, first, pool, keep)
    with locked(path) as taken, interrupts(stop) as interrupted:
        with reading(path):
            if before is not None:
                _check_planned(path, known, before, made.experiment)
                known = _resumed(known, before)
        if before is not None and made.experiment.data.path is not None:
            replace_text(path / "experiment.toml", made.experiment.to_toml())  # it may have moved
        known["warnings"] = [*known["warnings"], *filter(None, [taken])]
        folder = SweepWriter(path, made, known, pool)
        known["warnings"] += filter(None, [folder.journal.fault])
        runs = str(path.absolute() / RUNS) if keep else None
        job = Job(made.base, runs, 1 if pool else threads, made.points[0])
        folder.follow(_source(job, _batches(made, folder.todo), pool, stop), watch, stop)
    run = open_run(path)
    if interrupted and run.manifest["status"] != "done":
        raise Stopped(
            f"interrupted at point {made.size - len(folder.todo)} of {made.size}: points that "
            f"ended are kept in {path}, those under way begin again; "
            f"tuichaos resume {as_argument(path)} goes on",
            interrupted[0],
        )
    return run


def stream(
    made: Grid,
    *,
    threads: int | None = None,
    stop: threading.Event | None = None,
    known: Collection[int] = (),
) -> Iterator[Row | float]:
    """The points of a plane or a diagram without a folder, for whoever draws them as they
    come: rows, the coarse points first, and in between how much is done of those under way,
    in points. Points that are ``known``, by number, are left out. Ends early once ``stop`` is
    set. Raises InputError before the first of them.
    """
    check_plans(made, threads)
    first = first_plan(made, threads)
    made = with_component(replace(made, data=_digest(first)), threads)
    todo = _batches(made, {point.index for point in made.points} - set(known))
    return _source(Job(made.base, None, threads), todo, None, stop or threading.Event())


def _batches(made: Grid, wanted: Collection[int]) -> list[Sequence[Point]]:
    """Points of these numbers, those together that are computed together."""
    todo = [[p for p in batch if p.index in wanted] for batch in made.batches()]
    todo = tiles(made, todo) if made.base.dense else todo
    return [batch for batch in todo if batch]


def first_plan(made: Grid, threads: int | None = None) -> Plan:
    """The plan of the first point of a grid; raises InputError."""
    return plan(made.base.experiment(made.points[0]), threads)


def where(ready: Plan) -> str:
    """What the points of a grid are computed on, by the plan of one: "cpu, 2 threads"."""
    simulation = ready.simulation([])
    share = f", {simulation.threads} threads" if simulation.threads > 1 else ""
    return f"{simulation.device}{share}"


def keep(
    experiment: Experiment,
    rows: Sequence[Row],
    *,
    out: str | Path | None = None,
    threads: int | None = None,
    seconds: float = 0.0,
) -> Run:
    """Write points that were computed in ``seconds`` elsewhere (see ``stream``) into a new
    folder, as ``sweep`` would have, and open it; ``resume`` goes on with what is missing.
    Raises InputError, RunFailed.
    """
    made = grid(experiment, yes=True)
    first = first_plan(made, threads)
    base = experiment.model_copy(update={"device": first.experiment.device})
    made = with_component(Grid(base, made.axes, data=_digest(first)), threads)
    with new_folder(base, out) as path, locked(path):
        replace_text(path / "experiment.toml", base.to_toml())
        known = _facts(made, first, None, keep=False)
        SweepWriter(path, made, known, spent=seconds).follow(
            (row for row in rows), None, threading.Event()
        )
    return open_run(path)


def _source(
    job: Job, todo: Sequence[Sequence[Point]], pool: Pool | None, stop: threading.Event
) -> Iterator[Row | float]:
    if pool is not None:
        yield from (0.0 for _ in pool.meet(job, stop))
        whole = job.base.continued  # its points go on from each other
        share = [Unit(tuple(tile), whole=whole) for tile in todo]
        share = share if job.base.dense else units(todo, pool.slots() or 1)
        yield from scattered(job, share, pool, stop)
        return
    for batch in todo:
        if stop.is_set():  # to get the rest ready, and drop it, takes seconds
            return
        yield from run_batch(job, batch, stop)


def _resumed(known: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a sweep that goes on: begun when it was, and on what it goes on now."""
    warnings = list(before.get("warnings", known["warnings"]))
    if changed := differing(before):
        warnings.append(f"it went on under {changed}: bits may differ between its points")
    started = before.get("started")
    started = started if isinstance(started, str) else known["started"]
    on = {"machines": before["machines"]} if "machines" in before else {}
    on["number"] = before.get("number")
    return {**known, **on, "started": started, "resumed": known["started"], "warnings": warnings}


def _check_planned(
    path: Path, known: Mapping[str, Any], before: Mapping[str, Any], experiment: Experiment
) -> None:
    """InputError where experiment.toml was changed since: points of two experiments would
    stand in one table. Another version may have other keys, and is not asked."""
    same = before.get("versions", {}).get("tuichaos") == known["versions"]["tuichaos"]
    data = known["data"] and known["data"]["sha256"]
    digests = {known["planned"], earlier_digest(experiment, data)}
    if same and before.get("planned", known["planned"]) not in digests:
        raise InputError(
            f"{path}: its experiment or its data changed since it began: set back what was "
            "changed, or begin another sweep"
        )


def _digest(first: Plan) -> str:
    """Of what the file of data holds; "" where there is none."""
    data = first.built.dataset
    return "" if data is None else data.source


def _of_data(first: Plan) -> tuple[str, ...]:
    data = first.built.dataset
    return () if data is None else data.warnings


def _facts(made: Grid, first: Plan, pool: Pool | None, keep: bool) -> dict[str, Any]:
    """What is known before the first point: as of a run, of its first point."""
    simulation = first.simulation([])
    found = facts(first, simulation)
    data = found["data"] and found["data"]["sha256"]
    return {
        "kind": "sweep",
        **found,
        "planned": digest(made.experiment, data),
        "title": title_of(made.experiment),
        "warnings": [*made.warnings(), *_of_data(first)],
        "keys": list(made.keys),
        "workers": None,
        "threads": simulation.threads,
        "replica_steps": first.replica_steps * made.size * made.ways,
        "keep": keep,
        **(pool.facts() if pool else {}),
    }
