"""The explorer as tests drive it: a small one, its keys, and what it says."""

from __future__ import annotations

import asyncio

from textual.widgets import DataTable, Static
from waiting import until

from tuichaos.config.explorer_settings import Config
from tuichaos.config.presets import preset
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.runs import Runs

SIZE = (120, 36)
FEW = {"ensemble.references": 4, "ensemble.twins": 2}
SMALL = {**FEW, "steps": 600}
BRIEF = {**FEW, "steps": 40}


def explorer(**overrides) -> Explorer:
    return Explorer(preset("quick", {**SMALL, **overrides}), Config(fps=20))


async def keys(app, *names):
    """Press keys without waiting for the process to be idle, as Pilot does."""
    for name in names:
        app.simulate_key(name)
        await asyncio.sleep(0.05)


async def burst(app, *names):
    """All at once; and until all have been dealt with."""
    for name in names:
        app.simulate_key(name)
    await until(lambda: not (app.message_queue_size or app.gate.busy))


async def runs_screen(app, pilot):
    """The screen of runs, with its rows."""
    await pilot.pause()
    await burst(app, "o")
    await until(lambda: isinstance(app.screen, Runs) and app.screen.query_one(DataTable).row_count)


async def finish(app):
    app.state.stop()
    if app.state.session is not None:
        await until(lambda: app.state.session.join(0))


def text_of(app, selector):
    return str(app.screen.query_one(selector, Static).render())
