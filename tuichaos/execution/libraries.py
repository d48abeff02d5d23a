"""Importing what a run needs: torch, mostly."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading
from collections.abc import Iterator

_LOADING = threading.Lock()


def load_libraries(*more: str, for_good: bool = False) -> None:
    """Import what a run needs, torch among it, and ``more`` modules; by one thread at a time,
    for a module that another thread has half imported is not whole.

    No garbage is looked for meanwhile: there is none, and a look at all of torch takes a tenth
    of the time that its import does. ``for_good``: nor is it later among all that is there by
    then; for who has just begun, and has made nothing that is to go again.
    """
    names = ("tuichaos.execution.runner", *more)
    with _LOADING, _uncollected(for_good and names[0] not in sys.modules):
        for name in names:
            importlib.import_module(name)


@contextlib.contextmanager
def _uncollected(for_good: bool) -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if for_good:
            gc.freeze()
        if was_on:
            gc.enable()
