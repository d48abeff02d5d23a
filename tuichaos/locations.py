"""Where things are kept, and paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from tuichaos.errors import InputError


def home() -> Path:
    """The folder of everything tuichaos keeps; ``TUICHAOS_HOME`` moves it."""
    named = os.environ.get("TUICHAOS_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("tuichaos"))


def runs_home() -> Path:
    """The folder of run folders."""
    return home() / "runs"


def here() -> Path:
    """The current folder; InputError where it was deleted: libraries that are asked to compute
    there end the process."""
    try:
        return Path.cwd()
    except OSError:
        raise InputError(
            "the current folder was deleted, or cannot be entered any more: go to another one (cd)"
        ) from None


def resolved(text: str | Path, what: str, folder: Path | None = None) -> Path:
    """A path as written by a person, made absolute, ``..`` and links followed; seen from
    ``folder`` (default: here). InputError names ``what`` if it can be no path."""
    if not str(text).isprintable() or not str(text):
        raise InputError(f"{what}: {str(text)!r} is not a path")
    try:
        path = Path(text).expanduser()
        return (path if path.is_absolute() else (folder or here()) / path).resolve()
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{what}: {text}: {getattr(error, 'strerror', None) or error}") from None
