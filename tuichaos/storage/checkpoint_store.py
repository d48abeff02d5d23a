"""Checkpoint files: written anew beside the last one, flushed, and then renamed.

A checkpoint is two files, ``NUMBER.safetensors`` with the arrays and ``NUMBER.json`` with the
tree, the checksum of the arrays and one of its own; it is there once the second is. The last
two are kept: where the newest cannot be read, the one before it can.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tuichaos.common.atomic_files import replace_text, settle_folder
from tuichaos.common.errors import InputError
from tuichaos.common.limits import check_file, read_text
from tuichaos.storage.prefix_checksum import Prefix

FOLDER = "checkpoints"
FORMAT = 1
KEEP = 2
MAX_TREE = 32_000_000  # bytes of the JSON: its arrays are elsewhere
# What reading a file raises that is well-formed, its checksum right, and yet no checkpoint.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
MALFORMED += (RuntimeError, MemoryError)
NAME = re.compile(r"(\d{15})\.json")


class NewerFormat(InputError):
    """A checkpoint of a later tuichaos: to begin anew in its place would throw it away."""


@dataclass(frozen=True)
class Checkpoint:
    """One that was read back: ``facts`` in plain JSON, the tree and the arrays it names, and
    the files it relies on, by name, as far as they were looked at."""

    step: int
    facts: Mapping[str, Any]
    tree: Any
    arrays: Mapping[str, np.ndarray]
    prefixes: Mapping[str, Prefix] = field(default_factory=dict)


class Store:
    """The checkpoints of a run folder."""

    def __init__(self, run: Path) -> None:
        self.path = run / FOLDER

    def write(
        self, step: int, facts: Mapping[str, Any], tree: Any, arrays: Mapping[str, np.ndarray]
    ) -> None:
        """Keep a checkpoint and let all but the last two go. OSError where it cannot be."""
        self.path.mkdir(exist_ok=True)
        stem = f"{step:015}"
        checksum = self._put(stem, arrays)
        body = {"format": FORMAT, "step": step, "arrays": checksum, "facts": facts, "tree": tree}
        text = json.dumps(body, allow_nan=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        replace_text(self.path / f"{stem}.json", f"{digest}\n{text}")
        settle_folder(self.path)
        self.keep(KEEP)

    def _put(self, stem: str, arrays: Mapping[str, np.ndarray]) -> str:
        """Write the arrays, in one piece; returns their checksum."""
        fresh = self.path / f"{stem}.tmp"
        try:
            fresh.touch()
            usual = fresh.stat().st_mode  # the library's own files are for their owner alone
            save_file(dict(arrays), fresh)
            fresh.chmod(usual)
            checksum = _digest(fresh)
            _settle(fresh, self.path / f"{stem}.safetensors")
        except BaseException as error:
            with contextlib.suppress(OSError):  # it may take the last room there is
                fresh.unlink()
            if isinstance(error, SafetensorError):
                raise _fault_of(fresh, error) from None
            raise
        return checksum

    def copy(self, other: Store) -> None:
        """Copy all, and nothing else that may lie beside them."""
        other.path.mkdir()
        for stem in self.stems():
            for kind in ("safetensors", "json"):
                shutil.copyfile(self.path / f"{stem}.{kind}", other.path / f"{stem}.{kind}")

    def newest(self, most: int, files: bool = True) -> tuple[Checkpoint | None, list[str]]:
        """The newest one of at most ``most`` bytes that can be read and, where ``files`` are
        looked at, whose files still begin as they did; and why those after it are not.
        InputError for one of a newer format. A run at work lets old ones go meanwhile: one
        that is gone is no fault."""
        while True:
            stems = self.stems()
            found, faults = self._newest_of(stems, most, files)
            if found is not None or set(stems) <= set(self.stems()):
                return found, faults

    def _newest_of(
        self, stems: list[str], most: int, files: bool
    ) -> tuple[Checkpoint | None, list[str]]:
        faults = []
        for stem in reversed(stems):
            try:
                found = self._read(stem, most)
                return (self._with_files(found) if files else found), faults
            except NewerFormat:
                raise
            except (InputError, OSError) as error:
                faults.append(str(error))
            except MALFORMED:
                faults.append(f"{self.path / stem}.json: is damaged: not a checkpoint")
        return None, faults

    def stems(self) -> list[str]:
        """Names of the checkpoints, oldest first."""
        with contextlib.suppress(OSError):
            names = sorted(path.name for path in self.path.iterdir())
            return [found[1] for name in names if (found := NAME.fullmatch(name))]
        return []

    def clear(self) -> None:
        """Let all go: the run is done."""
        for path in self._files():
            _remove(path)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _with_files(self, found: Checkpoint) -> Checkpoint:
        """The same with the files it relies on; InputError where one of them changed."""
        prefixes, sums = {}, found.facts.get("sums", {})
        for name, length in found.facts["lengths"].items():
            path = self.path.parent / Path(name).name  # never out of the folder
            check_file(path)
            prefixes[name] = Prefix(path)
            if prefixes[name].upto(length) != sums.get(name, prefixes[name].sum):
                raise InputError(f"{path}: is damaged: it does not begin as it did")
        return replace(found, prefixes=prefixes)

    def _read(self, stem: str, most: int) -> Checkpoint:
        path = self.path / f"{stem}.json"
        try:
            check_file(path)
            digest, _, text = read_text(path, MAX_TREE).partition("\n")
            if hashlib.sha256(text.encode()).hexdigest() != digest:
                raise InputError(f"{path}: is damaged: its checksum is wrong")
            body = json.loads(text)
        except InputError:
            raise
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            raise InputError(f"{path}: is damaged: not JSON") from None
        except ValueError as error:
            raise InputError(f"{path}: is damaged: {error}") from None
        if body["format"] > FORMAT:
            raise NewerFormat(f"{path}: is of format {body['format']}, newer than {FORMAT}")
        if body["step"] != int(stem):
            raise InputError(f"{path}: is damaged: it is of step {body['step']}")
        arrays = self.path / f"{stem}.safetensors"
        check_file(arrays)
        if arrays.stat().st_size > most:
            raise InputError(f"{arrays}: is damaged: larger than what the experiment could have")
        if _digest(arrays) != body["arrays"]:
            raise InputError(f"{arrays}: is damaged: its checksum is wrong")
        try:
            found = load_file(arrays)
        except SafetensorError as error:
            raise InputError(f"{arrays}: is damaged: {error}") from None
        return Checkpoint(body["step"], body["facts"], body["tree"], found)

    def _files(self) -> Iterator[Path]:
        if self.path.is_dir():
            yield from self.path.iterdir()

    def keep(self, count: int) -> None:
        """Delete what is older than the last ``count``, and what was never finished."""
        stems = self.stems()[-count:]
        for path in self._files():
            if path.name.partition(".")[0] not in stems or path.suffix == ".tmp":
                _remove(path)


def _remove(path: Path) -> None:
    """Take away a file; what is no file is not ours, and stays."""
    if not path.is_dir():
        path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _settle(fresh: Path, path: Path) -> None:
    """Give a file its name once it is on the disk."""
    with open(fresh, "rb") as file:
        os.fsync(file.fileno())
    os.replace(fresh, path)


def _fault_of(path: Path, error: SafetensorError) -> OSError:
    """What the library says of a file that it could not write, as the system's own error
    where it names one ("… (os error 28)")."""
    if named := re.search(r"os error (\d+)", str(error)):
        number = int(named[1])
        return OSError(number, os.strerror(number), str(path))
    return OSError(f"{path}: {error}")
