"""A run at work: its table grows between any two looks at it, in the middle of a row."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import tuichaos
from tuichaos import api
from tuichaos.plots import run_comparison, run_plots, sweep_plots
from tuichaos.reports import export
from tuichaos.storage import column_reader, run_reader

PIECE = 1_237  # bytes that come between two looks: neither whole rows nor whole steps
REFERENCES = 3


@pytest.fixture
def at_work(simulate, monkeypatch):
    """The folder of a run of this process that goes on: series.csv is longer at each look."""
    done = simulate(
        {
            "steps": 400,
            "ensemble.references": REFERENCES,
            "ensemble.twins": 2,
            "network.hidden": [2],
            "measure.regime": False,
        }
    )
    path = done.path / "series.csv"
    content = path.read_bytes()
    manifest = json.loads((done.path / "manifest.json").read_text())
    for key in ("files", "finished", "step"):
        manifest.pop(key, None)
    manifest |= {"status": "running", "pid": os.getpid()}
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    for name in ("summary.json", "exponents.csv", "rates.csv"):
        (done.path / name).unlink()
    path.write_bytes(content[: 8 * PIECE])
    looks = []

    def grow(looked_at: Path) -> None:
        if Path(looked_at) == path:
            looks.append(path.stat().st_size)
            path.write_bytes(content[: looks[-1] + PIECE])

    for module in (run_reader, export, column_reader):
        monkeypatch.setattr(module, "check_file", grow)
    assert tuichaos.open_run(done.path).status == "running"
    return done.path, looks, content


def test_every_chart_is_drawn(at_work):
    folder, looks, _ = at_work
    for what in [*run_plots.VIEWS, "layers", "distance.layers.0.bias"]:
        before = len(looks)
        run = tuichaos.open_run(folder)
        if (
            what in run_plots.VIEWS
            and not np.isfinite(run.column(run_plots.VIEWS[what].column)).any()
        ):
            continue
        shown = run_plots.picture(run, what)
        assert len(looks) > before + 1  # it was longer at the second look
        lengths = {len(c.x) for c in shown.curves if c.role != "fit"}
        assert lengths == {len(run.steps)}
        assert all(len(curve.x) == len(curve.y) for curve in shown.curves)


def test_all_columns_are_of_the_same_steps_whole_ones(at_work):
    folder, looks, content = at_work
    run = tuichaos.open_run(folder)
    loss, steps = run.column("loss"), run.steps
    seen = content[: looks[0] + PIECE].count(b"\n") - 1  # whole rows, at the first look
    assert len(looks) > 1
    assert loss.shape == (seen // REFERENCES, REFERENCES) == (len(steps), REFERENCES)
    assert {values.shape for values in run.series.values()} == {loss.shape}
    assert (run.series["loss"] == loss).all()
    assert steps.tolist() == list(range(len(steps)))
    assert tuichaos.open_run(folder).steps[-1] > steps[-1]  # who opens it again sees more


def test_runs_at_work_are_compared(at_work):
    folder, looks, _ = at_work
    shown = run_comparison.overlay([tuichaos.open_run(folder)] * 2, "loss")
    assert len(shown.curves) == 2
    assert len(looks) > 1


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_whole_steps_are_exported(kind, at_work, tmp_path):
    if kind == "parquet":
        pytest.importorskip("pyarrow.parquet")
    folder, _, content = at_work
    target = export.export(tuichaos.open_run(folder), kind, tmp_path / f"a.{kind}")
    if kind == "csv":
        text = target.read_bytes()
        assert content.startswith(text)
        assert text.endswith(b"\n")
        rows = text.count(b"\n") - 1
    else:
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(target).num_rows
    assert rows > REFERENCES
    assert rows % REFERENCES == 0


def test_it_is_whole(at_work):
    """As far as it goes: a row on its way is no fault."""
    folder, _, _ = at_work
    checks = list(api.verify(tuichaos.open_run(folder)))
    assert not [check for check in checks if check.passed is False]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("size", ["nothing", "half a head", "the head", "a row", "half a step"])
def test_a_run_that_has_just_begun_has_no_step_yet(size, at_work, monkeypatch):
    folder, _, content = at_work
    monkeypatch.undo()
    lines = content.splitlines(keepends=True)
    kept = {
        "nothing": b"",
        "half a head": lines[0][:20],
        "the head": lines[0],
        "a row": lines[0] + lines[1],
        "half a step": lines[0] + lines[1] + lines[2][:9],
    }[size]
    (folder / "series.csv").write_bytes(kept)
    run = tuichaos.open_run(folder)
    assert len(run.steps) == 0
    assert all(values.shape[0] == 0 for values in run.series.values())
    with pytest.raises(tuichaos.InputError, match=r"not measured|did you mean|choose from"):
        run_plots.picture(run, "loss")
    assert not [c for c in api.verify(run) if c.passed is False]


def test_a_table_that_was_cut_meanwhile_is_said_not_called_damaged(at_work, monkeypatch):
    """As by a run that goes on from its checkpoint."""
    folder, _, content = at_work
    monkeypatch.undo()
    run = tuichaos.open_run(folder)
    assert len(run.steps) > 10
    (folder / "series.csv").write_bytes(content[: 2 * PIECE])
    with pytest.raises(tuichaos.InputError, match="was cut back while it was read"):
        run.column("loss")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run of which tests take copies."""
    table = {"steps": 40, "ensemble.references": 2, "measure.spectrum": True}
    return tuichaos.run(tuichaos.resolve({}, table), out=tmp_path_factory.mktemp("small") / "run")


