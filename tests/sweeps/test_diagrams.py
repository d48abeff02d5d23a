"""Orbit diagrams: bits of lone runs, continued orbits, observables, refusals, pictures."""

from __future__ import annotations

import csv
import json
import threading

import numpy as np
import pytest

from tuichaos.common.errors import InputError
from tuichaos.config.loading import resolve
from tuichaos.execution import runner
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps import points, sweep_runner, tiled_run, workers
from tuichaos.sweeps.journal import Journal, Row

R = "system.parameters.r"
A = "system.parameters.a"
RATE = "optimizer.learning_rate"
LOGISTIC = {
    "steps": 300,
    "system": {"name": "logistic"},
    "ensemble": {"references": 2, "twins": 0},
    "diagram": {"observable": "x0", "last": 64},
    "sweep": {R: [2.6, 3.2, 3.5, 3.83, 4.0, 4.5]},
}
NETWORK = {
    "steps": 40,
    "data": {"name": "gaussian", "parameters": {"samples": 20, "features": 3, "outputs": 1}},
    "network": {"hidden": [6], "activation": "tanh"},
    "loss": {"name": "mse"},
    "ensemble": {"references": 2},
    "diagram": {"observable": "loss", "last": 10},
    "sweep": {RATE: {"log": [1e-2, 10.0, 5]}},
}
QUARTIC = {
    "steps": 400,
    "system": {"name": "quartic"},
    "ensemble": {"references": 1},
    "diagram": {"observable": "x0", "last": 50},
    "sweep": {A: {"linear": [0.9, 1.5, 13]}},
}
FILES = ("sweep.csv", "diagram.csv", "bifurcations.csv", "summary.json")


def sweep(table, folder, overrides=None, **how):
    return sweep_runner.sweep(resolve(table, overrides), out=folder, **how)


def rows_of(run, name="sweep.csv"):
    with open(run.path / name, newline="") as file:
        return list(csv.DictReader(file))


def orbits(run):
    return {index: row.orbit for index, row in Journal(run.path).rows.items()}


def lone(table, value, folder, **overrides):
    """A run of one value, by itself."""
    table = {k: v for k, v in table.items() if k not in ("sweep", "diagram")}
    (key,) = overrides.pop("key", (R,))
    return runner.run(resolve(table, {key: value, **overrides}), out=folder)


def same_bytes(one, other, files=FILES):
    return all((one.path / f).read_bytes() == (other.path / f).read_bytes() for f in files)


# --- bits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "key"), [(LOGISTIC, R), (NETWORK, RATE)])
def test_values_are_the_last_ones_of_lone_runs(table, key, tmp_path):
    run = sweep(table, tmp_path / "d")
    name, last = table["diagram"]["observable"], table["diagram"]["last"]
    discard = table["steps"] - last
    for k, row in enumerate(rows_of(run)):
        alone = lone(
            table, float(row[key]), tmp_path / str(k), key=(key,), **{"measure.discard": discard}
        )
        expected = alone.series[name][-last:].T
        found = np.array(orbits(run)[k]["fresh"], dtype=float)
        np.testing.assert_array_equal(found, expected)
        exponents = alone.exponents["lyapunov"]
        known = exponents[np.isfinite(exponents)]
        expected = repr(float(np.median(known))) if len(known) else ""
        assert row["lyapunov"] == expected
        assert row["lyapunov_count"] == str(len(known))


