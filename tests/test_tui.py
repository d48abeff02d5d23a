"""The explorer, driven by Pilot. A few small real runs; conditions are polled, with a limit."""

from __future__ import annotations

import asyncio
import json
import os
import random

import pytest
from textual.widgets import DataTable, Input, Select, Static

import tuichaos
from tuichaos.config import Config, config_path, read_config
from tuichaos.presets import preset
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.widgets.chart import Chart
from tuichaos.tui.widgets.settings import Settings

SIZE = (120, 36)
SMALL = {"ensemble.references": 4, "ensemble.twins": 2, "steps": 600}


def explorer(**overrides):
    return Explorer(preset("quick", {**SMALL, **overrides}), Config(fps=20))


async def until(condition, seconds=30.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


async def finish(app):
    app.state.stop()
    if app.state.session is not None:
        await until(lambda: app.state.session.join(0))


def text_of(app, selector):
    return str(app.screen.query_one(selector, Static).render())


async def test_space_shows_the_edge_of_stability(home):
    app = explorer(steps=200)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        assert "Press space" in text_of(app, "#sentence")
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        await until(lambda: app.screen.query_one("#chart-distance", Chart).picture is not None)
        await pilot.pause(0.3)
        assert "done" in text_of(app, "#status")
        assert "step 200/200" in text_of(app, "#status")
        curves = app.screen.query_one("#chart-distance", Chart).picture.curves
        assert len(curves[0].x) == 201
        assert "median of 4" in text_of(app, "#glance-value")
    (folder,) = (home / "runs").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "done"


async def test_set_up_run_pause_nudge_resume_export(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = explorer(**{"record.every": 20})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        screen = app.screen
        screen.query_one("#field-network-hidden", Input).value = "[6, 4]"
        screen.query_one("#field-network-activation", Select).value = "tanh"
        screen.query_one("#field-steps", Input).value = "12000"  # a key may take a second
        await pilot.pause(0.1)
        assert screen.query_one(Settings).fault == ""
        screen.query_one("#chart-distance").focus()
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.session.step > 50)
        await pilot.press("space")
        assert app.state.session.status == "paused"
        await pilot.press("right_square_bracket")
        assert app.state.rate == pytest.approx(1.1)
        assert screen.query_one("#field-optimizer-learning-rate", Input).value == "1.1"
        await pilot.press("space")
        await until(lambda: app.state.ended)
        assert app.state.session.status == "done"
        await pilot.press("e")
        await pilot.pause(0.1)
        path = app.state.session.path
    exported = tmp_path / f"{path.name}.csv"
    assert exported.read_bytes() == (path / "series.csv").read_bytes()
    experiment = tuichaos.load(path / "experiment.toml")
    assert experiment.network.hidden == [6, 4]
    assert [change.learning_rate for change in experiment.optimizer.changes] == [1.1]
    headless = tuichaos.run(experiment, out=tmp_path / "headless")
    assert (headless.path / "series.csv").read_bytes() == exported.read_bytes()


async def test_bad_settings_are_said_in_the_words_of_the_command_line():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        field = app.screen.query_one("#field-optimizer-learning-rate", Input)
        field.value = "-1"
        await pilot.pause(0.1)
        with pytest.raises(tuichaos.InputError) as caught:
            tuichaos.resolve({}, {"optimizer.learning_rate": -1})
        assert text_of(app, "#fault") == str(caught.value)
        assert field.has_class("-invalid")
        app.screen.query_one("#chart-distance").focus()
        await pilot.press("space")
        await pilot.pause(0.1)
        assert app.state.session is None
        field.value = "0.5"
        await pilot.pause(0.1)
        assert text_of(app, "#fault") == ""
        assert app.state.experiment.optimizer.learning_rate == 0.5


async def test_a_preset_fills_the_fields():
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        app.screen.query_one("#preset", Select).value = "large"
        await pilot.pause(0.1)
        assert app.screen.query_one("#field-optimizer-learning-rate", Input).value == "5"
        assert app.state.experiment.data.class_counts == [41, 40, 39]


async def test_step_stop_and_reset():
    app = explorer(steps=10**7)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        await pilot.press("n")
        await until(lambda: app.state.live.latest is not None)
        assert len(app.state.live.latest.steps) == 1
        await pilot.press("space")
        await until(lambda: app.state.session.step > 100)
        await pilot.press("x")
        await until(lambda: app.state.ended)
        assert app.state.session.status == "interrupted"
        await pilot.press("r")
        assert app.state.session is None
        assert app.state.live.latest is None


async def test_a_run_that_diverges_or_fails_leaves_the_app_alive():
    app = explorer(**{"loss.name": "mse", "optimizer.learning_rate": 1e6, "steps": 100})
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        await pilot.pause(0.3)
        assert "4 of 4 references diverged" in text_of(app, "#sentence")
        marks = app.screen.query_one("#chart-loss", Chart).picture.marks
        assert marks[0][0].startswith("diverged at step")
        app.state.experiment = tuichaos.resolve(
            {}, {"system.name": "maps:Failing", "measure.tangent": False, "steps": 5000}
        )
        await pilot.press("space")
        await until(lambda: app.state.ended)
        await pilot.pause(0.3)
        assert "the map broke" in text_of(app, "#sentence")


async def test_a_map_without_a_learning_rate_is_not_nudged_to_death():
    app = Explorer(preset("logistic", {"steps": 10**6}), Config(fps=20))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
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
        await pilot.pause(0.1)
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        await pilot.pause(0.3)
        chart = app.screen.query_one("#chart-distance", Chart)
        chart.focus()
        await pilot.press("plus", "plus")
        low, high = chart.window
        assert high - low == pytest.approx(200 / 1.5**2)
        assert app.screen.query_one("#chart-loss", Chart).window == chart.window
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
    for seed in (0, 1):
        tuichaos.run(preset("quick", {**SMALL, "steps": 60, "seed": seed}))
    app = explorer()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, Runs))
        table = app.screen.query_one(DataTable)
        assert table.row_count == 2
        await pilot.press("space", "down", "space")
        assert len(app.screen.marked) == 2
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Compare))
        await pilot.pause(0.1)
        assert "seed: " in text_of(app, "#facts")
        assert len(app.screen.query_one(Chart).picture.curves) == 2
        await pilot.press("v", "escape")
        await until(lambda: isinstance(app.screen, Runs))
        await pilot.press("t")
        await pilot.pause(0.1)
        await pilot.press(*"good", "enter")
        await until(lambda: any(run.note == "good" for run in app.screen.runs.values()))
        await pilot.press("d")
        await pilot.pause(0.1)
        await pilot.press("n")
        assert len(list((home / "runs").iterdir())) == 2
        await pilot.press("d")
        await pilot.pause(0.1)
        await pilot.press("y")
        await until(lambda: len(list((home / "runs").iterdir())) == 1)
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, Runs))


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 36), (200, 60)])
async def test_every_size_can_be_shown(size):
    app = explorer(steps=100)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.1)
        await pilot.press("space")
        await until(lambda: app.state.session is not None and app.state.ended)
        for other in ((100, 30), (40, 12), size):
            await pilot.resize_terminal(*other)
            await pilot.pause(0.05)
        for key in ("d", "c", "m", "l", "question_mark", "question_mark", "escape"):
            await pilot.press(key)
        await pilot.pause(0.1)


