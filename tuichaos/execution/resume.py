"""Going on with a run that was stopped, from its last checkpoint, bit for bit."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError, OtherState, RunFailed
from tuichaos.common.limits import MOST_JSON, read_text
from tuichaos.common.number_text import whole
from tuichaos.common.paths import as_argument, pasted, resolved, runs_home
from tuichaos.config.loading import load, located
from tuichaos.config.titles import title_of
from tuichaos.execution import extend
from tuichaos.execution.checkpointer import Before
from tuichaos.execution.manifest import differing, now, versions
from tuichaos.execution.plan import plan
from tuichaos.execution.progress_event import Progress, Watcher
from tuichaos.execution.runner import Recording, interrupts, prepare, told
from tuichaos.simulation.run_control import Pace
from tuichaos.storage.checkpoint_store import Checkpoint, Store
from tuichaos.storage.fingerprint import check_planned, known, prints
from tuichaos.storage.folder_lock import NAME as LOCK
from tuichaos.storage.folder_lock import is_held, locked
from tuichaos.storage.run_reader import Run, check_entries, find, open_run, reading
from tuichaos.storage.run_writer import write_manifest
from tuichaos.storage.saved_states import PARTS


def resume(
    run: Run,
    *,
    steps: int | None = None,
    data: str | Path | None = None,
    threads: int | None = None,
    watch: Watcher | Callable[[Any], object] | None = None,
    stop: threading.Event | None = None,
    tell: Callable[[str], object] | None = None,
) -> Run:
    """Go on with a run that was stopped, in its folder, to the files that an undisturbed run
    would have written, byte for byte on the same machine and library versions.

    It goes on from its newest checkpoint that can be read, without one from the beginning.
    Raises InputError for a run that is done, that another process is at work on, or whose
    files do not fit together; RunFailed when it cannot go on. ``stop`` and ctrl-C as in
    ``runner.run``.

    ``steps``: further than planned, also of a run that is done; see ``extend.extend``.
    ``data``: where the file of its data is now; what is in it must be the same.
    ``tell`` is called with a line on how that will be.
    """
    steps = whole(steps)
    stop = stop or threading.Event()
    target = extend.target(run, steps)
    if target is not None:
        return extend.extend(run, target, threads, watch, stop, tell or (lambda _: None), data)
    pace = Pace(stop=stop)
    with interrupts(stop) as seen, going_on(run.path, threads, pace, data) as recording:
        recording.run(watch)
    return told(open_run(run.path), seen)


def find_or_mend(name: str) -> Run:
    """A run by its name, as ``run_reader.find``; where its manifest.json is gone or no JSON any
    more, but a checkpoint tells what it was, that is written anew, and said there."""
    try:
        return find(name)
    except InputError:
        for path in (resolved(name, "RUN"), runs_home() / pasted(name)):
            if _mended(path):
                return open_run(path)
            there = [(path / name).exists() for name in ("series.csv", "manifest.json")]
            if there == [True, False] and not Store(path).stems():
                raise InputError(
                    f"{path}: has neither manifest.json nor a checkpoint that tells what it was; "
                    f"tuichaos run {path / 'experiment.toml'} begins anew"
                ) from None
        raise


def _mended(path: Path) -> bool:
    """Whether the manifest of a run could be made anew; only where nothing else is wrong."""
    store = Store(path)
    if not (path / "experiment.toml").is_file() or not store.stems():
        return False
    fault = _fault_of_manifest(path / "manifest.json")
    if not fault or is_held(path):
        return False
    check_entries(path, deep=True)
    experiment = load(path / "experiment.toml")
    if store.newest(plan(experiment).most_kept)[0] is None:
        return False
    words = f"manifest.json {fault}: it was written anew from a checkpoint"
    told = {"name": experiment.name, "title": title_of(experiment), "status": "interrupted"}
    with locked(path):
        write_manifest(path, {**told, "started": now(), "reason": words, "warnings": [words]})
    return True


def _fault_of_manifest(path: Path) -> str:
    """What is wrong with a file that is to hold a JSON object; empty if it does."""
    try:
        found = json.loads(read_text(path, MOST_JSON))
        whole = isinstance(found, dict) and "format" in found
        return "" if whole else "was damaged"
    except FileNotFoundError:
        return "was gone"
    except (ValueError, RecursionError):
        return "was damaged"
    except OSError:
        return ""


@contextmanager
def going_on(
    path: Path, threads: int | None, pace: Pace, data: str | Path | None = None
) -> Iterator[Recording]:
    """The recording of a stopped run, ready to go on, its folder locked as long; ``data``:
    where the file of its data is now."""
    run = open_run(path)
    if run.kind != "run":
        raise InputError(f"{path.name}: is a sweep, not a run")
    if extend.is_done(path):
        raise InputError(
            f"{path.name}: is about to be replaced by one of more steps; tuichaos resume "
            f"{as_argument(path)} finishes that"
        )
    check_planned(path, known(run.manifest), prints(run.experiment, None, any_steps=False))
    if run.manifest.get("status") == "done":
        with contextlib.suppress(InputError, RunFailed):  # it may be read only
            _tidy(run, threads)
        raise InputError(_is_done(run))
    check_entries(path, deep=True)
    with locked(path) as taken:
        ready = plan(located(run.experiment, data, path.name), threads)
        with reading(path):
            checkpoint, faults = Store(path).newest(most=ready.most_kept)
        remarks = [*filter(None, [taken]), *dict.fromkeys(faults)]

        def before(newest: Checkpoint | None) -> Before:
            facts = _facts(run.manifest, newest, remarks)
            return Before(newest, facts, known(run.manifest, newest))

        try:
            recording = prepare(ready, path, pace, before=before(checkpoint))
        except OtherState as error:
            remarks.append(f"{error}; all of the run is computed anew")
            recording = prepare(ready, path, pace, before=before(None))
        yield recording


def _is_done(run: Run) -> str:
    """That there is nothing to go on with, and the way out where the rows are gone."""
    words = f"{run.path.name}: is done, all {run.experiment.steps} steps of it"
    if (run.path / "series.csv").exists():
        return f"{words}; --steps M goes further"
    again = f"tuichaos run {run.path / 'experiment.toml'} --out FOLDER"
    return f"{words}, but series.csv is gone: {again} computes it again, into another folder"


def _tidy(run: Run, threads: int | None) -> None:
    """Take away what a process that was killed after its last word left of a run that is done."""
    path, store = run.path, Store(run.path)
    left = [path / f".{name}.part" for name in PARTS]
    if not ((path / LOCK).exists() or any(part.exists() for part in left)):
        return
    with locked(path):
        extend.tidy(path)
        for part in left:
            part.unlink(missing_ok=True)
        if store.stems() and extend.forcing(run.experiment, threads):
            store.clear()
        else:
            store.keep(1)


def _facts(
    before: dict[str, Any], checkpoint: Checkpoint | None, remarks: list[str]
) -> dict[str, Any]:
    """What manifest.json says of a run that goes on."""
    changed = differing(before)
    words = [*before.get("warnings", []), *remarks]
    step = 0 if checkpoint is None else checkpoint.step
    if changed and step:
        words.append(f"it went on under {changed}: bits may differ from there on")
    elif changed:
        words.append(f"all of it was computed anew under {changed}")
    resumed = [*before.get("resumed", []), {"at": now(), "step": step}]
    began = {"started": before["started"]} if isinstance(before.get("started"), str) else {}
    extended = {"extended": before["extended"]} if "extended" in before else {}
    began["number"] = before.get("number")  # a run that goes on is no newer than it was
    return {**began, **extended, "versions": versions(), "resumed": resumed, "warnings": words}


def rows_before(recording: Recording) -> Progress | None:
    """What a watcher of a run that goes on is told of the rows it already has; None where it
    begins anew."""
    run = open_run(recording.path)
    there = run.steps < recording.step
    if not recording.step or not there.any():
        return None
    columns = {name: values[there] for name, values in run.series.items()}
    ready = recording.plan
    return Progress(
        recording.step,
        ready.experiment.steps,
        0,  # of what this process has done
        ready.replica_steps - ready.replica_steps_until(recording.step),
        0.0,
        recording.survival.count,
        recording.survival.first,
        run.steps[there],
        columns,
        ready.built.system.time_step,
    )
