"""Child processes that are killed: at a time, or at a place in the code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable


def in_child(act: Callable[[], object], seconds: float | None = None) -> int:
    """Do something in a process of its own, killed after so many seconds; how it ended: 0, or
    less, the signal that ended it. A fork, since a new interpreter would need seconds to load
    torch."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    """What SIGKILL does, here and now."""
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def counting_calls(places: list[tuple[object, str]], kill_at: int, among: Callable[..., bool]):
    """Die just before the ``kill_at``-th call of any of some functions, of those calls that
    ``among`` accepts."""
    before = [getattr(owner, name) for owner, name in places]
    seen = []

    def counted(original):
        def call(*arguments, **named):
            if among(*arguments):
                seen.append(arguments)
                if len(seen) == kill_at:
                    die()
            return original(*arguments, **named)

        return call

    for (owner, name), original in zip(places, before, strict=True):
        setattr(owner, name, counted(original))
    try:
        yield seen
    finally:
        for (owner, name), original in zip(places, before, strict=True):
            setattr(owner, name, original)
