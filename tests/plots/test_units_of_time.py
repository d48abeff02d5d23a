"""What exponents are per follows from the system, wherever it is said."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path

import maps
import numpy as np
import pytest

import tuichaos
from tuichaos import InputError, resolve
from tuichaos.config import reference_parameters
from tuichaos.execution import runner
from tuichaos.execution.plan import plan
from tuichaos.plots.run_plots import every, pictures
from tuichaos.plots.series_views import VIEWS, title
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps.sweep_reader import read as read_sweep
from tuichaos.tui.live_series import LiveSeries
from tuichaos.tui.status_sentence import narrate

PACKAGE = Path(tuichaos.__file__).parent
FLOW, MAP = "per unit of time", "per step"
MEASURE = dict.fromkeys(("moving", "spectrum", "routes", "expansion", "period"), True)
TABLE = {
    "steps": 300,
    "system": {"name": "maps:Spiral", "parameters": {"dt": 0.1}, "start": [1.0, 0.5]},
    "ensemble": {"references": 2, "twins": 2},
    "measure": MEASURE | {"sizes": [1e-6]},
}


def a_map(table=TABLE):
    return {**table, "system": {**table["system"], "parameters": {"dt": 1.0}}}


@pytest.fixture(scope="module", params=["flow", "map"])
def found(request, tmp_path_factory):
    """A run of a flow, or of the same as a map; the unit; what a watcher was told."""
    frames = LiveSeries(2)
    table = TABLE if request.param == "flow" else a_map()
    run = runner.run(resolve(table), out=tmp_path_factory.mktemp("r") / "r", watch=frames.add)
    return run, FLOW if request.param == "flow" else MAP, frames


def other(unit):
    return MAP if unit == FLOW else FLOW


def test_the_numbers_are_per_unit_of_time(found):
    run, unit, _ = found
    time = 0.1 if unit == FLOW else 1.0
    assert run.time_step == time
    assert run.summary["lyapunov"]["mean"] == pytest.approx(maps.Spiral.growth, abs=1e-9)
    assert run.summary["growth"]["mean"] == pytest.approx(maps.Spiral.growth, rel=0.1)


def test_table_charts_and_sentence_have_the_unit(found, command):
    run, unit, frames = found
    code, out, _ = command("plot", run.path, "--what", "exponent")
    assert code == 0
    assert f"nats {unit}" in out
    said = [narrate(frames, run.experiment)]
    for what in every():
        try:
            shown = pictures(run, what)
        except InputError:
            continue
        said += [p.title for p in shown] + [c.name for p in shown for c in p.curves]
    assert len(said) > 12
    assert any(unit in words for words in said)
    assert not any(other(unit) in words or "a step" in words for words in said)
    assert f" {unit} over " in said[0]


def test_the_end_of_a_run_has_the_unit(found, tmp_path, command):
    _, unit, _ = found
    table = TABLE if unit == FLOW else a_map()
    file = tmp_path / "e.toml"
    file.write_text(resolve(table).to_toml())
    code, out, _ = command("run", file, "--trust", "maps:Spiral", "--out", tmp_path / "o")
    assert code == 0
    assert f"nats {unit}" in out
    assert other(unit) not in out


def test_a_sweep_and_a_diagram_have_the_unit(found, tmp_path):
    _, unit, _ = found
    table = TABLE if unit == FLOW else a_map()
    table = {**table, "measure": {}, "ensemble": {"references": 1, "twins": 0}}
    drawn = {**table, "diagram": {"observable": "x0", "last": 20}}
    drawn["sweep"] = {"system.parameters.pull": [0.4, 0.5, 0.6]}
    run = tuichaos.sweep(resolve(drawn), out=tmp_path / "d")
    _, below = pictures(run, "default")
    assert below.title.startswith(f"leading exponent, nats {unit}")
    assert np.isfinite(read_sweep(run.path)["lyapunov"]).all()


def test_a_folder_that_does_not_tell_is_told_of_what_is_always_true(tmp_path):
    run = runner.run(resolve(TABLE), out=tmp_path / "r")
    path = run.path / "manifest.json"
    manifest = json.loads(path.read_text())
    for time_step in (None, True, -1, "x"):
        path.write_text(json.dumps({**manifest, "time_step": time_step}))
        assert open_run(run.path).time_step is None
        assert FLOW in pictures(open_run(run.path), "exponent")[0].title


@pytest.mark.parametrize(
    ("system", "time_step", "unit"),
    [
        ("lorenz", None, FLOW), ("lorenz", 0.01, FLOW), ("henon", None, MAP), ("henon", 1.0, MAP),
        ("training", None, MAP), ("training", 1.0, MAP),
        ("a:B", None, FLOW), ("a:B", 0.5, FLOW), ("a:B", 1.0, MAP), ("a:B", 1, MAP),
    ],
)  # fmt: skip
def test_the_unit_of_a_system(system, time_step, unit):
    assert f"per {reference_parameters.per(system, time_step)}" == unit
    if ":" not in system:
        experiment = resolve({"system": {"name": system}})
        assert title("exponent", experiment, time_step) == f"running exponent λ(t), nats {unit}"


@pytest.mark.parametrize("time_step", [0.0, -1.0, math.nan, math.inf])
def test_a_time_step_that_is_none(time_step, monkeypatch):
    monkeypatch.setattr(maps.Spiral, "time_step", time_step)
    with pytest.raises(InputError, match="time_step must be a number above 0"):
        plan(resolve(TABLE))


def words(path):
    """The texts of a module that a person may see: all but those that document it; of texts
    with values in them the whole."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    inner = [node.value for node in nodes if isinstance(node, ast.Expr)]
    inner += [part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values]
    known = set(map(id, inner))
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and id(node) not in known:
            yield str(node.value)


def test_no_text_says_the_unit_by_itself():
    """Every text with "nats" takes what they are per from ``parameters.per``."""
    with_unit = []
    for path in PACKAGE.rglob("*.py"):
        for text in words(path):
            if "nats" in text and "tuichaos" not in text:
                with_unit.append((path.name, text))
                assert "{per}" in text or "{unit}" in text or "{per(" in text, (path.name, text)
    names = {name for name, _ in with_unit}
    drawn = {"series_views.py", "sweep_summary_plot.py", "orbit_diagram_plots.py"}
    assert {"run_output.py", *drawn} <= names
    assert VIEWS["exponent"].title.endswith("nats per {per}")
