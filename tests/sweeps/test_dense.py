"""Points of planes and diagrams side by side: bit for bit what each is alone."""

from __future__ import annotations

import csv
import threading

import numpy as np
import pytest

from tuichaos.common.errors import InputError
from tuichaos.config.loading import resolve
from tuichaos.execution import runner
from tuichaos.instruments import period, regime
from tuichaos.simulation import block_shape
from tuichaos.simulation.block import Block
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps import points, sweep_runner, tiled_run
from tuichaos.sweeps.journal import Row
from tuichaos.systems.training import TrainingSystem

BASE = {
    "steps": 30,
    "data": {"name": "gaussian", "parameters": {"samples": 20, "features": 3, "outputs": 1}},
    "network": {"hidden": [4], "activation": "tanh", "bias": False},
    "loss": {"name": "mse"},
    "ensemble": {"references": 1, "twins": 0},
    "sweep": {
        "optimizer.learning_rate": {"log": [1e-2, 1e3, 5]},
        "network.init_scale": {"log": [0.1, 10.0, 4]},
    },
}
LOGISTIC = {
    "steps": 400,
    "system": {"name": "logistic", "start": [0.3]},
    "ensemble": {"references": 1, "twins": 0},
    "sweep": {"system.parameters.r": [2.6, 3.2, 3.5, 3.83, 4.0, 4.5]},
}


def plane(value: str, base=BASE, **changes):
    return resolve({**base, "plane": {"value": value}}, changes)


def rows_of(folder):
    with open(folder / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def lone(experiment, row, tmp_path, measure):
    """The row of exponents.csv of a run of one point."""
    table = experiment.model_dump()
    keys = list(table.pop("sweep"))
    del table["plane"], table["diagram"]
    table["measure"] |= measure
    found = resolve(table, {key: float(row[key]) for key in keys})
    folder = runner.run(found, out=tmp_path / f"point-{row['point']}").path
    with open(folder / "exponents.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        ("convergence", ("convergence", "converged", "late_loss", "diverged_at")),
        ("exponent", ("lyapunov", "lyapunov_error", "diverged_at")),
    ],
)
def test_points_have_the_bits_of_their_lone_runs(value, columns, tmp_path):
    experiment = plane(value)
    found = rows_of(sweep_runner.sweep(experiment, out=tmp_path / "sweep").path)
    assert [row["point"] for row in found] == [str(k) for k in range(20)]
    for row in found[::3]:
        alone = lone(experiment, row, tmp_path, {"convergence": True})[0]
        assert {name: row[name] for name in columns} == {name: alone[name] for name in columns}
    if value == "convergence":
        assert {row["converged"] for row in found} == {"0", "1"}


def test_several_references_give_medians_and_counts(tmp_path):
    experiment = plane("convergence", **{"ensemble.references": 3})
    found = rows_of(sweep_runner.sweep(experiment, out=tmp_path / "sweep").path)
    for row in (found[1], found[-1]):
        alone = lone(experiment, row, tmp_path, {"convergence": True})
        losses = [float(one["late_loss"]) for one in alone if one["late_loss"]]
        assert row["late_loss_count"] == str(len(losses))
        assert row["late_loss"] == (repr(float(np.median(losses))) if losses else "")


def test_maps_have_their_known_numbers(tmp_path):
    found = rows_of(sweep_runner.sweep(plane("period", LOGISTIC), out=tmp_path / "p").path)
    assert [row["period"] for row in found] == ["1", "2", "4", "3", "", ""]
    verdicts = rows_of(sweep_runner.sweep(plane("verdict", LOGISTIC), out=tmp_path / "v").path)
    assert verdicts[1]["verdict"] == "periodic-2"
    assert verdicts[4]["verdict"] == "chaotic"
    assert verdicts[5]["verdict"] == "diverged"


def test_tiles_do_not_matter(tmp_path, monkeypatch):
    whole = sweep_runner.sweep(plane("exponent"), out=tmp_path / "whole").path
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 1)
    monkeypatch.setattr(tiled_run, "TILE_WORK", 90)
    cut = sweep_runner.sweep(plane("exponent"), out=tmp_path / "cut", threads=1).path
    assert (whole / "sweep.csv").read_bytes() == (cut / "sweep.csv").read_bytes()


