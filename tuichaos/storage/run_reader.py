"""Run folders: reading, listing, finding, renaming, annotating, deleting."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuichaos.common import npz
from tuichaos.common.errors import InputError
from tuichaos.common.limits import MAX_JSON, MAX_STEPS, check_file, read_text
from tuichaos.common.text import clean, cleaned, is_clean
from tuichaos.common.version import FORMAT
from tuichaos.config.experiment import Experiment
from tuichaos.config.extension import stand_in
from tuichaos.config.loading import load, read_toml
from tuichaos.storage.column_reader import Columns, names_of, read_table
from tuichaos.storage.folder_checks import check_entries
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
            try:
                return load(path)
            except InputError:
                measured = read_toml(path).get("measure")
                if not (isinstance(measured, dict) and stand_in(measured)):
                    raise
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
