"""Where things are kept: run folders, in the user's data directory or TUICHAOS_HOME."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder of everything tuichaos keeps; ``TUICHAOS_HOME`` moves it."""
    named = os.environ.get("TUICHAOS_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("tuichaos"))


def runs_home() -> Path:
    """The folder of run folders."""
    return home() / "runs"
