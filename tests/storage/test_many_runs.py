"""Thousands of kept runs: each manifest is read once, and again only when it has changed."""

from __future__ import annotations

import json
import os

import pytest
from explorers import burst, explorer
from textual.widgets import DataTable, Input, Static
from waiting import until

from tuichaos.storage.run_folders import annotate, delete, survey
from tuichaos.storage.run_list import Catalogue
from tuichaos.storage.run_reader import open_run
from tuichaos.tui.screens.runs import FEW, PAGE, Runs

MANY = 5 * PAGE


def keep(home, number, **facts):
    folder = home / "runs" / f"run-{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"format": 1, "status": "done", "number": number, "step": 4, "replicas": 6, **facts}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def settle(home):
    """As if nothing had changed for a while."""
    os.utime(home / "runs", (1e9, 1e9))


@pytest.fixture
def many(home):
    for number in range(1, MANY + 1):
        keep(home, number)
    settle(home)
    return home


def test_what_has_not_changed_is_not_read_again(many):
    catalogue = Catalogue()
    assert catalogue.look()
    assert catalogue.read == MANY
    assert [run.path for run in catalogue.runs] == [run.path for run in survey()[0]]
    for _ in range(3):
        assert not catalogue.look()
        assert not catalogue.glance([])
    assert catalogue.read == MANY
    keep(many, 7, title="other words")
    assert not catalogue.glance([])  # nobody looks at it
    assert catalogue.glance(["run-0007"])
    assert catalogue.read == MANY + 1
    assert next(run for run in catalogue.runs if run.path.name == "run-0007").title == "other words"
    annotate(open_run(many / "runs" / "run-0009"), "a note")
    assert catalogue.look()
    assert [run.note for run in catalogue.runs if run.note] == ["a note"]


def test_folders_that_come_go_or_cannot_be_read_are_seen(many):
    catalogue = Catalogue()
    catalogue.look()
    folder = keep(many, MANY + 1)
    assert catalogue.glance([])
    assert catalogue.runs[0].path == folder
    delete(open_run(folder))
    assert catalogue.glance([])
    assert len(catalogue.runs) == MANY
    (many / "runs" / "run-0003" / "manifest.json").write_text("no JSON")
    assert catalogue.look()
    assert list(catalogue.refused) == ["run-0003"]
    assert len(catalogue.runs) == MANY - 1


def test_a_run_at_work_is_read_each_time(many):
    pid = os.getpid()
    folder = keep(many, 5, status="running", pid=pid, step=None)
    settle(many)
    catalogue = Catalogue()
    catalogue.look()
    for step in (10, 20):
        (folder / "series.csv").write_text(f"reference,step,loss\n0,{step},1\n")
        assert catalogue.glance([])
        assert next(run for run in catalogue.runs if run.path == folder).steps == str(step)
    assert catalogue.read == MANY + 2


async def test_letters_marks_and_idle_read_nothing(many):
    app = explorer(steps=40)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await burst(app, "o")
        await until(lambda: app.screen.runs)
        table = app.screen.query_one(DataTable)
        assert (app.catalogue.read, table.row_count) == (MANY, PAGE)
        cleared, clear = [], table.clear
        table.clear = lambda: (cleared.append(1), clear())
        await burst(app, "space", "down", "space")
        app.screen.glance()
        await until(lambda: not app.screen._looking)
        assert not cleared  # no row was drawn that did not change
        assert [row[0].plain for row in map(table.get_row_at, range(3))] == ["A", "B", ""]
        await burst(app, "slash", *"run-01")
        assert table.row_count == PAGE  # 0100 to 0199
        await burst(app, *"77")
        assert table.row_count == 1
        await burst(app, *["backspace"] * 9, "escape", "escape")
        await burst(app, "o")
        assert isinstance(app.screen, Runs)
        await until(lambda: app.screen.shown and not app.screen._looking)
        assert app.catalogue.read == MANY


@pytest.mark.slow
async def test_more_rows_come_as_the_cursor_goes_down(many):
    app = explorer(steps=40)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await burst(app, "o")
        await until(lambda: app.screen.runs)
        table = app.screen.query_one(DataTable)
        assert f"{PAGE} of {MANY}" in str(app.screen.query_one("#empty", Static).render())
        await burst(app, "down", *["ctrl+end"] * 6)
        assert table.row_count == MANY
        assert app.screen.current().path.name == "run-0001"
        keep(many, MANY + 1)  # the cursor stays on its run
        app.screen.glance()
        await until(lambda: len(app.screen.runs) == MANY + 1)
        assert app.screen.query_one("#filter", Input).value == ""
        assert app.screen.current().path.name == "run-0001"
    assert FEW < MANY


@pytest.mark.sampled(2)
@pytest.mark.parametrize("count", [5, FEW + 5])
async def test_the_cursor_keeps_its_place_when_a_run_is_deleted_or_comes_back(home, count):
    for number in range(1, count + 1):
        keep(home, number)
    app = explorer(steps=40)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await burst(app, "o")
        await until(lambda: app.screen.runs)
        screen, table = app.screen, app.screen.query_one(DataTable)

        async def at(name):
            await until(lambda: len(screen.runs) in counts and screen._key() == name)

        names = list(screen.runs)
        await burst(app, "down", "down", "d")
        await burst(app, "y")
        counts = [count - 1]
        await at(names[3])
        assert table.cursor_row == 2
        await burst(app, "up", "up", "u")
        counts = [count]
        await at(names[2])
        if count < FEW:  # of the last row: the one before it
            await burst(app, "ctrl+end", "d")
            await burst(app, "y")
            counts = [count - 1]
            await at(names[-2])
            await burst(app, "ctrl+home", "u")
            counts = [count]
            await at(names[-1])