@pytest.mark.slow
def test_tiles_threads_workers_and_company_do_not_matter(tmp_path, monkeypatch):
    whole = sweep(NETWORK, tmp_path / "whole")
    spread = sweep(NETWORK, tmp_path / "spread", workers=2)
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 1)
    monkeypatch.setattr(tiled_run, "TILE_WORK", 1)
    cut = sweep(NETWORK, tmp_path / "cut", threads=1)
    more = sweep(NETWORK, tmp_path / "more", {"ensemble.references": 3})
    assert same_bytes(whole, spread)
    assert same_bytes(whole, cut)
    for index, orbit in orbits(whole).items():
        assert orbits(more)[index]["fresh"][:2] == orbit["fresh"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("continued", ["up", "both"])
def test_continued_ways_do_not_depend_on_threads_workers_or_company(continued, tmp_path):
    way = {"diagram.continued": continued}
    one = sweep(NETWORK, tmp_path / "one", way, threads=1)
    assert same_bytes(one, sweep(NETWORK, tmp_path / "two", way, threads=2))
    assert same_bytes(one, sweep(NETWORK, tmp_path / "three", way, workers=2))
    more = sweep(NETWORK, tmp_path / "more", {**way, "ensemble.references": 5})
    for index, orbit in orbits(one).items():
        assert {k: v[:2] for k, v in orbits(more)[index].items()} == orbit


@pytest.mark.parametrize(("table", "key"), [(LOGISTIC, R), (NETWORK, RATE)])
def test_a_stage_is_the_lone_run_from_the_last_state(table, key, tmp_path):
    """With no nudge; the states of a network are kept by a run that saves its last ones."""
    one = {"ensemble.references": 1, "diagram.continued": "down", "diagram.nudge": 0.0}
    run = sweep(table, tmp_path / "d", one)
    last = table["diagram"]["last"]
    rows, state = rows_of(run), None
    for row in rows[::-1]:
        start = {} if state is None else {"system.start": state}
        alone = lone(
            table,
            float(row[key]),
            tmp_path / row["point"],
            key=(key,),
            **{
                "ensemble.references": 1,
                "measure.discard": table["steps"] - last,
                "record.states_every": table["steps"],
            },
            **start,
        )
        expected = alone.series[table["diagram"]["observable"]][-last:, 0]
        found = np.array(orbits(run)[int(row["point"])]["down"][0], dtype=float)
        np.testing.assert_array_equal(found, expected)
        known = alone.exponents["lyapunov"][0]
        assert row["down.lyapunov"] == (repr(float(known)) if np.isfinite(known) else "")
        states = np.load(alone.path / "states.npz")["states"][-1, 0]
        state = states.tolist() if np.isfinite(states).all() else None


@pytest.mark.slow
def test_a_stopped_diagram_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 1)
    monkeypatch.setattr(tiled_run, "TILE_WORK", 1)
    brief = {**QUARTIC, "steps": 120}
    for continued in ("no", "both"):
        way = {"diagram.continued": continued}
        whole = sweep(brief, tmp_path / f"whole-{continued}", way)
        stop = threading.Event()

        def watch(progress, stop=stop):
            if progress.done >= 3:
                stop.set()

        part = sweep(brief, tmp_path / f"part-{continued}", way, watch=watch, stop=stop)
        assert 3 <= len(rows_of(part)) < 13
        assert not (part.path / "diagram.csv").exists()
        done = sweep_runner.resume(open_run(part.path))
        assert same_bytes(whole, done)


def test_a_worker_that_dies_leaves_a_continued_way_whole():
    some = tuple(points.Point(k, (float(k),)) for k in range(3))
    suspects = []
    assert not list(workers._again(suspects, workers.Unit(some, whole=True), OSError("gone")))
    assert [unit.points for unit in suspects] == [some]
    assert suspects[0].whole
    suspects = []
    list(workers._again(suspects, workers.Unit(some), OSError("gone")))
    assert [unit.points for unit in suspects] == [(point,) for point in some]


# --- what is found -------------------------------------------------------------------------


def test_periods_exponents_and_what_diverges(tmp_path):
    run = sweep(LOGISTIC, tmp_path / "d")
    rows = rows_of(run)
    assert [row["period"] for row in rows] == ["1", "2", "4", "3", "", ""]
    assert float(rows[0]["lyapunov"]) == pytest.approx(np.log(0.6), abs=1e-10)
    assert float(rows[1]["lyapunov"]) == pytest.approx(0.5 * np.log(0.16), abs=1e-10)
    assert float(rows[4]["lyapunov"]) == pytest.approx(np.log(2), abs=0.1)
    assert (rows[5]["lyapunov"], rows[5]["lyapunov_reason"]) == ("", "diverged")
    assert orbits(run)[5]["fresh"] == [[None] * 64] * 2
    drawn = rows_of(run, "diagram.csv")
    assert list(drawn[0]) == ["value", "direction", "reference", "index", "x0"]
    assert len(drawn) == 6 * 2 * 64
    assert drawn[-1] == {
        "value": "4.5", "direction": "fresh", "reference": "1", "index": "63", "x0": "",
    }  # fmt: skip
    cell = [row for row in drawn if row["value"] == "3.5" and row["reference"] == "1"]
    assert [float(row["x0"]) for row in cell] == orbits(run)[2]["fresh"][1]


def test_a_superstable_value_has_no_exponent_but_a_reason(tmp_path):
    run = sweep(QUARTIC, tmp_path / "d", {"sweep": {A: [0.5, 0.6]}})
    first, second = rows_of(run)
    assert first["lyapunov"] == ""
    assert "superstable" in first["lyapunov_reason"]
    assert first["period"] == "1"
    assert float(second["lyapunov"]) == pytest.approx(np.log(0.2), abs=1e-9)