async def test_quitting_while_training_leaves_a_complete_folder(home):
    app = explorer(steps=10**7)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
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
        await pilot.pause(0.1)
        assert app.theme == "tuichaos-dark"
        app.theme = "tuichaos-light"
        await pilot.pause(0.1)
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

KEYS = (
    *"nxr[]{}lmcdeovbt/",
    *("space", "escape", "tab", "shift+tab", "enter", "up", "down", "left", "right"),
    *("shift+left", "shift+right", "plus", "minus", "0", "1", "backspace", "delete", "y"),
    *("question_mark", "ctrl+p"),
)


async def walk(pilot, seed, moves):
    """Keys, clicks, scrolls and new sizes at random; the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(moves):
        choice = rng.random()
        width, height = pilot.app.size
        if choice < 0.8:
            pilot.app.simulate_key(KEYS_BY_NAME.get(key := rng.choice(KEYS), key))
        elif choice < 0.95:
            place = (rng.randrange(width), rng.randrange(height))
            await pilot.click(offset=place)
        else:
            await pilot.resize_terminal(rng.randrange(40, 200), rng.randrange(12, 60))
        await asyncio.sleep(0.01)


KEYS_BY_NAME = {
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "{": "left_curly_bracket",
    "}": "right_curly_bracket",
    "/": "slash",
}


@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_a_random_walk_ends_without_an_exception(seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuichaos.run(preset("quick", {**SMALL, "steps": 40}))
    app = explorer(steps=400)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.1)
        await walk(pilot, seed, int(os.environ.get("TUICHAOS_WALK", "120")))
        await finish(app)
