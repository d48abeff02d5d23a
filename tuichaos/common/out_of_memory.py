"""What to say when memory runs out: how much was wanted, and which size would fit."""

from __future__ import annotations

import re
from pathlib import Path

from tuichaos.common.memory import held as held_now

UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
AMOUNT = r"([\d.]+) (bytes|KiB|MiB|GiB|TiB)"
# What torch says of a device, and numpy of an array.
WANTED = re.compile(rf"(?:Tried|Unable) to allocate {AMOUNT}")
FREE = re.compile(rf"of which {AMOUNT} is free")
HELD = re.compile(rf"{AMOUNT} is allocated by PyTorch")
# Of what would fit by proportion: not all that is held grows with the replicas, but memory is
# also asked for in pieces of which the last does not fit, and more may come after the fault.
CAUTION = 0.8
# Of the C++ library, and of Python where there is no memory for the stack of a thread.
SIGNS = ("bad_alloc", "can't allocate memory", "can't start new thread")


def is_one(error: BaseException) -> bool:
    """Whether it is a lack of memory by what it says: libraries raise it as RuntimeError."""
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def words(error: BaseException, device: str, references: int, twins: int) -> str:
    """One line on memory that ran out, with the number of references that would fit where it
    can be estimated: memory taken for proportional to the replicas."""
    replicas = references * (1 + twins)
    begin = f"out of memory on {device} with {replicas} replicas"
    other = "fewer references or twins, or another device"
    sizes = _sizes(str(error))
    if sizes is None:
        return f"{begin}; try {other}"
    need, have = sizes
    fitting = int(references * min(1.0, CAUTION * have / need))
    amounts = f"{need / 1e9:.3g} GB or more of {have / 1e9:.3g} GB"
    if fitting >= references:  # it is not the replicas, or others took it
        return f"{begin}; try {other}"
    if fitting < 1:
        return f"{begin}: {amounts}; not even one reference would fit: try another device"
    count = f"{fitting * (1 + twins):,} replicas"
    return (
        f"{begin}: {amounts}; about {count} would fit: try ensemble.references = {fitting}, {other}"
    )


def _sizes(text: str) -> tuple[float, float] | None:
    """Bytes that are needed at least, and that there are; None where it is not known."""
    wanted = _amount(WANTED, text)
    if wanted is None:
        return None
    free, held = _amount(FREE, text), _amount(HELD, text)
    if free is None:  # of the machine's own memory
        free, held = _available(), held_now()
    if free is None or held is None:
        return None
    return held + wanted, held + free


def _amount(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return float(found[1]) * UNITS[found[2]] if found else None


def _available() -> float | None:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"MemAvailable: +(\d+) kB", text)
    return float(found[1]) * 1024 if found else None
