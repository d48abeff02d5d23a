"""Keys that arrive together, as a paste or a slow line brings them: each finds what the one
before it has left."""

from __future__ import annotations

import asyncio

import pytest
from explorers import BRIEF, burst, explorer, runs_screen
from textual.command import CommandPalette
from textual.widgets import Input, OptionList, Select
from waiting import until

import tuichaos
from tuichaos.config.presets import preset
from tuichaos.tui.screens.dialogs import Ask, Confirm
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.settings import Settings


async def test_letters_of_a_filter_are_no_keys_of_the_table(home):
    run = tuichaos.run(preset("quick", BRIEF))
    app = explorer(**BRIEF)
    async with app.run_test(size=(120, 36)) as pilot:
        await runs_screen(app, pilot)
        await burst(app, "slash", "d", "y")
        assert isinstance(app.screen, Runs)
        assert app.screen.query_one("#filter", Input).value == "dy"
        assert run.path.is_dir()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("first", ["d", "delete"])
async def test_a_question_is_not_answered_before_it_is_read(home, first):
    run = tuichaos.run(preset("quick", BRIEF))
    app = explorer(**BRIEF)
    async with app.run_test(size=(120, 36)) as pilot:
        await runs_screen(app, pilot)
        await burst(app, first, "y", "enter", "y", "tab", "tab", "enter")
        assert isinstance(app.screen, Confirm)
        assert run.path.is_dir()
        await burst(app, "n")
        await burst(app, "n", "x", "enter")
        assert isinstance(app.screen, Ask)
        assert run.path.is_dir()


async def test_every_key_finds_the_screen_of_the_one_before(home):
    tuichaos.run(preset("quick", BRIEF))
    app = explorer(**BRIEF)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await burst(app, "o", "slash", "q", "u", "i")
        assert isinstance(app.screen, Runs)
        assert app.screen.query_one("#filter", Input).value == "qui"
        await burst(app, "escape", "enter", "v", "escape", "escape")
        assert isinstance(app.screen, Explore)
        await burst(app, "3", "i")
        assert "sharpness" in app.screen.query_one("#field-measure", Input).value
        await burst(app, "ctrl+p", "q", "q")
        assert isinstance(app.screen, CommandPalette)
        assert app.screen.query_one(Input).value == "qq"
        await burst(app, "escape", *["right_square_bracket"] * 7)
        rate = preset("quick", BRIEF).optimizer.learning_rate
        assert app.screen.query_one(Settings).experiment.optimizer.learning_rate == pytest.approx(
            rate * 1.1**7, rel=1e-3
        )


PAGES = ("pageup", "pagedown", "home", "end", "up", "down", "pageup")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 12), (40, 3)])
async def test_page_keys_in_a_list_that_is_being_filled(size):
    app = explorer(**BRIEF)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        for first in (["ctrl+p", "space"], ["ctrl+p"], ["ctrl+p", "x", "backspace"]):
            await pilot.resize_terminal(*size)
            await burst(app, *first, *PAGES)
            await pilot.resize_terminal(120, 36)
            await burst(app, *PAGES, "escape", "escape")
        app.screen.query_one("#preset", Select).focus()
        await pilot.resize_terminal(*size)
        await burst(app, "enter", *PAGES)
        await pilot.resize_terminal(120, 36)
        await burst(app, *PAGES, "escape")
        assert isinstance(app.screen, Explore)


async def test_a_list_without_lines_has_no_pages():
    app = explorer(**BRIEF)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.screen.query_one("#preset", Select).expanded = True
        await pilot.pause()
        overlay = app.screen.query_one("#preset SelectOverlay", OptionList)
        overlay.styles.height = 0
        await pilot.pause()
        overlay._clear_caches()
        with pytest.raises(KeyError):  # Textual's own: it goes when this does not hold any more
            overlay.action_page_up()
        for action in ("page_up", "page_down"):
            assert await app.run_action(action, overlay)


async def test_keys_are_heard_while_messages_never_cease(home, monkeypatch):
    monkeypatch.setattr("tuichaos.tui.gate.MAX_SECONDS", 0.2)
    app = explorer(**BRIEF)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        line = app.screen.query_one("#glance-line")

        async def again():
            line.call_later(again)
            await asyncio.sleep(0)

        line.call_later(again)
        for key in ("o", "slash", "x"):
            app.simulate_key(key)
        await until(
            lambda: (
                isinstance(app.screen, Runs)
                and app.screen.query("#filter")
                and app.screen.query_one("#filter", Input).value == "x"
            )
        )
