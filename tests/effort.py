"""How much processor time something takes, whatever else the machine does; and how long to wait
for what another process does."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator

COUNT = 2_000_000
QUICK = 0.08  # processor seconds that a quick machine takes to count so far


@functools.cache
def slowness() -> float:
    """By what this machine, busy as it is, is slower than a quick one; 1 at least."""
    start = time.process_time()
    k = 0
    while k < COUNT:
        k += 1
    return max(1.0, (time.process_time() - start) / QUICK)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What is done in here takes so many processor seconds at most, of a quick machine."""
    start = time.process_time()
    yield
    spent = time.process_time() - start
    assert spent < seconds * slowness(), f"{spent:.2f} s of processor time"
