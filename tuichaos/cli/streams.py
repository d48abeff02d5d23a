"""Output and input as a shell gives them: closed, full, or of few characters."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings

# How the warnings begin that NumPy has about numbers beyond all range, and statistics of none.
FLOATS = ("overflow encountered", "underflow encountered", "invalid value encountered")
FLOATS += ("divide by zero encountered", "Mean of empty slice", "Degrees of freedom <= 0")
FLOATS += ("All-NaN ", "Polyfit may be poorly conditioned")


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


# Of what cleans up after processes that could not: it does so, which is all there is to it.
TRACKER = "ignore:resource_tracker:UserWarning"
# Of a library that is loaded, and not asked for processes of its own.
SERIAL = ".*joblib will operate in serial mode"


def hush() -> None:
    """Show no warnings about numbers beyond all range: an orbit that leaves is data, and they
    name lines of libraries. Who asks Python for warnings (-W) has them."""
    if sys.warnoptions:
        return
    sys.warnoptions.append(TRACKER)
    warnings.filterwarnings("ignore", SERIAL, UserWarning)
    for words in FLOATS:
        warnings.filterwarnings("ignore", words)  # of any kind: it differs between versions
        sys.warnoptions.append(f"ignore:{words}")  # workers are started with these
