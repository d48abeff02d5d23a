"""Deleted runs come back, and while they are gone nothing takes them for runs."""

from __future__ import annotations

import json

import pytest
from explorers import burst, explorer, runs_screen
from textual.widgets import DataTable

import tuichaos
from tuichaos.common.errors import InputError
from tuichaos.config.presets import preset
from tuichaos.storage import trash
from tuichaos.storage.run_folders import find, rename, survey
from tuichaos.sweeps.result import list_runs
from tuichaos.tui.screens.dialogs import Confirm

SMALL = {"ensemble.references": 1, "ensemble.twins": 0, "steps": 4}


def keep(home, *names):
    """Folders that are runs to whoever lists them."""
    for k, name in enumerate(names):
        (home / "runs" / name).mkdir(parents=True)
        manifest = {"format": 1, "status": "done", "number": k + 1}
        (home / "runs" / name / "manifest.json").write_text(json.dumps(manifest))
        (home / "runs" / name / "series.csv").write_text("x" * 1000)
    return {run.path.name: run for run in list_runs()}


def names():
    return [run.path.name for run in list_runs()]


def test_a_deleted_run_is_no_run_until_it_is_brought_back(home, command):
    run = tuichaos.run(preset("quick", SMALL))
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert trash.discard(run)
    assert survey() == ([], {})
    with pytest.raises(InputError, match="no such run"):
        find(run.path.name)
    code, out, _ = command("runs", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert trash.restore().path == run.path
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
    with pytest.raises(InputError, match="no deleted run"):
        trash.restore()


def test_the_last_one_comes_back_first_and_takes_no_others_place(home):
    runs = keep(home, "a", "b")
    trash.discard(runs["a"])
    trash.discard(runs["b"])
    trash.discard(keep(home, "a")["a"])  # the same name again
    assert trash.restore().path.name == "a"
    assert trash.restore().path.name == "b"
    with pytest.raises(InputError, match="there is one of that name"):
        trash.restore()
    rename(find("a"), "c")
    assert trash.restore().path.name == "a"
    assert sorted(names()) == ["a", "b", "c"]


def test_no_more_is_kept_than_there_is_room_for(home, monkeypatch):
    monkeypatch.setattr(trash, "MAX_RUNS", 2)
    runs = keep(home, *"abcd")
    for run in runs.values():
        assert trash.discard(run)
    folder = home / "runs" / trash.NAME
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr(trash, "MAX_BYTES", 1500)
    assert trash.discard(keep(home, "e")["e"])
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(trash, "MAX_BYTES", 500)
    assert not trash.discard(keep(home, "f")["f"])
    assert [path.name for slot in folder.iterdir() for path in slot.iterdir()] == ["e"]


def test_a_run_at_work_stays(home):
    run = keep(home, "a")["a"]
    path = run.path / "manifest.json"
    path.write_text(json.dumps({**run.manifest, "status": "running"}))
    with pytest.raises(InputError, match="still running"):
        trash.discard(run)
    assert names() == ["a"]


async def test_keys_delete_and_bring_back(home):
    tuichaos.run(preset("quick", SMALL))
    kept = names()
    app = explorer(steps=40)
    async with app.run_test(size=(120, 36)) as pilot:
        await runs_screen(app, pilot)
        await burst(app, "d")
        assert isinstance(app.screen, Confirm)
        await burst(app, "y")
        assert names() == []
        await burst(app, "u")
        assert names() == kept
        assert app.screen.query_one(DataTable).row_count == 1
        await burst(app, "u")  # nothing is left: said, and nothing happens
        assert names() == kept
