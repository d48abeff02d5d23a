"""A stopped run, made ready to go on from its last checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError, OtherState, RunFailed
from tuichaos.common.paths import as_argument
from tuichaos.config.loading import located
from tuichaos.execution import longer_folder
from tuichaos.execution.checkpointer import ResumeFrom
from tuichaos.execution.manifest import differing, now, versions
from tuichaos.execution.plan import plan
from tuichaos.execution.progress_event import Progress
from tuichaos.execution.recording import Recording, prepare
from tuichaos.simulation.run_control import RunControl
from tuichaos.storage.checkpoint_store import Checkpoint, Store
from tuichaos.storage.fingerprint import check_planned, known, prints
from tuichaos.storage.folder_checks import check_entries, reading
from tuichaos.storage.folder_lock import NAME as LOCK
from tuichaos.storage.folder_lock import locked
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.storage.saved_states import PARTS


@contextlib.contextmanager
def going_on(
    path: Path, threads: int | None, control: RunControl, data: str | Path | None = None
) -> Iterator[Recording]:
    """The recording of a stopped run, ready to go on, its folder locked as long; ``data``:
    where the file of its data is now."""
    run = open_run(path)
    if run.kind != "run":
        raise InputError(f"{path.name}: is a sweep, not a run")
    if longer_folder.is_done(path):
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

        def before(newest: Checkpoint | None) -> ResumeFrom:
            facts = _facts(run.manifest, newest, remarks)
            return ResumeFrom(newest, facts, known(run.manifest, newest))

        try:
            recording = prepare(ready, path, control, before=before(checkpoint))
        except OtherState as error:
            remarks.append(f"{error}; all of the run is computed anew")
            recording = prepare(ready, path, control, before=before(None))
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
        longer_folder.tidy(path)
        for part in left:
            part.unlink(missing_ok=True)
        if store.stems() and longer_folder.forcing(run.experiment, threads):
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
