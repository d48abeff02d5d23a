"""What is said of keys: in the footer, in the help; and notes that escape takes away."""

from __future__ import annotations

import pytest
from explorers import explorer, finish, keys
from waiting import until

import tuichaos
from tuichaos.config.presets import preset
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.help import Help, rows


def footer(app):
    """The keys of the footer that lie wholly within the screen, from the left."""
    found = app.screen.query("FooterKey")
    width = app.size.width
    return [key.key for key in found if key.region.width and key.region.right <= width]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("width", [80, 60, 40])
async def test_help_and_quit_are_always_in_the_footer(home, width):
    kept = tuichaos.run(preset("quick", {"ensemble.references": 2, "steps": 40}))
    app = explorer(steps=10**7)
    async with app.run_test(size=(width, 24)):
        last = lambda: footer(app)[-2:] == ["q", "question_mark"]  # noqa: E731
        await until(lambda: last() and footer(app)[0] == "space")
        await keys(app, "space")
        await until(lambda: app.state.session is not None and app.state.session.step > 10)
        await until(lambda: last() and (width < 80 or "x" in footer(app)))  # more than fit
        await finish(app)
        await keys(app, "o")
        await until(lambda: isinstance(app.screen, Runs) and last())
        assert width < 80 or "u" in footer(app)
        app.push_screen(Compare([kept]))
        await until(lambda: isinstance(app.screen, Compare) and last())


@pytest.mark.slow
async def test_the_footer_follows_the_width():
    app = explorer()
    async with app.run_test(size=(120, 36)) as pilot:
        await until(lambda: "ctrl+p" in footer(app))
        await pilot.resize_terminal(50, 24)
        await until(lambda: footer(app)[-2:] == ["q", "question_mark"] and len(footer(app)) < 8)
        await pilot.resize_terminal(120, 36)
        await until(lambda: "ctrl+p" in footer(app))


async def test_the_help_begins_with_what_a_newcomer_needs_and_escape_closes_it():
    app = explorer()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("d")  # the settings: escape would close them
        await pilot.press("escape")
        await pilot.press("question_mark")
        await until(lambda: app.screen.query(Help))
        first = [name for name, _ in rows(app.screen.active_bindings.values())]
        wanted = ["toggle", "nudge", "nudge_restart", "tab", "runs", "quit", "close_help"]
        assert first[: len(wanted)] == wanted
        assert first.index("zoom") > first.index("help")
        assert app.screen.query_one(Help).region.height > 15
        await pilot.press("d")
        await pilot.press("escape")
        await until(lambda: not app.screen.query(Help))
        assert app.screen.has_class("-drawer")  # the first escape went to the help alone
        await pilot.press("escape")
        assert isinstance(app.screen, Explore)
        assert not app.screen.has_class("-drawer")


async def test_notes_lie_over_the_headline_and_escape_takes_them_away():
    app = explorer()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.pause()
        app.notify("Wrote /somewhere/quick-20260101-000000.csv (copied).")
        await until(lambda: app.screen.query("Toast") and app.screen.query_one("Toast").region)
        place = app.screen.query_one("Toast").region
        assert (place.y, place.height) == (0, 1)
        await pilot.press("escape")
        await until(lambda: not app.screen.query("Toast"))
        assert not app._notifications
