"""Memory that a run has freed, given back to the system.

The C library frees into arenas, one for each thread that there was at a time. Two things let
an explorer of many runs grow that leaks nothing: each run has threads of its own, which find
themselves other arenas than those of the run before; and of an arena the free end stays (all
but the first one's, malloc_trim leaves it), as much as twice the largest block that was freed.
"""

from __future__ import annotations

import ctypes
import functools
import os

M_ARENA_MAX = -8  # of malloc.h
BESIDE = 2  # threads besides those that compute: the screen's and the run's own


def give_back() -> None:
    """Give back what is free."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def few_arenas(threads: int | None) -> None:
    """No more arenas, from now on, than there are threads at work at a time: ``threads`` that
    compute (None: one a processor) and those beside them. The next run then takes what the
    last one left, and those that compute need not wait for each other. To be called before
    they begin. Who has set MALLOC_ARENA_MAX has what was set."""
    library = _library()
    if library is not None and "MALLOC_ARENA_MAX" not in os.environ:
        library.mallopt(M_ARENA_MAX, (threads or os.cpu_count() or 1) + BESIDE)


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The GNU C library; None elsewhere."""
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    has_both = hasattr(library, "malloc_trim") and hasattr(library, "mallopt")
    return library if has_both else None
