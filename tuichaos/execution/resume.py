"""Going on with a run that was stopped, from its last checkpoint, bit for bit."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError
from tuichaos.common.limits import MAX_JSON, read_text
from tuichaos.common.number_text import whole
from tuichaos.common.paths import pasted, resolved, runs_home
from tuichaos.config.loading import load
from tuichaos.config.titles import title_of
from tuichaos.execution import extend
from tuichaos.execution.manifest import now
from tuichaos.execution.plan import plan
from tuichaos.execution.progress_event import Watcher
from tuichaos.execution.restore import going_on
from tuichaos.execution.runner import interrupts, unless_interrupted
from tuichaos.simulation.run_control import RunControl
from tuichaos.storage.checkpoint_store import Store
from tuichaos.storage.folder_checks import check_entries
from tuichaos.storage.folder_lock import is_held, locked
from tuichaos.storage.run_folders import find
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.storage.run_writer import write_manifest


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
    control = RunControl(stop=stop)
    with interrupts(stop) as seen, going_on(run.path, threads, control, data) as recording:
        recording.run(watch)
    return unless_interrupted(open_run(run.path), seen)


def find_or_mend(name: str) -> Run:
    """A run by its name, as ``run_folders.find``; where its manifest.json is gone or no JSON any
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
    known = {"name": experiment.name, "title": title_of(experiment), "status": "interrupted"}
    with locked(path):
        write_manifest(path, {**known, "started": now(), "reason": words, "warnings": [words]})
    return True


def _fault_of_manifest(path: Path) -> str:
    """What is wrong with a file that is to hold a JSON object; empty if it does."""
    try:
        found = json.loads(read_text(path, MAX_JSON))
        whole = isinstance(found, dict) and "format" in found
        return "" if whole else "was damaged"
    except FileNotFoundError:
        return "was gone"
    except (ValueError, RecursionError):
        return "was damaged"
    except OSError:
        return ""
