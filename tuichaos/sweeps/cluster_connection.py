"""Reaching the scheduler of a Dask cluster, in silence."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

CONNECT_SECONDS = 10.0  # for a scheduler to answer at first

LOGGERS = ("distributed", "tornado", "asyncio", "dask")


def no_answer(error: Exception) -> str:
    """Why nobody answers: nobody is there, or Dask itself failed (its settings, say)."""
    if isinstance(error, OSError):  # TimeoutError too
        return f"waited {CONNECT_SECONDS:g} s at most"
    return f"{type(error).__name__}: {error}"


def greet(address: str) -> None:
    """Ask the scheduler one thing. A client waits for ever for one that listens but never
    speaks, whatever its own limit; this raises TimeoutError."""
    import distributed

    async def ask() -> None:
        async with asyncio.timeout(CONNECT_SECONDS), distributed.rpc(address) as scheduler:
            await scheduler.ncores()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(ask())
        return
    with ThreadPoolExecutor(1) as aside:  # in a notebook a loop runs already
        aside.submit(asyncio.run, ask()).result()


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keep Dask's own log off the terminal: what matters of it is said in our own words."""
    import distributed  # noqa: F401 (it sets up its loggers)

    names = [*LOGGERS, *logging.root.manager.loggerDict]
    found = [logging.getLogger(n) for n in dict.fromkeys(names) if n.split(".")[0] in LOGGERS]
    before = [(logger, logger.level) for logger in found]
    for logger in found:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
