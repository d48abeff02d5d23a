"""Child processes that tell which phase they are in, and are killed in the middle of one."""

from __future__ import annotations

import contextlib
import enum
import os
import select
import signal
import time
from collections.abc import Callable

from killing import ended, forked
from waiting import MAX_SECONDS


class Phase(enum.StrEnum):
    """Where a process is with what it computes."""

    START = "start"  # nothing is computed yet
    STEPPING = "stepping"
    FINISHING = "finishing"  # all steps are done: tables, summary, the last words


PHASES = tuple(Phase)
Tell = Callable[[Phase], object]
Act = Callable[[Tell], object]


class Watched:
    """A child that does ``act``, which is given what tells that a phase has begun."""

    def __init__(self, act: Act) -> None:
        self.reads, writes = os.pipe()
        self.child = forked(lambda: act(_teller(writes)))
        os.close(writes)
        self.began = {Phase.START: time.monotonic()}

    def undisturbed(self) -> dict[Phase, float]:
        """Let it come to its end; seconds of each phase."""
        self._listen(None)
        assert ended(self.child) == 0
        ends = [*list(self.began.values())[1:], time.monotonic()]
        return {p: end - at for (p, at), end in zip(self.began.items(), ends, strict=True)}

    def killed(self, phase: Phase, seconds: float) -> int:
        """Kill it so long after it entered a phase; how it ended, which may be sooner."""
        self._listen(phase)
        if phase in self.began:
            time.sleep(max(0.0, self.began[phase] + seconds - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        return ended(self.child)

    def _listen(self, last: Phase | None) -> None:
        """Hear what it tells until a phase has begun, or, None, to its end."""
        with open(self.reads, "rb", buffering=0) as told:
            while last not in self.began:
                if not select.select([told], [], [], MAX_SECONDS)[0]:
                    os.kill(self.child, signal.SIGKILL)
                    ended(self.child)
                    raise AssertionError(f"nothing was told for {MAX_SECONDS:g} s")
                if not (word := told.read(1)):
                    return
                self.began[PHASES[word[0]]] = time.monotonic()


def _teller(writes: int) -> Tell:
    told = set()

    def tell(phase: Phase) -> None:
        if phase not in told:
            told.add(phase)
            with contextlib.suppress(BrokenPipeError):  # nobody listens any more
                os.write(writes, bytes([PHASES.index(phase)]))

    return tell
