"""Instruments declare themselves: what one entry and one file bring, and what is half added."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import toy_instrument

import tuichaos
from tuichaos.config.explorer_settings import Config
from tuichaos.config.fault_text import describe_keys
from tuichaos.config.instrument_spec import Spec, loaded
from tuichaos.config.instruments import SPECS, charts, tabs
from tuichaos.instruments import PARTS
from tuichaos.manual import pages
from tuichaos.plots.run_plots import picture
from tuichaos.reports.run_report import rows
from tuichaos.tui.app import Explorer

SMALL = {"steps": 30, "ensemble.references": 3, "ensemble.twins": 1}


@pytest.fixture
def toy(registered):
    """Registered for one test."""
    tuichaos.register_instrument(toy_instrument.spec)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key)
def test_an_entry_is_whole(spec):
    """What it names is there, and is called what it says."""
    known = {one.key for one in SPECS} | set(PARTS)
    assert set(spec.needs) | set(spec.beside) | set(spec.reads) <= known
    for chart in spec.charts.values():
        assert callable(loaded(chart.draw))
        assert chart.tab in tabs()
    if spec.memory:
        assert callable(loaded(spec.memory))
    made = loaded(spec.make) if spec.make else None
    assert getattr(made, "key", spec.key) == spec.key
    assert spec.make or spec.default is True  # what is off by default has something to switch on


def test_numbers_stand_in_the_order_of_files_that_are_kept(tmp_path):
    """Columns of exponents.csv and parts of summary.json, with all that the quick preset has."""
    measured = {"measure.convergence": True, "measure.reach": True, "measure.units": True}
    run = tuichaos.run(tuichaos.resolve({}, {**SMALL, **measured}), out=tmp_path / "run")
    head = (run.path / "exponents.csv").read_text().splitlines()[0].split(",")
    assert head[-6:] == [
        "reach_train",
        "reach_test",
        "convergence",
        "converged",
        "late_loss",
        "diverged_at",
    ]
    named = [name for name in run.summary if name in ("units", "reach_test", "convergence")]
    assert named == ["units", "reach_test", "convergence"]
    assert list(run.summary)[-2:] == ["verdicts", "diverged_at"]


def test_without_it_its_key_is_none():
    with pytest.raises(tuichaos.InputError, match=r"measure\.largest: unknown key"):
        tuichaos.resolve({}, {"measure.largest": True})
    assert "largest" not in charts()


@pytest.mark.usefixtures("toy")
def test_an_instrument_in_one_file_is_run_told_and_drawn(tmp_path):
    experiment = tuichaos.resolve({}, {**SMALL, "measure.largest": True})
    run = tuichaos.run(experiment, out=tmp_path / "run")
    assert run.summary["largest"]["value"] == max(run.table("largest.csv")["value"])
    assert any(row.measure == "largest entry" for row in rows(run))
    assert np.isfinite(picture(run, "largest").curves[0].y).all()
    assert any(key == "measure.largest" for key, _, _ in describe_keys())
    again = tuichaos.load(run.path / "experiment.toml")
    assert again.measure.largest is True
    assert "largest" not in tuichaos.resolve({}, SMALL).to_toml()


@pytest.mark.usefixtures("toy")
def test_its_need_of_memory_is_counted():
    asked = {**SMALL, "steps": 2 * 10**6, "record.every": 10**6, "measure.largest": True}
    with pytest.raises(tuichaos.InputError, match=r"measure.largest: .* need about 8,000,000 GB"):
        tuichaos.run(tuichaos.resolve({}, asked))


@pytest.mark.usefixtures("toy")
def test_the_manual_has_its_text():
    assert "The largest entry of the state." in pages.text("instruments", str)


@pytest.mark.usefixtures("toy")
async def test_its_tab_has_its_chart():
    app = Explorer(tuichaos.resolve({}, {**SMALL, "measure.largest": True}), Config(fps=20))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await pilot.press("4")
        await pilot.pause()
        assert app.screen.query("#lab-largest")
        assert app.screen.query_one("#field-measure").value == "largest"


@pytest.mark.usefixtures("toy")
async def test_the_explorer_opens_beside_it():
    """Also where nothing asks for it."""
    app = Explorer(tuichaos.preset("quick", SMALL), Config(fps=20))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert app.screen.query_one("#field-measure").value == ""
    assert app._exception is None


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("how", [{"workers": 2}, {"scheduler": "tcp://127.0.0.1:9"}])
def test_workers_that_do_not_know_it_are_not_begun(how, tmp_path):
    made = tuichaos.resolve({}, {**SMALL, "measure.largest": True}, ["seed=[1, 2]"])
    with pytest.raises(tuichaos.InputError, match="registered in this process"):
        tuichaos.sweep(made, out=tmp_path / "s", **how)
    assert not (tmp_path / "s").exists()


def test_a_kept_run_is_read_where_it_is_not(tmp_path, registered):
    tuichaos.run(tuichaos.resolve({}, {**SMALL, "steps": 5}), out=tmp_path / "r")
    path = tmp_path / "r" / "experiment.toml"
    path.write_text(path.read_text().replace("[measure]", "[measure]\nfarthest = true"))
    run = tuichaos.open_run(tmp_path / "r")
    assert run.experiment.measure.farthest is True
    assert run.series["loss"].shape[0] == 6
    with pytest.raises(tuichaos.InputError, match="this instrument is not here"):
        tuichaos.run(run.experiment, out=tmp_path / "again")
    path.write_text(path.read_text().replace("steps", "stepps", 1))
    with pytest.raises(tuichaos.InputError, match="stepps: unknown key"):
        _ = tuichaos.open_run(tmp_path / "r").experiment


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Spec("loss", "again"), "measure.loss: is a key of tuichaos"),
        (Spec("discard", "again"), "measure.discard: is a key of tuichaos"),
        (Spec("two words", "no key"), "measure.two words: must be a word"),
        ("largest", "by a Spec, not str"),
    ],
)
def test_what_cannot_be_registered(spec, words):
    with pytest.raises(tuichaos.InputError, match=words):
        tuichaos.register_instrument(spec)


CODE = """
import sys
from tuichaos.cli.main import _run_cli
sys.exit(_run_cli())
"""


@pytest.mark.slow
def test_an_installed_package_brings_one_that_runs_only_if_it_is_named(tmp_path):
    """Found by its entry point; named by --set or --trust, not by a file alone."""
    info = tmp_path / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tuichaos.instruments]\nlargest = toy_instrument:spec\n"
    )
    shutil.copy(toy_instrument.__file__, tmp_path)
    (tmp_path / "mine.toml").write_text("steps = 5\n[measure]\nlargest = true\n")
    found = []
    for more in ((), ("--set", "measure.largest=true"), ("--trust", "toy_instrument:spec")):
        asked = ["run", "mine.toml", "--set", "ensemble.references=2", "--dry-run", *more]
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CODE}"
        found.append(
            subprocess.run(
                [sys.executable, "-c", code, *asked],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
        )
    alone, *named = found
    assert alone.returncode == 2
    assert "runs only if you say its name too: --trust toy_instrument:spec" in alone.stderr
    assert [one.returncode for one in named] == [0, 0], named[0].stderr + named[1].stderr
    over = [*asked[:-1], "--workers", "2", "--over", "seed=[1, 2]", "--quiet"]  # they trust it too
    over = [part for part in over if part not in ("--dry-run", "--trust", "toy_instrument:spec")]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    swept = subprocess.run(
        [sys.executable, "-c", code, *over, "--set", "measure.largest=true", "--out", "swept"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (swept.returncode, swept.stderr) == (0, "")
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "experiment.toml").write_text((tmp_path / "mine.toml").read_text())
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tuichaos; "
    code += f"assert tuichaos.load({str(kept / 'experiment.toml')!r}).measure.largest is True; "
    code += "from tuichaos.config.extension import look_for; "
    code += "look_for(['largest'], {'measure.largest_of_all': True}); "  # begins alike
    code += "assert 'toy_instrument' not in sys.modules; "  # a folder is read, and runs nothing
    code += "tuichaos.resolve({'measure': {'largest': True}}); "  # who gives a table says it
    code += "assert 'toy_instrument' in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
