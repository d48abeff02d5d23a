"""Writing a run folder: rows as they come, tables and numbers at the end."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np

from tuichaos.common.atomic_files import (
    FRESH,
    NO_ROOM,
    overwrite_text,
    reason,
    replace_text,
    replacing,
    settle,
    settle_folder,
)
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.paths import resolved, runs_home
from tuichaos.common.text import cell
from tuichaos.common.version import FORMAT
from tuichaos.config.experiment import Experiment
from tuichaos.storage.series_text import series_columns, series_head, series_lines

T = TypeVar("T")
MAX_NAME = 100  # characters of a folder's name that are the experiment's


class RunWriter:
    """Writes the files of a run folder while the run goes on; ``at``: on from so many bytes of
    series.csv (InputError where there are fewer)."""

    def __init__(self, path: Path, experiment: Experiment, at: int | None = None) -> None:
        self.path = path
        self.every = experiment.record.every
        self.steps = experiment.steps
        self.columns: list[str] | None = None
        self.experiment(experiment)
        self.series = _opened(path / "series.csv") if at is None else self._reopened(at)
        self.length = at or 0  # bytes of series.csv

    def _reopened(self, at: int) -> TextIO:
        path = self.path / "series.csv"
        try:
            file = open(path, "r+", encoding="utf-8", newline="\n")  # noqa: SIM115
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        if os.fstat(file.fileno()).st_size < at:
            file.close()
            raise InputError(f"{path}: is damaged: it is shorter than it was")
        if at:
            self.columns = file.readline().rstrip("\n").split(",")[2:]
        file.seek(at)
        file.truncate()
        return file

    def sync(self) -> int:
        """Have all rows on the disk; returns the length of series.csv in bytes."""
        settle(self.series)
        self._check_whole()
        return self.length

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.series.close()
        except OSError:  # a full disk fails again here: the first failure is the one to tell
            if kind is None:
                raise

    def experiment(self, experiment: Experiment) -> None:
        """Write experiment.toml, again if it changed while it ran."""
        self._text = experiment.to_toml()
        replace_text(self.path / "experiment.toml", self._text)

    def manifest(self, content: Mapping[str, Any]) -> None:
        """Write manifest.json."""
        write_manifest(self.path, content)

    def append(self, steps: np.ndarray, columns: Mapping[str, np.ndarray], references: int) -> None:
        """Add the recorded ones among steps (T,) with columns (T, references) to series.csv."""
        self._check_whole()
        if self.columns is None:
            self.columns = series_columns(columns)
            self.series.write(series_head(self.columns))
        kept = np.flatnonzero((steps % self.every == 0) | (steps == self.steps))
        if not len(kept):
            return
        self.series.write(series_lines(steps, kept, columns, self.columns, references))
        self.series.flush()
        self.length = os.lseek(self.series.fileno(), 0, os.SEEK_CUR)

    def _check_whole(self) -> None:
        """OSError where another program has cut series.csv, or written to it (its rows would go
        on behind a hole), put another file in its place, or taken the folder away."""
        path, own = self.path / "series.csv", os.fstat(self.series.fileno())
        if own.st_size != self.length:
            raise OSError(f"{path} was changed by another program")
        if not os.path.samestat(os.stat(path), own):
            raise OSError(f"{path} was replaced by another file")

    def finish(
        self,
        exponents: Mapping[str, np.ndarray],
        tables: Mapping[str, tuple[list[str], Iterable[list[Any]]]],
        summary: Mapping[str, Any],
    ) -> None:
        """Write exponents.csv, further tables and summary.json."""
        self.sync()
        if not (self.path / "experiment.toml").exists():
            replace_text(self.path / "experiment.toml", self._text)
        columns = [whole(v) if name in WHOLE else v for name, v in exponents.items()]
        rows = ([k, *row] for k, row in enumerate(zip(*columns, strict=True)))
        write_table(self.path / "exponents.csv", ["reference", *exponents], rows)
        for name, (columns, lines) in tables.items():
            write_table(self.path / name, columns, lines)
        write_json(self.path / "summary.json", summary)


class NullWriter:
    """A RunWriter that writes nothing, for a run of which the numbers alone are wanted."""

    def __enter__(self) -> NullWriter:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def experiment(self, experiment: Experiment) -> None:
        """Nothing is written."""

    def manifest(self, content: Mapping[str, Any]) -> None:
        """Nothing is written."""

    def append(self, steps: np.ndarray, columns: Mapping[str, np.ndarray], references: int) -> None:
        """Nothing is written."""

    def finish(self, exponents: object, tables: object, summary: object) -> None:
        """Nothing is written."""


def _opened(path: Path) -> TextIO:
    """A file for rows that come for as long as the run goes; it can be read back."""
    return open(path, "w+", encoding="utf-8", newline="\n")


SUMMED = (".csv", ".toml", ".json", ".jsonl", ".npz")


def checksums(path: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder that is complete, but for what may change later."""
    found = {}
    for file in sorted(summed(path)):
        with open(file, "rb") as opened:
            found[file.name] = hashlib.file_digest(opened, "sha256").hexdigest()
    return found


