"""Run folders: reading, listing, finding, renaming, annotating, deleting."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuichaos.common import npz
from tuichaos.common.atomic_files import NO_ROOM
from tuichaos.common.errors import InputError, RunFailed, nearest
from tuichaos.common.limits import MAX_JSON, MAX_STEPS, check_file, read_text
from tuichaos.common.paths import pasted, resolved, runs_home
from tuichaos.common.text import clean, cleaned, is_clean
from tuichaos.common.version import FORMAT
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import load
from tuichaos.storage.column_reader import Columns, names_of, read_table
from tuichaos.storage.folder_lock import is_held


@dataclass(frozen=True)
class Run:
    """A run folder read back. Arrays are NaN where a field is empty.

    Of a run at work it holds the steps that were whole when series.csv was first read here;
    rows that come later are seen by who opens the folder again.

    Parameters
    ----------
    path : Path
        The folder; see ``tuichaos.open_run``.

    Notes
    -----
    Its files are read when they are first asked for; InputError where one is not there, or is
    damaged.
    """

    path: Path

    @property
    def note(self) -> str:
        """What a person wrote about the run, one line."""
        try:
            check_file(self.path / NOTE)
            return clean(read_text(self.path / NOTE, MAX_NOTE).strip())
        except (OSError, ValueError):
            return ""

    @functools.cached_property
    def experiment(self) -> Experiment:
        """The experiment that was run.

        Raises
        ------
        InputError
            experiment.toml cannot be read.
        """
        path = self.path / "experiment.toml"
        try:
            return load(path)
        except InputError as error:  # which names a key, or the file already
            words = str(error).removeprefix(f"{path}: ")
            raise InputError(f"{path}: {words}") from None

    @functools.cached_property
    def manifest(self) -> dict[str, Any]:
        """manifest.json: status, versions, machine, noise floor, warnings, checksums."""
        return _read_json(self.path / "manifest.json")

    def facts(self, name: str) -> dict[str, Any]:
        """Read a table within manifest.json.

        Parameters
        ----------
        name : str
            Of the table.

        Returns
        -------
        dict
            Empty where there is none.
        """
        found = self.manifest.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def kind(self) -> str:
        """``run``, or ``sweep`` for the folder of a sweep, which has sweep.csv instead."""
        return str(self.manifest.get("kind", "run"))

    @property
    def time_step(self) -> float | None:
        """The time a step of its system takes, 1 of a map.

        None where a folder of an earlier version does not tell. Exponents are in nats per unit of
        time.
        """
        found = self.manifest.get("time_step")
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return float(found) if number and found > 0 else None

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
        found = {name: values for name, values in shaped.items() if name != "step"}
        return Columns(found, str(self.path / "series.csv"))

    @functools.cached_property
    def columns(self) -> list[str]:
        """The names of the columns of series.csv.

        Raises
        ------
        InputError
            It cannot be read.
        """
        path = self.path / "series.csv"
        try:
            check_file(path)
            return names_of(path)[2:]
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read: {words_of(error)}") from None

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
        """Read one column of series.csv, without the rest.

        Parameters
        ----------
        name : str
            Of the column.

        Returns
        -------
        ndarray
            (recorded steps, references), in the unit of the column.

        Raises
        ------
        InputError
            There is no such column, or the file cannot be read.

        Examples
        --------
        >>> import tuichaos
        >>> small = {"steps": 20, "system": {"name": "logistic"}, "ensemble": {"references": 2}}
        >>> run = tuichaos.run(tuichaos.resolve(small))
        >>> run.column("x0").shape
        (21, 2)
        """
        return self._read(name)[name]

    def read_along(self, *names: str) -> None:
        """Read columns in one pass, for those who will ask for one after the other.

        Parameters
        ----------
        *names : str
            Columns of series.csv; those that are not there are left out.
        """
        self._read("step", *(name for name in names if name in self.columns))

    @property
    def whole_rows(self) -> int:
        """How many rows of series.csv are read: those of whole steps, as they were first seen."""
        return math.prod(self._shape or self._read("reference")["reference"].shape)

    @property
    def _shape(self) -> tuple[int, int] | None:
        """Recorded steps and references as they were first seen; None before that."""
        return self.__dict__.get("_seen")

    def _read(self, *names: str) -> dict[str, np.ndarray]:
        """Columns as (recorded steps, references); steps that are not whole are left out. The
        file may grow from one call to the next: what the first one saw is read each time."""
        path = self.path / "series.csv"
        only = ("reference", *names) if names else None
        most = math.prod(self._shape) if self._shape else None
        found = read_table(path, only, most)
        references = found.get("reference", np.empty(0))
        _check_whole(self.path, references, len(references))
        _check_whole(self.path, found.get("step", np.empty(0)), MAX_STEPS + 1)
        times, count = self.__dict__.setdefault("_seen", self._whole_steps(references))
        if len(references) < times * count:  # a run that goes on begins by cutting its tables
            raise InputError(f"{path}: was cut back while it was read; read it again")
        if not names:
            found.pop("reference", None)
        shaped = {k: v[: times * count].reshape(times, count) for k, v in found.items()}
        return {name: shaped.get(name, np.empty((0, 0))) for name in names} if names else shaped

    def _whole_steps(self, references: np.ndarray) -> tuple[int, int]:
        """How many steps have a row of every reference, and how many references there are."""
        count = int(references.max()) + 1 if len(references) else 0
        times = len(references) // count if count else 0
        if times == 1 and self.status in GROWING:  # some rows of the first step, it may be
            with contextlib.suppress(InputError):
                times = int(count >= self.experiment.ensemble.references)
        return times, count

    @functools.cached_property
    def exponents(self) -> dict[str, np.ndarray]:
        """Each column of exponents.csv as (references,); exponents in nats per unit of time."""
        path = self.path / "exponents.csv"
        return Columns(read_table(path), str(path))

    @functools.cached_property
    def rates(self) -> dict[str, np.ndarray]:
        """Each column of rates.csv as (rows,); rates in nats per unit of time."""
        path = self.path / "rates.csv"
        return Columns(read_table(path), str(path))

    def has(self, name: str) -> bool:
        """Tell whether a table is in the folder.

        Parameters
        ----------
        name : str
            Of an instrument's own CSV, such as ``spectrum.csv``.

        Returns
        -------
        bool
            Whether it is there.
        """
        return name in tables_of(self.path)

    def table(self, name: str) -> dict[str, np.ndarray]:
        """Read each column of numbers of an instrument's own CSV.

        Parameters
        ----------
        name : str
            Such as ``spectrum.csv``.

        Returns
        -------
        dict of str to ndarray
            Columns (rows,), NaN where empty.

        Raises
        ------
        InputError
            There is no such table in the folder, or it cannot be read.
        """
        path = table_path(self.path, name)
        return Columns(read_table(path, but=WORDS), str(path))

    @functools.cached_property
    def states(self) -> dict[str, np.ndarray]:
        """The arrays of states.npz.

        ``states`` (saved steps, references, dimension), their ``steps`` (saved steps,), ``twins``
        (saved steps, references, twins, dimension), the ``layout`` of a state, and the data.

        Raises
        ------
        InputError
            No states were recorded.
        """
        path = self.path / "states.npz"
        if not path.exists():
            raise InputError(f"{path}: no states were recorded; see record.states_every")
        # Ours are not compressed: no array has more numbers than the file has bytes.
        return npz.read(path, STATES, path.stat().st_size, str(path), kinds="fiubU")


STATES = ("steps", "states", "twins", "layout", "x", "y", "x_test", "y_test")
NOTE = "note.txt"
MAX_NOTE = 100_000  # bytes
WORDS = ("verdict", "missing", "behaviour")  # columns of text
GROWING = ("running", "killed")  # of a run whose last rows may not be whole
TAIL_BYTES = 65536  # more than a row of any run


def _is_there(manifest: Mapping[str, Any]) -> bool:
    """The same, of a folder without a lock."""
    pid = manifest.get("pid")
    if manifest.get("host", platform.node()) != platform.node() or not isinstance(pid, int):
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except OSError:
        return True
    return True


def open_run(path: str | Path) -> Run:
    """Open a run folder, or that of a sweep (with more to read of it: ``sweeps.result``);
    InputError where there is none."""
    path = Path(path)
    if not (path / "manifest.json").is_file():
        raise InputError(f"{path}: is not a run folder (no manifest.json)")
    check_entries(path)
    run = Run(path)
    check_format(run)
    return run


def check_format(run: Run) -> None:
    """Raise InputError for a folder of a format that this version does not know."""
    path, version = run.path, run.manifest.get("format")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise InputError(f"{path}: manifest.json has no format")
    if version > FORMAT:
        raise InputError(
            f"{path}: has format {version}, of a newer tuichaos; this one reads up to {FORMAT}"
        )


def check_entries(path: Path, deep: bool = False) -> None:
    """Raise InputError for a folder that holds anything but plain files and folders: to go on
    with a run would write through a link, and reading a pipe may have no end. ``deep``: also
    in the folders within it."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if not (is_folder or entry.is_file(follow_symlinks=False)):
                    raise InputError(f"{path}: {entry.name} is a link or a device, not a file")
                if deep and is_folder:
                    check_entries(Path(entry.path), deep)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """What is raised in here of a folder's files is the folder's fault: they parse, and yet
    are not what was written, in one of the many ways there are. InputError says so."""
    try:
        yield
    except (InputError, RunFailed, BrokenPipeError):  # who reads our output may have had enough
        raise
    except MALFORMED as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:  # it is no file that is read
            raise
        words = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: is damaged: {clean(words, 200)}") from error


MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
MALFORMED += (MemoryError, OSError)


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


def tables_of(folder: Path) -> list[str]:
    """The names of the tables in a run folder."""
    return sorted(path.name for path in folder.glob("*.csv"))


def table_path(folder: Path, name: str) -> Path:
    """A table of a run folder; InputError, naming those that are there, for what is none."""
    there = tables_of(folder)
    if name not in there:
        known = f"it has {', '.join(there)}" if there else "it has none"
        raise InputError(f"{folder}: has no table {name!r}; {known}")
    return folder / name


def words_of(error: Exception) -> str:
    """What went wrong, without the number that the system has for it."""
    return getattr(error, "strerror", None) or str(error)


def _check_whole(path: Path, values: np.ndarray, end: int) -> None:
    """Raise InputError for references or steps that are not whole numbers from 0 below
    ``end``."""
    if not ((values >= 0) & (values < end) & (values == np.floor(values))).all():
        raise InputError(f"{path / 'series.csv'}: is damaged: references or steps that are none")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path, MAX_JSON)
        found = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {words_of(error)}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is damaged: not an object")
    return found if is_clean(text) else cleaned(found)
