"""A fault while something is drawn: said in its place, and kept in a log; the explorer goes on."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from tuichaos.common.paths import LOG, home
from tuichaos.common.text import clean

MAX_BYTES = 1_000_000  # of the log; what is older is let go
MAX_KNOWN = 100  # faults that are told apart: a picture is drawn again four times a second
MAX_WORDS = 160

_known: set[tuple[str, str, str]] = set()


def log_path() -> Path:
    return home() / LOG


def noted(error: Exception, where: str) -> str:
    """What is shown in the place of ``where``; the first time its traceback goes to the log."""
    words = clean(f"{type(error).__name__}: {error}", MAX_WORDS)
    fault = (where, type(error).__name__, words)
    if fault not in _known:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        _known.add(fault)
        _log("".join(traceback.format_exception(error)), where)
    return f"cannot be drawn ({words}; see {log_path().name})"


def _log(text: str, where: str) -> None:
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        large = path.exists() and path.stat().st_size > MAX_BYTES
        with open(path, "w" if large else "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {where}\n{text}\n")
    except OSError:  # the screen says it nevertheless
        return
