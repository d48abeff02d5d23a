"""The explorer in a real terminal: suspended by ctrl-Z, and of the size the terminal has."""

from __future__ import annotations

import os
import signal

from terminals import explorer_in_terminal
from textual.geometry import Size
from waiting import until

from tuichaos.config.explorer_settings import Config, config_path
from tuichaos.config.presets import preset
from tuichaos.tui import app as explorer


def test_ctrl_z_suspends_and_fg_brings_it_back():
    with explorer_in_terminal() as terminal:
        os.write(terminal.master, b"\x1a")
        terminal.until(terminal.stopped)
        os.kill(terminal.child, signal.SIGCONT)
        os.write(terminal.master, b"q")
        terminal.until(terminal.gone)
        assert terminal.code == 0


async def test_a_size_of_which_no_event_told_is_heeded(monkeypatch):
    """As after a signal that came while the process was stopped."""
    monkeypatch.setattr(explorer, "SIZE_SECONDS", 0.01)
    app = explorer.Explorer(preset("quick"), Config())
    async with app.run_test(size=(120, 36)):
        now = [(120, 36)]
        app._driver._get_terminal_size = lambda: now[0]
        app._driver._in_band_window_resize = False
        now[0] = (100, 30)  # nobody says so
        app.post_message(explorer.Resize(Size(110, 33), Size(110, 33)))  # the last that was heard
        await until(lambda: app.size == Size(100, 30))
        assert app.screen.size == Size(100, 30)


async def test_an_unknown_theme_is_told(monkeypatch):
    app = explorer.Explorer(preset("quick"), Config(theme="tuichaos-drak"))
    async with app.run_test(size=(120, 36)):
        await until(lambda: app._notifications)
        (note,) = app._notifications
        assert note.message == (
            "theme: there is none named tuichaos-drak; did you mean 'tuichaos-dark'?"
        )
        assert app.theme == "tuichaos-dark"
    assert not config_path().exists()  # what a person wrote there is not written over


async def test_a_known_theme_is_not_spoken_of():
    app = explorer.Explorer(preset("quick"), Config(theme="nord"))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert app.theme == "nord"
        assert not [note for note in app._notifications if "theme" in note.message]
