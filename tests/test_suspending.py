"""The explorer in a real terminal: suspended by ctrl-Z, and of the size the terminal has."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

import pytest
from textual.geometry import Size

from tuichaos.config.explorer_settings import Config, config_path
from tuichaos.config.presets import preset
from tuichaos.tui import app as explorer

PROGRAM = "import sys; sys.argv[0] = 'tuichaos'; from tuichaos.cli.main import main; main()"
MAX_SECONDS = 120


def until(terminal, condition):
    """Take what the program writes until a condition holds."""
    end = time.monotonic() + MAX_SECONDS
    while not condition():
        assert time.monotonic() < end
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:  # it closes a moment before the process is gone
                time.sleep(0.02)


@pytest.fixture
def shown():
    """The explorer, once its screen is there: its process and terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"TERM": "xterm-256color"}
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    seen = [b""]

    def painted():
        if select.select([terminal], [], [], 0.05)[0]:
            seen[0] += os.read(terminal, 65536)
        return len(seen[0]) > 4_000  # a screen full

    end = time.monotonic() + MAX_SECONDS
    try:
        while not painted():
            assert time.monotonic() < end
        yield child, terminal
    finally:
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(terminal)


def test_ctrl_z_suspends_and_fg_brings_it_back(shown):
    child, terminal = shown
    ended = []

    def stopped():
        found, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        return bool(found) and os.WIFSTOPPED(status)

    os.write(terminal, b"\x1a")
    until(terminal, stopped)
    os.kill(child, signal.SIGCONT)
    os.write(terminal, b"q")

    def gone():
        found, status = os.waitpid(child, os.WNOHANG)
        ended.extend([os.waitstatus_to_exitcode(status)] if found else [])
        return bool(found)

    until(terminal, gone)
    assert ended == [0]


async def test_a_size_of_which_no_event_told_is_heeded(monkeypatch):
    """As after a signal that came while the process was stopped."""
    monkeypatch.setattr(explorer, "SIZE_SECONDS", 0.01)
    app = explorer.Explorer(preset("quick"), Config())
    async with app.run_test(size=(120, 36)) as pilot:
        now = [(120, 36)]
        app._driver._get_terminal_size = lambda: now[0]
        app._driver._in_band_window_resize = False
        now[0] = (100, 30)  # nobody says so
        app.post_message(explorer.Resize(Size(110, 33), Size(110, 33)))  # the last that was heard
        end = time.monotonic() + MAX_SECONDS
        while app.size != Size(100, 30):
            assert time.monotonic() < end
            await pilot.pause(0.02)
        assert app.screen.size == Size(100, 30)


async def test_an_unknown_theme_is_told(monkeypatch):
    app = explorer.Explorer(preset("quick"), Config(theme="tuichaos-drak"))
    async with app.run_test(size=(120, 36)) as pilot:
        end = time.monotonic() + MAX_SECONDS
        while not app._notifications:
            assert time.monotonic() < end
            await pilot.pause(0.02)
        (note,) = app._notifications
        assert note.message == (
            "theme: there is none named tuichaos-drak; did you mean 'tuichaos-dark'?"
        )
        assert app.theme == "tuichaos-dark"
    assert not config_path().exists()  # what a person wrote there is not written over


async def test_a_known_theme_is_not_spoken_of():
    app = explorer.Explorer(preset("quick"), Config(theme="nord"))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(0.2)
        assert app.theme == "nord"
        assert not [note for note in app._notifications if "theme" in note.message]
