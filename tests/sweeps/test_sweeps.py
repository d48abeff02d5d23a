"""Sweeps: grids, what they refuse, and points that are bit for bit runs of their own."""

from __future__ import annotations

import csv
import json
import os
import platform
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from waiting import wait_for

import tuichaos
from tuichaos.common.errors import InputError
from tuichaos.config import sweep_axes
from tuichaos.reports import sweep_report
from tuichaos.reports.progress import sweep_words
from tuichaos.sweeps import batch, points, workers
from tuichaos.sweeps import journal as rows
from tuichaos.sweeps.sweep_reader import read
from tuichaos.sweeps.sweep_writer import SweepProgress

FAST = {"steps": 40, "ensemble.references": 2, "ensemble.twins": 1, "network.hidden": [3]}
RATE = "optimizer.learning_rate"
LITTLE = {f"measure.{k}": False for k in ("accuracy", "weight_norm", "nmle", "growth", "regime")}


def experiment(ranges, overrides=None):
    return tuichaos.resolve({"sweep": ranges}, {**FAST, **(overrides or {})})


def values(spec):
    (axis,) = sweep_axes.axes({"k": spec})
    return axis.values


# --- grids ---------------------------------------------------------------------------------


def test_a_logarithmic_range_has_exact_ends_and_even_ratios():
    found = values({"log": [0.01, 10.0, 31]})
    assert len(found) == 31
    assert (found[0], found[10], found[20], found[-1]) == (0.01, 0.1, 1.0, 10.0)
    ratios = np.array(found[1:]) / np.array(found[:-1])
    np.testing.assert_allclose(ratios, 10**0.1, rtol=1e-14)


def test_a_linear_range_and_whole_numbers():
    assert values({"linear": [0.0, 1.0, 5]}) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert values({"linear": [1, 9, 3]}) == (1, 5, 9)
    assert all(isinstance(v, int) for v in values({"linear": [1, 9, 3]}))
    assert all(isinstance(v, int) for v in values({"log": [1, 100, 3]}))
    assert values({"linear": [1, 2, 3]}) == (1.0, 1.5, 2.0)
    assert values({"linear": [3.0, 3.0, 1]}) == (3.0,)
    assert values({"values": [3, 1, 2.5]}) == (3, 1, 2.5)


def test_the_first_key_is_the_slowest_and_the_order_survives_toml(tmp_path):
    made = experiment({"seed": [5, 6], RATE: {"log": [0.1, 1.0, 3]}})
    assert [p.values for p in points.grid(made).points] == [
        (5, 0.1), (5, 0.316227766016838), (5, 1.0), (6, 0.1), (6, 0.316227766016838), (6, 1.0),
    ]  # fmt: skip
    (tmp_path / "again.toml").write_text(made.to_toml())
    again = tuichaos.load(tmp_path / "again.toml")
    assert points.grid(again).points == points.grid(made).points
    assert points.grid(again).keys == ("seed", RATE)


def test_keys_may_be_written_without_quotes(tmp_path):
    text = "[sweep]\noptimizer.learning_rate = [0.1, 0.2]\n"
    (tmp_path / "bare.toml").write_text(text)
    made = points.grid(tuichaos.load(tmp_path / "bare.toml"))
    assert made.keys == (RATE,)


def test_batches_are_what_differs_in_per_replica_parameters_alone():
    made = points.grid(experiment({RATE: [0.1, 0.2], "seed": [1, 2, 3]}))
    assert [[p.index for p in part] for part in made.batches()] == [[0, 3], [1, 4], [2, 5]]
    one = {RATE: [0.1, 0.2], "network.init_scale": [1, 2]}
    assert len(points.grid(experiment(one)).batches()) == 1
    both = {"system.parameters.r": [3.5, 4], "ensemble.perturbation": [1e-8, 1e-9]}
    assert len(points.grid(experiment(both, {"system.name": "logistic"})).batches()) == 1
    factors = {"system.parameters.factors": [2, 3]}
    assert len(points.grid(experiment(factors, {"system.name": "product"})).batches()) == 2


def test_over_extends_and_replaces_what_the_file_sweeps():
    from tuichaos.config.loading import swept

    base = experiment({RATE: [0.1, 0.2]})
    found = swept(base, ["seed=linear:1:3:3"])
    assert points.grid(found).keys == (RATE, "seed")
    assert points.grid(swept(found, [f"{RATE}=log:1:10:2"])).size == 6


