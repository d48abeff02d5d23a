"""states.npz, written while a run goes on: each array grows in a file of its own."""

from __future__ import annotations

import contextlib
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tuichaos.common import npz
from tuichaos.common.atomic_files import replacing, settle
from tuichaos.common.errors import InputError

# Arrays of states.npz that grow, each in a file of its own: a checkpoint names them.
PARTS = ("steps", "states", "twins")


class StatesFile:
    """states.npz, written as the run goes: each array grows in a file of its own, and the
    archive is put together at the end, a piece at a time."""

    again = "r+b"  # how they are opened to go on; "rb" by who only looks

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: dict[str, tuple[Any, np.dtype, tuple[int, ...]]] = {}
        self.times = 0

    def append(self, steps: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
        """Add ``steps`` (T,) and arrays (T, …), whose shapes must stay the same."""
        for name, array in {"steps": steps, **arrays}.items():
            if name not in self.parts:
                file = open(self.folder / f".{name}.part", "w+b")  # noqa: SIM115
                self.parts[name] = (file, array.dtype, array.shape[1:])
            self.parts[name][0].write(np.ascontiguousarray(array).tobytes())
        self.times += len(steps)

    def sync(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Have all rows on the disk; returns type and shape of the rows of each array."""
        for file, _, _ in self.parts.values():
            settle(file)
        return {name: (dtype.str, shape) for name, (_, dtype, shape) in self.parts.items()}

    def lengths(self) -> dict[str, int]:
        """Of the files that grow, in bytes."""
        return {f".{name}.part": file.tell() for name, (file, _, _) in self.parts.items()}

    def go_on(self, parts: Mapping[str, tuple[str, tuple[int, ...]]], times: int) -> None:
        """Open the files again and cut them back to so many rows; InputError where one is
        shorter."""
        self.times = times
        if not set(parts) <= set(PARTS) or times < 0:
            raise InputError("is damaged: names files that are not those of states")
        for name, (kind, shape) in parts.items():
            if np.dtype(kind).kind not in "fi" or min(shape, default=0) < 0:
                raise InputError(f"is damaged: {name} of {kind}, {shape}")
            path, dtype = self.folder / f".{name}.part", np.dtype(kind)
            size = times * dtype.itemsize * math.prod(shape)
            try:
                file = open(path, self.again)  # noqa: SIM115
            except OSError as error:
                raise InputError(f"{path}: cannot be read: {error.strerror}") from None
            self.parts[name] = (file, dtype, shape)
            if file.seek(0, os.SEEK_END) < size:
                raise InputError(f"{path}: is damaged: it is shorter than it was")
            if file.writable():
                file.truncate(size)
            file.seek(size)

    def finish(self, fixed: Mapping[str, np.ndarray]) -> None:
        """Write the archive: the grown arrays, then ``fixed`` ones."""
        target = replacing(self.folder / "states.npz", "wb")
        with target as fresh, zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED) as archive:
            for name, (file, dtype, shape) in self.parts.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as target:
                    _npy_header(target, dtype, (self.times, *shape))
                    file.seek(0)
                    while piece := file.read(1 << 22):
                        target.write(piece)
            for name, array in fixed.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as target:
                    np.lib.format.write_array(target, array, allow_pickle=False)

    def close(self) -> None:
        """Close the files; they stay, so that the run can go on. On a full disk what was not
        yet written is lost: the fault that ended the run is the one to tell."""
        for file, _, _ in self.parts.values():
            with contextlib.suppress(OSError):
                file.close()

    def clear(self) -> None:
        """Leave no partial file behind: the run is done."""
        self.close()
        for name in self.parts:
            (self.folder / f".{name}.part").unlink(missing_ok=True)
        self.parts = {}


def parts_again(archive: Path, folder: Path) -> None:
    """Make the files that grow out of states.npz again, so that a run that is done goes on.
    InputError where it cannot be read."""
    npz.unpack(archive, {name: folder / f".{name}.part" for name in PARTS}, str(archive))


def _npy_header(target: Any, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_2_0(target, header)
