"""The explorer, driven by Pilot. A few small real runs; conditions are polled, with a limit."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import shutil
import threading

import numpy as np
import pytest
from explorers import SIZE, SMALL, burst, explorer, finish, keys, text_of
from faults import fill_disk
from textual.app import ScreenStackError
from textual.errors import NoWidget
from textual.events import MouseDown
from textual.pilot import OutOfBounds
from textual.widgets import DataTable, Input, Select
from waiting import until

import tuichaos
from tuichaos.config.explorer_settings import Config, config_path, read_config
from tuichaos.config.instruments import asked
from tuichaos.config.loading import resolve
from tuichaos.config.presets import preset
from tuichaos.plots.instruments import drawn
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.compare import Compare, aligned
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.settings import BY_KEY, Settings


def reaches(chart, step):
    """Whether a chart has been drawn up to a step."""
    extent = chart.extent()
    return extent is not None and extent[1] == step


async def open_runs(app, pilot, steps):
    """Keep two runs and show them, both marked."""
    for seed in (0, 1):
        tuichaos.run(preset("quick", {**SMALL, "steps": steps, "seed": seed}))
    await pilot.press("o")
    await until(lambda: isinstance(app.screen, Runs))
    assert app.screen.query_one(DataTable).row_count == 2
    await pilot.press("space", "down", "space")
    assert len(app.screen.marked) == 2


async def test_space_shows_the_edge_of_stability(home):
    app = explorer(steps=200)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert "Press space" in text_of(app, "#sentence")
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        await until(lambda: reaches(app.screen.query_one("#chart-distance", Chart), 200))
        assert app.state.session.reason == ""
        await until(lambda: "done" in text_of(app, "#status"))
        assert "step 200/200" in text_of(app, "#status")
        assert "settings changed" not in text_of(app, "#headline")
        curves = app.screen.query_one("#chart-distance", Chart).picture.curves
        assert len(curves[0].x) == 201
        assert "median of 4" in text_of(app, "#glance-value")
    (folder,) = (home / "runs").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "done"


async def test_set_up_run_pause_nudge_resume_export(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = explorer(**{"record.every": 20})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        screen = app.screen
        screen.query_one("#field-network-hidden", Input).value = "[6, 4]"
        screen.query_one("#field-network-activation", Select).value = "tanh"
        screen.query_one("#field-steps", Input).value = "4000"
        await until(lambda: app.state.experiment.steps == 4000)
        assert screen.query_one(Settings).fault == ""
        screen.query_one("#chart-distance").focus()
        await keys(app, "space")
        await until(lambda: app.state.session is not None and app.state.session.step > 50)
        await keys(app, "space")
        await until(lambda: app.state.session.status == "paused")
        await keys(app, "right_square_bracket")
        await until(lambda: app.state.rate == pytest.approx(1.1))
        assert screen.query_one("#field-optimizer-learning-rate", Input).value == "1.1"
        await keys(app, "space")
        await until(lambda: app.state.ended)
        assert app.state.session.status == "done"
        await pilot.press("e")
        path = app.state.session.path
        exported = tmp_path / f"{path.name}.csv"
        await until(exported.exists)
    assert exported.read_bytes() == (path / "series.csv").read_bytes()
    experiment = tuichaos.load(path / "experiment.toml")
    assert experiment.network.hidden == [6, 4]
    assert [change.learning_rate for change in experiment.optimizer.changes] == [1.1]
    headless = tuichaos.run(experiment, out=tmp_path / "headless")
    assert (headless.path / "series.csv").read_bytes() == exported.read_bytes()


async def test_bad_settings_are_said_in_the_words_of_the_command_line():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        field = app.screen.query_one("#field-optimizer-learning-rate", Input)
        field.value = "-1"
        await until(lambda: text_of(app, "#fault"))
        with pytest.raises(tuichaos.InputError) as caught:
            tuichaos.resolve({}, {"optimizer.learning_rate": -1})
        assert text_of(app, "#fault") == str(caught.value)
        before = app.screen.query_one("#field-steps", Input).styles.background
        for _ in range(2):  # also when it has been left and entered
            assert field.has_class("-faulty")
            assert field.styles.background != before
            field.focus()
            await until(lambda: field.has_focus)
        app.screen.query_one("#chart-distance").focus()
        await pilot.press("space")
        await pilot.pause()
        assert app.state.session is None
        field.value = "0.5"
        await until(lambda: app.state.experiment.optimizer.learning_rate == 0.5)
        assert text_of(app, "#fault") == ""


async def test_a_preset_fills_the_fields():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.screen.query_one("#preset", Select).value = "large"
        await until(lambda: app.state.experiment.name == "large")
        assert app.screen.query_one("#field-optimizer-learning-rate", Input).value == "5"
        assert app.state.experiment.data.class_counts == [41, 40, 39]


async def test_step_stop_and_reset():
    app = explorer(steps=10**7)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("n")
        await until(lambda: app.state.live.latest is not None)
        assert app.state.live.latest.steps.tolist() == [0, 1]
        assert "paused · step 1/" in (line := app.state.status_line())
        assert " left" not in line
        assert "/s" not in line
        await pilot.press("n")
        await until(lambda: app.state.session.step == 2)
        await keys(app, "space")
        await until(lambda: app.state.session.step > 100)
        await keys(app, "x")
        await until(lambda: app.state.ended)
        assert app.state.session.status == "interrupted"
        await pilot.press("r")
        assert app.state.session is None
        assert app.state.live.latest is None


async def test_a_run_that_diverges_or_fails_leaves_the_app_alive():
    app = explorer(**{"loss.name": "mse", "optimizer.learning_rate": 1e6, "steps": 100})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        await until(lambda: "4 of 4 references diverged" in text_of(app, "#sentence"))
        chart = app.screen.query_one("#chart-loss", Chart)
        await until(lambda: chart.picture is not None and chart.picture.marks)
        assert chart.picture.marks[0][0].startswith("diverged at step")
        app.state.experiment = tuichaos.resolve(
            {}, {"system.name": "maps:Failing", "measure.tangent": False, "steps": 5000}
        )
        await pilot.press("space")
        await until(lambda: app.state.ended)
        await until(lambda: "the map broke" in text_of(app, "#sentence"))


@pytest.mark.slow
async def test_a_map_without_a_learning_rate_is_not_nudged_to_death():
    app = Explorer(preset("logistic", {"steps": 10**6}), Config(fps=20))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.session.step > 100)
        assert app.state.nudge(1.1) is None
        step = app.state.session.step
        await until(lambda: app.state.session.step > step + 600)
        assert app.state.session.status == "running"
        await finish(app)


async def test_zoom_pan_cursor_and_one_axis():
    app = explorer(steps=200)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        chart = app.screen.query_one("#chart-distance", Chart)
        await until(lambda: reaches(chart, 200))
        chart.focus()
        await pilot.press("plus", "plus")
        low, high = chart.window
        assert high - low == pytest.approx(200 / 1.5**2)
        await until(lambda: app.screen.query_one("#chart-loss", Chart).window == chart.window)
        await pilot.press("left")
        assert chart.window[0] < low
        await pilot.press("shift+right")
        assert chart.reading().startswith("step ")
        await pilot.press("0")
        assert chart.window is None
        await pilot.press("m")
        assert app.screen.has_class("-one")
        await pilot.press("escape")
        assert not app.screen.has_class("-one")


async def test_runs_screen_lists_marks_compares_notes_renames_and_deletes(simulate, home):
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await open_runs(app, pilot, steps=60)
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Compare))
        await until(lambda: "seed: " in text_of(app, "#facts"))
        assert len(app.screen.query_one(Chart).picture.curves) == 2
        before = list(app.screen.runs)
        while app.screen.view != "test-accuracy":
            await pilot.press("v")
        await until(lambda: app.screen.query_one(Chart).title.startswith("accuracy on the test"))
        assert app.screen.runs == before
        assert all(now is then for now, then in zip(app.screen.runs, before, strict=True))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Runs))
        await pilot.press("t")
        await pilot.pause()
        await pilot.press(*"good", "enter")
        await until(lambda: any(run.note == "good" for run in app.screen.runs.values()))
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("n")
        assert len(list((home / "runs").iterdir())) == 2
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("y")
        await until(lambda: len(list((home / "runs").glob("*/manifest.json"))) == 1)
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, Runs))


async def test_escape_takes_back_what_was_typed():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        field = app.screen.query_one("#field-steps", Input)
        field.focus()
        await until(lambda: field.has_focus)
        await pilot.press("end", "backspace", "x")
        assert app.screen.query_one(Settings).fault.startswith("steps: ")
        await pilot.press("escape")
        assert field.value == "600"
        await until(lambda: app.screen.query_one(Settings).fault == "")
        assert field.has_focus
        await pilot.press("escape")
        assert app.screen.query_one("#chart-distance").has_focus


@pytest.mark.sampled(2)
@pytest.mark.parametrize("size", [(80, 24), SIZE])
async def test_what_cannot_be_used_is_not_left_behind(size):
    app = explorer()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        drawer = size[0] < 100
        if drawer:
            await burst(app, "d")
        settings = app.screen.query_one(Settings)
        field = settings.query_one("#field-steps", Input)
        field.focus()
        await until(lambda: field.has_focus)
        await burst(app, "end", "ctrl+u", *"9x9", "enter")
        assert field.value == "9x9"
        assert field.has_focus
        reason = "steps: must be an integer"
        assert [note.message for note in app._notifications] == [settings.fault]
        assert settings.fault.startswith(reason)
        if drawer:  # also where it is left otherwise
            await burst(app, "tab")
            assert not field.has_focus
            app.screen.action_drawer()
            app.screen.action_drawer()
            await until(lambda: field.has_focus)
        await burst(app, "escape")
        assert (field.value, settings.fault) == ("600", "")
        assert app.state.experiment.steps == 600
        assert field.has_focus
        if drawer:  # from another field
            field.value = "x"
            await until(lambda: settings.fault)
            app.screen.query_one("#preset").focus()
            await until(lambda: not field.has_focus)
            await burst(app, "escape")
            assert (field.value, settings.fault) == ("600", "")
            assert app.screen.has_class("-drawer")
        await burst(app, "escape")
        assert app.screen.query_one("#chart-distance").has_focus
        assert not app.screen.has_class("-drawer")


async def test_a_map_is_set_up_and_its_parameter_turned():
    app = explorer(steps=200)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.screen.query_one("#field-system-name", Select).value = "quartic"
        await until(lambda: not app.screen.query_one("#field-network-hidden").parent.display)
        field = app.screen.query_one("#field-system-parameters", Input)
        field.value = "{b = 1}"
        await until(lambda: text_of(app, "#fault"))
        with pytest.raises(tuichaos.InputError) as caught:
            tuichaos.resolve({}, {"system.name": "quartic", "system.parameters": {"b": 1}})
        assert text_of(app, "#fault") == str(caught.value)
        field.value = "{a = 1.0}"
        await until(lambda: not text_of(app, "#fault"))
        await pilot.press("escape")
        app.screen.query_one("#chart-distance").focus()
        await pilot.press("right_curly_bracket")
        await until(lambda: app.state.session is not None and app.state.ended)
        assert app.state.session.experiment.system.parameters == {"a": 1.1}
        assert app.state.session.status == "done"
        assert field.value == "{a = 1.1}"
        # At a = 1.1 the attractor is a cycle: the exponent is negative.
        await until(lambda: text_of(app, "#sentence").startswith("Verdict: "))
        words = text_of(app, "#sentence")
        assert "Leading exponent -" in words
        assert "so far" not in words


async def test_the_palette_has_what_can_be_done_now():
    app = explorer(steps=10**7)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Run", "Step", "Runs", "Zoom in", "Log axis", "Smooth"} <= titles
        assert not {"Stop", "Export", "Reset"} & titles
        app.state.start()
        await until(lambda: app.state.path is not None)
        app.screen.refresh_run()
        await pilot.pause()
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        assert {"Stop", "Export", "Reset"} <= set(commands)
        await commands["Stop"].callback()
        await until(lambda: app.state.ended)


async def test_axis_smoothing_and_dragging():
    app = explorer(steps=200)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.ended)
        chart = app.screen.query_one("#chart-exponent", Chart)
        await until(lambda: reaches(chart, 200))
        chart.focus()
        assert not chart.picture.log
        await pilot.press("l", "w")
        assert chart.picture.log
        assert chart.smoothing == 5
        roles = [curve.role for curve in chart.visible().curves]
        assert roles == ["raw", "main"]
        await pilot.press("plus", "plus")
        low = chart.window[0]
        await pilot.mouse_down(chart, offset=(60, 3))
        await pilot.hover(chart, offset=(40, 3))
        await pilot.mouse_up(chart, offset=(40, 3))
        assert chart.window[0] > low + 5
        assert chart.cursor is None


async def test_what_is_visible_is_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = explorer(steps=200)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.ended)
        await until(lambda: reaches(app.screen.query_one("#chart-distance", Chart), 200))
        await pilot.press("plus", "plus", "plus", "e")
        await until(lambda: list(tmp_path.glob("*-steps-*.csv")))
        low, high = app.screen.query_one("#chart-distance", Chart).window
        (file,) = tmp_path.glob("*-steps-*.csv")
        steps = [int(line.split(",")[1]) for line in file.read_text().splitlines()[1:]]
        assert (steps[0], steps[-1]) == (math.ceil(low), math.floor(high))
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, Runs))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Compare))
        await until(lambda: app.screen.query_one(Chart).picture.curves)
        await pilot.press("e")
        await until(lambda: list(tmp_path.glob("*-distance.csv")))
        (file,) = tmp_path.glob("*-distance.csv")
        lines = file.read_text().splitlines()
        assert lines[0].startswith("step,reference 0,reference 1")
        assert len(lines) == 202


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("theme", ["tuichaos-dark", "tuichaos-light"])
async def test_in_ascii_every_character_is(theme):
    app = Explorer(preset("quick", {**SMALL, "steps": 60}), Config(fps=20, ascii=True, theme=theme))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.ended)
        for keys in (["c"], ["question_mark"], ["question_mark", "o"], ["enter"]):
            await pilot.press(*keys)
            await pilot.pause()
            for strip in app.screen._compositor.render_strips():
                assert strip.text.isascii(), strip.text


@pytest.mark.slow
async def test_a_nudge_before_the_run_is_ready_counts(home):
    app = explorer(steps=400)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        assert app.state.nudge(1.1) == 1.1
        await until(lambda: app.state.ended)
        experiment = tuichaos.load(app.state.path / "experiment.toml")
        changes = experiment.optimizer.changes
        assert [(change.step, change.learning_rate) for change in changes] == [(0, 1.1)]


async def test_enter_keeps_what_was_typed_and_goes_to_the_charts():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        field = app.screen.query_one("#field-network-hidden", Input)
        field.focus()
        await until(lambda: field.has_focus)
        field.value = "[4, 4]"
        await pilot.press("enter", "escape")
        assert field.value == "[4, 4]"
        assert app.screen.query_one("#chart-distance").has_focus
        assert app.state.experiment.network.hidden == [4, 4]


@pytest.mark.slow
async def test_a_restart_with_a_faulty_field_leaves_the_run_alone():
    app = explorer(steps=10**7)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.session.step > 100)
        app.screen.query_one("#field-ensemble-twins", Input).value = "5x"
        await until(lambda: app.screen.query_one(Settings).fault)
        app.screen.action_nudge_restart(1)
        assert app.state.session.status == "running"
        await finish(app)


@pytest.mark.slow
async def test_no_run_is_left_behind_by_reset_restart_and_quit(home):
    app = explorer(steps=10**7)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.session.step > 100)
        app.screen.action_nudge_restart(1)
        await until(lambda: app.state.session is not None and app.state.session.step > 100)
        app.state.reset()
        await app.action_quit()
    folders = list((home / "runs").iterdir())
    assert len(folders) == 2
    for folder in folders:
        found = tuichaos.open_run(folder)
        assert found.manifest["status"] == "interrupted"
        assert found.steps[-1] == found.manifest["step"]


# --- faults ------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_full_disk_is_said_and_the_app_lives(monkeypatch, home):
    fill_disk(monkeypatch, 400_000)
    app = explorer(steps=4000)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.ended)
        await until(lambda: "The run failed: " in text_of(app, "#sentence"))
        sentence = " ".join(text_of(app, "#sentence").split())
        assert "No space left on device" in sentence
        assert "What was written before is in" in sentence
        chart = app.screen.query_one("#chart-loss", Chart)
        await until(lambda: chart.picture is not None and chart.picture.curves[0].x.size > 100)
        kept = tuichaos.open_run(app.state.path)
        assert kept.manifest["status"] == "failed"
        assert kept.steps[-1] > 50
        monkeypatch.undo()
        monkeypatch.setenv("TUICHAOS_HOME", str(home))
        app.state.experiment = preset("quick", {**SMALL, "steps": 50})
        app.state.start()
        await until(lambda: app.state.ended)
        assert app.state.session.status == "done"


async def test_no_memory_is_said_and_the_app_lives(monkeypatch):
    import torch

    from tuichaos.systems.training import TrainingSystem

    def no_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(TrainingSystem, "to", no_memory)
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.ended)
        await until(lambda: "failed" in text_of(app, "#status"))
        await until(lambda: "out of memory" in text_of(app, "#sentence"))
        sentence = " ".join(text_of(app, "#sentence").split())
        assert "out of memory on cpu with 12 replicas; try fewer" in sentence
        assert "failed" in text_of(app, "#status")


async def test_a_folder_that_is_taken_away_is_said():
    app = explorer(steps=4000)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.state.start()
        await until(lambda: app.state.session.step > 200)
        app.state.session.pause()
        shutil.rmtree(app.state.path)
        app.state.session.resume()
        await until(lambda: app.state.ended)
        await until(lambda: "was deleted or moved" in " ".join(text_of(app, "#sentence").split()))


async def shown_and_left(app, *names):
    """From the screen of runs by some keys to a comparison, and back."""
    await burst(app, *names)
    await until(lambda: isinstance(app.screen, Compare))
    await burst(app, "escape")
    await until(lambda: isinstance(app.screen, Runs))


async def test_a_run_that_vanishes_from_the_runs_screen_is_only_gone(home):
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await open_runs(app, pilot, steps=40)
        (folder, other) = (home / "runs").iterdir()
        (folder / "note.txt").write_text("oops [/] x")
        (other / "series.csv").unlink()
        app.screen.fill()
        await shown_and_left(app, "enter")
        await shown_and_left(app, "up", "enter")
        for folder in (home / "runs").iterdir():
            shutil.rmtree(folder)
        await shown_and_left(app, "c")
        app.screen.fill()
        assert app.screen.query_one(DataTable).row_count == 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 36), (200, 60)])
async def test_every_size_can_be_shown(size):
    app = explorer(steps=100)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        for other in ((100, 30), (40, 12), size):
            await pilot.resize_terminal(*other)
            await pilot.pause()
        for key in ("d", "c", "m", "l", "question_mark", "question_mark", "escape"):
            await pilot.press(key)
        await pilot.pause()


async def test_quitting_while_training_leaves_a_complete_folder(home):
    app = explorer(steps=10**7)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.session.step > 100)
        app.screen.query_one("#chart-distance").focus()
        await pilot.press("q")
        await until(lambda: app.state.ended)
    (folder,) = (home / "runs").iterdir()
    found = tuichaos.open_run(folder)
    assert found.manifest["status"] == "interrupted"
    assert found.steps[-1] == found.manifest["step"]
    assert found.summary["lyapunov"]["count"] == 4


# --- settings ----------------------------------------------------------------------------


async def test_a_theme_is_kept_and_no_flag():
    app = Explorer(preset("quick", SMALL), Config(fps=20, ascii=True))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        assert app.theme == "tuichaos-dark"
        app.theme = "tuichaos-light"
        await pilot.pause()
    assert read_config() == Config(theme="tuichaos-light")


def test_flag_before_environment_before_file_before_default(monkeypatch):
    assert read_config() == Config()
    config_path().parent.mkdir(parents=True)
    config_path().write_text('fps = 2\npreset = "eos"\n')
    assert (read_config().fps, read_config().preset) == (2.0, "eos")
    monkeypatch.setenv("TUICHAOS_FPS", "8")
    monkeypatch.setenv("TUICHAOS_ASCII", "true")
    assert (read_config().fps, read_config().ascii) == (8.0, True)
    assert read_config({"fps": 1.0, "preset": None}).fps == 1.0


@pytest.mark.parametrize("text", ["fps = 1000", 'fps = "x"', "speed = 3", "fps = ", "ascii = 2"])
def test_settings_that_cannot_be(text):
    config_path().parent.mkdir(parents=True)
    config_path().write_text(text)
    with pytest.raises(tuichaos.InputError):
        read_config()


def test_paths_and_a_missing_terminal(command, home):
    code, out, _ = command("paths")
    assert code == 0
    assert str(home) in out
    assert str(config_path()) in out
    code, _, err = command()
    assert code == 2
    assert "needs a terminal" in err
    code, _, err = command("--preset", "nothing")
    assert code == 2
    assert "no such preset" in err
    code, _, err = command("--fps", "3", "presets")
    assert code == 2


# --- a random walk -----------------------------------------------------------------------

LAB = {"ensemble.references": 2, "ensemble.twins": 2, "steps": 300}


async def test_tabs_show_what_was_measured():
    app = explorer(**LAB, **{"measure.orbital": True, "measure.projection": True})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("6")
        assert "Press space" in text_of(app, "#sentence")
        await pilot.press("space")
        await until(lambda: app.state.ended)
        page = app.screen.pages.page
        await until(lambda: len(app.screen.pages.charts) == 2)
        kept = tuichaos.open_run(app.state.path)

        def drawn_as_kept():
            """The same as `tuichaos plot` draws, once the last picture is there."""
            shown = {page.name_of(c): c.picture for c in app.screen.pages.charts}
            return all(
                len(mine.y) == len(theirs.y) and np.array_equal(mine.y, theirs.y, equal_nan=True)
                for name, picture in shown.items()
                for mine, theirs in zip(picture.curves, drawn(name, kept).curves, strict=True)
            )

        await until(drawn_as_kept)
        await pilot.press("2")
        await until(lambda: "spectrum" in text_of(app, "#tab-spectrum .hint"))
        await until(lambda: len(app.screen.pages.charts) == 2)
        assert [c.id for c in app.screen.pages.charts] == ["lab-exponents", "lab-regime"]
        await pilot.press("1")
        await until(lambda: app.screen.chart("distance").picture is not None)
        assert "Verdict: " in text_of(app, "#sentence")


@pytest.mark.slow
async def test_what_a_tab_shows_is_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = explorer(**LAB, **{"measure.projection": True})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("6", "space")
        await until(lambda: app.state.session is not None and app.state.ended)
        await until(lambda: len(app.screen.pages.charts) == 2)
        await pilot.pause()
        await pilot.press("e")
        path = tmp_path / f"{app.state.path.name}-projection.csv"
        await until(path.exists)
        curves = app.screen.pages.charts[0].picture.curves
    rows = [line.rsplit(",", 2) for line in path.read_text().splitlines()]
    assert rows[0] == ["curve", "PC1", "y"]
    assert len(rows) == 1 + sum(len(curve.x) for curve in curves)
    own = [[float(x), float(y)] for name, x, y in rows[1:] if name == curves[0].name]
    assert np.array_equal(own, np.column_stack([curves[0].x, curves[0].y]))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_a_chart_can_be_seen_on_low_screens(size):
    app = explorer(**LAB)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        chart = app.screen.query_one("#chart-distance", Chart)
        await until(lambda: reaches(chart, 300))
        assert app.screen.query_one("#sentence").size.height <= 3
        assert chart.region.bottom <= app.screen.query_one("#sentence").region.y
        assert chart.content_size.height >= 4


@pytest.mark.slow
async def test_charts_that_a_larger_terminal_shows_are_drawn():
    app = explorer(steps=100)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await keys(app, "space")
        await until(lambda: app.state.session is not None and app.state.ended)
        charts = list(app.screen.pages.charts)
        assert [chart.display for chart in charts] == [True, False, False]
        await until(lambda: charts[0].extent() == (0, 100))
        await until(lambda: app.screen.drawn == (app.state.live, app.state.live.version, True))
        await pilot.pause()  # whatever was put off is done: the hidden ones were passed over
        await pilot.resize_terminal(120, 36)
        await until(lambda: all(chart.extent() == (0, 100) for chart in charts))
        await pilot.pause()
        assert all(len(str(chart.render()).split("\n")) > 5 for chart in charts)


async def test_a_tab_can_be_measured_in_the_next_run():
    app = explorer(**LAB)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("3", "i")
        await until(
            lambda: (
                app.state.experiment.measure.sharpness == asked("sharpness", app.state.experiment)
            )
        )
        assert app.screen.query_one("#field-measure", Input).value == "sharpness"
        await pilot.press("space")
        await until(lambda: app.state.ended)
        await until(lambda: len(app.screen.pages.charts) == 3)
        assert (app.state.path / "sharpness.csv").exists()
        app.screen.query_one("#field-measure", Input).value = "sharpnes"
        await until(lambda: app.screen.query_one(Settings).fault)
        assert "measure.sharpnes" in app.screen.query_one(Settings).fault


@pytest.mark.slow
async def test_a_tab_is_filled_while_the_run_goes_on():
    app = explorer(**{**LAB, "steps": 200_000}, **{"measure.moving": True})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("2", "space")
        chart = app.screen.query_one("#lab-moving", Chart)
        await until(lambda: chart.picture is not None)
        assert not app.state.ended
        first = chart.picture.curves[0].x[-1]
        await until(lambda: chart.picture.curves[0].x[-1] > first)
        await finish(app)


@pytest.mark.slow
async def test_a_field_can_be_left_on_a_tab_without_charts():
    app = explorer(**{**LAB, "steps": 60})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("2")
        for leave in ("enter", "escape"):
            field = app.screen.query_one("#field-steps", Input)
            field.focus()
            await until(lambda field=field: field.has_focus)
            await pilot.press(leave)
            assert app.screen.focused is None
        await pilot.press("i", "3")
        assert app.screen.pages.current == "Curvature"
        await pilot.press("2")
        await until(lambda: "Measured when it runs: spectrum" in text_of(app, ".hint"))
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        await until(lambda: app.screen.focused in app.screen.pages.charts)


@pytest.mark.slow
async def test_pictures_that_are_ready_while_the_program_ends_are_dropped():
    app = explorer(**LAB)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2")
        pages = app.screen.pages
        await pages.query(".hint").remove()  # as the program's end does, one widget after another
        app._running = False
        pages._show(pages.current, {}, app.screen.first, ["a reason"], None)
        app._running = True


@pytest.mark.slow
async def test_one_chart_has_the_whole_width():
    tab = {"measure.spectrum": True, "measure.moving": {"width": 20}}
    app = explorer(**{**LAB, "steps": 80}, **tab)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("2", "space")
        await until(lambda: app.state.ended and len(app.screen.pages.charts) > 2)
        await pilot.pause()
        half = app.screen.pages.charts[0].size.width
        await pilot.press("m")
        await until(lambda: app.screen.pages.charts[0].size.width > 1.8 * half)


@pytest.mark.slow
async def test_a_tab_offers_what_the_system_can_have_and_takes_it_back():
    app = Explorer(preset("logistic", {"ensemble.twins": 0, "steps": 200}), Config(fps=20))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("6", "i")
        assert "projection" not in text_of(app, "#tab-projection .hint")
        assert app.screen.query_one("#field-measure", Input).value == ""
        await pilot.press("5", "i")
        assert app.screen.query_one("#field-measure", Input).value == "dimensions"
        await until(lambda: app.state.experiment.measure.dimensions is True)
        await pilot.press("i")
        await until(lambda: app.state.experiment.measure.dimensions is False)


@pytest.mark.slow
async def test_a_view_without_a_number_says_so_under_its_own_name(home):
    kept = tuichaos.run(preset("logistic", {"steps": 200}))
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.push_screen(Compare([kept]))
        await until(lambda: isinstance(app.screen, Compare) and app.screen.query(Chart))
        chart = app.screen.query_one(Chart)
        await until(lambda: chart.picture is not None and len(chart.picture.curves))
        while app.screen.view != "weight-norm":
            await pilot.press("v")
        await until(lambda: "not measured" in str(chart.render()))
        assert chart.title == "weight norm (L1) (v: next)"
        assert str(chart.render()) == "was not measured in this run"
        assert "tangent" in text_of(app, "#facts")


async def test_a_click_on_a_widget_that_goes_is_no_fault():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        words = app.screen.query_one("#sentence")
        x, y = words.region.offset
        found, _ = app.screen.get_widget_and_offset_at(x, y)
        assert found is words
        parent, words._parent = words._parent, None  # as while it is being removed
        place = {"delta_x": 0, "delta_y": 0, "button": 1, "shift": False, "meta": False}
        app.screen._forward_event(
            MouseDown(words, x, y, **place, ctrl=False, screen_x=x, screen_y=y)
        )
        words._parent = parent


def test_columns_are_as_wide_as_their_words():
    rows = [("a", "none"), ("autocorrelation, lag 1", "2")]
    assert list(aligned(rows)) == ["a                       none", "autocorrelation, lag 1  2"]


KEYS = (
    *"nxr[]{}lmcdeovbtw/",
    *("space", "escape", "tab", "shift+tab", "enter", "up", "down", "left", "right"),
    *("shift+left", "shift+right", "plus", "minus", "0", *"123456i", "backspace", "delete", "y"),
    *("question_mark", "ctrl+p"),
)


async def walk(pilot, seed, moves):
    """Keys, clicks, drags and new sizes at random; the same for the same seed. Ends early
    where it finds Quit in the palette."""
    rng = random.Random(seed)
    for _ in range(moves):
        if pilot.app._exit:
            return
        try:
            await move(pilot, rng)
        except (AttributeError, ScreenStackError, OutOfBounds):
            # Of Pilot's own, while it looks at a screen that is going away.
            assert pilot.app._exit
        except NoWidget:  # likewise, between a new size and its layout
            pass
        await asyncio.sleep(0.01)


async def move(pilot, rng):
    """One thing that a person might do."""
    choice = rng.random()
    width, height = pilot.app.size
    place = (rng.randrange(width), rng.randrange(height))
    if choice < 0.8:
        pilot.app.simulate_key(KEYS_BY_NAME.get(key := rng.choice(KEYS), key))
    elif choice < 0.88:
        await pilot.click(offset=place)
    elif choice < 0.95:
        await pilot.mouse_down(offset=place)
        await pilot.hover(offset=(rng.randrange(width), place[1]))
        await pilot.mouse_up(offset=place)
    else:
        await pilot.resize_terminal(rng.randrange(40, 200), rng.randrange(12, 60))


KEYS_BY_NAME = {
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "{": "left_curly_bracket",
    "}": "right_curly_bracket",
    "/": "slash",
}


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_a_random_walk_ends_without_an_exception(seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuichaos.run(preset("quick", {**SMALL, "steps": 40}))
    app = explorer(steps=400)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await walk(pilot, seed, int(os.environ.get("TUICHAOS_WALK", "80")))
        await finish(app)
        if not app._exit:  # a palette that is still being filled would not outlive the app
            await keys(app, "escape", "escape")


async def test_a_system_of_ones_own_is_shown_in_the_fields():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        settings = app.screen.query_one(Settings)
        for name in ("maps:SkewTent", "logistic", "training"):
            settings.load(resolve({"system": {"name": name}, "steps": 50}))
            await pilot.pause()
            assert settings.query_one(f"#{BY_KEY['system.name'].id}").value == name
            assert (settings.fault, settings.edited) == ("", {})
            assert settings.experiment.system.name == name


async def go_on_from_the_runs(app, pilot):
    """What `g` does on the only row of the screen of runs."""
    app.push_screen(Runs())
    await until(lambda: isinstance(app.screen, Runs) and app.screen.runs)
    await pilot.press("g")


@pytest.mark.slow
async def test_a_stopped_run_goes_on_from_the_runs_screen(home, monkeypatch):
    monkeypatch.setattr("tuichaos.simulation.block_shape.FRAME_STEPS", 10)
    experiment = preset("quick", {**SMALL, "steps": 120})
    stop = threading.Event()
    part = tuichaos.run(experiment, stop=stop, watch=lambda _: stop.set())
    whole = tuichaos.run(experiment, out=home / "whole").path
    assert part.status == "interrupted"
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await go_on_from_the_runs(app, pilot)
        await until(lambda: not isinstance(app.screen, Runs))
        await until(lambda: app.state.session is not None and app.state.session.status == "done")
        assert app.state.path == part.path
        assert app.state.live.still().band("loss").steps.tolist() == list(range(121))
        await go_on_from_the_runs(app, pilot)  # it is done: said, and nothing happens
        await pilot.pause()
        assert isinstance(app.screen, Runs)
    for name in ("series.csv", "exponents.csv", "summary.json"):
        assert (part.path / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
async def test_a_stopped_sweep_goes_on_from_the_runs_screen(home):
    table = {"sweep": {"optimizer.learning_rate": [0.1, 0.2, 0.3]}}
    experiment = preset("quick", {**SMALL, "steps": 20, **table})
    stop = threading.Event()
    part = tuichaos.sweep(experiment, stop=stop, watch=lambda p: p.done and stop.set())
    whole = tuichaos.sweep(experiment, out=home / "whole").path
    assert part.status == "interrupted"
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await go_on_from_the_runs(app, pilot)
        await until(app.state.join)
    assert (part.path / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()


@pytest.mark.slow
async def test_how_data_were_read_is_said_once(tmp_path):
    """What `tuichaos run` says at the start."""
    rows = "".join(f"{k % 7};{k % 5},5;{'ab'[k % 2]}\n" for k in range(40))
    (tmp_path / "[b]a.csv").write_text("width;height;kind\n" + rows)
    table = {
        "data": {"name": "csv", "path": str(tmp_path / "[b]a.csv")}, "steps": 40,
        "ensemble": {"references": 2, "twins": 1, "perturbation": 1e-14},
        "measure": {"regime": False},
    }  # fmt: skip
    made = resolve(table)
    said = []
    tuichaos.run(made, out=tmp_path / "headless", tell=said.append)
    assert len(said) == 2
    assert said[0].startswith("data: [b]a.csv: separator semicolon")
    app = Explorer(made, Config(fps=20))
    async with app.run_test(size=SIZE) as pilot:
        for _ in range(2):
            await pilot.press("space")
            await until(lambda: app.state.session is not None and app.state.session.join(0))
            await until(lambda: len(app._notifications) == 2)
            await pilot.pause()
            await pilot.press("r")
        notes = list(app._notifications)
        assert [note.message for note in notes] == [line.removeprefix("warning: ") for line in said]
        assert [note.severity for note in notes] == ["information", "warning"]
        await finish(app)