BAD = {
    "optimizer.lerning_rate=[1]": "optimizer.lerning_rate: unknown key; did you mean 'optimizer.le",
    "network.activation=['tanh']": "sweep.network.activation: only numbers can be swept",
    "network.activation=[1]": "network.activation: unknown value 1",
    "seed=[true]": "sweep.seed: only numbers can be swept",
    "seed=[]": "sweep.seed: must be a list of numbers that is not empty",
    "seed=[0.5]": "seed: must be an integer, not 0.5",
    "seed=linear:1:2:4": "seed: must be an integer, not 1.33333333333333",
    "steps=linear:1:2:5": "steps: must be an integer, not 1.25",
    "steps=[20.0,30.5]": "steps: must be an integer, not 30.5",
    "steps=[0.0,2.5]": "steps: must be greater than or equal to 1, not 0",
    "foo.bar=[1]": "foo: unknown key; the tables are system, data,",
    "data.zzyzx=[1]": "data.zzyzx: unknown key; data has name, train,",
    "zzyzx=[1]": "zzyzx: unknown key; the tables are system, data,",
    "learning_rate=[1]": "learning_rate: unknown key; did you mean 'optimizer.learning_rate'?",
    f"{RATE}=log:-1:1:5": "a logarithmic range needs ends above 0, not -1",
    f"{RATE}=log:0:1:5": "a logarithmic range needs ends above 0, not 0",
    f"{RATE}=linear:-1:1:5": "optimizer.learning_rate: must be greater than 0",
    f"{RATE}=linear:2:1:5": "the range is reversed: from 2 to 1",
    f"{RATE}=linear:1:1:5": "the range is empty",
    f"{RATE}=linear:1:2:1": "one point cannot reach from 1 to 2",
    f"{RATE}=linear:1:2:0": "the number of points must lie between 1 and",
    f"{RATE}=linear:1:2:2.5": "the number of points must be an integer",
    f"{RATE}=linear:1:2:x": "is not a list of numbers",
    f"{RATE}=linear:1:inf:3": "must be a finite number",
    f"{RATE}=cubic:1:2:3": "must be KEY=log:FROM:TO:POINTS",
    f"{RATE}=linear:1:2": "must be KEY=log:FROM:TO:POINTS",
    RATE: "must be KEY=log:FROM:TO:POINTS",
    f"{RATE}=linear:1:2:20000": "20,000 points; more than 10,000 must be asked for with --yes",
    "system.parameters.r=[1]": "system.parameters: training has none",
    "sweep.seed=[1]": "sweep",
    "ensemble.perturbation=[1e-8, 1e-17]": "too small for float64",
}


@pytest.mark.parametrize("over", BAD)
def test_bad_ranges_are_refused_and_nothing_is_left(command, home, over):
    code, out, err = command("run", "--preset", "quick", "--over", over)
    assert (code, out) == (2, "")
    assert err.startswith("tuichaos: error: ")
    assert BAD[over] in err
    assert err.count("\n") == 1
    assert not home.exists()


def test_three_keys_no_sweep_and_bad_workers(command, home):
    overs = [a for k in ("seed=[1]", "steps=[9]", f"{RATE}=[1]") for a in ("--over", k)]
    code, _, err = command("run", "--preset", "quick", *overs)
    assert code == 2
    assert "sweep: at most 2 keys, not 3: seed, steps, optimizer.learning_rate" in err
    assert command("run", "--preset", "quick", "--workers", 2)[0] == 2
    assert command("run", "--preset", "quick", "--over", "seed=[1]", "--workers", 0)[0] == 2
    with pytest.raises(InputError, match="unknown kind of range 'lg'; did you mean 'log'"):
        experiment({RATE: {"lg": [1, 2, 3]}})
    with pytest.raises(InputError, match="must be a table"):
        experiment([1])
    with pytest.raises(InputError, match="this is a sweep, not one run"):
        tuichaos.run(experiment({RATE: [1.0]}))
    assert not home.exists()


# --- bits ----------------------------------------------------------------------------------

