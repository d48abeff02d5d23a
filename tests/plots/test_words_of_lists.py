"""Lists and legends say what their numbers are: of how many, of what, in which unit and zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from explorers import burst, explorer
from waiting import until

import tuichaos
from tuichaos.cli.run_output import runs_lines
from tuichaos.config.presets import preset
from tuichaos.plots.run_comparison import overlay
from tuichaos.plots.run_plots import Kept
from tuichaos.plots.series_views import view
from tuichaos.storage.run_folders import annotate
from tuichaos.storage.run_list import began
from tuichaos.tui.screens.compare import Compare

SMALL = {"ensemble.twins": 2, "steps": 120}


@pytest.fixture
def zone(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield "JST"
    monkeypatch.undo()
    time.tzset()


def test_runs_have_a_heading_steps_notes_and_a_zone(command, zone):
    assert command("runs")[1] == ""  # no heading over nothing
    run = tuichaos.run(preset("quick", {**SMALL, "ensemble.references": 2, "steps": 20}))
    annotate(run, "the good one")
    heading, line = command("runs")[1].splitlines()
    for word in ("run", "status", "started", "steps", "replicas", "note", "title"):
        assert word in heading.split()
    assert heading.index("note") == line.index("the good one")
    assert heading.index("title") == line.index(run.manifest["title"])
    assert line[: heading.index("replicas")].split()[-1] == "20"
    local = datetime.strptime(run.path.name.partition("-")[2][:13], "%Y%m%d-%H%M")
    assert f"{local:%Y-%m-%d %H:%M} {zone}" in line


def test_on_a_terminal_titles_end_where_it_does():
    numbers = ("quick-20260131-233000", "interrupted", "2026-01-31 23:30 JST", "200", "240")
    head = ("run", "status", "started", "steps", "replicas", "title", "note")
    rows = [head, (*numbers, "a title " * 12, "a note")]
    for width in (80, 100, 140):
        lines = list(runs_lines(rows, width))
        assert max(map(len, lines)) <= width
        assert all(word in lines[1] for word in numbers)
    assert lines[1].endswith("…")
    assert lines[0].index("title") == lines[1].index("a title")
    full = list(runs_lines(rows, None))
    assert full[1].endswith(("a title " * 12).strip())


def test_when_a_run_began_is_told_in_one_zone(zone):
    moment = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    assert began({"started": moment.isoformat()}) == f"2026-02-01 08:30 {zone}"
    assert began({"started": "once upon a time"}) == "once upon a time"
    assert began({}) == ""


def test_curves_beside_each_other_say_of_how_many_references(simulate):
    runs = [
        simulate({**SMALL, "ensemble.references": count, "network.hidden": [2]})
        for count in (1, 2, 6)
    ]
    shown = overlay(runs, "loss")
    assert shown.title.endswith("median over references")
    words = ("1 reference", "median of 2", "median of 6")
    assert [c.name for c in shown.curves] == [
        f"{run.path.name} ({of})" for run, of in zip(runs, words, strict=True)
    ]
    assert overlay(runs, "exponent").title.endswith("mean over references")
    facts = Compare._facts(runs[:1]).splitlines()
    assert facts[0].split("  ")[0] == "measure"
    assert "95 % interval" in facts[0]
    assert len(facts) > 3


def test_the_fit_has_its_unit(simulate):
    run = simulate({**SMALL, "ensemble.references": 3}, preset="quick")
    names = [curve.name for curve in view("distance", Kept(run), run.experiment).curves]
    assert any(name.startswith("fit ") and name.endswith("nats per step") for name in names)


async def test_what_is_seen_at_a_glance_is_named(home):
    app = explorer(steps=40)
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.pause()
        await burst(app, "space")
        await until(lambda: app.state.session.status == "done")
        assert " train acc " in app.state.glance()
        assert " · memory " in app.state.status_line()


def test_a_chart_fits_the_terminal_and_names_the_others(home, monkeypatch, capsys):
    import os
    import shutil
    import sys

    from tuichaos.cli.main import cli

    tuichaos.run(preset("quick", {"ensemble.references": 2, "steps": 40}))
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for lines in (14, 24, 60):
        size = os.terminal_size((80, lines))
        monkeypatch.setattr(shutil, "get_terminal_size", lambda _=None, size=size: size)
        cli.main(["plot", "last"], standalone_mode=False)
        out = capsys.readouterr().out.splitlines()
        assert len(out) == min(24, lines - 3) + 2
        assert out[-1].startswith("… other charts: --what loss, exponent, ")
        assert "more (tuichaos plot --help)" in out[-1]
        assert len(out[-1]) <= 80
        cli.main(["plot", "last", "--what", "loss", "--height", "20"], standalone_mode=False)
        assert "other charts" not in capsys.readouterr().out