@pytest.mark.slow
def test_a_nudge_leaves_a_fixed_point_that_became_unstable(tmp_path):
    resting = {"diagram.continued": "up", "system.start": [1.0]}
    still = sweep(QUARTIC, tmp_path / "still", {**resting, "diagram.nudge": 0.0})
    for row in rows_of(still):
        assert row["up.period"] == "1"
        a = float(row[A])
        assert float(row["up.lyapunov"]) == pytest.approx(np.log(abs(1 - 2 * a)), abs=1e-9)
    moved = [row["up.period"] for row in rows_of(sweep(QUARTIC, tmp_path / "moved", resting))]
    assert moved[0] == "1"
    assert moved[4] == "2"  # a = 1.1
    assert moved[7] == "4"  # a = 1.25


def test_a_continued_orbit_that_diverged_starts_afresh(tmp_path):
    ranges = {"sweep": {A: [1.9, 2.3, 2.4, 1.95]}, "diagram.continued": "both"}
    run = sweep(QUARTIC, tmp_path / "d", ranges)
    rows = {float(row[A]): row for row in rows_of(run)}
    assert [rows[a]["up.afresh"] for a in (1.9, 1.95, 2.3, 2.4)] == ["1", "0", "0", "1"]
    assert [rows[a]["down.afresh"] for a in (2.4, 2.3, 1.95, 1.9)] == ["1", "1", "1", "0"]
    assert rows[2.4]["up.lyapunov_reason"] == "diverged"
    assert run.summary["started_afresh"] == 3
    assert run.summary["diverged"] == 2


@pytest.mark.slow
def test_hysteresis_shows_in_the_two_directions(tmp_path):
    """x ← x + (r + x − x³)/10 keeps to one branch until its fold at r = ±2/(3√3)."""
    table = {
        "steps": 600,
        "system": {"name": "maps:Cusp", "parameters": {"r": 0.0}},
        "ensemble": {"references": 1},
        "diagram": {"observable": "x0", "last": 20, "continued": "both"},
        "sweep": {R: {"linear": [-1.0, 1.0, 41]}},
    }
    run = sweep(table, tmp_path / "d")
    for row in Journal(run.path).rows.values():
        r = -1 + row.point * 0.05
        up, down = row.orbit["up"][0][-1], row.orbit["down"][0][-1]
        inside = abs(r) < 0.38
        assert (np.sign(up), np.sign(down)) == ((-1, 1) if inside else (np.sign(r),) * 2)
    folds = run.summary["bifurcations"]["found"]
    assert [one["kind"] for one in folds] == ["fold", "fold"]
    edge = 2 / (3 * np.sqrt(3))
    assert [one["parameter"] for one in folds] == pytest.approx([-edge, edge], abs=1e-9)


def test_a_flow_has_values_a_step(tmp_path):
    table = {
        "steps": 5000,
        "system": {"name": "lorenz"},
        "ensemble": {"references": 1},
        "diagram": {"observable": "x2", "last": 100},
        "sweep": {"system.parameters.rho": [10.0, 28.0]},
    }
    rows = rows_of(sweep(table, tmp_path / "d"))
    assert rows[0]["period"] == "1"
    assert float(rows[0]["lyapunov"]) < 0 < float(rows[1]["lyapunov"])


# --- observables ---------------------------------------------------------------------------


def test_observables_are_what_they_are_called(tmp_path):
    alone = lone(NETWORK, 0.01, tmp_path / "alone", key=(RATE,), **{"record.states_every": 1})
    saved = np.load(alone.path / "states.npz")["states"][-10:]  # (times, references, d)
    expected = {
        "weight_norm": np.abs(saved).sum(-1),
        "state.4": saved[:, :, 4],
        "layers.0.weight[1,1]": saved[:, :, 4],
        "layers.0.bias[2]": saved[:, :, 20],
        "layers.1.bias[0]": saved[:, :, -1],
    }
    for name, values in expected.items():
        run = sweep(NETWORK, tmp_path / name.replace(".", "-"), {"diagram.observable": name})
        found = np.array(orbits(run)[0]["fresh"])
        np.testing.assert_allclose(found, values.T, rtol=1e-14)
        assert rows_of(run, "diagram.csv")[0][name.replace(",", ";")]


