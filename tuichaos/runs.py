"""Run folders: reading, listing, finding, renaming, annotating, deleting."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuichaos.checkpoints.lock import is_held
from tuichaos.errors import InputError, nearest
from tuichaos.experiment import Experiment
from tuichaos.locations import resolved, runs_home
from tuichaos.reading import load


@dataclass(frozen=True)
class Run:
    """A run folder read back. Arrays are NaN where a field is empty."""

    path: Path

    @property
    def note(self) -> str:
        """What a person wrote about the run, one line."""
        try:
            return (self.path / NOTE).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    @functools.cached_property
    def experiment(self) -> Experiment:
        return load(self.path / "experiment.toml")

    @functools.cached_property
    def manifest(self) -> dict[str, Any]:
        return _read_json(self.path / "manifest.json")

    @property
    def kind(self) -> str:
        """``run``, or ``sweep`` for the folder of a sweep, which has sweep.csv instead."""
        return str(self.manifest.get("kind", "run"))

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json; empty while the run is going on."""
        path = self.path / "summary.json"
        return _read_json(path) if path.exists() else {}

    @functools.cached_property
    def steps(self) -> np.ndarray:
        """The recorded steps (T,)."""
        return self._read("step")["step"][:, :1].ravel().astype(np.int64)

    @functools.cached_property
    def series(self) -> Mapping[str, np.ndarray]:
        """Each column of series.csv as (recorded steps, references)."""
        shaped = self._read()
        return {name: values for name, values in shaped.items() if name != "step"}

    @functools.cached_property
    def columns(self) -> list[str]:
        """The names of the columns of series.csv; InputError where it cannot be read."""
        path = self.path / "series.csv"
        try:
            with open(path, encoding="utf-8") as file:
                return file.readline().rstrip("\n").split(",")[2:]
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from None

    @property
    def status(self) -> str:
        """running, done, interrupted or failed; ``killed`` for one whose process is gone."""
        status = str(self.manifest.get("status", "?"))
        return "killed" if status == "running" and not self._at_work() else status

    def _at_work(self) -> bool:
        """Whether the process that writes it is still there, as far as can be told from here:
        of another machine's it cannot."""
        held = is_held(self.path)
        return _is_there(self.manifest) if held is None else held

    @property
    def last_step(self) -> int | str:
        """The last step that was written so far; empty where there is none."""
        try:
            with open(self.path / "series.csv", "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                lines = file.read().split(b"\n")[1:-1]  # whole ones
            return int(lines[-1].split(b",", 2)[1])
        except (OSError, ValueError, IndexError):
            return ""

    def column(self, name: str) -> np.ndarray:
        """One column of series.csv (recorded steps, references), without reading the rest."""
        return self._read(name)[name]

    def _read(self, *names: str) -> dict[str, np.ndarray]:
        """Columns as (recorded steps, references); steps that are not whole are left out."""
        only = ("reference", *names) if names else None
        found = read_table(self.path / "series.csv", only)
        references = found.pop("reference", np.empty(0))
        count = int(references.max()) + 1 if len(references) else 0
        times = len(references) // count if count else 0
        shaped = {k: v[: times * count].reshape(times, count) for k, v in found.items()}
        return {name: shaped.get(name, np.empty((0, 0))) for name in names} if names else shaped

    @functools.cached_property
    def exponents(self) -> dict[str, np.ndarray]:
        """Each column of exponents.csv as (references,)."""
        return read_table(self.path / "exponents.csv")

    @functools.cached_property
    def rates(self) -> dict[str, np.ndarray]:
        """Each column of rates.csv as (rows,)."""
        return read_table(self.path / "rates.csv")

    def has(self, name: str) -> bool:
        """Whether an instrument's own CSV is there."""
        return (self.path / name).exists()

    def table(self, name: str) -> dict[str, np.ndarray]:
        """Each column of numbers of an instrument's own CSV, such as spectrum.csv, as (rows,)."""
        try:
            with open(self.path / name, encoding="utf-8") as file:
                columns = file.readline().rstrip("\n").split(",")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path / name}: cannot be read: {error}") from None
        return read_table(self.path / name, [name for name in columns if name not in WORDS])

    @functools.cached_property
    def states(self) -> dict[str, np.ndarray]:
        """The arrays of states.npz; InputError where no states were recorded."""
        path = self.path / "states.npz"
        if not path.exists():
            raise InputError(f"{path}: no states were recorded; see record.states_every")
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)


