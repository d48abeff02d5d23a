"""The screen of kept runs is there before a long table is read."""

from __future__ import annotations

import threading

from test_tui import SIZE, explorer, until

import tuichaos
from tuichaos.presets import preset
from tuichaos.tui.screens import compare
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.widgets.chart import Chart


async def test_keys_are_answered_while_a_table_is_read(home, monkeypatch):
    kept = tuichaos.run(preset("quick", {"ensemble.references": 2, "steps": 60}))
    may_go_on, plain, seen = threading.Event(), compare.picture, []

    def slow(run, view):
        seen.append(view)
        assert may_go_on.wait(60)
        return plain(run, view)

    monkeypatch.setattr(compare, "picture", slow)
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        app.push_screen(Compare([kept]))
        await until(lambda: isinstance(app.screen, Compare) and seen)
        chart = app.screen.query_one(Chart)
        assert str(chart.render()) == "is being read …"
        for _ in range(3):  # of several that are asked for meanwhile the last one is read
            await pilot.press("v")
        wanted = app.screen.view
        may_go_on.set()
        await until(lambda: chart.picture is not None and chart.picture.curves)
        assert seen == ["distance", wanted]
        await until(lambda: not app.screen._reading)
