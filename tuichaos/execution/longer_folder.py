"""The folder of a longer run within that of a run which goes further than planned."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.execution.plan import plan
from tuichaos.instruments import chosen
from tuichaos.instruments.base import RunContext
from tuichaos.storage.run_reader import open_run

NAME = "further"
FRESH = "further.new"  # while it is made


def is_done(path: Path) -> bool:
    """Whether a longer run is complete and waits to take the place of the run at ``path``."""
    return ended_at(path / NAME) is not None


def ended_at(place: Path) -> int | None:
    """How many steps a longer run that is done has, also where some of its files have been put
    in place before a kill; None where there is none, or it is not done."""
    try:
        manifest = open_run(place).manifest
    except InputError:
        return None
    return manifest["step"] if manifest.get("status") == "done" else None


def tidy(path: Path) -> None:
    """Take away the folder of a longer run that is in place, or was never made whole."""
    with contextlib.suppress(OSError):
        (path / NAME).rmdir()  # if it is empty
    shutil.rmtree(path / FRESH, ignore_errors=True)


def forcing(experiment: Experiment, threads: int | None) -> list[str]:
    """The switches of ``[measure]`` because of which it must be computed anew."""
    ready = plan(experiment, threads)
    instruments = chosen(RunContext(ready.experiment, ready.built.system))
    names = (one.key for one in instruments if one.depends_on_steps and one.key)
    return list(dict.fromkeys(names))