NOTE = "note.txt"
WORDS = ("verdict", "missing", "behaviour")  # columns of text
TAIL_BYTES = 65536  # more than a row of any run


def _is_there(manifest: Mapping[str, Any]) -> bool:
    """The same, of a folder without a lock."""
    pid = manifest.get("pid")
    if manifest.get("host", platform.node()) != platform.node() or not isinstance(pid, int):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def open_run(path: str | Path) -> Run:
    """Open a run folder; InputError where there is none."""
    path = Path(path)
    if not (path / "manifest.json").is_file():
        raise InputError(f"{path}: is not a run folder (no manifest.json)")
    run = Run(path)
    version = run.manifest.get("format")
    from tuichaos.recorder import FORMAT

    if not isinstance(version, int) or version > FORMAT:
        raise InputError(f"{path}: has format {version}; this version reads up to {FORMAT}")
    return run


def find(name: str) -> Run:
    """A run by its folder, by its name among the kept runs, or by a beginning of the name:
    the newest one that fits. ``last`` is the newest of all."""
    path = resolved(name, "RUN")
    with contextlib.suppress(OSError):  # a name too long for a file may still be no run
        if (path / "manifest.json").is_file():
            return open_run(path)
    kept = list_runs()
    exact = [run for run in kept if run.path.name == name]
    fitting = kept if name == "last" else [r for r in kept if r.path.name.startswith(name)]
    if exact or fitting:
        return (exact or fitting)[0]
    some = [run.path.name for run in kept[:5]]
    hint = nearest(name, some) if some else "no run is kept yet"
    raise InputError(f"{name[:80]}: no such run; {hint}")


def list_runs() -> list[Run]:
    """All readable run folders that are kept, newest first."""
    found = []
    for path in runs_home().glob("*/manifest.json"):
        try:
            run = open_run(path.parent)
            found.append((str(run.manifest.get("started", "")), run))
        except InputError:
            continue
    return [run for _, run in sorted(found, key=lambda pair: pair[0], reverse=True)]


def rename(run: Run, name: str) -> Run:
    """Give a kept run another folder name; InputError if it is taken or no name."""
    target = run.path.parent / name
    if not name.isprintable() or Path(name).name != name or name.startswith("."):
        raise InputError(f"{name!r} cannot be the name of a run")
    if target.exists():
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


def delete(run: Run) -> None:
    """Delete a run folder that has ended; InputError for one that is running or stays."""
    fresh = open_run(run.path)
    if fresh.status == "running" or is_held(run.path):
        raise InputError(f"{run.path.name}: is still running; not deleted")
    try:
        shutil.rmtree(run.path)
    except OSError as error:
        raise InputError(f"{run.path.name}: {error.strerror}") from None


def read_table(path: Path, only: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """A CSV of numbers as columns (rows,), NaN for empty fields; ``only`` some of them.

    A last row that is not whole (the run is still being written) is left out. InputError
    if it cannot be read. Reads a piece at a time: memory is that of the columns.
    """
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            header = file.readline().rstrip("\n")
            names = header.split(",") if header else []
            wanted = [k for k, name in enumerate(names) if only is None or name in only]
            parts = [np.empty((0, len(wanted)))]
            while lines := file.readlines(READ_BYTES):
                if not lines[-1].endswith("\n"):
                    lines.pop()
                parts.append(_numbers(lines, len(names), wanted))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    except ValueError:
        raise InputError(f"{path}: is damaged: not a table of numbers") from None
    table = np.concatenate(parts)
    return {names[k]: np.ascontiguousarray(table[:, at]) for at, k in enumerate(wanted)}


READ_BYTES = 1 << 21


def _numbers(lines: list[str], width: int, wanted: list[int]) -> np.ndarray:
    rows = [line.rstrip("\n").split(",") for line in lines]
    if any(len(row) != width for row in rows):
        raise ValueError("a row of another length")
    cells = (float(row[k]) if row[k] else math.nan for row in rows for k in wanted)
    return np.fromiter(cells, np.float64, len(rows) * len(wanted)).reshape(len(rows), -1)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is damaged: not an object")
    return found
