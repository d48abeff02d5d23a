"""The screen of kept runs is there before a long table is read."""

from __future__ import annotations

import threading

import pytest
from explorers import SIZE, explorer
from textual.widgets import Static
from waiting import MAX_SECONDS, until

import tuichaos
from tuichaos.config.presets import preset
from tuichaos.tui.screens import compare
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.chart import Chart


async def test_keys_are_answered_while_a_table_is_read(home, monkeypatch):
    kept = tuichaos.run(preset("quick", {"ensemble.references": 2, "steps": 60}))
    may_go_on, plain, seen = threading.Event(), compare.picture, []

    def slow(run, view):
        seen.append(view)
        assert may_go_on.wait(MAX_SECONDS)
        return plain(run, view)

    monkeypatch.setattr(compare, "picture", slow)
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
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


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_runs_have_letters_in_list_chart_legend_and_differences(home, ascii_only):
    small = {"ensemble.references": 2, "steps": 60}
    runs = [tuichaos.run(preset("quick", {**small, "seed": seed})) for seed in (3, 4)]
    app = explorer()
    app.ascii_only = ascii_only
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, Runs) and len(app.screen.shown) == 2)
        await pilot.press("space", "down", "space")
        marks = [cells[0] for cells in app.screen.shown.values()]
        assert marks == ["A", "B"]
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Compare))
        chart = app.screen.query_one(Chart)
        await until(lambda: chart.picture is not None and chart.picture.curves)
        newest = runs[::-1]
        assert [curve.letter for curve in chart.picture.curves] == ["A", "B"]
        drawn = str(chart.render())
        assert drawn.count("A") >= 1 <= drawn.count("B")
        headline = str(app.screen.query_one("#headline", Static).render())
        assert headline == " · ".join(
            f"{m} {r.path.name}" for m, r in zip("AB", newest, strict=True)
        )
        assert "seed: A 4 | B 3" in str(app.screen.query_one("#facts", Static).render())
        legend = f"{app.screen.query_one(Chart).border_title} {chart.border_subtitle}"
        assert "A " in legend
