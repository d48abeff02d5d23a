"""Checking a run folder: whether its files are whole, and its first rows what the experiment
gives here and now, bit for bit."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tuichaos.common.atomic_files import reason
from tuichaos.common.errors import InputError, OtherState, RunFailed
from tuichaos.common.limits import MAX_JSON, read_text
from tuichaos.execution import longer_folder
from tuichaos.execution.manifest import differing
from tuichaos.execution.plan import Plan, plan
from tuichaos.execution.progress_event import Progress
from tuichaos.execution.recording import Recording, prepare
from tuichaos.simulation.run_control import RunControl
from tuichaos.storage.checkpoint_store import Checkpoint, Store
from tuichaos.storage.column_reader import whole_lines
from tuichaos.storage.fingerprint import MAX_NAMED, changed, check_planned, known, prints
from tuichaos.storage.folder_checks import MALFORMED, check_entries, reading
from tuichaos.storage.run_reader import GROWING, Run, open_run
from tuichaos.storage.run_writer import summed
from tuichaos.storage.series_text import series_columns, series_head, series_lines
from tuichaos.systems.datasets import load

FIRST_STEPS = 32  # that are computed again at least
STATUSES = ("running", "killed", "interrupted", "failed", "done")
MAX_AGAIN = 2048  # steps to the second recorded row
NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``passed`` is None where it could not be."""

    name: str
    passed: bool | None
    words: str


def checks(run: Run) -> Iterator[Check]:
    """The checks of a run beside those of its files, as they are made."""
    yield from _further(run)
    yield _again(run)


def files(run: Run) -> Iterator[Check]:
    """The checks of what lies in a folder of a run or a sweep, as it is. InputError where it is
    none, or its experiment cannot be read."""
    experiment = run.experiment
    words = f"{experiment.name}, {experiment.steps} steps"
    if keys := changed(known(run.manifest), prints(experiment, None, any_steps=False)):
        words = f"{', '.join(keys[:MAX_NAMED])} changed since it began"
    yield Check("experiment", not keys, words)
    yield _status(run)
    yield from _data(run)
    yield from checksums(run)
    yield from _checkpoints(run)
    for path in sorted(run.path.glob("*.json")):
        yield _json(path)
    for path in sorted(run.path.glob("*.csv")):
        growing = path.name == "series.csv" and run.kind == "run" and run.status in GROWING
        yield _table(path, growing)
    if run.kind == "run":
        yield _order(run)


def _status(run: Run) -> Check:
    """Whether it is one of the stated ones; None where the run has not come to its end."""
    last, why = run.manifest.get("step"), run.manifest.get("reason")
    words = run.status + (f": {why}" if why else "")
    if run.status not in STATUSES:
        return Check("status", False, f"{words}: is none of {', '.join(STATUSES)}")
    if run.status != "done":
        return Check("status", None, words)
    if run.kind == "run" and last != run.experiment.steps:
        return Check("status", False, f"{words}, at step {last} of {run.experiment.steps}")
    return Check("status", True, words)


def _data(run: Run) -> Iterator[Check]:
    """Whether the file of data still holds what it held; None where it cannot be read."""
    before = run.manifest.get("data")
    before = before.get("source_sha256") if isinstance(before, dict) else None
    if run.experiment.data.path is None or not isinstance(before, str):
        return
    try:
        now = load(run.experiment.data, run.experiment.seed, run.experiment.loss.name).source
    except InputError as error:
        yield Check("data", None, str(error))
        return
    same = now == before
    yield Check("data", same, f"{'are those' if same else 'are not those'} that it began with")


