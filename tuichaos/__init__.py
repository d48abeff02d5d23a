"""tuichaos: chaos in the training of neural networks, measured.

    import tuichaos
    run = tuichaos.run(tuichaos.preset("quick"))
    run.series["distance"]      # (recorded steps, references)

Names are imported when first used, so that the command line answers at once.
"""

import os

# One product of matrices has the same bits wherever it lies in memory: without this, on some
# processors, MKL rounds by the alignment of the result, and a replica's orbit depends on the
# place it has in its batch. MKL looks once, before its first product; it costs nothing.
os.environ.setdefault("MKL_CBWR", "AUTO")

_PLACES = {
    "Experiment": "tuichaos.config.experiment",
    "load": "tuichaos.config.loading",
    "resolve": "tuichaos.config.loading",
    "preset": "tuichaos.config.presets",
    "run": "tuichaos.execution.runner",
    "sweep": "tuichaos.sweeps.sweep_runner",
    "Sweep": "tuichaos.sweeps.result",
    "Piece": "tuichaos.systems.layout",
    "resume": "tuichaos.api",
    "Progress": "tuichaos.execution.progress_event",
    "Run": "tuichaos.storage.run_reader",
    "open_run": "tuichaos.sweeps.result",
    "list_runs": "tuichaos.sweeps.result",
    "runs_home": "tuichaos.common.paths",
    "trust": "tuichaos.common.trust",
    "System": "tuichaos.systems.base",
    "register_data": "tuichaos.config.data_sets",
    "register_instrument": "tuichaos.config.extension",
    "register_view": "tuichaos.plots.series_views",
    "InputError": "tuichaos.common.errors",
    "RunFailed": "tuichaos.common.errors",
}

_COMPUTING = ("execution.runner", "sweeps.sweep_runner", "api", "systems.base")
_COMPUTING = tuple(f"tuichaos.{name}" for name in _COMPUTING)

__all__ = list(_PLACES)


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module 'tuichaos' has no attribute {name!r}")
    if _PLACES[name] in _COMPUTING:
        from tuichaos.common.paths import here

        here()  # torch ends the process that imports it in a folder that was deleted
    import importlib  # here: the command line hears signals only once this module is loaded

    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
