"""The run folder, file by file, and what reads it back."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest

import tuichaos
from tuichaos import InputError
from tuichaos.storage import column_reader, run_folders
from tuichaos.storage.run_writer import write_table
from tuichaos.storage.saved_states import StatesFile

LEADING = "reference,step,loss,distance,lyapunov,train_accuracy,test_accuracy,weight_norm"


@pytest.fixture
def small(simulate):
    return simulate({"steps": 23, "record.every": 5, "ensemble.references": 3,
                     "ensemble.twins": 2, "record.states_every": 10})  # fmt: skip


def test_series_csv(small):
    text = (small.path / "series.csv").read_bytes()
    assert b"\r" not in text
    rows = list(csv.reader(text.decode().splitlines()))
    assert ",".join(rows[0]).startswith(LEADING + ",distance.layers.0.weight")
    assert rows[0][-2:] == ["distance.layers.1.bias", "test_loss"]
    order = [(int(row[1]), int(row[0])) for row in rows[1:]]
    assert order == [(s, r) for s in (0, 5, 10, 15, 20, 23) for r in range(3)]
    for row in rows[1:]:
        for cell in row[2:]:
            assert cell == "" or repr(float(cell)) == cell
    assert [row[4] for row in rows[1:4]] == ["", "", ""]  # no exponent at step 0


def test_exponents_and_rates(small):
    header = (small.path / "exponents.csv").read_text().splitlines()[0]
    wanted = "reference,nmle,start,length,r_squared,kept,lyapunov,lyapunov_error,diverged_at"
    assert set(wanted.split(",")) <= set(header.split(","))
    assert header.startswith("reference,nmle,start,length,r_squared,kept,lyapunov,lyapunov_error")
    assert small.exponents["kept"].tolist() == [0, 0, 0]
    assert np.isnan(small.exponents["nmle"]).all()  # 23 steps hold no window
    first = (small.path / "rates.csv").read_text().splitlines()[:2]
    assert first[0] == "reference,start,end,lyapunov"
    assert first[1].startswith("0,0,23,")


def test_whole_numbers_are_written_whole(simulate):
    run = simulate({"steps": 200, "ensemble.references": 3})
    rows = list(csv.DictReader((run.path / "exponents.csv").read_text().splitlines()))
    for row in rows:
        assert row["kept"] in ("0", "1")
        assert row["start"].isdigit()
        assert row["length"].isdigit()
        assert row["diverged_at"] == ""


def test_states_npz(small):
    saved = small.states
    assert saved["steps"].tolist() == [0, 10, 20, 23]
    assert saved["states"].shape == (4, 3, 83)
    assert saved["twins"].shape == (4, 3, 2, 83)
    assert saved["x"].shape == (120, 4)
    assert saved["y"].dtype == np.int64
    assert saved["x_test"].shape == (30, 4)
    assert saved["layout"].tolist() == [
        "layers.0.weight (10, 4)", "layers.0.bias (10)",
        "layers.1.weight (3, 10)", "layers.1.bias (3)",
    ]  # fmt: skip
    assert not list(small.path.glob(".*")) + list(small.path.glob("*.tmp"))


def test_a_run_whose_process_is_gone_was_killed_and_can_be_deleted(simulate):
    run = simulate({"ensemble.references": 2, "steps": 50}, preset="quick")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    for pid, status in ((os.getpid(), "running"), (child.pid, "killed")):
        manifest = {**run.manifest, "status": "running", "pid": pid}
        (run.path / "manifest.json").write_text(json.dumps(manifest))
        again = tuichaos.open_run(run.path)
        assert again.status == status
        assert again.last_step == 50
        if status == "running":
            with pytest.raises(tuichaos.InputError, match="still running"):
                run_folders.delete(again)
    run_folders.delete(again)
    assert not run.path.exists()


def test_states_of_reference_systems(simulate):
    run = simulate({"system.name": "logistic", "steps": 5, "ensemble.references": 2,
                    "record.states_every": 2})  # fmt: skip
    assert run.states["layout"].tolist() == ["x (1)"]
    assert run.states["steps"].tolist() == [0, 2, 4, 5]
    assert "x" not in run.states
    assert "x0" in run.series
    assert np.array_equal(run.states["states"][:, :, 0], run.series["x0"][[0, 2, 4, 5]])
    assert np.isnan(run.series["weight_norm"]).all()
    with pytest.raises(InputError, match="states_every"):
        simulate({"steps": 5, "ensemble.references": 1}).states  # noqa: B018


def test_summary_json(small):
    text = (small.path / "summary.json").read_text()
    assert "NaN" not in text
    found = json.loads(text)
    assert found["nmle"].pop("window") == [0, 23]
    assert "no window of 30 points" in found["nmle"].pop("reason")  # in 23 steps
    assert found["nmle"] == {**dict.fromkeys(("mean", "std", "kept", "kept_ci95")), "total": 3}
    assert len(found["lyapunov"]["ci95"]) == 2
    assert found["rates"]["0-23"]["count"] == 3
    assert found["diverged"] == 0
    assert found["loss"]["final_median"] > 0
    for word in ("second", "time", "date"):
        assert word not in text


def test_manifest(small):
    manifest = small.manifest
    assert manifest["format"] == 1
    assert manifest["status"] == "done"
    assert manifest["replicas"] == 9
    assert manifest["replica_steps"] == 9 * 23
    assert manifest["noise_floor"]["holds"]
    assert manifest["noise_floor"]["steps"] == 23
    assert manifest["versions"]["torch"]
    assert len(manifest["data"]["sha256"]) == 64


def test_experiment_toml_is_resolved(small):
    table = tomllib.loads((small.path / "experiment.toml").read_text())
    assert table["device"] == "cpu"
    assert table["seed"] == 0
    assert table["network"]["activation"] == "sigmoid"


def test_run_and_open_run_agree(small):
    again = tuichaos.open_run(small.path)
    assert again.steps.tolist() == small.steps.tolist()
    for name, values in small.series.items():
        assert values.shape == (6, 3)
        assert np.array_equal(values, again.series[name], equal_nan=True)


def test_no_twins_no_distance(simulate):
    run = simulate({"steps": 10, "ensemble.references": 2, "ensemble.twins": 0,
                    "record.states_every": 5})  # fmt: skip
    assert np.isnan(run.series["distance"]).all()
    assert run.summary["nmle"]["total"] is None
    assert run.states["twins"].shape == (3, 2, 0, 83)
    header = (run.path / "exponents.csv").read_text().splitlines()[0]
    assert header.startswith("reference,nmle,")


def test_everything_switched_off_still_makes_a_folder(simulate):
    off = ("loss", "accuracy", "weight_norm", "distance", "nmle", "growth", "tangent")
    run = simulate({f"measure.{name}": False for name in off}
                   | {"steps": 10, "ensemble.references": 2})  # fmt: skip
    assert (run.path / "series.csv").read_text().splitlines()[0] == LEADING
    assert np.isnan(run.series["loss"]).all()
    assert run.steps.tolist() == list(range(11))


def test_measures_every_so_often(simulate):
    run = simulate({"steps": 10, "ensemble.references": 2, "measure.accuracy.every": 4})
    measured = np.isfinite(run.series["train_accuracy"][:, 0])
    assert np.flatnonzero(measured).tolist() == [0, 4, 8, 10]
    assert np.isfinite(run.series["loss"]).all()


def test_watching_does_not_change_the_run(simulate):
    seen = []
    watched = simulate({"steps": 300, "ensemble.references": 2}, watch=seen.append)
    alone = simulate({"steps": 300, "ensemble.references": 2})
    assert [p.step for p in seen][-1] == 300
    assert sum(len(p.steps) for p in seen) == 301
    joined = np.concatenate([p.columns["loss"] for p in seen])
    assert np.array_equal(joined, watched.series["loss"])
    assert np.array_equal(watched.series["loss"], alone.series["loss"])


def test_divergence_keeps_its_rows(simulate):
    run = simulate({"steps": 40, "ensemble.references": 4, "loss.name": "mse",
                    "optimizer.learning_rate": [0.01, 1e6, 0.01, 1e6]})  # fmt: skip
    assert run.summary["diverged"] == 2
    at = run.exponents["diverged_at"]
    assert np.isnan(at[[0, 2]]).all()
    assert np.isfinite(at[[1, 3]]).all()
    loss = run.series["loss"]
    assert loss.shape == (41, 4)
    assert np.isfinite(loss[:, [0, 2]]).all()
    assert np.isnan(loss[int(at[1]) :, 1]).all()
    assert run.summary["lyapunov"]["count"] == 2
    calm = simulate({"steps": 40, "ensemble.references": 4, "loss.name": "mse",
                     "optimizer.learning_rate": 0.01})  # fmt: skip
    for name in ("loss", "distance", "lyapunov"):  # the others went on undisturbed
        left, right = run.series[name][:, [0, 2]], calm.series[name][:, [0, 2]]
        assert np.array_equal(left, right, equal_nan=True)


def test_memory_of_states_is_not_held(tmp_path):
    """Streaming: the archive equals what was appended, in pieces of any size."""
    file = StatesFile(tmp_path)
    rng = np.random.default_rng(0)
    whole = rng.random((7, 2, 3))
    file.append(np.arange(4), {"states": whole[:4]})
    file.finish({"layout": np.array(["a (3)"])})  # it may go on after that
    file.append(np.arange(4, 7), {"states": whole[4:]})
    file.finish({"layout": np.array(["a (3)"])})
    file.clear()
    with np.load(tmp_path / "states.npz", allow_pickle=False) as archive:
        assert np.array_equal(archive["states"], whole)
        assert archive["steps"].tolist() == list(range(7))
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == ["states.npz"]


def test_tables_come_back(tmp_path):
    values = [0.1, 1e-300, -2.5e17, 3.0, float("nan"), float("inf")]
    write_table(tmp_path / "t.csv", ["k", "v"], list(enumerate(values)))
    found = column_reader.read_table(tmp_path / "t.csv")
    assert found["v"][:4].tolist() == values[:4]
    assert np.isnan(found["v"][4:]).all()


def test_a_row_that_is_being_written_is_left_out(small, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small.path, copy)
    text = (copy / "series.csv").read_text()
    (copy / "series.csv").write_text(text[: -len(text) // 10])
    found = tuichaos.open_run(copy)
    assert 0 < len(found.steps) < 6
    assert np.array_equal(found.series["loss"], small.series["loss"][: len(found.steps)])


def test_folders_that_are_no_runs(small, tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        tuichaos.open_run(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(small.path, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(InputError, match="format 99"):
        tuichaos.open_run(copy)
    (copy / "manifest.json").write_text("{broken")
    with pytest.raises(InputError, match=r"manifest\.json"):
        tuichaos.open_run(copy)
    (small.path / "series.csv").write_text("reference,step\n0,x\n")
    with pytest.raises(InputError, match="damaged"):
        tuichaos.open_run(small.path).series  # noqa: B018


def test_users_own_systems(simulate):
    run = simulate({"system.name": "maps:Duck", "steps": 50, "ensemble.references": 2})
    assert run.exponents["lyapunov"] == pytest.approx(np.log(0.9), abs=1e-12)
    with pytest.raises(InputError, match="TypeError"):
        simulate({"system.name": "maps:SkewTent", "system.parameters.q": 1, "steps": 5})
    with pytest.raises(InputError, match="no attribute 'Nothing'"):
        simulate({"system.name": "maps:Nothing", "steps": 5})


def test_starts_can_be_given(simulate):
    one = simulate({"system.name": "logistic", "system.start": [0.25], "steps": 3,
                    "ensemble.references": 2})  # fmt: skip
    assert one.series["x0"][:, 0].tolist() == one.series["x0"][:, 1].tolist()
    assert one.series["x0"][:2, 0].tolist() == [0.25, 0.75]
    each = simulate({"system.name": "logistic", "system.start": [[0.25], [0.5]], "steps": 3,
                     "ensemble.references": 2})  # fmt: skip
    assert each.series["x0"][0].tolist() == [0.25, 0.5]
    with pytest.raises(InputError, match="1 states for 2"):
        simulate({"system.name": "logistic", "system.start": [[0.25]],
                  "ensemble.references": 2, "steps": 3})  # fmt: skip


def test_a_folder_without_a_manifest_is_told_from_no_folder(tmp_path, command):
    for name, words in ((tmp_path, "is not a run folder"), (tmp_path / "none", "no such run")):
        code, _, err = command("resume", name)
        assert code == 2
        assert words in err


def test_a_run_is_found_by_what_is_pasted(small, command, monkeypatch):
    for form in ("{}\n", "  {}\t", "'{}'\n", "{}/series.csv", "{}/experiment.toml", "file://{}\n"):
        assert tuichaos.storage.run_folders.find(form.format(small.path)).path == small.path
    monkeypatch.chdir(small.path)
    assert tuichaos.storage.run_folders.find("series.csv").path == small.path
    with pytest.raises(tuichaos.InputError, match="is not a path"):
        tuichaos.storage.run_folders.find("a\nb")
    kept = tuichaos.run(tuichaos.preset("quick", {"steps": 5, "ensemble.references": 1}))
    for name in (f" {kept.path.name}\n", "'quick'", "last\n", f"{kept.path}/rates.csv"):
        assert tuichaos.storage.run_folders.find(name).path == kept.path


def test_only_tables_of_the_folder_are_read(small, tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    for name in ("../x.csv", str(tmp_path / "x.csv"), "nope.csv", "", "summary.json"):
        with pytest.raises(
            tuichaos.InputError, match=r"has no table .*; it has exponents\.csv, ra"
        ):
            small.table(name)
        assert not small.has(name)
    assert small.has("rates.csv")
    assert len(small.table("rates.csv")["start"])


def test_a_file_that_is_not_there_is_told_without_a_number(small, tmp_path):
    shutil.copytree(small.path, tmp_path / "copy")
    (tmp_path / "copy" / "rates.csv").unlink()
    with pytest.raises(tuichaos.InputError, match=r"rates\.csv: cannot be read: No such file"):
        _ = tuichaos.open_run(tmp_path / "copy").rates
