"""The most memory this process has had."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak() -> float:
    """Bytes: the kernel's VmHWM where there is one, since ru_maxrss begins at the peak of the
    process that started this one."""
    if STATUS.exists():
        return 1024.0 * int(re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def forget() -> None:
    """Let the peak begin anew at what is held now, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
