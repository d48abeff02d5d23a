"""How much memory there is, and how much of it this process has now."""

from __future__ import annotations

import os
from pathlib import Path


def held() -> float | None:
    """Bytes of this process that are in memory; None where the system does not tell.

    Not getrusage's ru_maxrss: that is a peak, and under Linux it begins at the peak of the
    process that started this one.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def installed() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
