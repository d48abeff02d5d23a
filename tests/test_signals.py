"""The explorer in a real terminal: a lost terminal or a TERM ends it with the run saved."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

import pytest

import tuichaos

PROGRAM = "import sys; sys.argv[0] = 'tuichaos'; from tuichaos.cli.main import main; main()"


def read_for(terminal, seconds, until=lambda: False):
    """Take what the program writes, so that it never waits for us."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:
                return


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, None])
def test_the_run_is_saved(number, home):
    """None: the terminal itself is closed."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"TERM": "xterm-256color", "TUICHAOS_PRESET": "low-long"}
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    read_for(terminal, 2)
    os.write(terminal, b" ")

    def large():
        return any(file.stat().st_size > 200_000 for file in home.glob("runs/*/series.csv"))

    read_for(terminal, 30, large)
    assert large()
    if number is None:
        os.close(terminal)
    else:
        os.kill(child, number)
    ended: list[int] = []

    def gone():
        found, status = os.waitpid(child, os.WNOHANG) if not ended else (0, 0)
        if found:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(ended)

    if number is not None:
        read_for(terminal, 20, gone)
    # The terminal closes a moment before the process is gone.
    in_time = any(gone() or time.sleep(0.05) for _ in range(200))
    if not in_time:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if number is not None:
        os.close(terminal)
    assert in_time
    (folder,) = (home / "runs").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    assert tuichaos.open_run(folder).steps[-1] == manifest["step"] > 0