def summed(path: Path) -> Iterator[Path]:
    """The files of a folder that have a checksum when it is complete."""
    for file in path.iterdir():
        if file.suffix in SUMMED and file.name != "manifest.json" and file.is_file():
            yield file


def write_manifest(path: Path, content: Mapping[str, Any]) -> None:
    """Write manifest.json in one piece: a reader never sees half of it. What it tells of the
    other files of the folder is then true whatever happens: they are on the disk before."""
    settle_folder(path)
    write_json(path / "manifest.json", {"format": FORMAT, **content})
    settle_folder(path)


def tell_end(path: Path, content: Mapping[str, Any]) -> None:
    """Write manifest.json of a run that failed, also where the disk is too full for another
    one beside it; leave it as it is where even that cannot be."""
    try:
        write_manifest(path, content)
    except OSError:
        with contextlib.suppress(OSError):
            overwrite_text(path / "manifest.json", _json({"format": FORMAT, **content}))


def checked_folder(out: str | Path | None) -> Path | None:
    """``out`` as a path, InputError if it cannot become a run folder; touches nothing."""
    if out is None:
        return None
    path = resolved(out, "--out")
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"--out {out}: exists and is not an empty folder")
        above = path
        while not above.exists():
            above = above.parent
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from None
    if not above.is_dir():
        raise InputError(f"--out {out}: cannot be written: {above} is not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        read_only = os.statvfs(above).f_flag & os.ST_RDONLY
        words = "is on a read-only file system" if read_only else f"no permission in {above}"
        raise InputError(f"--out {out}: cannot be written: {words}")
    return path


@contextlib.contextmanager
def new_folder(experiment: Experiment, out: str | Path | None) -> Iterator[Path]:
    """An empty folder for a run; one that ends before its manifest.json is there, by a full
    disk, leaves nothing behind. Raises as ``create``; RunFailed where it cannot be written."""
    named = checked_folder(out)
    there = named is not None and named.exists()
    path = create(experiment, out)
    try:
        yield path
    except OSError as error:
        raise RunFailed(f"{path}: {reason(error)}") from error
    finally:
        if not (path / "manifest.json").exists():
            _discard(path, there)


def _discard(path: Path, keep: bool) -> None:
    """Take away what was written into a folder, and nothing else; and it itself."""
    with contextlib.suppress(OSError):
        for file in path.iterdir():
            if file.suffix in (".part", FRESH) or file.name in BEGUN:
                file.unlink(missing_ok=True)
        if not keep:
            path.rmdir()


BEGUN = ("experiment.toml", "series.csv", "lock")  # what is there before manifest.json


def create(experiment: Experiment, out: str | Path | None) -> Path:
    """Make an empty run folder; InputError if it cannot be had, RunFailed where there is no
    room for it. Nothing is ever overwritten."""
    named = checked_folder(out)
    if named is not None:
        try:
            named.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(f"--out {out}", error) from None
        return named
    stem = re.sub(r"[^\w.-]+", "-", experiment.name).strip("-.")[:MAX_NAME] or "run"
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    parent = runs_home()
    for suffix in ("", *(f"-{k}" for k in range(2, 1000))):
        path = parent / f"{stem}-{stamp}{suffix}"
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise _refused(str(parent), error) from None
    raise InputError(f"{parent}: too many runs named {stem}-{stamp}")


def _refused(name: str, error: OSError) -> InputError | RunFailed:
    kind = RunFailed if error.errno in NO_ROOM else InputError
    return kind(f"{name}: cannot be written: {error.strerror}")


# --- files -------------------------------------------------------------------------------


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """A CSV of numbers, replaced in one piece: shortest round-trip floats, whole numbers plain,
    empty for NaN."""
    with replacing(path) as file:
        file.write(",".join(map(cell, columns)) + "\n")
        for row in rows:
            file.write(",".join(map(_cell, row)) + "\n")


WHOLE = {"start", "length", "kept", "diverged_at", "collapsed_at", "converged"}


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return cell(value.replace(",", ";"))  # words of our own: one cell without quotes
    value = float(value)
    return repr(value) if math.isfinite(value) else ""


def whole(values: np.ndarray) -> list[Any]:
    """Numbers that are whole by nature (steps, counts) as integers, NaN left as it is."""
    return [int(v) if math.isfinite(v) else math.nan for v in values.tolist()]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """JSON without NaN (null instead), replaced in one piece."""
    replace_text(path, _json(content))


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(without_nan(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def without_nan(value: Any) -> Any:
    """The same with None for every number that is not finite, as JSON has it."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
