"""Pictures of what grows or is damaged: one look each; a fault is said in the chart's place."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from explorers import burst, explorer
from textual.widgets import Static
from waiting import until

import tuichaos
from tuichaos.config.presets import preset
from tuichaos.plots.bands import Band
from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.plotext_renderer import draw
from tuichaos.storage.column_reader import whole_lines
from tuichaos.tui import faults
from tuichaos.tui.live_series import LiveSeries
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.widgets.chart import Chart

SMALL = {"ensemble.references": 4, "ensemble.twins": 2, "steps": 60}
WORDS = "operands could not be broadcast together with shapes (106,) (104,)"


class Growing(io.StringIO):
    """A file that another process adds to whenever its end is reached."""

    def __init__(self, *parts):
        super().__init__(parts[0])
        self.parts = list(parts[1:])

    def readline(self, *limits):
        line = super().readline(*limits)
        if not line.endswith("\n") and self.parts:
            at = self.tell()
            self.write(self.parts.pop(0))
            self.seek(at)
        return line


def test_a_line_that_is_being_written_is_the_last(tmp_path):
    file = Growing("a,b\n1,2\n3,", "4\n5,6\n", "7,8\n")
    assert list(whole_lines(file, tmp_path)) == ["a,b\n", "1,2\n", "3,"]


@pytest.mark.parametrize(("steps", "values"), [(106, 104), (104, 106), (3, 0)])
def test_a_picture_is_as_long_as_the_shortest_of_its_columns(steps, values):
    curve = Curve("loss", np.arange(steps), np.ones(values))
    assert len(curve.x) == len(curve.y) == min(steps, values)
    draw(Picture("loss", [curve]), 80, 20, colour=False, ascii_only=True)
    band = Band(np.arange(steps), np.ones((2, values)), 2)
    assert len(band.steps) == band.rows.shape[1] == len(band.middle) == min(steps, values)


def test_a_column_that_a_frame_lacks_is_as_long_as_the_others():
    live = LiveSeries(2)
    for k, names in enumerate((("loss", "distance"), ("loss",), ("loss", "distance"))):
        columns = {name: np.full((2, 2), float(k)) for name in names}
        steps = np.array([2 * k, 2 * k + 1])
        live.add(SimpleNamespace(steps=steps, columns=columns))
    assert len(live.band("distance").steps) == len(live.band("loss").steps) == 6
    assert (
        np.isfinite(live.band("distance").rows[0]).tolist() == [True] * 2 + [False] * 2 + [True] * 2
    )


def fail(*_, **__):
    raise ValueError(WORDS)


@pytest.fixture
def log(home):
    faults._known.clear()
    return faults.log_path()


async def opened(app, pilot):
    """The only run on the compare screen."""
    await pilot.pause()
    await burst(app, "o")
    await until(lambda: app.screen.runs)
    await burst(app, "enter")
    assert isinstance(app.screen, Compare)
    return app.screen.query_one(Chart)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("where", ["screens.compare.picture", "widgets.chart.draw"])
async def test_a_kept_run_that_cannot_be_drawn_is_said(log, monkeypatch, where):
    tuichaos.run(preset("quick", SMALL))
    app = explorer(steps=40)
    async with app.run_test(size=(120, 36)) as pilot:
        with monkeypatch.context() as patch:
            patch.setattr(f"tuichaos.tui.{where}", fail)
            chart = await opened(app, pilot)
            for _ in range(5):
                app.screen.read()
                await pilot.pause()
            await until(lambda: "broadcast" in str(chart.render()))
            assert log.read_text().count("Traceback") == 1
        await burst(app, "v", "b")
        await until(lambda: "broadcast" not in str(chart.render()))
        await burst(app, "escape")
    assert WORDS in log.read_text()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("where", ["screens.explore.view", "widgets.chart.draw", "run_state.told"])
async def test_a_run_that_cannot_be_drawn_goes_on(log, monkeypatch, where):
    monkeypatch.setattr(f"tuichaos.tui.{where}", fail)
    app = explorer(steps=200)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await burst(app, "space")
        await until(lambda: app.state.session.status == "done")
        found = ("#sentence", Static) if where.endswith("told") else ("#chart-distance", Chart)
        await until(lambda: "cannot be drawn" in str(app.screen.query_one(*found).render()))
    assert WORDS in log.read_text()


def test_the_log_is_bounded(log, monkeypatch):
    monkeypatch.setattr(faults, "MAX_BYTES", 5_000)
    for k in range(300):
        faults.noted(ValueError(f"{k} " * 50), "chart")
    assert log.stat().st_size < 7_000
    assert log.read_text().count("Traceback") + log.read_text().count("ValueError") > 0
