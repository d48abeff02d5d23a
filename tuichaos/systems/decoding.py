"""The text of a table's file, whatever it is packed in and written with; what is no text is
named for what it is."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from tuichaos.common.errors import InputError
from tuichaos.common.limits import check_file

MAX_CSV = 100_000_000  # bytes; reading takes some seconds, and an npz of the same none
MAX_LINE = 1_000_000  # bytes of a line: 50 000 numbers

# How files begin that are no tables as text, and what to do with each.
OTHERS = (
    (b"BZh", "is packed by bzip2: unpack it (gzip is read as it is)"),
    (b"\xfd7zXZ", "is packed by xz: unpack it (gzip is read as it is)"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd: unpack it (gzip is read as it is)"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook: save it as CSV"),
    (b"PAR1", "is a Parquet file: save it as CSV"),
    (b"\x93NUMPY", "is a single NumPy array: save x and y by numpy.savez, and set data.name = npz"),
    (b"\x89HDF", "is an HDF5 file: save it as CSV"),
    (b"%PDF", "is a PDF: save the table as CSV"),
)
MARKS = (  # of encodings, the longer ones first
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True)
class Text:
    """``content``: UTF-8 without a mark; ``packing``, ``encoding``: what the file had, empty
    for what it has by default."""

    content: bytes
    packing: str = ""
    encoding: str = ""


def read(path: str, where: str) -> Text:
    """The text in a file of at most MAX_CSV bytes, unpacked; InputError, beginning with
    ``where``, for what is none, is larger, or has lines longer than MAX_LINE."""
    try:
        check_file(Path(path))
        if os.path.getsize(path) > MAX_CSV:
            raise InputError(f"{where}: larger than {MAX_CSV // 10**6} MB; use an npz file")
        with open(path, "rb") as file:
            found = file.read(MAX_CSV + 1)
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror or error}") from None
    packing = "gzip" if found.startswith(b"\x1f\x8b") else ""
    if packing:
        found = _unpacked(found, where)
    _refuse_others(found, where)
    content, encoding = _decoded(found, where)
    _check_lines(content, where)
    return Text(content, packing, encoding)


def _unpacked(found: bytes, where: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(found)) as file:
            found = file.read(MAX_CSV + 1)
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{where}: a gzip file that is damaged or cut short") from None
    if len(found) > MAX_CSV:
        raise InputError(f"{where}: unpacked larger than {MAX_CSV // 10**6} MB; use an npz file")
    return found


def _refuse_others(found: bytes, where: str) -> None:
    for begin, words in OTHERS:
        if found.startswith(begin):
            raise InputError(f"{where}: {words}")
    if found.startswith(b"PK\x03\x04"):
        kind = "is a zip archive: unpack it"
        if b"xl/" in found or b"[Content_Types].xml" in found:
            kind = "is a spreadsheet's workbook: save it as CSV"
        elif b".npy" in found:
            kind = "is an npz archive: set data.name = npz"
        raise InputError(f"{where}: {kind}")


def _decoded(found: bytes, where: str) -> tuple[bytes, str]:
    """UTF-8, and the encoding it was in; empty for UTF-8."""
    for mark, encoding in MARKS:
        if found.startswith(mark):
            try:
                return found.decode(encoding).encode(), encoding.upper()
            except UnicodeError:
                words = f"begins as {encoding.upper()}, and is not: save it as UTF-8"
                raise InputError(f"{where}: {words}") from None
    if b"\0" in found:
        raise InputError(
            f"{where}: is no text (or UTF-16 without its mark): save the table as UTF-8"
        )
    found = found.removeprefix(b"\xef\xbb\xbf")
    try:
        found.decode()
        return found, ""
    except UnicodeDecodeError:
        pass
    try:  # of Latin-1, which has all bytes, the form that writes texts
        return found.decode("cp1252").encode(), "Latin-1 (Windows-1252)"
    except UnicodeDecodeError:
        raise InputError(f"{where}: is neither UTF-8 nor Latin-1: save it as UTF-8") from None


def _check_lines(content: bytes, where: str) -> None:
    start = 0
    while len(content) - start > MAX_LINE:
        piece = content[start : start + MAX_LINE + 1]
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        if end < 0:
            number = content.count(b"\n", 0, start) + 1
            raise InputError(f"{where}: line {number} is longer than {MAX_LINE:,} bytes")
        start += end + 1
