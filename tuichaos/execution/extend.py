"""Going further than planned: a run of more steps in the place of one that was done, or stopped.

The numbers are those of an undisturbed run of so many steps. Where nothing that is measured
depends on how many were planned, it goes on from the last checkpoint before the end; else it is
computed anew. Either way that is a run of its own in the folder ``further`` of the run, which is
stopped and goes on as any other; nothing of the run itself is touched until it is done.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.atomic_files import reason, replace_text, settle_folder
from tuichaos.common.errors import InputError, RunFailed, Stopped
from tuichaos.common.paths import as_argument
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import located, longer
from tuichaos.execution.longer_folder import FRESH, NAME, ended_at, forcing, is_done, tidy
from tuichaos.execution.manifest import now
from tuichaos.execution.plan import plan
from tuichaos.execution.progress_event import Watcher
from tuichaos.execution.restore import going_on
from tuichaos.execution.runner import interrupts
from tuichaos.simulation.run_control import RunControl
from tuichaos.storage.checkpoint_store import FOLDER, Store
from tuichaos.storage.fingerprint import check_planned, known, prints
from tuichaos.storage.folder_checks import check_entries
from tuichaos.storage.folder_lock import locked
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.storage.run_writer import write_manifest
from tuichaos.storage.saved_states import PARTS, parts_again

# What a manifest says of an end, and of an experiment of fewer steps.
ENDED = ("status", "finished", "seconds", "reason", "files", "planned")


def target(run: Run, steps: int | None) -> int | None:
    """How many steps a run is to have that goes further than planned; None where it only goes
    on. InputError where it has as many already, or more were planned."""
    if run.kind != "run":
        return None
    if steps is None:
        return _steps_of(run.path / NAME)
    if is_done(run.path):  # and is put in place first
        return steps
    there = _steps_there(run)
    if steps <= there:
        raise InputError(f"--steps {steps}: {run.path.name} has {there} steps already")
    if steps < (planned := run.experiment.steps):
        raise InputError(
            f"--steps {steps} is less than the {planned} planned: {run.path.name} goes on to those "
            f"without --steps, or further with more than {planned}"
        )
    begun = (run.path / NAME).exists()
    return None if steps == run.experiment.steps and not begun else steps


def extend(
    run: Run,
    steps: int,
    threads: int | None,
    watch: Watcher | None,
    stop: threading.Event,
    tell: Callable[[str], object],
    data: str | Path | None = None,
) -> Run:
    """Let a run have so many steps; ``data``: where the file of its data is now. Where ``stop``
    ended it before, the run is as it was.
    Raises InputError, RunFailed and Stopped as ``resume.resume``."""
    place = run.path / NAME
    check_entries(run.path, deep=True)
    with interrupts(stop) as seen, locked(run.path):
        try:
            _put_in_place(run.path)
            run = open_run(run.path)
            if _is_there(run, steps):
                return run
            if _steps_of(place) != steps:
                _prepare(run, located(run.experiment, data, run.path.name), steps, threads, tell)
            if not is_done(run.path):
                with going_on(place, threads, RunControl(stop=stop), data) as recording:
                    recording.run(watch)
            _put_in_place(run.path)
        except OSError as error:
            raise RunFailed(f"{place}: {reason(error)}") from error
    if seen and not _is_there(open_run(run.path), steps):
        raise Stopped(
            f"interrupted at step {open_run(place).manifest['step']} of {steps}; {run.path} is as "
            f"it was; tuichaos resume {as_argument(run.path)} goes on",
            seen[0],
        )
    return open_run(run.path)


def _steps_there(run: Run) -> int:
    """The last step that a run has."""
    if run.manifest.get("status") == "done":
        return run.experiment.steps
    known = run.manifest.get("step")
    return max(known if isinstance(known, int) else 0, run.last_step or 0)


def _is_there(run: Run, steps: int) -> bool:
    return run.manifest.get("status") == "done" and run.experiment.steps >= steps


def _steps_of(place: Path) -> int | None:
    """How many steps a longer run that was begun has, or will have; None where there is none."""
    try:
        ended = ended_at(place)
        return open_run(place).experiment.steps if ended is None else ended
    except InputError:
        return None


# --- before ------------------------------------------------------------------------------


def _prepare(
    run: Run,
    shorter: Experiment,
    steps: int,
    threads: int | None,
    tell: Callable[[str], object],
) -> None:
    """Make the folder of the longer run, in one piece."""
    place = run.path / NAME
    experiment = longer(shorter, steps)
    ready = plan(experiment, threads)
    ready.check_room(run.path)
    data = ready.built.dataset
    now_planned = prints(shorter, data and data.digest, any_steps=False)
    check_planned(run.path, known(run.manifest), now_planned)
    because_of = forcing(experiment, threads)
    if (begun := _steps_of(place)) is not None:
        tell(f"what was computed towards {begun} steps is let go")
    fresh = run.path / FRESH
    if place.exists():
        shutil.rmtree(place)
    fresh.mkdir()
    replace_text(fresh / "experiment.toml", experiment.to_toml())
    from_step = 0 if because_of else _begin_at(run, fresh, ready.most_kept)
    if not from_step:
        why = ", ".join(because_of) + " depend on the number of steps" if because_of else ""
        tell(f"{why or 'no checkpoint can be used'}: all {steps} steps are computed anew")
    write_manifest(fresh, _told(run, steps, from_step))
    os.rename(fresh, place)
    settle_folder(run.path)


def _begin_at(run: Run, fresh: Path, most: int) -> int:
    """Give the longer run what the shorter one has: rows, states and checkpoints; the step it
    can go on from, 0 where there is none."""
    try:
        for name in ("series.csv", *(f".{part}.part" for part in PARTS)):
            if (run.path / name).exists():
                shutil.copyfile(run.path / name, fresh / name)
        if run.experiment.record.states_every and not (fresh / f".{PARTS[0]}.part").exists():
            parts_again(run.path / "states.npz", fresh)
        Store(run.path).copy(Store(fresh))
    except (InputError, FileNotFoundError):
        pass
    store = Store(fresh)
    for stem in store.stems():
        if int(stem) >= run.experiment.steps:  # with what is recorded only at an end
            (store.path / f"{stem}.json").unlink()
    found, _ = store.newest(most)
    if found is None:
        shutil.rmtree(fresh / FOLDER, ignore_errors=True)
        return 0
    return found.step


def _told(run: Run, steps: int, from_step: int) -> dict[str, Any]:
    """What manifest.json says of the longer run before it goes on."""
    before = {name: value for name, value in run.manifest.items() if name not in ENDED}
    entry = {"at": now(), "from": run.experiment.steps, "to": steps}
    extended = [*before.get("extended", []), entry]
    return {**before, "status": "interrupted", "step": from_step, "extended": extended}


# --- after -------------------------------------------------------------------------------


def _put_in_place(path: Path) -> None:
    """Let the files of the longer run, if it is done, replace those of the run, its
    manifest.json last; goes on where that was cut short."""
    place = path / NAME
    if not is_done(path):
        tidy(path)
        return
    manifest = open_run(path).manifest
    if not manifest.get("replaced"):
        _clear(path)
        write_manifest(path, _between(manifest, path))
    for file in sorted(place.iterdir()):
        if file.name != "manifest.json":
            os.replace(file, path / file.name)
    settle_folder(path)
    os.replace(place / "manifest.json", path / "manifest.json")
    settle_folder(path)
    place.rmdir()


def _between(manifest: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What manifest.json says while files are replaced, for who looks after a kill."""
    before = {key: value for key, value in manifest.items() if key != "files"}
    name = as_argument(path, anywhere=True)
    words = f"a longer run takes its place: tuichaos resume {name} finishes that"
    return {**before, "status": "interrupted", "reason": words, "replaced": True}


def _clear(path: Path) -> None:
    """Take away what the run would need to go on by itself."""
    Store(path).clear()
    for part in PARTS:
        (path / f".{part}.part").unlink(missing_ok=True)