def test_coarse_points_come_first(monkeypatch):
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 1)
    monkeypatch.setattr(tiled_run, "TILE_WORK", 1)
    sweep = {
        "optimizer.learning_rate": {"log": [1e-2, 1e3, 40]},
        "network.init_scale": {"log": [0.1, 10.0, 33]},
    }
    made = points.grid(plane("convergence", {**BASE, "sweep": sweep}))
    order = [tile[0].index for tile in tiled_run.tiles(made, made.batches())]
    assert sorted(order) == list(range(40 * 33))
    first = [(16 * i) * 33 + 16 * j for i in range(3) for j in range(3)]
    assert order[: len(first)] == first
    assert order[len(first)] == 8


def test_a_stopped_plane_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 1)
    monkeypatch.setattr(tiled_run, "TILE_WORK", 90)
    whole = sweep_runner.sweep(plane("convergence"), out=tmp_path / "whole").path
    stop = threading.Event()

    def watch(progress):
        if progress.done >= 7:
            stop.set()

    part = sweep_runner.sweep(plane("convergence"), out=tmp_path / "part", watch=watch, stop=stop)
    assert 7 <= len(rows_of(part.path)) < 20
    done = sweep_runner.resume(open_run(part.path))
    assert (whole / "sweep.csv").read_bytes() == (done.path / "sweep.csv").read_bytes()


def stopped_by(monkeypatch, place, name, value, calls):
    """How often a function is called that sets stop at its ``calls``-th call; the rows."""
    stop, seen, original = threading.Event(), [], getattr(place, name)

    def counted(*arguments):
        seen.append(None)
        if len(seen) == calls:
            stop.set()
        return original(*arguments)

    monkeypatch.setattr(place, name, counted)
    found = list(sweep_runner.stream(points.grid(plane(value)), threads=1, stop=stop))
    return len(seen), [row for row in found if isinstance(row, Row)]


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (Block, "advance", "exponent"),  # within a frame
        (regime, "judge", "verdict"),  # within the results
        (period.Period, "measured", "period"),
    ],
)
def test_a_stop_is_heeded_within_a_tile(place, name, value, monkeypatch):
    monkeypatch.setattr(tiled_run, "TILE_WORK", 1)
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 20)
    monkeypatch.setattr(block_shape, "FRAME_STEPS", 30)
    monkeypatch.setattr(TrainingSystem, "block_rows", 4)
    assert stopped_by(monkeypatch, place, name, value, 3) == (3, [])


def test_no_tile_is_made_ready_after_a_stop(monkeypatch):
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 1)
    monkeypatch.setattr(tiled_run, "TILE_WORK", 1)
    count, found = stopped_by(monkeypatch, tiled_run, "planned", "convergence", 3)
    assert (count, len(found)) == (3, 2)


def test_a_noise_floor_that_is_not_0_is_told_of_a_plane(tmp_path):
    base = {
        **LOGISTIC,
        "system": {"name": "maps:Crowd", "allow_nondeterministic": True},
        "steps": 20,
    }
    base["ensemble"] = {"references": 8, "twins": 0}
    base["sweep"] = {"seed": [1, 2]}
    found = sweep_runner.sweep(plane("exponent", base), out=tmp_path / "p")
    assert found.manifest["noise_floor"] == {"holds": False, "points_that_part": 2}


@pytest.mark.slow
def test_workers_do_not_matter(tmp_path):
    whole = sweep_runner.sweep(plane("convergence"), out=tmp_path / "whole").path
    spread = sweep_runner.sweep(plane("convergence"), out=tmp_path / "spread", workers=2).path
    assert (whole / "sweep.csv").read_bytes() == (spread / "sweep.csv").read_bytes()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"plane": {"value": "convergence"}, "sweep": {}}, "sweep"),
        ({"plane": {"value": "exponents"}}, "plane.value"),
        ({"plane": {"value": "exponent"}, "diagram": {"observable": "loss"}}, "plane"),
        ({"diagram": {"observable": "loss"}}, "sweep"),
    ],
)
def test_bad_tables_are_refused_by_name(table, words):
    with pytest.raises(InputError, match=words):
        resolve({**BASE, **table})


def test_a_system_without_a_loss_cannot_converge():
    with pytest.raises(InputError, match=r"convergence.*no loss"):
        sweep_runner.sweep(plane("convergence", LOGISTIC))


def test_the_coarsest_points_are_a_tile_of_their_own():
    sweep = {
        "optimizer.learning_rate": {"log": [1e-2, 1e3, 128]},
        "network.init_scale": {"log": [0.1, 10.0, 128]},
    }
    made = points.grid(plane("convergence", {**BASE, "sweep": sweep}), yes=True)
    first, *rest = tiled_run.tiles(made, made.batches())
    assert len(first) == 8 * 8
    assert len(first) + sum(map(len, rest)) == 128 * 128
    assert max(map(len, rest)) <= tiled_run.TILE_MOST
