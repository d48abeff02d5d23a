"""A sweep's folder read back: its table, its points, and their runs where they were kept."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.storage import run_folders, run_reader
from tuichaos.storage.column_reader import Columns
from tuichaos.storage.run_reader import Run, table_path
from tuichaos.sweeps.sweep_reader import NAME, read

COMMON = ("point", "status", "reason")
RUNS = "runs"  # the folder of the points' own run folders


@dataclass(frozen=True)
class SweepPoint:
    """A point of a sweep that has ended.

    Attributes
    ----------
    number : int
        Its place in the grid, counted from 0, the first key slowest.
    values : Mapping of str to float
        The swept keys with their values here.
    status : str
        ``done`` or ``failed``.
    reason : str
        Why it failed; empty where it did not.
    numbers : Mapping of str to float or str
        The numbers of its summary by their dotted names (``lyapunov.mean``, in nats per unit of
        time), None where there is none, and the verdict as text.
    folder : Path, optional
        Its run folder; None unless it was kept.
    """

    number: int
    values: Mapping[str, float]
    status: str
    reason: str
    numbers: Mapping[str, float | str | None]
    folder: Path | None

    @property
    def run(self) -> Run:
        """Its own run.

        Raises
        ------
        InputError
            Run folders were not kept.
        """
        if self.folder is None:
            raise InputError(f"point {self.number}: its run was not kept; see keep=True, --keep")
        return run_reader.open_run(self.folder)


@dataclass(frozen=True)
class Sweep(Run):
    """The folder of a sweep read back: ``table()`` by column, ``points`` one by one.

    Parameters
    ----------
    path : Path
        The folder; see ``open_run``.
    """

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are swept, the first one slowest."""
        return tuple(self.experiment.sweep)

    def table(self, name: str = NAME) -> dict[str, np.ndarray | list[str]]:
        """Read the columns of a table of the folder.

        Parameters
        ----------
        name : str
            ``sweep.csv``, or another table: ``diagram.csv``.

        Returns
        -------
        dict of str to ndarray or list
            Each column: numbers (rows,), NaN where empty, or a list of texts.

        Raises
        ------
        InputError
            There is no such table, or it cannot be read.
        """
        folder = table_path(self.path, name).parent
        return Columns(read(folder, name), str(folder / name))

    @functools.cached_property
    def points(self) -> list[SweepPoint]:
        """The points that have ended, in the order of sweep.csv."""
        table = self.table()
        names = [name for name in table if name not in (*COMMON, *self.keys)]
        rows = range(len(next(iter(table.values()), [])))
        return [self._point(table, names, row) for row in rows]

    def _point(self, table: Mapping[str, Any], names: list[str], row: int) -> SweepPoint:
        number = int(table["point"][row])
        folder = self.path / RUNS / f"{number:05d}"
        reason = table["reason"][row]
        return SweepPoint(
            number,
            Columns({key: _value(table[key][row]) for key in self.keys}, "[sweep]"),
            str(table["status"][row]),
            reason if isinstance(reason, str) else "",
            Columns({name: _value(table[name][row]) for name in names}, str(self.path / NAME)),
            folder if (folder / "manifest.json").is_file() else None,
        )

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """What sums the sweep up.

        summary.json of a map or a diagram that is complete; of other sweeps the keys and how many
        points there are: their numbers are those of ``points``.
        """
        found = Run(self.path).summary
        if found or self.experiment.is_dense:
            return found
        return {
            "name": self.experiment.name,
            "kind": "sweep",
            "keys": list(self.keys),
            "points": self.facts("points"),
        }

    @property
    def series(self) -> NoReturn:
        """Raises InputError: each point has its own."""
        self._none("series")

    @property
    def steps(self) -> NoReturn:
        """Raises InputError: each point has its own."""
        self._none("steps")

    @property
    def exponents(self) -> NoReturn:
        """Raises InputError: each point has its own."""
        self._none("exponents")

    @property
    def rates(self) -> NoReturn:
        """Raises InputError: each point has its own."""
        self._none("rates")

    @property
    def states(self) -> NoReturn:
        """Raises InputError: each point has its own."""
        self._none("states")

    def _none(self, what: str) -> NoReturn:
        raise InputError(
            f"{self.path.name}: a sweep has no {what} of its own: see table(), points, and "
            f"points[0].run.{what} of a sweep with keep=True"
        )


def open_run(path: str | Path) -> Run:
    """Open the folder of a run or a sweep.

    Parameters
    ----------
    path : path
        The folder, from any machine.

    Returns
    -------
    Run
        A ``Sweep`` for that of a sweep.

    Raises
    ------
    InputError
        There is none, or it is of a newer format.

    Examples
    --------
    >>> import tuichaos
    >>> small = {"steps": 20, "system": {"name": "logistic"}, "ensemble": {"references": 2}}
    >>> run = tuichaos.run(tuichaos.resolve(small), out="mine")
    >>> tuichaos.open_run("mine").status
    'done'
    """
    return _by_kind(run_reader.open_run(path))


def list_runs() -> list[Run]:
    """List all readable run folders that are kept.

    Returns
    -------
    list of Run
        Newest first; those of sweeps as ``Sweep``.

    Raises
    ------
    InputError
        The folder of the kept runs cannot be read.

    Examples
    --------
    >>> import tuichaos
    >>> tuichaos.list_runs()
    []
    """
    return [_by_kind(run) for run in run_folders.survey()[0]]


def _by_kind(run: Run) -> Run:
    return Sweep(run.path) if run.kind == "sweep" else run


def _value(cell: Any) -> float | int | str | None:
    """A cell as a person would have it: whole numbers as such, None for none."""
    if isinstance(cell, str):
        return cell or None
    number = float(cell)
    if np.isnan(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
