"""Charts of columns declare themselves: one that somebody adds is wherever the others are."""

from __future__ import annotations

import numpy as np
import pytest

import tuichaos
from tuichaos.config.explorer_settings import Config
from tuichaos.plots.run_plots import every, picture
from tuichaos.plots.series_views import VIEWS, View, live_views
from tuichaos.tui.app import Explorer

SMALL = {"steps": 40, "ensemble.references": 3, "ensemble.twins": 1}


def _highest(drawing):
    drawing.levels.append(("highest", float(np.nanmax(drawing.band.middle))))


@pytest.fixture
def toy():
    tuichaos.register_view(
        "norm-and-top", View("weight_norm", "norm, highest", add=_highest, live=4)
    )
    yield
    del VIEWS["norm-and-top"]


@pytest.mark.usefixtures("toy")
def test_a_view_is_plotted_with_what_it_adds(tmp_path):
    run = tuichaos.run(tuichaos.resolve({}, SMALL), out=tmp_path / "run")
    drawn = picture(run, "norm-and-top")
    assert drawn.title.endswith("norm, highest")
    (level,) = drawn.levels
    assert level == ("highest", pytest.approx(np.median(run.series["weight_norm"], 1).max()))
    assert "norm-and-top" in every()


@pytest.mark.usefixtures("toy")
async def test_it_is_on_the_live_tab_where_it_says_so():
    assert live_views() == ("distance", "exponent", "loss", "norm-and-top")
    app = Explorer(tuichaos.resolve({}, SMALL), Config(fps=20))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert app.screen.query("#chart-norm-and-top")


def test_a_name_is_given_once():
    with pytest.raises(tuichaos.InputError, match="loss: there is a chart of that name"):
        tuichaos.register_view("loss", View("loss", "again"))
    with pytest.raises(tuichaos.InputError, match="by a View, not str"):
        tuichaos.register_view("other", "loss")
    with pytest.raises(tuichaos.InputError, match="letters, digits and hyphens"):
        tuichaos.register_view("a b", View("loss", "again"))
    assert live_views() == ("distance", "exponent", "loss")
