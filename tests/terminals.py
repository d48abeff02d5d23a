"""The program in a terminal of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable, Iterator

from waiting import wait_for

PROGRAM = "import sys; sys.argv[0] = 'tuichaos'; from tuichaos.cli.main import main; main()"
SCREEN_FULL = 4_000  # bytes


class Terminal:
    """The explorer in a terminal, and what has become of it."""

    def __init__(self, **environment: str) -> None:
        self.child, self.master = pty.fork()
        if self.child == 0:
            os.environ |= {"TERM": "xterm-256color", **environment}
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.written = 0
        self.code: int | None = None

    def read(self) -> None:
        """Take what the program writes, so that it never waits for us."""
        with contextlib.suppress(OSError):  # it closes a moment before the process is gone
            if self.master >= 0 and select.select([self.master], [], [], 0.05)[0]:
                self.written += len(os.read(self.master, 65536))

    def until(self, condition: Callable[[], object]) -> None:
        def holds():
            self.read()
            return condition()

        wait_for(holds)

    def stopped(self) -> bool:
        found, status = os.waitpid(self.child, os.WNOHANG | os.WUNTRACED)
        return bool(found) and os.WIFSTOPPED(status)

    def gone(self) -> bool:
        if self.code is None:
            found, status = os.waitpid(self.child, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if found else None
        return self.code is not None

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
        self.master = -1


@contextlib.contextmanager
def explorer_in_terminal(**environment: str) -> Iterator[Terminal]:
    """The explorer, once its screen is there; nothing of it is left."""
    made = Terminal(**environment)
    try:
        made.until(lambda: made.written > SCREEN_FULL)
        yield made
    finally:
        if not made.gone():
            os.kill(made.child, signal.SIGKILL)
            os.waitpid(made.child, 0)
        made.close()
