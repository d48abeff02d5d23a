"""The kept runs as a list that is looked at again and again: of what has not changed since,
nothing is read again."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError
from tuichaos.common.paths import runs_home
from tuichaos.storage.run_folders import order
from tuichaos.storage.run_reader import NOTE, Run, check_format

Stamp = tuple[int, ...]  # times and sizes of the files that a line is made from
FRESH_NS = 1_000_000_000  # a folder that changed so lately may change again in the same tick


@dataclass(frozen=True)
class Listed:
    """A line of the list."""

    path: Path
    kind: str
    status: str
    started: str
    steps: str
    replicas: str
    note: str
    title: str
    order: tuple[int, str]

    @functools.cached_property
    def text(self) -> str:
        """What a filter looks in."""
        cells = (self.path.name, self.status, self.started, self.note, self.title, self.steps)
        return "\n".join(cells).lower()


def listed(run: Run, *, noted: bool = True) -> Listed:
    """A run as a line; ``noted``: there may be a note on it. Raises InputError where it cannot
    be read."""
    check_format(run)
    manifest = run.manifest
    step = manifest.get("step")
    points = manifest.get("points") if run.kind == "sweep" else None
    if isinstance(points, Mapping):
        steps = f"{points.get('done')} points"
    else:
        steps = str(run.last_step if step is None else step)
    return Listed(
        path=run.path,
        kind=run.kind,
        status=run.status,
        started=began(manifest),
        steps=steps,
        replicas=str(manifest.get("replicas", "")),
        note=run.note if noted else "",
        title=str(manifest.get("title", "")),
        order=order(manifest),
    )


def began(manifest: Mapping[str, Any]) -> str:
    """When a run began, in local time as in its name, with the zone."""
    text = str(manifest.get("started", ""))
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M %Z")
    except (ValueError, OverflowError):
        return text[:16]


class Catalogue:
    """All kept runs, newest first, and why others cannot be read. ``read`` counts the
    manifests that were read. One thread at a time."""

    def __init__(self) -> None:
        self.read = 0
        self.runs: list[Listed] = []
        self.refused: dict[str, str] = {}
        self._known: dict[str, tuple[Stamp, Listed | str]] = {}
        self._home: tuple[Path, int] | None = None  # as it was when all of it was looked at

    @property
    def count(self) -> int:
        """How many folders there are, before they are read."""
        try:
            return sum(1 for _ in os.scandir(runs_home()))
        except OSError:
            return 0

    def look(self) -> bool:
        """Look at every folder; whether something is new. Raises InputError."""
        home = runs_home()
        try:
            changed = os.stat(home).st_mtime_ns
            names = [entry.name for entry in os.scandir(home)]
        except FileNotFoundError:
            changed, names = 0, []
        except OSError as error:
            raise InputError(f"{home}: cannot be read: {error.strerror}") from None
        fresh = time.time_ns() - changed < FRESH_NS
        self._home = None if fresh else (home, changed)
        gone = self._known.keys() - set(names)
        for name in gone:
            del self._known[name]
        new = [self._look_at(home, name) for name in names]
        return self._sort(any(new) or bool(gone))

    def glance(self, names: Iterable[str]) -> bool:
        """The same, but unless folders came or went only at those named and those at work."""
        home = runs_home()
        try:
            same = self._home == (home, os.stat(home).st_mtime_ns)
        except OSError:
            same = False
        if not same:
            return self.look()
        at_work = [run.path.name for run in self.runs if run.status == "running"]
        new = [self._look_at(home, name) for name in dict.fromkeys([*at_work, *names])]
        return self._sort(any(new))

    def _look_at(self, home: Path, name: str) -> bool:
        """Read a folder, if it has changed; whether it has."""
        stamp = _stamp(f"{home}/{name}")
        before = self._known.get(name)
        if stamp is None:
            return self._known.pop(name, None) is not None
        if before is not None and before[0] == stamp and not _grows(before[1]):
            return False
        self.read += 1
        try:
            found = listed(Run(home / name), noted=stamp[2] > 0)
        except (InputError, OSError) as error:
            found = str(error)
        self._known[name] = (stamp, found)
        return before is None or before[1] != found

    def _sort(self, changed: bool) -> bool:
        if changed:
            known = [found for _, found in self._known.values()]
            runs = [found for found in known if isinstance(found, Listed)]
            self.runs = sorted(runs, key=lambda run: run.order, reverse=True)
            self.refused = {k: v for k, (_, v) in self._known.items() if isinstance(v, str)}
        return changed


def _grows(found: Listed | str) -> bool:
    """Whether there is more to be seen than its manifest tells."""
    return isinstance(found, Listed) and found.status == "running"


def _stamp(folder: str) -> Stamp | None:
    """None for what is no run folder."""
    try:
        manifest = os.stat(f"{folder}/manifest.json")
    except OSError:
        return None
    try:
        note = os.stat(f"{folder}/{NOTE}").st_mtime_ns
    except OSError:
        note = 0
    return manifest.st_mtime_ns, manifest.st_size, note