ALL = {
    "measure.spectrum": {"count": 3},
    "measure.units": True,
    "measure.zero_one": True,
    "steps": 70,
}
CASES = {
    "learning rates": ({RATE: [0.1, 1.0, 5.0]}, ALL),
    "scales": ({"network.init_scale": [0.5, 2.0]}, {"measure.units": True}),
    "sizes": ({"ensemble.perturbation": [1e-10, 1e-6]}, {"ensemble.references": 9}),
    "logistic": (
        {"system.parameters.r": [3.2, 3.9, 4.0]},
        {"system.name": "logistic", "measure.spectrum": True, "measure.period": True},
    ),
    "momentum": ({"system.parameters.beta": [0.0, 0.5]}, {"system.name": "quadratic"}),
    "seeds": ({"seed": [1, 2]}, {"measure.tangent": False}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_point_is_the_run_that_it_is_alone(case, tmp_path):
    ranges, overrides = CASES[case]
    made = experiment(ranges, overrides)
    done = tuichaos.sweep(made, out=tmp_path / "sweep", keep=True)
    (key,) = ranges
    assert done.manifest["points"] == {
        "total": len(ranges[key]),
        "done": len(ranges[key]),
        "failed": 0,
    }
    table = read(done.path)
    assert table[key].tolist() == ranges[key]
    for k, value in enumerate(ranges[key]):
        changed = {**FAST, **overrides, key: value}
        alone = tuichaos.run(tuichaos.resolve({}, changed), out=tmp_path / f"alone{k}")
        kept = done.path / "runs" / f"{k:05}"
        names = sorted(p.name for p in alone.path.iterdir() if p.name != "manifest.json")
        assert "series.csv" in names
        for name in names:
            assert (kept / name).read_bytes() == (alone.path / name).read_bytes(), (value, name)
        for name, number in rows.flat(alone.summary).items():
            if isinstance(number, float) and name in table:
                assert table[name][k] == number, name
        assert table["regime"][k] == (alone.summary["regime"] or "")


@pytest.mark.slow
def test_many_points_in_any_company_and_without_folders(tmp_path, monkeypatch):
    """More points than are under way at once, the frames of some longer than of others."""
    made = experiment({RATE: {"log": [0.01, 10.0, 13]}}, {"steps": 300})
    one = tuichaos.sweep(made, out=tmp_path / "one", threads=1)
    two = tuichaos.sweep(made, out=tmp_path / "two", threads=2, keep=True)
    monkeypatch.setattr(batch, "RUNS_PER_THREAD", 1)
    three = tuichaos.sweep(made, out=tmp_path / "three", threads=2)
    assert (one.path / "sweep.csv").read_bytes() == (two.path / "sweep.csv").read_bytes()
    assert (one.path / "sweep.csv").read_bytes() == (three.path / "sweep.csv").read_bytes()
    assert not (one.path / "runs").exists()
    assert len(list((two.path / "runs").iterdir())) == 13


def test_the_table(tmp_path):
    done = tuichaos.sweep(experiment({RATE: [0.1, 1.0]}), out=tmp_path / "sweep")
    with open(done.path / "sweep.csv", newline="") as file:
        head, *lines = csv.reader(file)
    assert head[:5] == ["point", RATE, "status", "reason", "steps"]
    assert {"lyapunov.mean", "lyapunov.ci95.low", "lyapunov.ci95.high", "nmle.kept"} <= set(head)
    assert [line[:4] for line in lines] == [["0", "0.1", "done", ""], ["1", "1.0", "done", ""]]
    assert not any(" " in name or name.endswith("reason.") for name in head)
    first = dict(zip(head, lines[0], strict=True))
    assert float(first["lyapunov.ci95.low"]) < float(first["lyapunov.mean"])
    assert first["nmle.std"] == ""  # nothing was kept


LINE = {
    "point": 0, RATE: 0.001, "status": "done", "reason": None, "references": 20,
    "lyapunov.mean": -6.84e-05, "lyapunov.window.0": 50, "lyapunov.window.1": 200,
    "nmle.mean": 0.287, "nmle.kept": 17, "nmle.total": 20, "nmle.kept_ci95.low": 0.64,
    "nmle.kept_ci95.high": 0.948, "growth.mean": 0.000134, "loss.final_median": 0.00123,
    "regime": "marginal", "regimes.marginal": 8, "regimes.undecided": 7,
}  # fmt: skip
FAILED = {**dict.fromkeys(LINE), "point": 1, RATE: 0.1, "status": "failed", "reason": "no"}


def test_a_table_leaves_out_whole_columns_from_the_least_important_on():
    whole = sweep_report.table([LINE, FAILED], (RATE,), 200, "step")
    assert whole.left_out == []
    cells = ["0.00100", "-6.84e-05", "0.287", "17/20", "[0.640, 0.948]", "0.000134", "0.00123"]
    assert whole.rows[0] == [*cells, "marginal 8/20"]
    assert whole.rows[1][:3] == ["0.100", "failed", ""]
    assert whole.units == (
        "exponent (steps 50–200), nMLE, growth: nats per step, means over references; "
        "loss: final median; verdict: the most frequent, in how many references"
    )
    seen = []
    for width in range(90, 0, -1):
        found = sweep_report.table([LINE, FAILED], (RATE,), width, "step")
        assert found.width <= width or found.heads == ["η", "exponent", "kept"]
        assert len(found.left_out) >= len(seen)
        assert found.left_out[: len(seen)] == seen
        seen = found.left_out
    assert seen == ["growth", "loss", "interval of kept", "nMLE", "verdict"]
    assert found.rows[0] == ["0.00100", "-6.84e-05", "17/20"]
    assert found.units == "exponent (steps 50–200): nats per step, means over references"
    other = sweep_report.table([LINE, {**LINE, "lyapunov.window.1": 90}], (RATE,), 1, "step")
    assert other.units == "exponent: nats per step, means over references"


@pytest.mark.parametrize("width", [80, 40, 5])
def test_no_number_of_a_table_is_cut(width, monkeypatch, command, tmp_path):
    monkeypatch.setenv("COLUMNS", str(width))
    changes = [f"--set={k}={v}" for k, v in (FAST | {"ensemble.references": 12}).items()]
    over = f"--over={RATE}=[0.0012345678, 3.1415926535, 5.5]"
    code, out, _ = command("run", "--preset=quick", *changes, over, "--out", tmp_path / "s")
    assert code == 0
    found = read(tmp_path / "s")
    places = [line.split() for line in out.splitlines()]
    for k, rate in enumerate(found[RATE]):
        (row,) = [words for words in places if words[:1] == [sweep_report._value(float(rate))]]
        assert sweep_report._value(float(found["lyapunov.mean"][k])) in row
        assert f"{found['nmle.kept'][k]:.0f}/{found['nmle.total'][k]:.0f}" in row
        word = found["regime"][k]
        assert width < 80 or f"{found[f'regimes.{word}'][k]:.0f}/12" in row
    assert ("left out for want of width: growth" in out) == (width < 80)
    assert "nats per step" in " ".join(out.split())


def test_flat_names():
    found = rows.flat({
        "a": {"mean": 1.5, "ci95": [1.0, 2.0]}, "b": {"x_ci95": None, "reason": "short"},
        "l": {"mean": [1.0, 2.0], "ci95": [[0.0, 1.0], None]}, "regime": "chaotic",
        "missing": {"some words": 3}, "t": [{"a": 1}], "name": "n", "w": ["a"], "k": None,
    })  # fmt: skip
    assert found == {
        "a.mean": 1.5, "a.ci95.low": 1.0, "a.ci95.high": 2.0, "b.x_ci95.low": None,
        "b.x_ci95.high": None, "l.mean.0": 1.0, "l.mean.1": 2.0, "l.0.ci95.low": 0.0,
        "l.0.ci95.high": 1.0, "l.1.ci95.low": None, "l.1.ci95.high": None,
        "regime": "chaotic", "k": None,
    }  # fmt: skip


def test_no_rate_is_told_before_there_is_a_point():
    words = [
        sweep_words(SweepProgress(done, 10, failed, under_way, before, 4.0, slots))
        for done, failed, under_way, before, slots in (
            (0, 0, 0.0, 0, None),
            (0, 0, 0.5, 0, None),
            (5, 1, 0.0, 5, 0),
            (2, 0, 0.0, 0, None),
            (8, 1, 0.0, 0, None),
        )
    ]
    assert words == [
        "",
        "points under way, 5% of all steps done · 1:16 left",
        "1 failed · no worker is there; waiting",
        "2 s a point · 16 s left",
        "2 points/s · 1 s left · 1 failed",
    ]


# --- processes, stops and failures ---------------------------------------------------------

ENDS = {RATE: {"log": [0.01, 10.0, 9]}, "seed": {"values": [3, 4]}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """sweep.csv of a sweep that nothing disturbed."""
    done = tuichaos.sweep(experiment(ENDS), out=tmp_path_factory.mktemp("whole") / "s")
    assert done.manifest["status"] == "done"
    return (done.path / "sweep.csv").read_bytes()


@pytest.mark.slow
def test_workers_give_the_same_bytes(whole, tmp_path):
    seen = []
    done = tuichaos.sweep(experiment(ENDS), out=tmp_path / "s", workers=2, watch=seen.append)
    assert (done.path / "sweep.csv").read_bytes() == whole
    assert done.manifest["workers"] == 2
    assert seen[-1].done == 18
    assert seen[-1].seconds_left == 0


def test_stopped_in_the_middle_and_resumed(whole, tmp_path, command):
    stop = threading.Event()

    def watch(progress):
        if progress.done == 5:
            stop.set()

    part = tuichaos.sweep(experiment(ENDS), out=tmp_path / "s", stop=stop, watch=watch)
    assert part.manifest["status"] == "interrupted"
    table = read(part.path)
    assert 5 <= len(table["point"]) < 18
    assert table["point"].tolist() == sorted(table["point"])
    # A line that was cut off in the middle, as by SIGKILL: that point is run again.
    journal = part.path / rows.JOURNAL
    journal.write_bytes(journal.read_bytes()[:-40])
    code, out, err = command("resume", part.path, "--quiet")
    assert (code, out, err) == (0, "", "")
    assert (part.path / "sweep.csv").read_bytes() == whole
    assert len(journal.read_text().splitlines()) == 18
    code, out, _ = command("resume", part.path, "--json")  # there is nothing left to do
    assert json.loads(out)["done"] == 18


def test_another_experiment_is_not_mixed_into_a_sweep(tmp_path):
    stop = threading.Event()
    part = tuichaos.sweep(
        experiment(ENDS), out=tmp_path / "s", stop=stop, watch=lambda progress: stop.set()
    )
    toml, table = part.path / "experiment.toml", part.path / "sweep.csv"
    text, before = toml.read_text(), table.read_bytes()
    assert "steps = 40" in text
    toml.write_text(text.replace("steps = 40", "steps = 50"))
    with pytest.raises(InputError, match="experiment or its data changed since it began"):
        tuichaos.resume(tuichaos.open_run(part.path))
    assert table.read_bytes() == before
    toml.write_text(text)
    assert tuichaos.resume(tuichaos.open_run(part.path)).status == "done"


def lines(journal):
    return journal.read_text().count("\n") if journal.exists() else 0


@pytest.mark.long
def test_ctrl_c_ends_with_a_folder_that_goes_on(tmp_path):
    """The command itself: SIGINT, then SIGKILL, then to the end."""
    out = tmp_path / "s"
    code = "from tuichaos.cli.main import main; main()"
    over = f"{RATE}=linear:0.1:4:24"
    sets = ["--set", "steps=300", "--set", "ensemble.references=8"]
    starts = (["run", "--preset", "quick", "--over", over, *sets, "--out", out], ["resume", out])
    for number, (arguments, sent) in enumerate(
        zip(starts, (signal.SIGINT, signal.SIGKILL), strict=True)
    ):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], stderr=subprocess.PIPE, text=True
        )
        wait_for(lambda least=2 + 6 * number: lines(out / rows.JOURNAL) >= least, process)
        process.send_signal(sent)
        words = process.communicate()[1]
        assert process.returncode == (130, -9)[number], words
        if number == 0:
            assert "interrupted at point" in words
            assert "points that ended are kept in" in words
            assert "tuichaos resume" in words
    killed = tuichaos.open_run(out)
    assert killed.status == "killed"
    done = tuichaos.resume(killed)
    assert done.manifest["points"] == {"total": 24, "done": 24, "failed": 0}
    again = tuichaos.sweep(done.experiment, out=tmp_path / "again")
    assert (done.path / "sweep.csv").read_bytes() == (again.path / "sweep.csv").read_bytes()


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_point(tmp_path):
    """The first time that the map at r = 3.3 is made in a worker, it kills its process."""
    base = {"steps": 30, "ensemble.references": 1, "system.name": "deadly:make"}
    base["system.parameters.marker"] = str(tmp_path / "marker")
    ranges = {"system.parameters.r": {"linear": [3.0, 3.5, 6]}}
    made = experiment(ranges, base)
    done = tuichaos.sweep(made, out=tmp_path / "two", workers=2)
    assert (tmp_path / "marker").exists()
    assert done.manifest["points"] == {"total": 6, "done": 6, "failed": 0}
    calm = tuichaos.sweep(made, out=tmp_path / "one")
    assert (done.path / "sweep.csv").read_bytes() == (calm.path / "sweep.csv").read_bytes()


@pytest.mark.slow
def test_a_point_that_kills_every_worker_is_recorded(tmp_path, command):
    base = {"steps": 30, "ensemble.references": 1, "system.name": "deadly:make"}
    (tmp_path / "e.toml").write_text(
        experiment({"system.parameters.r": [3.2, 3.3, 3.4]}, base).to_toml()
    )
    code, _, err = command(
        "run", tmp_path / "e.toml", "--out", tmp_path / "s", "--workers", 2, "--quiet"
    )
    assert code == 1
    assert "1 of 3 points failed; the first: the worker process died" in err
    table = read(tmp_path / "s")
    assert table["status"] == ["done", "failed", "done"]
    assert np.isnan(table["lyapunov.mean"][1])
    assert np.isfinite(table["lyapunov.mean"][[0, 2]]).all()


def test_a_point_that_fails_is_tried_three_times_and_the_others_go_on(
    tmp_path, command, monkeypatch
):
    from tuichaos.instruments.observables import Observables

    fold, tries = Observables.fold, []

    def failing(self, frame):
        if self.context.experiment.optimizer.learning_rate == 0.2:
            tries.append(None)
            raise ValueError("no such number")
        return fold(self, frame)

    made = experiment({RATE: [0.1, 0.2, 0.3]})
    whole = tuichaos.sweep(made, out=tmp_path / "whole")
    monkeypatch.setattr(Observables, "fold", failing)
    (tmp_path / "e.toml").write_text(made.to_toml())
    code, out, err = command("run", tmp_path / "e.toml", "--out", tmp_path / "s", "--keep")
    assert code == 1
    assert len(tries) == 3
    assert "1 of 3 points failed; the first: ValueError: no such number" in err
    assert "failed" in out
    assert tuichaos.open_run(tmp_path / "s").manifest["points"]["failed"] == 1
    lines = (tmp_path / "s" / "sweep.csv").read_text().splitlines()
    expected = (whole.path / "sweep.csv").read_text().splitlines()
    assert [lines[k] for k in (0, 1, 3)] == [expected[k] for k in (0, 1, 3)]
    assert lines[2].startswith("1,0.2,failed,ValueError: no such number,,")
    failed = tuichaos.open_run(tmp_path / "s" / "runs" / "00001")
    assert failed.manifest["status"] == "failed"


def test_resume_tries_again_what_failed_and_nothing_else(tmp_path, command, monkeypatch):
    """Of a disk that was full, say: the row of a failure stays until there is a better one."""
    prepare, broken, made = batch.prepare, [0.1, 0.3], []

    def failing(ready, *rest):
        made.append(ready.experiment.optimizer.learning_rate)
        if made[-1] in broken:
            raise tuichaos.RunFailed("no space left")
        return prepare(ready, *rest)

    whole = tuichaos.sweep(experiment({RATE: [0.1, 0.2, 0.3]}), out=tmp_path / "whole")
    monkeypatch.setattr(batch, "prepare", failing)
    (tmp_path / "e.toml").write_text(whole.experiment.to_toml())
    code, _, err = command("run", tmp_path / "e.toml", "--out", tmp_path / "s", "--quiet")
    assert code == 1
    assert "2 of 3 points failed" in err
    assert f"tuichaos resume {tmp_path / 's'} tries them again" in err
    broken.remove(0.3)
    made.clear()
    seen = []
    part = tuichaos.resume(tuichaos.open_run(tmp_path / "s"), watch=seen.append)
    assert sorted(made) == [0.1, 0.1, 0.1, 0.3]
    assert (seen[0].before, seen[-1].done, seen[-1].failed) == (1, 3, 1)
    assert part.manifest["points"] == {"total": 3, "done": 2, "failed": 1}
    stop = threading.Event()
    stop.set()  # stopped before it is at the one that failed: that keeps its row
    part = tuichaos.resume(part, stop=stop)
    assert (part.status, part.manifest["points"]["failed"]) == ("interrupted", 1)
    assert read(part.path)["reason"][0] == "no space left"
    broken.clear()
    assert command("resume", part.path, "--quiet") == (0, "", "")
    assert (part.path / "sweep.csv").read_bytes() == (whole.path / "sweep.csv").read_bytes()


def test_progress_says_points_rate_time_left_and_failures(capsys, monkeypatch):
    from tuichaos.reports import progress
    from tuichaos.sweeps.sweep_writer import SweepProgress

    monkeypatch.setattr(progress, "LINE_SECONDS", -1.0)
    lines = progress.SweepLines()
    lines(SweepProgress(7, 20, 2, 1.0, 3, 2.0, 4))
    lines(SweepProgress(0, 20, 0, 0.0, 0, 2.0, 0))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "point 7 of 20 · 2.5 points/s · 5 s left · 2 failed"
    assert told[1] == "point 0 of 20 · no worker is there; waiting"


def test_a_point_that_fails_at_once_gives_up_its_engine_too(tmp_path, monkeypatch):
    """The first of a batch fails before the others' engine is there."""
    prepare = batch.prepare

    def failing(ready, *rest):
        if ready.experiment.optimizer.learning_rate == 0.1:
            raise tuichaos.RunFailed("no memory")
        return prepare(ready, *rest)

    monkeypatch.setattr(batch, "prepare", failing)
    done = tuichaos.sweep(experiment({RATE: [0.1, 0.2]}), out=tmp_path / "s")
    table = read(done.path)
    assert table["status"] == ["failed", "done"]
    assert table["reason"] == ["no memory", ""]


def test_units_of_workers_hold_every_point_once():
    made = points.grid(experiment({RATE: {"log": [0.01, 10, 301]}, "seed": [1, 2]}))
    found = workers.units(made.batches(), 3)
    assert sorted(p.index for unit in found for p in unit.points) == list(range(602))
    assert max(len(unit.points) for unit in found) <= workers.MAX_IN_UNIT
    for unit in found:
        assert len({p.values[1] for p in unit.points}) == 1


# --- the command line ----------------------------------------------------------------------


def test_dry_run_says_how_large(command, home):
    code, out, _ = command(
        "run", "--preset", "quick", "--dry-run", "--over", f"{RATE}=log:0.01:10:31",
        "--over", "seed=[1, 2]",
    )  # fmt: skip
    assert code == 0
    assert "points       62 in 2 batches, 2,976,000 replica-steps" in out
    assert "31 values, 0.01 … 10, logarithmic" in out
    assert not home.exists()


def test_run_list_plot_export_and_open(command, tmp_path, home):
    sets = [a for k, v in FAST.items() for a in ("--set", f"{k}={v}")]
    code, out, _ = command("run", "--preset", "quick", *sets, "--over", f"{RATE}=log:0.01:10:50")
    assert code == 0
    assert " η " in out
    assert "40 of 50 points, evenly chosen" in out
    assert "sweep of 50" in command("runs")[1]
    assert json.loads(command("runs", "--json")[1])[0]["kind"] == "sweep"
    for what in ([], ["--what", "loss.final_median"], ["--what", "lyapunov.mean", "--ascii"]):
        code, out, err = command("plot", "last", *what)
        assert (code, err) == (0, "")
        assert RATE in out
        assert "log10" not in out  # the axis is labelled with rates
    code, _, err = command("plot", "last", "--what", "lyapunov.men")
    assert code == 2
    assert "did you mean 'lyapunov.mean'?" in err
    for kind in ("csv", "parquet"):
        assert command("export", "last", "--format", kind, "--out", tmp_path / f"x.{kind}")[0] == 0
    sweep = tuichaos.list_runs()[0]
    assert (tmp_path / "x.csv").read_bytes() == (sweep.path / "sweep.csv").read_bytes()


def test_charts_have_intervals_and_leave_out_means_of_few(tmp_path):
    from tuichaos.plots.sweep_plots import picture

    made = experiment({RATE: [0.1, 1.0], "seed": [1, 2, 3]}, {"ensemble.references": 3})
    done = tuichaos.sweep(made, out=tmp_path / "s")
    shown = picture(done, "lyapunov.mean")
    assert shown.x_label == RATE
    assert [c.name for c in shown.curves[:3]] == ["seed = 1", "95 % low", "95 % high"]
    assert len(shown.curves) == 9
    one, low, high = shown.curves[:3]
    assert (low.y < one.y).all()
    assert (one.y < high.y).all()
    text = (done.path / "sweep.csv").read_text().splitlines()
    head = text[0].split(",")
    places = {name: head.index(name) for name in ("nmle.mean", "nmle.kept", "nmle.total")}
    lines = [line.split(",") for line in text[1:]]
    for k, line in enumerate(lines):
        for name, value in zip(places, ("0.2", "9" if k == 0 else "10", "50"), strict=True):
            line[places[name]] = value
    (done.path / "sweep.csv").write_text("\n".join([text[0], *map(",".join, lines)]) + "\n")
    means = picture(done, "nmle.mean").curves
    assert np.isnan(means[0].y).tolist() == [True, False]
    assert np.isfinite(means[1].y).all()


def test_a_single_run_that_is_done_is_left_alone(command, simulate):
    run = simulate({**FAST, **LITTLE})
    code, _, err = command("resume", run.path)
    assert code == 2
    assert "is done, all" in err


def test_a_sweep_that_runs_is_left_alone(command, tmp_path):
    done = tuichaos.sweep(experiment({RATE: [0.1]}), out=tmp_path / "s")
    manifest = json.loads((done.path / "manifest.json").read_text())
    (done.path / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    owner = {"pid": os.getppid(), "host": platform.node()}
    (done.path / "lock").write_text(json.dumps(owner))
    code, _, err = command("resume", done.path)
    assert code == 2
    assert f"process {os.getppid()} on {platform.node()} is at work on it" in err
    assert tuichaos.storage.run_reader.open_run(done.path).status == "running"


async def test_the_runs_screen_lists_a_sweep_and_marks_it_not(home):
    from textual.widgets import DataTable

    from tuichaos.config.presets import preset
    from tuichaos.tui.app import Explorer
    from tuichaos.tui.screens.runs import Runs

    tuichaos.sweep(experiment({RATE: [0.1, 0.2]}))
    app = Explorer(preset("quick"))
    async with app.run_test(size=(120, 36)) as pilot:
        app.push_screen(Runs())
        await pilot.pause()
        table = app.screen.query_one(DataTable)
        assert table.row_count == 1
        assert "2 points" in [str(cell) for cell in table.get_row_at(0)]
        await pilot.press("space")
        await pilot.pause()
        assert isinstance(app.screen, Runs)
        assert not app.screen.marked


def test_warnings_of_points_are_said_once(command, tmp_path):
    over = "ensemble.perturbation=[1e-14, 2e-14, 1e-8]"
    sets = [a for k, v in {**FAST, **LITTLE}.items() for a in ("--set", f"{k}={json.dumps(v)}")]
    code, _, err = command("run", "--preset", "quick", *sets, "--over", over, "--quiet")
    assert code == 0
    assert err.count("warning") == 1
    assert "the initial distance is rounded" in err
    assert "(and 1 points more)" in err


def test_a_noise_floor_that_is_not_0_is_said(command, tmp_path):
    over = "ensemble.perturbation=[1e-9, 1e-8]"
    code, _, err = command(
        "run", "--preset", "quick", "--set", "system.name=maps:Crowd", "--set", "steps=20",
        "--set", "ensemble.references=3", "--over", over, "--quiet", "--allow-nondeterministic",
    )  # fmt: skip
    assert code == 0
    assert "the noise floor is not 0 in 2 points" in err


def test_going_on_under_other_versions_is_said(tmp_path):
    done = tuichaos.sweep(experiment({RATE: [0.1]}), out=tmp_path / "s")
    manifest = json.loads((done.path / "manifest.json").read_text())
    manifest["versions"]["torch"] = "1.0"
    (done.path / "manifest.json").write_text(json.dumps(manifest))
    again = tuichaos.resume(tuichaos.open_run(done.path))
    assert any("torch 1.0 →" in warning for warning in again.manifest["warnings"])
    assert again.manifest["started"] == manifest["started"]


@pytest.mark.long
@pytest.mark.slow
def test_eos_epsilons():
    """The paper's table: mean ± .025 and kept ± 40 in its rows (the preset has 14)."""
    paper = {1e-14: (0.335, 435), 1e-12: (0.321, 459), 1e-8: (0.284, 449), 1e-6: (0.248, 412)}
    paper |= {1e-3: (0.118, 190), 1e-2: (0.075, 48), 1e-1: (None, 0)}
    rows = {"sweep": {"ensemble.perturbation": list(paper)}}
    found = read(tuichaos.sweep(tuichaos.preset("eos-epsilons", rows)).path)
    for size, (mean, kept) in paper.items():
        (k,) = np.flatnonzero(found["ensemble.perturbation"] == size)
        assert abs(found["nmle.kept"][k] - kept) <= 40
        assert mean is None or abs(found["nmle.mean"][k] - mean) <= 0.025


@pytest.mark.long
def test_eta_sweep():
    """Nine of the preset's 31 rates, with fewer references and no sharpness."""
    half = 0.501187233627272
    rates = [0.01, 0.05, 0.1, 0.2, half, 1.0, 3.98, 5.0, 10.0]
    fewer = {"sweep": {RATE: rates}, "ensemble.references": 80, "measure.sharpness": False}
    found = read(tuichaos.sweep(tuichaos.preset("eta-sweep", fewer)).path)
    eta, share = found[RATE], found["nmle.kept"] / found["nmle.total"]
    mean = dict(zip(eta.tolist(), found["nmle.mean"].tolist(), strict=True))
    at = dict(zip(eta.tolist(), share.tolist(), strict=True))
    assert (share[eta <= 0.2] <= 0.03).all()
    assert 0.3 <= at[half] <= 0.6
    assert at[1.0] > 0.8
    assert (share[eta > 3] < at[1.0] - 0.1).all()
    assert abs(mean[1.0] - mean[half]) < 0.05


class Many(workers.Pool):
    """A pool of any executor."""

    def __init__(self, make, count):
        self.executor, self.count = make, count

    def slots(self):
        return self.count

    def end(self, executor):
        executor.shutdown(wait=False)


def test_workers_that_never_live_end_the_sweep():
    """Not point by point: a machine on which no worker starts is told as such."""
    from concurrent.futures import BrokenExecutor, Executor, Future

    made = []

    class Dead(Executor):
        def __init__(self):
            made.append(self)

        def submit(self, *_):
            future = Future()
            future.set_exception(BrokenExecutor("gone"))
            return future

    grid_of_many = points.grid(experiment({RATE: {"log": [0.01, 10.0, 500]}}))
    job = batch.Job(grid_of_many.base)
    todo = workers.units(grid_of_many.batches(), 2)
    with pytest.raises(tuichaos.RunFailed, match="die again and again"):
        list(workers.scattered(job, todo, Many(Dead, 2), threading.Event()))
    assert len(made) == workers.MAX_DEATHS


def test_any_executor_carries_the_points(whole, tmp_path):
    """Threads of this process instead of others: the same rows by the same path."""
    from concurrent.futures import ThreadPoolExecutor

    made = points.grid(experiment(ENDS))
    job = batch.Job(made.base, None, 1)
    todo = workers.units(made.batches(), 1)
    pool = Many(lambda: ThreadPoolExecutor(1), 1)
    found = workers.scattered(job, todo, pool, threading.Event())
    kept = {row.point: row for row in found if isinstance(row, rows.Row)}
    from tuichaos.sweeps import sweep_table

    sweep_table.write(tmp_path, made, kept)
    assert (tmp_path / "sweep.csv").read_bytes() == whole


@pytest.mark.long
@pytest.mark.slow
def test_one_command_is_ten_times_as_fast_as_31_and_equal_bit_by_bit(tmp_path):
    """The issue's sweep as one command and as 31, each from its start to its end: every third
    of them is run, and stands for its neighbours in the time."""
    from tuichaos.benchmarks.sweeps import shell, sweep_experiment

    made = sweep_experiment("cpu")
    file = tmp_path / "s.toml"
    file.write_text(made.to_toml())
    rates = [point.values[0] for point in points.grid(made).points]
    one = shell("run", file, "--out", tmp_path / "one", "--quiet")
    shell("run", file, "--out", tmp_path / "kept", "--keep", "--quiet")
    seconds = {}
    for k, rate in list(enumerate(rates))[::3]:
        sets = ["--set", "sweep={}", "--set", f"{RATE}={rate!r}"]
        seconds[k] = shell("run", file, *sets, "--out", tmp_path / f"alone{k}", "--quiet")
    many = 31 * np.mean(list(seconds.values()))
    table = read(tmp_path / "one")
    assert (tmp_path / "one" / "sweep.csv").read_bytes() == (
        tmp_path / "kept" / "sweep.csv"
    ).read_bytes()
    for k in seconds:
        alone = tuichaos.open_run(tmp_path / f"alone{k}")
        kept = tmp_path / "kept" / "runs" / f"{k:05}"
        for name in ("series.csv", "exponents.csv", "summary.json"):
            assert (kept / name).read_bytes() == (alone.path / name).read_bytes(), (k, name)
        compared = 0
        for name, number in rows.flat(alone.summary).items():
            if isinstance(number, float) and name in table:
                compared += 1
                assert table[name][k] == number, (k, name)
        assert compared
    assert many >= 10 * one
