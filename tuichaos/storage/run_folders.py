"""The folders of runs: finding one by name, listing, renaming, annotating, deleting."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError, nearest
from tuichaos.common.paths import pasted, resolved, runs_home
from tuichaos.storage.folder_lock import is_held
from tuichaos.storage.run_reader import NOTE, Run, open_run


def find(name: str) -> Run:
    """A run by its folder, by a file in it, by its name among the kept runs, or by a beginning
    of the name: the newest one that fits. ``last`` is the newest of all."""
    path, name = resolved(name, "RUN"), pasted(name)
    with contextlib.suppress(OSError):  # a name too long for a file may still be no run
        for folder in (path, path.parent) if path.is_file() else (path,):
            if (folder / "manifest.json").is_file():
                return open_run(folder)
    kept, refused = survey()
    if name in refused:
        raise InputError(refused[name])
    exact = [run for run in kept if run.path.name == name]
    fitting = kept if name == "last" else [r for r in kept if r.path.name.startswith(name)]
    if exact or fitting:
        return (exact or fitting)[0]
    if os.path.isdir(path):
        raise InputError(f"{path}: is not a run folder (no manifest.json)")
    some = [run.path.name for run in kept[:5]]
    hint = nearest(name, some) if some else "no run is kept yet"
    raise InputError(f"{name[:80]}: no such run; {hint}")


def survey() -> tuple[list[Run], dict[str, str]]:
    """All readable run folders that are kept, newest first (by the order in which they began,
    which does not follow the clock), and why the others are not, by
    their names: they are damaged, or of a newer format."""
    found, refused = [], {}
    try:
        paths = list(runs_home().glob("*/manifest.json"))
    except OSError as error:
        raise InputError(f"{runs_home()}: cannot be read: {error.strerror}") from None
    for path in paths:
        try:
            run = open_run(path.parent)
            found.append((order(run.manifest), run))
        except (InputError, OSError) as error:
            refused[path.parent.name] = str(error)
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [run for _, run in found], refused


def order(manifest: Mapping[str, Any]) -> tuple[int, str]:
    """What runs are sorted by: their number, 0 for none (see run_order.py), then when they
    began."""
    found = manifest.get("number")
    known = isinstance(found, int) and not isinstance(found, bool)
    return (found if known else 0), str(manifest.get("started", ""))


def rename(run: Run, name: str) -> Run:
    """Give a kept run another folder name; InputError if it is taken or no name."""
    target = run.path.parent / name
    if not name.isprintable() or Path(name).name != name or name.startswith("."):
        raise InputError(f"{name!r} cannot be the name of a run")
    if os.path.exists(target):  # a name that is too long is none, and refused below
        raise InputError(f"{name}: there is one of that name")
    if run.status == "running" or is_held(run.path):
        raise InputError(f"{run.path.name}: is still running")
    try:
        run.path.rename(target)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from None
    return open_run(target)


def annotate(run: Run, text: str) -> None:
    """Keep one line about a run beside its files; an empty one takes it away."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    try:
        if line:
            (run.path / NOTE).write_text(line + "\n", encoding="utf-8")
        else:
            (run.path / NOTE).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{run.path.name}: {error.strerror}") from None


def check_ended(run: Run) -> None:
    """Raise InputError for a run that is at work, as its folder says now."""
    if open_run(run.path).status == "running" or is_held(run.path):
        raise InputError(f"{run.path.name}: is still running; not deleted")


def delete(run: Run) -> None:
    """Delete a run folder that has ended; InputError for one that is running or stays."""
    check_ended(run)
    try:
        shutil.rmtree(run.path)
    except OSError as error:
        raise InputError(f"{run.path.name}: {error.strerror}") from None