@pytest.mark.parametrize(
    "content", [None, b"", b"reference,step,loss\n", b"reference,step,loss\n0,"]
)
@pytest.mark.parametrize(("pid", "why"), [(os.getpid, "a run at work"), (None, "killed before")])
def test_a_run_without_a_row_says_that_nothing_is_written_yet(
    content, pid, why, small, tmp_path, command, monkeypatch
):
    done = tuichaos.open_run(shutil.copytree(small.path, tmp_path / "run"))
    manifest = json.loads((done.path / "manifest.json").read_text())
    gone = 2**22 + 1  # no process has this number
    manifest |= {"status": "running", "pid": pid() if pid else gone}
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    for path in done.path.glob("*.csv"):
        path.unlink()
    (done.path / "summary.json").unlink()
    if content is not None:
        (done.path / "series.csv").write_bytes(content)
    for asked in ([], ["--what", "loss"], ["--what", "layers"], ["--what", "spectrum"]):
        code, _, err = command("plot", done.path, *asked)
        assert code == 2
        assert "nothing is written yet" in err
        assert why in err


def test_tables_of_the_end_are_not_missed_before_it(at_work):
    folder, *_ = at_work
    run = tuichaos.open_run(folder)
    with pytest.raises(tuichaos.InputError, match="exponents: is written at the end of a run"):
        run_plots.picture(run, "exponents")
    with pytest.raises(tuichaos.InputError, match="knock-out: was not measured in this run"):
        run_plots.picture(run, "knock-out")


@pytest.mark.parametrize("dense", [False, True])
def test_a_sweep_without_a_point_says_that_nothing_is_written_yet(dense, tmp_path, command):
    table = {"steps": 40, "system": {"name": "henon"}, "ensemble": {"references": 1, "twins": 0}}
    table["sweep"] = {"seed": [1, 2]}
    table["plane"] = {"value": "exponent" if dense else "none"}
    done = tuichaos.sweep(tuichaos.resolve(table), out=tmp_path / "s")
    manifest = json.loads((done.path / "manifest.json").read_text())
    manifest |= {"status": "running", "pid": os.getpid()}
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    for name in ("points.jsonl", "sweep.csv", "summary.json"):
        (done.path / name).unlink(missing_ok=True)
    code, _, err = command("plot", done.path)
    assert (code, "nothing is written yet: it is a run at work" in err) == (2, True), err


@pytest.mark.parametrize("status", ["interrupted", "failed"])
@pytest.mark.parametrize("value", ["none", "exponent"])
def test_a_sweep_stopped_before_its_first_point_says_how_to_go_on(value, status, tmp_path, command):
    table = {"steps": 40, "system": {"name": "henon"}, "ensemble": {"references": 1, "twins": 0}}
    table |= {"sweep": {"seed": [1, 2]}, "plane": {"value": value}}
    stop = threading.Event()
    stop.set()
    done = tuichaos.sweep(tuichaos.resolve(table), out=tmp_path / "s", stop=stop)
    assert done.status == "interrupted"
    manifest = json.loads((done.path / "manifest.json").read_text()) | {"status": status}
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    code, out, err = command("plot", done.path)
    assert (code, out) == (2, "")
    on = f"tuichaos resume {done.path} goes on"
    assert err == f"tuichaos: error: no point has ended yet: {on}\n"


def test_a_sweep_whose_points_failed_is_not_told_of_an_option_that_was_not_given(tmp_path):
    made = tuichaos.resolve({"system": {"name": "henon"}, "sweep": {"seed": [1, 2]}})
    with pytest.raises(tuichaos.InputError, match=r"^no point of this sweep has a number$"):
        sweep_plots.of_columns({"point": np.arange(2.0)}, made, "default")
