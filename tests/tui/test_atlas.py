"""The atlas, driven by Pilot: mostly on points that are made up, a few small real ones."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import pytest
from explorers import keys, text_of
from rich.text import Text
from test_tui import walk
from textual.widgets import DataTable, Select
from waiting import MAX_SECONDS, until

import tuichaos
from tuichaos.common.ascii_text import plain
from tuichaos.common.errors import InputError
from tuichaos.common.paths import runs_home
from tuichaos.config.explorer_settings import Config
from tuichaos.config.loading import resolve
from tuichaos.config.sweep_axes import axes
from tuichaos.plots.plane_map import raster
from tuichaos.sweeps import sweep_runner
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.plane_values import PlaneValues
from tuichaos.tui.app import Explorer
from tuichaos.tui.run_session import Status
from tuichaos.tui.screens.atlas import Atlas, flowed
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.runs import Runs
from tuichaos.tui.sweep_session import Survey
from tuichaos.tui.sweep_views import face
from tuichaos.tui.sweep_views.base import Look
from tuichaos.tui.widgets.cell_canvas import Board
from tuichaos.tui.zoom import alone, resized, widened, zoomed

SIZE = (100, 30)
PLANE = {
    "name": "plane",
    "steps": 30,
    "data": {"name": "gaussian", "parameters": {"samples": 20, "features": 3, "outputs": 1}},
    "network": {"hidden": [4], "activation": "tanh", "bias": False},
    "loss": {"name": "mse"},
    "ensemble": {"references": 1, "twins": 0},
    "plane": {"value": "convergence"},
    "sweep": {
        "optimizer.learning_rate": {"log": [1e-2, 1e2, 16]},
        "network.init_scale": {"linear": [0.5, 2.0, 16]},
    },
}
DIAGRAM = {
    "name": "diagram",
    "steps": 300,
    "system": {"name": "logistic", "start": [0.3]},
    "ensemble": {"references": 1, "twins": 0},
    "diagram": {"observable": "x0", "last": 64},
    "sweep": {"system.parameters.r": {"linear": [2.8, 4.0, 33]}},
}
CURVE = {
    "name": "curve",
    "steps": 100,
    "system": {"name": "logistic"},
    "ensemble": {"references": 2, "twins": 1},
    "sweep": {"system.parameters.r": {"linear": [3.6, 4.0, 5]}},
}


def explorer(table, **settings):
    return Explorer(resolve(table), Config(fps=20, **settings))


def made_up(experiment, number):
    """A row that tells where it is: small first keys converge, large ones diverge."""
    if experiment.diagram.observable != "none":
        numbers = {"lyapunov": -0.1, "lyapunov_error": 0.01, "diverged_at": None, "period": 2}
        return Row(number, "done", numbers=numbers, orbit={"fresh": [[0.25, 0.75] * 4]})
    first = number // len(axes(experiment.sweep)[-1].values)
    low = first < len(axes(experiment.sweep)[0].values) // 2
    numbers = {"convergence": 0.1 if low else None, "converged": int(low), "late_loss": 0.5}
    numbers |= {"lyapunov": 0.2, "period": 2, "verdict": "chaotic"}
    return Row(number, "done", numbers=numbers | {"diverged_at": None if low else 7})


class Stream:
    """Made-up points in place of computed ones, as many as are let through."""

    def __init__(self, monkeypatch):
        self.allowed = 10**9
        self.computed: list[tuple[str, int]] = []  # (experiment, point)
        self.fault: Exception | None = None
        self.closed = 0
        monkeypatch.setattr(Survey, "_source", lambda survey, stop: self.points(survey, stop))

    def points(self, survey, stop):
        survey._status = Status.RUNNING
        survey.device = "cpu, 2 threads"
        known = {row.point for row in survey.rows}
        try:
            for number in range(survey.size):
                while len(self.computed) >= self.allowed and not stop.is_set():
                    yield 0.5
                    time.sleep(0.01)
                if stop.is_set():
                    return
                if self.fault is not None:
                    raise self.fault
                if number not in known:
                    self.computed.append((survey.experiment.to_toml(), number))
                    yield made_up(survey.experiment, number)
        finally:
            self.closed += 1


@pytest.fixture(autouse=True)
def colourful(monkeypatch):
    """A terminal with all colours, whatever the tests run in."""
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def stream(monkeypatch):
    return Stream(monkeypatch)


async def shown(app):
    """The picture is whole and on the board."""
    await until(lambda: isinstance(app.screen, Atlas))
    await until(lambda: app.screen.level.survey.status == Status.DONE)
    await drawn(app)


async def computed(app, points):
    """So many points of the picture are known."""
    await until(lambda: isinstance(app.screen, Atlas))
    await until(lambda: app.screen.level.survey.done == points)


async def drawn(app):
    screen = app.screen
    await until(lambda: screen.area is not None and screen.level.seen == screen.level.survey.done)
    await until(lambda: not screen.drawing and not screen.stale)


def board(app):
    return app.screen.query_one(Board)


def colours(app):
    """The colours of the map, line by line."""
    area = app.screen.area
    lines = board(app).sheet.lines[area.y : area.bottom]
    return [[style.color.triplet for _, style in line[area.x : area.right]] for line in lines]


# --- opening -----------------------------------------------------------------------------


async def test_points_stream_in_and_the_map_has_them(stream):
    stream.allowed = 100
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await computed(app, 100)
        await drawn(app)
        status = text_of(app, "#status")
        assert "running · 100 of 256 points" in status
        assert "points/s" in status
        assert "left" in status
        assert "16 × 16 · cpu, 2 threads" in status
        # A coarse point stands for those around it that are not known yet.
        assert len({colour for line in colours(app) for colour in line}) == 1
        assert "(nearest point so far)" in text_of(app, "#reading")
        stream.allowed = 10**9
        await shown(app)
        found = colours(app)
        middle = len(found[0]) // 2
        assert {c for line in found for c in line[:middle]} == {found[0][0]}
        assert {c for line in found for c in line[middle:]} == {found[0][-1]}
        assert found[0][0] != found[0][-1]
        # What the terminal shows is what is on the board.
        strips = app.screen._compositor.render_strips()
        top = board(app).content_region.offset + app.screen.area.offset
        for y in range(app.screen.area.height):
            cells = strips[top.y + y].crop(top.x, top.x + app.screen.area.width)
            assert {s.style.color.triplet for s in cells} >= {found[y][0], found[y][-1]}
        assert text_of(app, "#reading").startswith("learning_rate ")
        assert "diverged at step 7" in text_of(app, "#reading")
        await pilot.press(*["shift+left"] * 2)
        assert "converged, loss/first 0.1" in text_of(app, "#reading")
        assert "done · 256 of 256 points" in text_of(app, "#status")


async def test_a_preset_of_many_points_leads_here_and_back(stream):
    app = Explorer(tuichaos.preset("quick"), Config(fps=20))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.screen.query_one("#preset", Select).value = "eta-sweep"
        await shown(app)
        assert app.screen.level.experiment.name == "eta-sweep"
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Explore))
        assert app.screen.query_one("#preset", Select).value == "quick"
        assert app.state.experiment.name == "quick"
        assert not app.state.experiment.sweep


async def test_a_kept_sweep_opens_from_the_runs_screen(home):
    plane = sweep_runner.sweep(resolve(PLANE), out=home / "runs" / "plane")
    curve = sweep_runner.sweep(resolve(CURVE), out=home / "runs" / "curve")
    app = Explorer(tuichaos.preset("quick"), Config(fps=20))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, Runs))
        for run in (plane, curve):
            table = app.screen.query_one(DataTable)
            table.move_cursor(row=table.get_row_index(run.path.name))
            await pilot.press("enter")
            await shown(app)
            assert app.screen.level.survey.done == len(run_lines(run))
            assert not app.screen.level.survey.working
            if run is curve:
                names = app.screen.level.face.columns
                assert names[0] in text_of(app, "#legend")
                assert names[0] == "lyapunov.mean"
                await pilot.press("v")
                await until(lambda names=names: names[1] in text_of(app, "#legend"))
            await pilot.press("escape")
            await until(lambda: isinstance(app.screen, Runs))


def run_lines(run):
    return (run.path / "sweep.csv").read_text().splitlines()[1:]


# --- zoom --------------------------------------------------------------------------------


def expected(app, box):
    """The ranges of a box, by the axes of the picture."""
    area, (first, second) = app.screen.area, app.screen.level.survey.axes
    left, top, right, bottom = box
    shares = (left / area.width, (right + 1) / area.width)
    n = len(first.values) - 1
    index = [min(max(s * (n + 1) - 0.5, 0), n) for s in shares]
    across = [10 ** (-2 + 4 * k / n) for k in index]
    shares = (1 - (bottom + 1) / area.height, 1 - top / area.height)
    n = len(second.values) - 1
    index = [min(max(s * (n + 1) - 0.5, 0), n) for s in shares]
    return across, [0.5 + 1.5 * k / n for k in index]


async def test_a_drag_computes_its_window_at_the_full_resolution(stream):
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        area, gutter = app.screen.area, board(app).gutter
        offset = (gutter.left + area.x, gutter.top + area.y)
        before = len(stream.computed)
        across, up = expected(app, (10, 4, 29, 11))
        await pilot.mouse_down(Board, offset=(offset[0] + 29, offset[1] + 4))
        await pilot.hover(Board, offset=(offset[0] + 10, offset[1] + 11))
        assert board(app).box == (10, 4, 29, 11)
        await pilot.mouse_up(Board, offset=(offset[0] + 10, offset[1] + 11))
        await shown(app)
        sweep = app.screen.level.experiment.sweep
        low, high, count = sweep["optimizer.learning_rate"]["log"]
        assert (low, high) == pytest.approx(across, rel=5e-3)
        assert len(repr(low)) <= 7
        assert count == 16
        low, high, count = sweep["network.init_scale"]["linear"]
        assert (low, high) == pytest.approx(up, rel=5e-3)
        assert count == 16
        assert len(stream.computed) == before + 256
        assert board(app).box is None
        # back restores without computing, and forward too
        rows = app.screen.journey.levels[0].survey.rows
        await pilot.press("backspace")
        await drawn(app)
        assert app.screen.level.survey.rows is rows
        assert app.screen.level.experiment == resolve(PLANE)
        await pilot.press("f")
        await drawn(app)
        assert app.screen.level.experiment.sweep == sweep
        await pilot.press("escape")
        await drawn(app)
        assert len(stream.computed) == before + 256
        assert "picture 1 of 2" in text_of(app, "#status")


async def test_keys_draw_a_box_and_zoom(stream):
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        await pilot.press("z")
        first = app.screen.box
        assert "enter zooms" in text_of(app, "#status")
        assert "learning_rate " in text_of(app, "#reading")
        await pilot.press("escape")
        assert app.screen.box is None
        await pilot.press("z", "left", "left", "up", "shift+right", "shift+up")
        left, top, right, bottom = first
        assert app.screen.box == (left - 3, top - 2, right - 1, bottom)
        await pilot.press("minus")
        small = app.screen.box
        assert small[2] - small[0] < right - left + 2
        across, up = expected(app, small)
        await pilot.press("enter")
        await shown(app)
        sweep = app.screen.level.experiment.sweep
        assert sweep["optimizer.learning_rate"]["log"][:2] == pytest.approx(across, rel=5e-3)
        assert sweep["network.init_scale"]["linear"][:2] == pytest.approx(up, rel=5e-3)
        await pilot.press("x")
        await shown(app)
        wide = app.screen.level.experiment.sweep["network.init_scale"]["linear"]
        assert wide[1] - wide[0] == pytest.approx(2 * (up[1] - up[0]), rel=2e-2)
        await pilot.press("0")
        await drawn(app)
        assert app.screen.level.experiment == resolve(PLANE)


async def test_resolution_and_values(stream):
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        await pilot.press("plus")
        await shown(app)
        assert app.screen.level.survey.size == 32 * 32
        await pilot.press("minus", "minus")
        await shown(app)
        assert app.screen.level.survey.size == 8 * 8
        seen = ["convergence"]
        for _ in range(4):
            await pilot.press("v")
            await shown(app)
            seen.append(app.screen.level.experiment.plane.value)
        assert seen == ["convergence", "exponent", "period", "verdict", "convergence"]
        assert len(app.screen.journey.levels) == 4 + 3  # the last one was there
        stream.allowed = 0
        for _ in range(6):
            await pilot.press("plus")
        assert app.screen.level.survey.size == 256 * 256  # and no finer: 262,144 are too many


async def test_a_diagram_is_cropped_or_computed_again(stream):
    app = explorer(DIAGRAM)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        text = "\n".join("".join(c for c, _ in line) for line in board(app).sheet.lines)
        assert "⠉" in text or "⣀" in text or "⠒" in text or "⠤" in text
        sheet, area = board(app).sheet, app.screen.area
        for last in (area.bottom - 1, sheet.foot):  # of the diagram, and of the exponent
            assert "".join(c for c, _ in sheet.lines[last + 1]).lstrip().startswith("└")
        assert sheet.foot > area.bottom
        assert text.count("2.8") == 1  # labels of x below the lower chart alone
        before = len(stream.computed)
        app.screen.box = (0, 0, area.width - 1, area.height // 2 - 1)
        await pilot.press("enter")
        await drawn(app)
        assert len(stream.computed) == before
        low, high = app.screen.level.crop
        assert low == pytest.approx(0.5, abs=0.1)
        assert high == pytest.approx(0.75, abs=0.01)
        assert app.screen.level.face.shown_range == (low, high)
        await pilot.press("backspace")
        await drawn(app)
        app.screen.box = (area.width // 2, 0, area.width - 1, area.height - 1)
        await pilot.press("enter")
        await shown(app)
        (spec,) = app.screen.level.experiment.sweep.values()
        assert spec["linear"] == pytest.approx([3.4, 4.0, 33], abs=0.01)
        assert len(stream.computed) == before + 33
        assert "period 2, λ -0.1" in text_of(app, "#reading")
        await pilot.press("v")  # there is no other value
        assert app.screen.journey.at == 1


# --- steering ----------------------------------------------------------------------------


async def test_pause_stop_and_going_on_compute_no_point_twice(stream):
    stream.allowed = 40
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, Atlas))
        survey = app.screen.level.survey
        await until(lambda: survey.done == 40)
        await pilot.press("space")
        assert survey.status == Status.PAUSED
        stream.allowed = 80
        await asyncio.sleep(0.1)
        assert survey.done <= 41
        await pilot.press("escape")
        await until(lambda: survey.join(0))
        assert survey.status == Status.INTERRUPTED
        await until(lambda: isinstance(app.screen, Explore))
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, Atlas))
        await pilot.pause()
        assert not survey.working  # it was paused when it was left
        stream.allowed = 10**9
        await pilot.press("space")
        await shown(app)
        assert len(stream.computed) == len(set(stream.computed)) == 256
        await pilot.press("r")
        await shown(app)
        assert len(stream.computed) == 512


@pytest.mark.slow
async def test_leaving_stops_the_work_and_coming_back_goes_on(stream):
    stream.allowed = 40
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await computed(app, 40)
        await drawn(app)
        survey = app.screen.level.survey
        await pilot.press("enter")  # the point below the cross
        await until(lambda: isinstance(app.screen, Explore))
        await until(lambda: survey.join(0))
        point = app.state.experiment
        values = [axis.values[8] for axis in survey.axes]
        assert point == alone(resolve(PLANE), values)
        assert [point.optimizer.learning_rate, point.network.init_scale] == values
        assert not point.sweep
        assert not point.is_dense
        stream.allowed = 10**9
        await pilot.press("a")
        await shown(app)
        assert app.screen.level.survey is survey
        assert len(stream.computed) == 256


async def test_a_failure_is_said_and_the_app_lives(stream):
    stream.allowed, stream.fault = 10**9, RuntimeError("the map broke")
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, Atlas))
        survey = app.screen.level.survey
        await until(lambda: survey.status == Status.FAILED)
        told = "The computation failed: RuntimeError: the map broke"
        await until(lambda: told in text_of(app, "#reading"))
        stream.fault = None
        await pilot.press("space")
        await shown(app)
        assert "failed" not in text_of(app, "#status")


@pytest.mark.slow
async def test_what_cannot_be_computed_is_said():
    table = {**PLANE, "system": {"name": "logistic"}, "sweep": DIAGRAM["sweep"]}
    app = explorer(table)
    async with app.run_test(size=SIZE):
        await until(lambda: isinstance(app.screen, Atlas))
        await until(lambda: app.screen.level.survey.status == Status.FAILED)
        await until(lambda: "no loss" in text_of(app, "#reading"))


async def test_nothing_is_drawn_when_nothing_is_new(stream):
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        await pilot.pause()
        seen = [1]
        sheet, drawn_cells = board(app).sheet, board(app).drawn
        for widget in app.screen.query("*"):
            widget.refresh = lambda *_, **__: seen.append(1)
        for _ in range(100):  # until what was still under way is drawn
            if not seen:
                break
            seen.clear()
            await asyncio.sleep(0.5)
        assert board(app).sheet is sheet
        assert board(app).drawn == drawn_cells
        assert not seen


# --- real points -------------------------------------------------------------------------


async def test_export_after_a_zoom_is_what_a_headless_sweep_writes(tmp_path):
    wide = {**PLANE["sweep"], RATE: {"log": [1e-2, 1e6, 16]}}
    app = explorer({**PLANE, "steps": 100, "sweep": wide})
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        assert any("diverged" in r for r in readings(app))
        assert any("converged, loss/first" in r for r in readings(app))
        await pilot.press("z", "enter")
        await shown(app)
        await pilot.press("e")
        await until(lambda: app.clipboard)
    await same_headless(app, tmp_path)


def readings(app):
    found = app.screen.level.face
    return {found.reading(u / 16 + 0.01, v / 16 + 0.01) for u in range(16) for v in range(16)}


async def same_headless(app, tmp_path):
    kept = tuichaos.open_run(app.clipboard)
    assert kept.manifest["kind"] == "sweep"
    assert kept.status == "done"
    again = sweep_runner.sweep(tuichaos.load(kept.path / "experiment.toml"), out=tmp_path / "again")
    for name in ("sweep.csv", "experiment.toml"):
        assert (again.path / name).read_bytes() == (kept.path / name).read_bytes(), name
    journals = [
        sorted((run.path / "points.jsonl").read_text().split("\n")) for run in (kept, again)
    ]
    assert journals[0] == journals[1]


@pytest.mark.slow
async def test_a_diagram_is_exported_with_its_orbits(tmp_path):
    app = explorer(DIAGRAM)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        await pilot.press("e")
        await until(lambda: app.clipboard)
    await same_headless(app, tmp_path)


@pytest.mark.slow
async def test_export_says_where_it_keeps_the_folder_and_keeps_it_once(stream):
    stream.allowed = 100
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await computed(app, 100)
        await pilot.press("e", "e")  # the second while the first is at it, or after it
        await until(lambda: app.clipboard and not app.screen.keeping)
        first = app.clipboard
        notes = [note.message for note in app._notifications]
        assert notes[0] == "Writing the folder of the sweep …"
        await until(lambda: any("Wrote" in note.message for note in app._notifications))
        await pilot.press("e")
        again = f"Kept already: {first} (copied)."
        await until(lambda: [note.message for note in app._notifications][-1] == again)
        assert len(list(runs_home().iterdir())) == 1
        stream.allowed = 10**9
        await until(lambda: app.screen.level.survey.whole)
        await pilot.press("e")  # there is more to keep
        await until(lambda: app.clipboard != first)
        assert tuichaos.open_run(app.clipboard).status == "done"


async def test_half_a_map_is_exported_and_can_be_resumed(stream, tmp_path):
    stream.allowed = 100
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await computed(app, 100)
        await pilot.press("e")
        await until(lambda: app.clipboard)
        kept = tuichaos.open_run(app.clipboard)
        assert kept.status == "interrupted"
        assert len(run_lines(kept)) == 100
    done = sweep_runner.resume(kept)
    assert done.status == "done"
    assert len(run_lines(done)) == 256


@pytest.mark.slow
async def test_a_real_computation_is_given_up_soon():
    table = {**PLANE, "steps": 2000, "plane": {"value": "exponent"}}
    app = explorer(table)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, Atlas))
        survey = app.screen.level.survey
        await until(lambda: survey.under_way > 0)
        await pilot.press("escape")
        done = survey.done
        await until(lambda: survey.join(0))
        assert survey.status == Status.INTERRUPTED
        assert survey.done <= done + survey.size / 4  # what was under way, at most


async def test_a_map_is_exported_as_an_image(stream, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        await pilot.press("p")
        await until(lambda: app.clipboard)
        found = colours(app)
    with Image.open(tmp_path / "plane-convergence.png") as image:
        assert app.clipboard == str(tmp_path / "plane-convergence.png")
        width, height = image.size
        assert width == height
        assert image.getpixel((0, height - 1)) == tuple(found[-1][0])
        assert image.getpixel((width - 1, 0)) == tuple(found[0][-1])


# --- looks -------------------------------------------------------------------------------


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("table", "size"),
    [
        (PLANE, (80, 24)),
        (PLANE, (60, 15)),
        (DIAGRAM, (80, 24)),
        (DIAGRAM, (60, 15)),
        (CURVE, (120, 36)),
    ],
)
async def test_every_size_can_be_shown(stream, table, size):
    app = explorer(table)
    async with app.run_test(size=size) as pilot:
        await until(lambda: isinstance(app.screen, Atlas))
        await until(lambda: app.screen.level.survey.whole)
        await pilot.pause()
        for other in ((100, 30), (40, 12), size):
            await pilot.resize_terminal(*other)
            await pilot.pause()
        for key in ("z", "plus", "escape", "question_mark", "question_mark", "left"):
            await pilot.press(key)
        await drawn(app)
        screen = app.screen
        status = screen.query_one("#status")
        assert board(app).region.height >= size[1] // 2
        assert status.region.bottom <= size[1] - 1
        assert screen.query_one("#reading").region.bottom <= status.region.y


@pytest.mark.sampled(4)
@pytest.mark.parametrize("table", [PLANE, DIAGRAM])
@pytest.mark.parametrize("theme", ["tuichaos-dark", "tuichaos-light"])
async def test_in_ascii_every_character_is(stream, table, theme):
    app = explorer(table, ascii=True, theme=theme)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        for names in (["left"], ["z"], ["escape", "question_mark"]):
            await pilot.press(*names)
            await pilot.pause()
            for strip in app.screen._compositor.render_strips():
                assert strip.text.isascii(), strip.text


@pytest.mark.parametrize("value", ["convergence", "exponent", "period", "verdict"])
def test_classes_have_other_signs_than_axes_cross_and_box(value):
    scales = raster(PlaneValues(value, axes(resolve(PLANE).sweep))).scales
    signs = {sign for scale in scales for sign in scale.marks}
    assert not signs & set(plain("┤│├└┌┐┘─╋►▲"))
    assert all(sign.isascii() for sign in signs)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_the_cross_leaves_the_labels_of_the_axis(stream, ascii_only):
    app = explorer(PLANE, ascii=ascii_only)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        screen, found = app.screen, set()
        for share in [k / 40 for k in range(41)]:
            screen._put(int(share * (screen.area.width - 1)), 3)
            await pilot.pause(0)
            line = board(app)._strip(screen.area.bottom, 200)
            before = "".join(char for char, _ in board(app).sheet.lines[screen.area.bottom])
            found |= set(line.text) - set(before)
            assert line.text.replace("▲", " ") == before
        assert found == {"▲"}


def test_without_colour_characters_tell_the_classes_apart(monkeypatch):
    experiment = resolve(PLANE)
    made = face(experiment)
    made.add(made_up(experiment, number) for number in range(256))
    look = Look(80, 20, colour=False)
    made.prepare(look)
    sheet = made.sheet(look)
    signs = {c for line in sheet.lines[: sheet.area.bottom] for c, _ in line[sheet.area.x :]}
    assert len(signs) == 2
    assert not any(style.color or style.bgcolor for line in sheet.lines for _, style in line)


def test_with_few_colours_signs_and_colours_tell_the_classes_apart():
    made = face(resolve(PLANE))
    made.add(made_up(made.experiment, number) for number in range(256))
    look = Look(80, 20, few=True)
    made.prepare(look)
    sheet = made.sheet(look)
    line = sheet.lines[3][sheet.area.x :]
    (left, blue), (right, red) = line[0], line[-1]
    assert left != right
    assert {blue.color.name, red.color.name} == {"cyan", "red"}
    coloured = [entry for entry in made.legend(look) if entry.spans]
    assert [str(entry.spans[-1].style) for entry in coloured] == ["cyan", "red"]


def test_a_reading_has_its_unit_and_its_interval_or_its_steps():
    plane = {"system": {"name": "henon"}, "plane": {"value": "exponent"}, "steps": 300,
             "measure": {"discard": 100}, "sweep": {"system.parameters.a": [1.0, 1.2]}}  # fmt: skip
    made = face(resolve(plane))
    found = {"lyapunov": 0.25, "lyapunov_error": 0.01, "diverged_at": None}
    without = {**found, "lyapunov_error": None}
    made.add([Row(0, "done", numbers=found), Row(1, "done", numbers=without)])
    assert made.reading(0.1, 0.5) == "a 1: λ +0.25 ± 0.021 (95 %) nats per step"
    assert made.reading(0.9, 0.5) == "a 1.2: λ +0.25 nats per step over 200 steps"
    flow = {**plane, "system": {"name": "lorenz"}, "sweep": {"system.parameters.rho": [20, 28]}}
    made = face(resolve(flow))
    made.add([Row(0, "done", numbers=found)])
    assert made.reading(0.1, 0.5).endswith("nats per unit of time")


def test_a_legend_without_room_says_how_much_is_left_out():
    lines = [line.plain for line in flowed([Text("x" * 30) for _ in range(9)], 78, 2)]
    assert len(lines) == 2
    assert max(map(len, lines)) <= 78
    assert lines[1].endswith("… 6 more") or lines[1].endswith("… 5 more")
    assert [line.plain for line in flowed([Text("a"), Text("b")], 78, 2)] == ["a  b"]


@pytest.mark.slow
async def test_help_and_palette_have_every_action(stream):
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        titles = {command.title for command in app.get_system_commands(app.screen)}
        wanted = {"Zoom", "Explore", "Back", "Value", "Finer", "Coarser", "Export", "Again"}
        assert wanted <= titles
        assert "Forward" not in titles  # nothing to go to
        await pilot.press("question_mark")
        await until(lambda: app.screen.query("HelpPanel"))


@pytest.mark.parametrize(
    "seeds", [range(6), pytest.param(range(6, 12), marks=pytest.mark.slow)], ids=["some", "more"]
)
async def test_a_random_walk_ends_without_an_exception(stream, seeds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = explorer(PLANE)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, Atlas))
        more = (
            "z",
            "enter",
            "backspace",
            "f",
            "0",
            "x",
            "v",
            "plus",
            "minus",
            "a",
            "o",
            "shift+up",
        )
        rng = random.Random(seeds.start)
        for seed in seeds:
            await walk(pilot, seed, 6)
            if app._exit:
                return
            await keys(app, *rng.sample(more, 4))


# --- windows -----------------------------------------------------------------------------

RATE, SCALE = "optimizer.learning_rate", "network.init_scale"


def test_windows_have_round_ends_and_keep_their_spacing():
    found = zoomed(resolve(PLANE), {RATE: (0.123456, 0.234567), SCALE: (1.23456, 1.34567)}).sweep
    assert found == {
        RATE: {"log": [0.1235, 0.235, 16]},
        SCALE: {"linear": [1.235, 1.346, 16]},
    }
    deep = zoomed(resolve(PLANE), {SCALE: (1.0000012345, 1.0000023456)}).sweep[SCALE]["linear"]
    assert deep == [1.00000123, 1.00000235, 16]
    wide = zoomed(resolve(PLANE), {RATE: (1.23e-9, 4.56e7)}).sweep[RATE]["log"]
    assert wide == [1.23e-09, 45600000.0, 16]


def test_a_window_finer_than_floats_is_refused_by_name():
    with pytest.raises(InputError, match=r"sweep\.network\.init_scale: no closer window"):
        zoomed(resolve(PLANE), {SCALE: (1.0, 1.0 + 1e-14)})


def test_wider_windows_keep_the_middle_and_the_sign():
    found = widened(resolve(PLANE)).sweep
    assert found[RATE]["log"] == pytest.approx([1e-4, 1e4, 16], rel=1e-2)
    assert found[SCALE]["linear"][0] == pytest.approx(0.25)
    assert found[SCALE]["linear"][1] == pytest.approx(2.75)


def test_resolutions_have_a_limit():
    assert resized(resolve(PLANE), 2, 10_000).sweep[RATE]["log"][2] == 32
    assert resized(resolve(PLANE), 1 / 16, 10_000).sweep[RATE]["log"][2] == 2
    with pytest.raises(InputError, match="1,024 points are more than 1,000"):
        resized(resolve(PLANE), 2, 1_000)


def test_a_list_of_values_becomes_a_range():
    listed = resolve({**DIAGRAM, "sweep": {"system.parameters.r": [3.0, 3.2, 3.9]}})
    found = zoomed(listed, {"system.parameters.r": (3.1, 3.5)}).sweep
    assert found == {"system.parameters.r": {"linear": [3.1, 3.5, 3]}}


def test_a_survey_that_is_stopped_twice_and_joined_is_at_rest():
    survey = Survey(resolve(PLANE))
    survey.stop()
    assert survey.join(0)
    before = threading.active_count()
    survey.go_on()
    survey.stop()
    survey.go_on()
    survey.go_on()
    assert survey.join(MAX_SECONDS)
    assert survey.whole
    assert sorted(row.point for row in survey.rows) == list(range(256))
    assert threading.active_count() <= before + 1


async def test_how_the_data_of_a_map_were_read_is_said(tmp_path):
    rows = "".join(f"{k % 7};{k % 5};{'ab'[k % 2]}\n" for k in range(40))
    (tmp_path / "a.csv").write_text("width;height;kind\n" + rows)
    data = {"name": "csv", "path": str(tmp_path / "a.csv")}
    swept = {"optimizer.learning_rate": {"log": [1e-2, 1, 3]}}
    app = explorer({**PLANE, "data": data, "loss": {}, "sweep": swept})
    async with app.run_test(size=SIZE):
        await until(lambda: isinstance(app.screen, Atlas))
        await until(lambda: app.screen.level.survey.whole and app._notifications)
        (note,) = app._notifications
        assert note.message.startswith("data: a.csv: separator semicolon")