@pytest.mark.slow
def test_a_component_is_that_of_the_pooled_last_states(tmp_path, monkeypatch):
    """By another route: the eigenvector of the covariance of all last states."""
    small = {"diagram.observable": "component.1"}
    run = sweep(NETWORK, tmp_path / "d", small)
    states = []
    for k, row in enumerate(rows_of(run)):
        alone = lone(
            NETWORK, float(row[RATE]), tmp_path / str(k), key=(RATE,), **{"record.states_every": 1}
        )
        last = np.load(alone.path / "states.npz")["states"][-10:]
        states.append(last.transpose(1, 0, 2))
    pooled = np.concatenate([s.reshape(-1, s.shape[-1]) for s in states])
    pooled = pooled[np.isfinite(pooled).all(axis=1)]
    values, vectors = np.linalg.eigh(np.cov(pooled.T))
    axis = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    for k, own in enumerate(states):
        found = np.array(orbits(run)[k]["fresh"], dtype=float)
        expected = (own - pooled.mean(axis=0)) @ axis
        scale = np.abs(pooled).max()
        np.testing.assert_allclose(found, expected, atol=1e-9 * scale)
    assert run.summary["explained"] == pytest.approx(values[-1] / values.sum())
    monkeypatch.setattr(tiled_run, "TILE_LEAST", 1)
    monkeypatch.setattr(tiled_run, "TILE_WORK", 1)
    assert same_bytes(run, sweep(NETWORK, tmp_path / "cut", small, threads=1))
    assert same_bytes(run, sweep(NETWORK, tmp_path / "spread", small, workers=2))


BAD = [
    (LOGISTIC, {"diagram.observable": "los"}, "unknown observable 'los'; choose from x0, weight"),
    (NETWORK, {"diagram.observable": "lose"}, "unknown observable 'lose'; did you mean 'loss'"),
    (LOGISTIC, {"diagram.observable": "state.1"}, "the state has entries 0 to 0"),
    (NETWORK, {"diagram.observable": "layers.0.weight[6,0]"}, r"layers.0.weight\[0,0\] to .*5,2"),
    (NETWORK, {"diagram.observable": "layers.0.weight"}, "its entries are"),
    (LOGISTIC, {"diagram.observable": "component.2"}, "the states have 1 components"),
    (LOGISTIC, {"diagram.continued": "sideways"}, "unknown value 'sideways'"),
    (LOGISTIC, {"diagram.nudge": -1}, "diagram.nudge"),
    (LOGISTIC, {"diagram.last": 301}, "diagram.last: must be at most steps"),
    (LOGISTIC, {"diagram.last": 0}, "diagram.last"),
    (NETWORK, {"sweep": {"steps": [50, 60]}}, "sweep.steps: an orbit diagram goes over"),
    (NETWORK, {"sweep": {"seed": [5, 6]}}, "parameter that each replica may have"),
    (NETWORK, {"sweep": {"network.hidden": [5, 6]}}, "network.hidden"),
    (
        {**LOGISTIC, "system": {"name": "product"}},
        {"sweep": {"system.parameters.factors": [2, 3]}},
        "system.parameters.factors: an orbit diagram",
    ),
    (
        NETWORK,
        {"sweep": {"network.init_scale": [1.0, 2.0]}, "diagram.continued": "up"},
        "diagram.continued: network.init_scale is of initial states",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("table", "overrides", "words"), BAD)
def test_what_cannot_be_is_refused_and_nothing_is_left(table, overrides, words, tmp_path):
    with pytest.raises(InputError, match=words) as refusal:
        sweep_runner.sweep(resolve(table, overrides), out=tmp_path / "d")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "d").exists()


def test_a_component_of_what_does_not_move_is_refused(tmp_path):
    still = {"system.start": [0.0], "diagram.observable": "component.1"}
    with pytest.raises(InputError, match="do not spread"):
        sweep(LOGISTIC, tmp_path / "d", still)
    assert not (tmp_path / "d").exists()


def test_too_many_values_must_be_asked_for():
    many = {"sweep": {R: {"linear": [3.0, 4.0, 9000]}}, "steps": 10_000, "diagram.last": 2500}
    with pytest.raises(InputError, match=r"45,000,000 values to keep.*--yes"):
        points.grid(resolve(LOGISTIC, many))
    assert points.grid(resolve(LOGISTIC, many), yes=True).size == 9000