def checksums(run: Run) -> Iterator[Check]:
    """Whether each file is the one that was written, and no other one was added."""
    known = run.manifest.get("files")
    if not isinstance(known, dict):
        yield Check("checksums", None, "none were recorded")
        return
    for name, digest in sorted(known.items()):
        path = run.path / Path(str(name)).name
        try:
            with open(path, "rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError as error:
            yield Check(name, False, f"cannot be read: {error.strerror}")
            continue
        yield Check(name, same, "its checksum is right" if same else "its checksum is wrong")
    for name in sorted(path.name for path in summed(run.path)):
        if name not in known:
            yield Check(name, False, "is not of this run: it has no checksum in manifest.json")


def _checkpoints(run: Run) -> Iterator[Check]:
    """Whether what a run goes on from can be read, and fits to its experiment. Of a run that is
    done the saved states are in one file, not in the parts that a checkpoint counts."""
    store = Store(run.path)
    if not store.stems():
        return
    done = run.status == "done"
    try:
        check_entries(store.path)
    except InputError as error:
        yield Check("checkpoint", False, str(error))
        return
    try:
        ready = plan(run.experiment)
    except (InputError, RunFailed) as error:  # of this machine, or of code that nobody named
        yield Check("checkpoint", None, str(error))
        return
    found, faults = store.newest(ready.most_kept, files=not done)
    words = "; ".join(faults)
    if found is not None and not words and not done:
        try:
            words = _unfit(run, ready, found)
        except OtherState as error:
            yield Check("checkpoint", None, f"{error}; resume would begin anew")
            return
    if found is None or words:
        yield Check("checkpoint", False, words)
        return
    yield Check("checkpoint", True, f"of step {found.step} can be read")


def _unfit(run: Run, ready: Plan, checkpoint: Checkpoint) -> str:
    """Why a run could not go on from a checkpoint, in words; nothing is written."""
    recording = Recording(ready, run.path, RunControl())
    if recording.states:
        recording.states.file.again = "rb"
    try:
        check_planned(run.path, known(run.manifest, checkpoint), recording.checkpointer.prints)
        recording.checkpointer.restore(checkpoint)
    except OtherState:
        raise
    except InputError as error:
        return str(error)
    finally:
        if recording.states:
            recording.states.file.close()
    return ""


def _further(run: Run) -> Iterator[Check]:
    """The checks of a longer run that is under way, but for its first steps."""
    place = run.path / longer_folder.NAME
    if not place.exists():
        return
    try:
        longer = open_run(place)
        yield from (
            replace(check, name=f"{longer_folder.NAME}/{check.name}") for check in files(longer)
        )
    except (InputError, OSError) as error:
        yield Check(longer_folder.NAME, False, str(error))


def _json(path: Path) -> Check:
    def refuse(name: str) -> None:
        raise ValueError(f"holds {name}, which is no number")

    try:
        json.loads(read_text(path, MAX_JSON), parse_constant=refuse)
    except (OSError, ValueError, RecursionError) as error:
        return Check(path.name, False, _said(error))
    return Check(path.name, True, "is whole, every number finite")


def _table(path: Path, growing: bool = False) -> Check:
    """Whether every row has a field for each column, and no number but finite ones; the last
    line of a table that is ``growing`` may be on its way."""
    rows = 0
    try:
        with open(path, encoding="utf-8", newline="") as file:
            read = whole_lines(file, path)
            lines = csv.reader(line for line in read if not growing or line.endswith("\n"))
            head = next(lines, None)
            if not head and growing:
                return Check(path.name, None, "there is no row yet")
            if not head:
                return Check(path.name, False, "is empty")
            for rows, row in enumerate(lines, start=1):
                if len(row) != len(head):
                    return Check(
                        path.name, False, f"row {rows} has {len(row)} fields, not {len(head)}"
                    )
                if any(map(NOT_FINITE.fullmatch, row)):
                    return Check(path.name, False, f"row {rows} holds a number that is not finite")
    except (OSError, UnicodeDecodeError, csv.Error, InputError) as error:
        return Check(path.name, False, _said(error))
    return Check(path.name, True, f"{rows:,} rows of {len(head)} fields, every number finite")


def _said(error: Exception) -> str:
    return reason(error) if isinstance(error, OSError) else str(error)


def _order(run: Run) -> Check:
    """Whether series.csv holds every recorded step of every reference once, in order."""
    name, experiment = "rows of series.csv", run.experiment
    try:
        steps, references = run.column("step"), experiment.ensemble.references
    except (InputError, OSError, ValueError, KeyError) as error:
        return Check(name, False, _said(error))
    last = _last_row(run, steps)
    if last is None:
        return Check(name, None, "there is none yet")
    if not isinstance(last, int) or last // experiment.record.every > len(steps) or last < 0:
        return Check(name, False, f"{len(steps):,} of them, up to step {last}")
    wanted = np.arange(0, last + 1, experiment.record.every)
    if last == experiment.steps and wanted[-1] != last:
        wanted = np.append(wanted, last)
    right = steps.shape == (len(wanted), references) and (steps == wanted[:, None]).all()
    found = f"{len(wanted):,} recorded steps of {references:,} references"
    return Check(name, bool(right), found if right else f"are not those of {found}")


def _last_row(run: Run, steps: np.ndarray) -> Any:
    """The step up to which there must be rows; where a run has not come to an end of its own
    no file tells it, and its rows (T, references) do, of which there may be none: None."""
    if run.status in ("done", "interrupted"):
        return run.manifest.get("step", run.experiment.steps)
    return int(steps[-1, 0]) if steps.size else None


DECLARED = (
    "declared nondeterministic (system.allow_nondeterministic): it cannot be compared bit for bit"
)


def is_declared(run: Run) -> bool:
    """Whether it is a run, or a sweep, of a map of the user's that may be random."""
    system = run.experiment.system
    return system.allow_nondeterministic and ":" in system.name


def _again(run: Run) -> Check:
    """Whether the first steps, computed again, give the same bytes."""
    steps = _steps_again(run.experiment.record.every)
    name = f"first {steps} steps again"
    if is_declared(run):
        return Check(name, None, DECLARED)
    stop, frames = threading.Event(), []

    def watch(progress: Progress) -> None:
        frames.append(progress)
        if progress.step >= steps:
            stop.set()

    try:
        prepare(plan(run.experiment), None, RunControl(stop=stop)).run(watch)
    except (InputError, RunFailed) as error:
        return Check(name, None, str(error))
    except MALFORMED as error:  # a user's system may raise anything
        return Check(name, None, f"{type(error).__name__}: {error}")
    fresh = _series(run, frames)
    try:
        with open(run.path / "series.csv", encoding="utf-8", newline="") as file:
            there = file.read(len(fresh))
    except (OSError, UnicodeDecodeError) as error:
        return Check(name, False, f"series.csv cannot be read: {_said(error)}")
    if len(there) < len(fresh):  # it was stopped early
        fresh = fresh[: len(there)]
    if there == fresh:
        return Check(name, True, f"are the same bytes ({len(fresh):,} of series.csv)")
    with reading(run.path):
        changed = differing(run.manifest)
    because = f"; it was computed under {changed}" if changed else ""
    return Check(name, False, f"are not the same bytes{because}")


def _steps_again(every: int) -> int:
    """So many that there is a row beside that of step 0, unless it is far."""
    return max(FIRST_STEPS, every) if every <= MAX_AGAIN else FIRST_STEPS


def _series(run: Run, frames: list[Progress]) -> str:
    """The beginning of series.csv as it would be written of these frames."""
    experiment = run.experiment
    columns = series_columns(frames[0].columns)
    text = [series_head(columns)]
    for frame in frames:
        every = frame.steps % experiment.record.every == 0
        kept = np.flatnonzero(every | (frame.steps == experiment.steps))
        if len(kept):
            references = experiment.ensemble.references
            text.append(series_lines(frame.steps, kept, frame.columns, columns, references))
    return "".join(text)
