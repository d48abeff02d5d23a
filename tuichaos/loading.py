"""Importing what a run needs: torch, mostly."""

from __future__ import annotations

import gc
import importlib
import threading

_LOADING = threading.Lock()


def load_libraries(*more: str) -> None:
    """Import what a run needs, torch among it, and ``more`` modules; by one thread at a time,
    for a module that another thread has half imported is not whole.

    No garbage is looked for meanwhile, nor later among what is loaded here: there is none, and
    a look at all of torch takes a tenth of the time that its import does.
    """
    with _LOADING:
        was_on = gc.isenabled()
        gc.disable()
        try:
            for name in ("tuichaos.runner", *more):
                importlib.import_module(name)
        finally:
            gc.freeze()
            if was_on:
                gc.enable()