def test_the_initial_scale_can_be_gone_over_afresh(tmp_path):
    run = sweep(NETWORK, tmp_path / "d", {"sweep": {"network.init_scale": [0.5, 1.0]}})
    assert "changes where orbits start" in run.summary["bifurcations"]["reason"]
    alone = lone(NETWORK, 0.5, tmp_path / "alone", key=("network.init_scale",))
    found = np.array(orbits(run)[0]["fresh"])
    np.testing.assert_array_equal(found, alone.series["loss"][-10:].T)


def test_a_larger_system_is_not_refined_and_says_so(tmp_path):
    run = sweep(NETWORK, tmp_path / "d")
    part = run.summary["bifurcations"]
    assert part["count"] == 0
    assert part["reason"].startswith("not refined: 31 numbers a state")
    assert rows_of(run, "bifurcations.csv") == []


def test_rows_are_streamed_without_a_folder(home):
    made = points.grid(resolve(LOGISTIC, {"diagram.continued": "both"}))
    found = [row for row in sweep_runner.stream(made) if isinstance(row, Row)]
    assert sorted(row.point for row in found) == list(range(6))
    assert all(set(row.orbit) == {"up", "down"} for row in found)
    assert all(len(row.orbit["up"]) == 2 and len(row.orbit["up"][0]) == 64 for row in found)
    assert not home.exists()


AXIS = "│┤├└"


# --- on the command line --------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_line_tells_and_draws_it(command, tmp_path):
    (tmp_path / "q.toml").write_text(resolve(QUARTIC, {"name": "q"}).to_toml())
    folder = tmp_path / "run"
    code, out, _ = command("run", tmp_path / "q.toml", "--out", folder)
    assert code == 0
    assert "q: the last 50 values of x0" in out
    assert "doublings 1 → 2 → 4 → 8 " in out
    assert "ratios of successive intervals 4.543" in out
    assert "said to approach 4.669" in out
    for height in (21, 40):
        code, out, _ = command("plot", folder, "--height", height)
        lines = [line for line in out.splitlines() if set(line) & set(AXIS)]
        axis = {min(line.index(c) for c in AXIS if c in line) for line in lines}
        assert len(axis) == 1  # equal margins
        assert len(out.splitlines()) == height
        assert "leading exponent, nats per step; across: system.parameters.a" in out
        assert "zero" in out
    for what in ("diagram", "exponent", "period", "lyapunov"):
        assert command("plot", folder, "--what", what)[0] == 0
    code, _, err = command("plot", folder, "--what", "perod")
    assert code == 2
    assert "did you mean 'period'" in err
    code, out, _ = command("plot", folder, "--ascii")
    assert out.isascii()
    code, out, _ = command("run", tmp_path / "q.toml", "--json", "--out", tmp_path / "json")
    told = json.loads(out)
    assert told["cascades"][0]["periods"][:3] == [1, 2, 4]


def test_a_dry_run_says_what_would_be_drawn(command):
    code, out, _ = command("run", "--preset", "orbit-iris", "--dry-run")
    assert code == 0
    assert "1,600,000 replica-steps" in out  # both ways
    assert "the last 100 values of loss, continued: both" in out


@pytest.mark.slow
def test_up_and_down_are_told_apart_without_colour(command, tmp_path, monkeypatch):
    table = {
        "steps": 100,
        "system": {"name": "maps:Cusp", "parameters": {"r": 0.0}},
        "ensemble": {"references": 1},
        "diagram": {"observable": "x0", "last": 20, "continued": "both"},
        "sweep": {R: {"linear": [-0.5, 0.5, 17]}},
    }
    run = sweep(table, tmp_path / "d")
    _, out, _ = command("plot", run.path)
    assert "━━ up  oo down, where it differs" in out
    assert sum(line.count("o") for line in out.splitlines() if "┤" in line or "│" in line) > 10


def test_the_period_is_that_of_the_state_not_of_what_is_drawn(tmp_path):
    """Two classes flip their logits at every step, at a constant loss."""
    flips = {
        "steps": 2000,
        "system": {"name": "softmax-map", "parameters": {"fractions": [1.0, 1.0]}},
        "ensemble": {"references": 1},
        "diagram": {"observable": "loss", "last": 64},
        "sweep": {"system.parameters.eta_eff": [12.0, 13.0]},
    }
    run = sweep(flips, tmp_path / "s")
    assert [row["period"] for row in rows_of(run)] == ["2", "2"]
    drawn = [float(row["value"]) for row in rows_of(run, "diagram.csv")]
    assert np.ptp(drawn[:64]) < 1e-9  # one level of the loss
