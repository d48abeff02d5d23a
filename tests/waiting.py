"""Waiting until something holds: as long as a busy machine may need, but not for ever."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable

MAX_SECONDS = 600.0  # what has not come then does not come: a busy machine is slow
BETWEEN = 0.01


def wait_for(condition: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Until a condition holds; ``process``: one that must live so long."""
    end = time.monotonic() + MAX_SECONDS
    while not condition():
        assert process is None or process.poll() is None, "the process has ended"
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(BETWEEN)


async def until(condition: Callable[[], object]) -> None:
    """The same, while the event loop goes on."""
    end = time.monotonic() + MAX_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(BETWEEN)
