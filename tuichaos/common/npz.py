"""Arrays of an npz archive, looked over before any memory is taken.

An archive names its members, and each member its shape, as whoever made it liked: nothing of
it is trusted. Members are read by name and never written anywhere; one that is larger than it
may be, or than its own archive says, is refused unread.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import math
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from tuichaos.common.atomic_files import NO_ROOM, settle
from tuichaos.common.errors import InputError
from tuichaos.common.limits import check_file
from tuichaos.common.text import clean

MAX_MEMBERS = 1_000  # ours have 8
MAX_HEADER = 10_000  # bytes of what a member says of itself; NumPy reads it whole, then asks
AS_TEXT = {
    "O": "; an array of Python objects is pickled, and never read: labels go in as astype(str)",
    "S": "; labels that are bytes go in as astype(str)",
}
NPY = b"\x93NUMPY"  # how a single array begins
# What the readers of zip, of npy headers and of what is compressed raise of broken ones.
BROKEN = (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile)
BROKEN += (zlib.error, lzma.LZMAError, KeyError, OverflowError, TypeError, SyntaxError)


def read(
    path: str | Path, names: Collection[str], most: int, where: str, kinds: str = "fiub"
) -> dict[str, np.ndarray]:
    """Those arrays of the archive that have one of ``names``; of ``most`` numbers together at
    most, and of ``kinds`` of NumPy. InputError, beginning with ``where``, otherwise."""
    with _opened(path, names, most, where, kinds) as (archive, members):
        return {name: _array(archive, member) for name, member in members.items()}


def unpack(path: Path, targets: Mapping[str, Path], where: str) -> None:
    """Write the numbers of some arrays, without their heads, into a file each; of arrays that
    are not compressed, so that they are no larger than the archive. InputError as ``read``."""
    with _opened(path, targets, path.stat().st_size, where, "fi") as (archive, members):
        for name, target in targets.items():
            with archive.open(members[name]) as source, open(target, "wb") as file:
                source.read(_header(archive, members[name])[2])
                shutil.copyfileobj(source, file, 1 << 22)
                settle(file)


@contextlib.contextmanager
def _opened(
    path: str | Path, names: Collection[str], most: int, where: str, kinds: str
) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """The archive, and its members of those names, looked over; InputError as ``read``."""
    try:
        check_file(Path(path))
        with open(path, "rb") as file:
            if file.read(len(NPY)) == NPY:
                raise InputError(f"{where}: not an npz archive")
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise InputError(f"{where}: {len(members):,} members; at most {MAX_MEMBERS:,}")
            own = {m.filename.removesuffix(".npy"): m for m in members}
            chosen = {name: own[name] for name in names if name in own}
            _check(archive, chosen, most, where, kinds)
            yield archive, chosen
    except InputError:
        raise
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:  # of what is written
            raise
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"{where}: cannot be read: {clean(words, 200)}") from None


def _check(
    archive: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    most: int,
    where: str,
    kinds: str,
) -> None:
    total = 0
    for name, member in members.items():
        shape, dtype, start = _header(archive, member)
        count = math.prod(shape)
        total += max(count, 0) * max(1, dtype.itemsize // 8)  # texts are long "numbers"
        if total > most or min(shape, default=0) < 0:
            raise InputError(f"{where}: {name} is {shape}: more than {most:,} numbers")
        if dtype.kind not in kinds:
            raise InputError(f"{where}: {name}: must hold numbers{AS_TEXT.get(dtype.kind, '')}")
        if member.file_size != start + count * dtype.itemsize:
            raise InputError(f"{where}: {name}: its size is not that of {shape}")


def _header(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape and type that a member says it has, and where its numbers begin."""
    with archive.open(member) as file:
        head = io.BytesIO(file.read(MAX_HEADER))
    version = np.lib.format.read_magic(head)
    known = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in known:
        raise ValueError(f"{member.filename} is of an unknown version")
    shape, _, dtype = known[version](head)
    return shape, dtype, head.tell()


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
