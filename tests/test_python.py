"""What a caller in Python gets: sweeps that can be read, test losses, twins that diverge."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import tuichaos
from tuichaos import InputError, resolve
from tuichaos.execution import runner
from tuichaos.reports import run_report
from tuichaos.sweeps.result import open_run
from tuichaos.systems.base import System
from tuichaos.systems.layout import parameter_mask, perturbed_mask

RATES = [0.1, 0.5, 2.0]
SMALL = {"steps": 40, "measure": {"regime": False}, "ensemble": {"references": 2, "twins": 1}}
TABLE = {**SMALL, "sweep": {"optimizer.learning_rate": RATES, "seed": [0, 1]}}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return tuichaos.sweep(resolve(TABLE), out=tmp_path_factory.mktemp("s") / "s", keep=True)


def test_a_sweep_has_its_table_and_its_points(swept):
    assert isinstance(swept, tuichaos.Sweep)
    table = swept.table()
    assert table["optimizer.learning_rate"].tolist() == np.repeat(RATES, 2).tolist()
    assert table["status"] == ["done"] * 6
    assert swept.keys == ("optimizer.learning_rate", "seed")
    assert [p.number for p in swept.points] == list(range(6))
    assert [tuple(p.values.values()) for p in swept.points] == [
        (rate, seed) for rate in RATES for seed in (0, 1)
    ]
    with open(swept.path / "sweep.csv", encoding="utf-8") as file:
        for point, row in zip(swept.points, csv.DictReader(file), strict=True):
            assert (point.status, point.reason) == ("done", "")
            assert repr(point.numbers["loss.final_median"]) == row["loss.final_median"]
            missing = [name for name, number in point.numbers.items() if number is None]
            assert all(row[name] == "" for name in missing)
            assert point.run.summary["loss"]["final_median"] == point.numbers["loss.final_median"]
            assert point.run.experiment.seed == point.values["seed"]
    again = open_run(swept.path)
    assert isinstance(again, tuichaos.Sweep)
    assert again.points == swept.points
    assert swept.summary["points"] == {"total": 6, "done": 6, "failed": 0}


def test_what_a_sweep_has_not_is_said(swept, tmp_path):
    for name in ("series", "steps", "exponents", "rates", "states"):
        with pytest.raises(InputError, match=f"a sweep has no {name} of its own: see table"):
            getattr(swept, name)
    bare = tuichaos.sweep(resolve({**TABLE, "sweep": {"seed": [1, 2]}}), out=tmp_path / "bare")
    with pytest.raises(InputError, match="point 0: its run was not kept; see keep=True"):
        _ = bare.points[0].run


def test_a_point_that_failed_says_why(tmp_path, monkeypatch):
    from tuichaos.sweeps import batch

    prepare = batch.prepare

    def failing(ready, *rest):
        if ready.experiment.seed == 1:
            raise tuichaos.RunFailed("no space left")
        return prepare(ready, *rest)

    monkeypatch.setattr(batch, "prepare", failing)
    found = tuichaos.sweep(resolve({**TABLE, "sweep": {"seed": [1, 2]}}), out=tmp_path / "s")
    assert [p.status for p in found.points] == ["failed", "done"]
    assert "no space left" in found.points[0].reason
    assert found.points[0].numbers["loss.final_median"] is None
    assert found.summary["points"] == {"total": 2, "done": 1, "failed": 1}


DIAGRAM = {
    "steps": 60,
    "system": {"name": "logistic"},
    "ensemble": {"references": 2, "twins": 0},
    "diagram": {"observable": "x0", "last": 8},
    "sweep": {"system.parameters.r": [3.2, 3.5, 4.0]},
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_orbit_diagram_is_exported_with_its_points(kind, tmp_path, command):
    run = tuichaos.sweep(resolve(DIAGRAM), out=tmp_path / "d")
    target = tmp_path / f"x.{kind}"
    assert command("export", run.path, "--format", kind, "--out", target)[0] == 0
    if kind == "csv":
        assert target.read_bytes() == (run.path / "diagram.csv").read_bytes()
        with open(target, encoding="utf-8") as file:
            found = [float(row["x0"]) for row in csv.DictReader(file)]
    else:
        from pyarrow import parquet

        found = parquet.read_table(target)["x0"].to_pylist()
    own = run.table("diagram.csv")
    assert len(found) == 3 * 2 * 8 == len(own["x0"])
    assert found == own["x0"].tolist()
    assert own["direction"] == ["fresh"] * 48


def test_points_of_a_diagram_that_is_not_complete(tmp_path, command):
    run = tuichaos.sweep(resolve(DIAGRAM), out=tmp_path / "d")
    (run.path / "diagram.csv").unlink()
    code, _, err = command("export", run.path, "--out", tmp_path / "x.csv")
    assert code == 2
    assert f"when the diagram is complete: tuichaos resume {tmp_path / 'd'};" in err
    assert not (tmp_path / "x.csv").exists()


def numpy_loss(name, z, y, classes):
    """Mean loss of outputs (samples, classes)."""
    targets = y if classes is None else np.eye(classes)[y]
    if name == "mse":
        return 0.5 * ((z - targets) ** 2).sum(1).mean()
    z = z - z.max(1, keepdims=True)
    return (np.log(np.exp(z).sum(1)) - (z * targets).sum(1)).mean()


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("real", [False, True])
def test_the_loss_on_the_test_part_is_recorded(loss, real, tmp_path):
    if real and loss == "cross-entropy":
        return
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 3)), rng.random((40, 2))
    np.savez(tmp_path / "a.npz", x=x[:30], y=y[:30], x_test=x[30:], y_test=y[30:])
    data = {"name": "npz", "path": str(tmp_path / "a.npz")} if real else {"name": "iris"}
    table = {"steps": 20, "data": data, "loss": {"name": loss}, "network": {"activation": "tanh"}}
    table |= {"ensemble": {"references": 3, "twins": 1}}
    table["record"] = {"every": 5, "states_every": 5}
    run = runner.run(resolve(table), out=tmp_path / "r")
    saved, classes = run.states, None if real else 3
    assert run.columns[-1] == "test_loss"
    for at, state in enumerate(saved["states"]):
        for reference, one in enumerate(state):
            inputs = saved["x_test"].shape[1]
            first, rest = one[: 10 * inputs].reshape(10, inputs), one[10 * inputs :]
            second = rest[10 : -len(rest[10:]) // 11].reshape(-1, 10)
            bias = rest[10 + second.size :]
            z = np.tanh(saved["x_test"] @ first.T + rest[:10]) @ second.T + bias
            expected = numpy_loss(loss, z, saved["y_test"], classes)
            assert run.series["test_loss"][at, reference] == pytest.approx(expected, rel=1e-12)
    assert run.summary["test_loss"]["final_median"] == np.median(run.series["test_loss"][-1])
    assert any(row.measure == "final loss, test" for row in run_report.rows(run))


def test_there_is_no_test_loss_without_a_test_part(tmp_path):
    table = {"steps": 5, "data": {"name": "gaussian"}, "loss": {"name": "mse"}}
    table |= {"ensemble": {"references": 2, "twins": 1}}
    run = runner.run(resolve(table), out=tmp_path / "r")
    assert "test_loss" not in run.columns
    assert "test_loss" not in run.summary


def test_twins_that_diverge_alone_are_counted_and_said(tmp_path):
    """x ← x² from 1: the references rest there, twins above it grow beyond all range."""
    table = {
        "steps": 120,
        "system": {"name": "maps:Squares", "start": [1.0]},
        "ensemble": {"references": 3, "twins": 4, "perturbation": 1e-3},
    }
    run = runner.run(resolve(table), out=tmp_path / "r")
    found = run.summary["distance"]
    lost = found["twins_diverged"]
    assert 0 < lost < 12
    assert (found["twins_total"], run.summary["diverged"]) == (12, 0)
    assert f"twins: {lost} of 12 diverged while their reference did not, the first at step" in (
        " ".join(run_report.remarks(run))
    )


def test_twins_that_are_nan_at_step_1(tmp_path):
    table = {
        "steps": 20,
        "system": {"name": "maps:Edge", "start": [1.0]},
        "ensemble": {"references": 2, "twins": 3, "perturbation": 1e-3, "perturb_at": 4},
    }
    run = runner.run(resolve(table), out=tmp_path / "r")
    found = run.summary["distance"]
    assert (found["twins_diverged"], found["twins_total"]) == (6, 6)
    assert found["twins_diverged_first"] == 5
    said = " ".join(run_report.remarks(run))
    assert "twins: 6 of 6 diverged while their reference did not, the first at step 5" in said
    calm = runner.run(resolve({**table, "system": {"name": "henon"}}), out=tmp_path / "calm")
    assert calm.summary["distance"]["twins_diverged"] == 0
    assert calm.summary["distance"]["twins_diverged_first"] is None
    assert "twins:" not in " ".join(run_report.remarks(calm))


def test_pieces_of_a_layout_as_the_readme_tells():
    class Own(System):
        dimension = 15
        layout = (
            tuichaos.Piece("w", (3, 2), "weight"),
            tuichaos.Piece("b", (3,), "bias"),
            tuichaos.Piece("v", (6,), "optimizer"),
        )

    own = Own()
    assert parameter_mask(own.layout).tolist() == [True] * 9 + [False] * 6
    assert perturbed_mask(own.layout, "weights").tolist() == [True] * 6 + [False] * 9


def test_a_column_that_is_not_there_is_said_with_those_that_are(tmp_path):
    few = {"steps": 20, "measure.discard": 0, "ensemble.references": 1}
    made = tuichaos.preset("logistic", few)
    run = tuichaos.run(made, out=tmp_path / "run")
    for table in (run.series, run.exponents, run.rates, run.table("regime.csv")):
        with pytest.raises(KeyError) as fault:
            table["nope"]
        assert isinstance(fault.value, tuichaos.InputError)
        assert str(fault.value).startswith("'nope': no such column; choose from ")
        assert "nope" not in table
        assert table.get("nope") is None
    with pytest.raises(KeyError, match="did you mean 'distance'"):
        run.series["distence"]
    with pytest.raises(tuichaos.InputError, match=r"regime\.csv"):
        run.table("nope.csv")
    swept = tuichaos.sweep(tuichaos.preset("logistic", few, ["seed=[1]"]), out=tmp_path / "sweep")
    for table in (swept.table(), swept.points[0].numbers, swept.points[0].values):
        with pytest.raises(KeyError, match="'nope': no such column"):
            table["nope"]
