"""Output and input as a shell gives them: closed, full, or of few characters."""

from __future__ import annotations

import contextlib
import os
import sys


def make_ready() -> None:
    """Let nothing that is printed fail for want of a stream or of a character: what an
    encoding does not have is a question mark."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by >&-
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def settle() -> bool:
    """Write what is left; whether it could be. Where it could not, the interpreter is kept
    from trying again when it ends, and from telling that in its own words."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
