"""Two-parameter maps: learning rates of layers, multipliers, pictures, boundary."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from effort import at_most
from fast_path import follows_the_definition
from labelled_orbits import ORBITS
from PIL import Image
from waiting import MAX_SECONDS

from tuichaos.common.errors import InputError
from tuichaos.config.loading import resolve
from tuichaos.config.presets import preset
from tuichaos.config.sweep_axes import axes
from tuichaos.execution import runner
from tuichaos.plots import plane_map, raster_renderer
from tuichaos.reports.export import export
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps import plane_values, points, sweep_runner
from tuichaos.sweeps.journal import Row
from tuichaos.systems import build
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.training import TrainingSystem
from tuichaos.tui.run_session import Session
from tuichaos.tui.run_state import RunState

PLACE = torch.device("cpu")
SMALL = {
    "steps": 40,
    "data": {"name": "gaussian", "parameters": {"samples": 20, "features": 3, "outputs": 1}},
    "network": {"hidden": [4], "activation": "tanh", "bias": False},
    "loss": {"name": "mse"},
    "optimizer": {"learning_rates": [1.0, 1.0]},
    "ensemble": {"references": 1, "twins": 0},
    "plane": {"value": "convergence"},
    "sweep": {
        "optimizer.learning_rates.0": {"log": [1e-2, 1e3, 6]},
        "optimizer.learning_rates.1": {"log": [1e-2, 1e3, 5]},
    },
}


def system(**overrides) -> TrainingSystem:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return build(resolve({}, {"data.scaling": "standard", **keys})).system


def states(of, count, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([of.start(rng) for _ in range(count)]))


def small(**overrides):
    return resolve(SMALL, {key.replace("__", "."): value for key, value in overrides.items()})


def rows_of(folder):
    with open(folder / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


# --- learning rates of layers -----------------------------------------------------------------


@pytest.mark.sampled(5)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("hidden", [[], [10], [4, 3, 6]], ids=str)
def test_the_fast_path_is_the_definition(hidden, bias, loss):
    rates = [0.3, 0.01, 0.7, 0.05][: len(hidden) + 1]
    found = system(
        network__hidden=hidden,
        network__bias=bias,
        network__activation="tanh",
        loss__name=loss,
        optimizer__learning_rates=rates,
    )
    follows_the_definition(found, states(found, 5))


def test_each_layer_moves_by_its_own_rate():
    """A second route: plain torch.nn with a parameter group a layer."""
    found = system(
        network__hidden=[5], network__activation="tanh", optimizer__learning_rates=[0.3, 0.02]
    )
    x = states(found, 2)
    orbit = stepper_for(found, 2, 20, PLACE).advance(found, x, 20, None).orbit
    layers = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
    ).double()
    torch.nn.utils.vector_to_parameters(x[0].clone(), layers.parameters())
    descent = torch.optim.SGD(
        [{"params": layers[0].parameters(), "lr": 0.3}, {"params": layers[2].parameters()}], lr=0.02
    )
    for _ in range(20):
        descent.zero_grad()
        outputs = layers(found.train.x.T)
        torch.nn.functional.cross_entropy(outputs, found.train.labels).backward()
        descent.step()
    end = torch.nn.utils.parameters_to_vector(layers.parameters())
    assert (orbit[-1, 0] - end).abs().max() < 1e-13


def test_equal_rates_are_one_rate_bit_for_bit():
    one = system(optimizer__learning_rate=0.7)
    both = system(optimizer__learning_rates=[0.7, 0.7])
    x = states(one, 5)
    v = torch.ones(2, one.dimension, dtype=torch.float64)
    a = stepper_for(one, 5, 30, PLACE).advance(one, x, 30, v)
    b = stepper_for(both, 5, 30, PLACE).advance(both, x, 30, v)
    assert torch.equal(a.orbit, b.orbit)
    assert torch.equal(a.growth, b.growth)


def test_a_list_of_rates_goes_by_reference():
    many = build(
        resolve({}, {"optimizer.learning_rates": [[0.1, 0.5, 2.0], 0.3], "ensemble.references": 3})
    ).system
    one = build(resolve({}, {"optimizer.learning_rates": [2.0, 0.3]})).system
    x = states(one, 3)
    taken = many.take(torch.tensor([2, 2, 0]))
    assert torch.equal(taken.step(x)[:2], one.step(x)[:2])
    assert not torch.equal(taken.step(x)[2], one.step(x)[2])
    orbit = stepper_for(many, 3, 5, PLACE).advance(many, x, 5, None).orbit[:, 2]
    assert torch.equal(orbit, stepper_for(one, 3, 5, PLACE).advance(one, x, 5, None).orbit[:, 2])


def test_what_needs_one_rate_is_right_or_absent():
    assert system(optimizer__learning_rate=0.5).stable_sharpness == 4
    assert system(optimizer__learning_rates=[0.5, 0.5]).stable_sharpness == 4
    assert torch.isnan(system(optimizer__learning_rates=[0.5, 0.4]).stable_sharpness)
    found = build(
        resolve({}, {"optimizer.learning_rates": [[0.5, 1.0], 0.5], "ensemble.references": 2})
    ).system
    assert found.stable_sharpness[0] == 4
    assert torch.isnan(found.stable_sharpness[1])
    with pytest.raises(InputError, match="each layer has its own"):
        found.changed({"learning_rate": 1.0})


def test_the_edge_of_stability_is_absent_where_layers_differ(tmp_path):
    table = {"steps": 80, "ensemble": {"references": 2, "twins": 0},
             "measure": {"sharpness": {"every": 2}}}  # fmt: skip
    run = runner.run(resolve(table, {"optimizer.learning_rates": [0.1, 0.2]}), out=tmp_path / "a")
    part = run.summary["sharpness"]
    assert part["final"] is not None
    assert part["threshold"] is None
    assert part["final_eta_half"] is None
    assert "no single learning rate" in part["reason"]


def test_a_dead_network_has_the_rate_of_its_last_layer(tmp_path):
    """Its logits follow the class-fraction map with η_eff = η·(1 + k), η of the last layer."""
    table = {"steps": 600, "ensemble": {"references": 6, "twins": 0}}
    rates = {"optimizer.learning_rates": [30.0, 5.0], "network.hidden": [4]}
    run = runner.run(resolve(table, rates), out=tmp_path / "run")
    with open(run.path / "regime.csv", newline="") as file:
        dead = [row for row in csv.DictReader(file) if row["verdict"] == "dead-network"]
    assert dead
    for row in dead:
        assert float(row["eta_eff"]) == 5.0 * (1 + float(row["stuck_on"]))


def test_there_is_no_single_rate_to_nudge():
    assert RunState(resolve({}, {"optimizer.learning_rates": [0.1, 0.2]})).nudge(1.1) is None
    assert RunState(resolve({}, {"optimizer.learning_rate": 0.1})).nudge(1.1) == 0.11


@pytest.mark.slow
def test_a_run_with_layer_rates_ends_well_in_a_session(tmp_path):
    experiment = resolve({"steps": 20}, {"optimizer.learning_rates": [0.1, 0.2]})
    session = Session(experiment, lambda _: None, out=tmp_path / "run")
    assert session.join(MAX_SECONDS)
    assert session.status == "done"
    assert open_run(session.path).experiment.optimizer.learning_rates == [0.1, 0.2]


# --- multipliers ------------------------------------------------------------------------------


def test_multipliers_are_descent_on_the_weights_before_them():
    """The published figure in numpy: h = tanh(√2·W₀x/√n), y = W₁h/n, squared error at half η."""
    found = build(
        resolve(
            preset("fractal-tanh").model_dump() | {"sweep": {}, "plane": {"value": "none"}},
            {"optimizer.learning_rates": [6.0, 40.0]},
        )
    ).system
    assert found.dimension == 72
    assert found.train.x.shape == (8, 72)
    n, (x, y) = 8, (found.train.x.numpy(), found.train.targets.numpy())
    rng = np.random.default_rng(3)
    w0, w1 = rng.standard_normal((8, 8)), rng.standard_normal((1, 8))
    state = found.start(np.random.default_rng(3))
    assert state.tolist() == [*(0.5 * w0).ravel(), *(w1 / 8).ravel()]  # exact: powers of two
    orbit = stepper_for(found, 2, 50, PLACE).advance(
        found, torch.from_numpy(state)[None].expand(2, -1), 50, None
    ).orbit  # fmt: skip
    for t in range(50):
        z = np.sqrt(2) * w0 @ x / np.sqrt(n)
        h = np.tanh(z)
        miss = w1 @ h / n - y
        loss = float((miss**2).mean())
        assert found.losses(orbit[t])[0] == pytest.approx(loss / 2, rel=1e-9)
        slope = 2 * miss / y.shape[1]  # of the mean squared error
        g1 = slope @ h.T / n
        g0 = (w1.T @ slope / n * (1 - h**2)) @ x.T * np.sqrt(2) / np.sqrt(n)
        w0, w1 = w0 - 3.0 * g0, w1 - 20.0 * g1


def test_multipliers_scale_a_single_rate_too():
    keys = {"network__bias": False, "network__hidden": [4], "network__activation": "tanh"}
    scaled = system(**keys, network__multipliers=[0.5, 2.0], optimizer__learning_rate=0.8)
    layered = system(**keys, optimizer__learning_rates=[0.2, 3.2])
    x = states(layered, 3)
    assert torch.equal(scaled.step(x), layered.step(x))
    changed = scaled.changed({"learning_rate": 0.4})
    assert [float(rate) for rate in changed.layer_rates] == [0.1, 1.6]


# --- keys -------------------------------------------------------------------------------------


def test_places_of_lists_are_keys():
    table = {"optimizer": {"learning_rates": [1.0, 2.0]}}
    found = resolve(table, {"optimizer.learning_rates.1": 3, "network.hidden.0": 6})
    assert found.optimizer.learning_rates == [1.0, 3.0]
    assert found.network.hidden == [6]
    assert table == {"optimizer": {"learning_rates": [1.0, 2.0]}}  # what was given stays
    changes = {"optimizer": {"changes": [{"step": 3, "learning_rate": 1.0}]}}
    found = resolve(changes, {"optimizer.changes.0.learning_rate": 0.5})
    assert found.optimizer.changes[0].learning_rate == 0.5
    assert changes["optimizer"]["changes"][0]["learning_rate"] == 1.0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"optimizer.learning_rates": [1.0]}, r"learning_rates: 1 values for 2 linear layers"),
        ({"optimizer.learning_rates": [1.0, -1.0]}, r"learning_rates: must be greater than 0"),
        ({"optimizer.learning_rates": 1.0}, r"learning_rates: must be a list of one η"),
        ({"optimizer.learning_rates": [1.0, [1.0, 2.0]]}, r"learning_rates.1: 2 values for 500"),
        ({"optimizer.learning_rates.0": 1.0}, r"learning_rates.0: no entry '0'; the list has none"),
        ({"network.hidden.3": 5}, r"network.hidden.3: no entry '3'; the list has 1"),
        ({"network.hidden.x": 5}, r"network.hidden"),
        ({"network.multipliers": [1.0, 2.0]}, r"multipliers: .*without biases"),
        ({"network.multipliers": [1.0], "network.bias": False}, r"multipliers: 1 for 2 linear"),
        ({"network.multipliers": [0, 1], "network.bias": False}, r"multipliers: must be greater"),
        (
            {"optimizer.learning_rates": [1, 1], "sweep": {"optimizer.learning_rate": [1, 2]}},
            r"sweep.optimizer.learning_rate: optimizer.learning_rates takes its place",
        ),
        (
            {
                "optimizer.learning_rates": [1, 1],
                "optimizer.changes": [{"step": 3, "learning_rate": 1}],
            },
            r"optimizer.changes",
        ),
        (
            {"system.name": "logistic", "optimizer.learning_rates": [1, 1]},
            r"learning_rates: only training",
        ),
    ],
)
def test_bad_keys_are_refused_in_one_line(overrides, words):
    with pytest.raises(InputError, match=words) as error:
        resolve({}, overrides)
    assert "\n" not in str(error.value)


def test_a_sweep_over_a_place_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"learning_rates.2: no entry '2'"):
        sweep_runner.sweep(
            small(sweep={"optimizer.learning_rates.2": [1.0, 2.0]}), out=tmp_path / "sweep"
        )
    assert not (tmp_path / "sweep").exists()


# --- planes -----------------------------------------------------------------------------------


def alone(experiment, row, tmp_path):
    table = experiment.model_dump()
    keys = list(table.pop("sweep"))
    del table["plane"], table["diagram"]
    table["measure"]["convergence"] = True
    values = {key: int(row[key]) if row[key].isdecimal() else float(row[key]) for key in keys}
    folder = runner.run(resolve(table, values), out=tmp_path / f"p{row['point']}").path
    with open(folder / "exponents.csv", newline="") as file:
        return next(csv.DictReader(file))


COLUMNS = ("convergence", "converged", "late_loss", "diverged_at")


def test_points_have_the_bits_of_their_lone_runs(tmp_path):
    experiment = small(network__multipliers=[0.5, 0.3])
    found = rows_of(sweep_runner.sweep(experiment, out=tmp_path / "sweep").path)
    assert {row["converged"] for row in found} == {"0", "1"}
    for row in found[::4]:
        lone = alone(experiment, row, tmp_path)
        assert {name: row[name] for name in COLUMNS} == {name: lone[name] for name in COLUMNS}


def test_structural_keys_go_as_tiles_of_their_own(tmp_path):
    sweep = {"network.hidden.0": [2, 5], "optimizer.learning_rates.1": [0.1, 1.0, 1e4]}
    experiment = small(sweep=sweep)
    made = points.grid(experiment)
    assert [len(batch) for batch in made.batches()] == [3, 3]
    found = rows_of(sweep_runner.sweep(experiment, out=tmp_path / "sweep").path)
    for row in found:
        lone = alone(experiment, row, tmp_path)
        assert {name: row[name] for name in COLUMNS} == {name: lone[name] for name in COLUMNS}


def test_the_same_seed_gives_the_same_image(tmp_path):
    first, second, other = (
        sweep_runner.sweep(small(seed=seed), out=tmp_path / name, threads=threads)
        for seed, name, threads in ((1, "first", 1), (1, "second", 2), (2, "other", 2))
    )
    pictures = [export(run, "png", tmp_path / f"{run.path.name}.png") for run in (first, second)]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    for name in ("sweep.csv", "summary.json", "boundary.csv"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()
    last = export(other, "png", tmp_path / "other.png")
    assert last.read_bytes() != pictures[0].read_bytes()


def test_the_image_holds_its_points_and_what_they_are(tmp_path):
    run = sweep_runner.sweep(small(), out=tmp_path / "sweep")
    raster = plane_map.raster(plane_values.of_run(run))
    with Image.open(export(run, "png", tmp_path / "map.png")) as image:
        pixels, text = np.array(image), dict(image.text)
    scale = 1024 // 6
    assert pixels.shape == (5 * scale, 6 * scale, 3)
    assert (pixels[scale // 2 :: scale, scale // 2 :: scale] == raster_renderer.image(raster)).all()
    assert text["seed"] == "0"
    assert text["x"].startswith("optimizer.learning_rates.0: 0.01 … 1000.0, 6 values")
    assert text["y"].startswith("optimizer.learning_rates.1: 0.01")
    assert resolve_toml(text["experiment"]).sweep == run.experiment.sweep
    # The point at the right and bottom: the last value of the first key, the first of the other.
    row = next(r for r in rows_of(run.path) if r["point"] == "25")
    kind = plane_values.of_run(run).kinds()[0, 5]
    assert kind == int(row["converged"])


def resolve_toml(text):
    import tomllib

    return resolve(tomllib.loads(text))


def test_no_image_of_what_is_no_plane(tmp_path):
    run = runner.run(resolve({"steps": 3, "ensemble": {"references": 1}}), out=tmp_path / "run")
    table = {"steps": 3, "sweep": {"optimizer.learning_rate": [1, 2]}, "ensemble.references": 1}
    sweep = sweep_runner.sweep(
        resolve({"ensemble": {"references": 1}}, table), out=tmp_path / "sweep"
    )
    for found in (run, sweep):
        with pytest.raises(InputError, match="is no map"):
            export(found, "png", tmp_path / "map.png")
    assert not (tmp_path / "map.png").exists()


def test_the_summary_counts_the_classes_and_says_why_there_is_no_dimension(tmp_path):
    run = sweep_runner.sweep(small(), out=tmp_path / "sweep")
    found = run.summary
    converged = sum(row["converged"] == "1" for row in rows_of(run.path))
    assert found["classes"]["converged"] == converged
    assert sum(found["classes"].values()) == found["points"] == 30
    assert found["boundary"]["dimension"] is None
    assert "fewer than 128 points" in found["boundary"]["reason"]
    assert (run.path / "boundary.csv").read_text() == "size,count,line\n"


def test_a_plane_that_was_stopped_is_drawn_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("tuichaos.sweeps.tiled_run.TILE_LEAST", 1)
    monkeypatch.setattr("tuichaos.sweeps.tiled_run.TILE_WORK", 200)
    stop = threading.Event()

    def watch(progress):
        if progress.done >= 10:
            stop.set()

    run = sweep_runner.sweep(small(), out=tmp_path / "sweep", watch=watch, stop=stop)
    plane = plane_values.of_run(run)
    known = int(plane.known.sum())
    assert 10 <= known < 30
    assert (plane_map.raster(plane).classes == raster_renderer.UNKNOWN).sum() == 30 - known
    assert run.summary["boundary"]["reason"] == "some points are not known yet"
    filled = raster_renderer.filled(plane_map.raster(plane))
    assert (filled.classes != raster_renderer.UNKNOWN).sum() > known
    whole = sweep_runner.resume(run)
    assert plane_values.of_run(whole).known.all()


def test_a_stream_and_the_folder_show_the_same(tmp_path):
    experiment = small()
    made = points.grid(experiment)
    live = plane_values.PlaneValues("convergence", made.axes)
    for found in sweep_runner.stream(made):
        if isinstance(found, Row):
            live.add(found.point, found.numbers)
    kept = plane_values.of_run(sweep_runner.sweep(experiment, out=tmp_path / "sweep"))
    images = [raster_renderer.image(plane_map.raster(one)) for one in (live, kept)]
    assert (images[0] == images[1]).all()
    assert (live.kinds() == kept.kinds()).all()


AXES = axes({"a": {"linear": [0, 1, 2]}, "b": {"linear": [0, 1, 3]}})


def plane_of(value, *rows):
    found = plane_values.PlaneValues(value, AXES)
    for point, row in enumerate(rows):
        found.add(point, row)
    return found


def test_an_exponent_has_a_sign_and_what_diverged_has_none():
    found = plane_of(
        "exponent",
        {"lyapunov": 0.3, "diverged_at": None},
        {"lyapunov": -0.3, "diverged_at": None},
        {"lyapunov": 0.3, "diverged_at": 7},
        {"lyapunov": None, "diverged_at": None},
        {},
    )
    assert found.kinds().T.ravel().tolist() == [1, 0, -3, -2, -2, -1]
    assert found.counts() == {
        "stable": 1, "unstable": 1, "diverged": 1, "no number (superstable)": 1, "failed": 1,
    }  # fmt: skip
    raster = plane_map.raster(found)
    classes, names = raster.classes.T.ravel(), [scale.name for scale in raster.scales]
    assert names[classes[0]] == "unstable"
    assert classes[5] == raster_renderer.UNKNOWN
    cold, warm = raster_renderer.image(raster)[[1, 2], 0].astype(int)  # points 1 and 0, upward
    assert cold[2] > cold[0]
    assert warm[0] > warm[2]


NEUTRAL_ROWS = [
    {"lyapunov": value, "lyapunov_error": error, "diverged_at": None}
    for value, error in (
        (-0.0002, None),
        (0.01, 0.001),
        (0.41, 0.01),
        (-0.03, 0.001),
        (0.05, 0.04),  # its error is larger than the bound
        (-0.82, 0.01),
    )
]


def test_exponents_not_told_from_0_are_a_class_of_their_own():
    """4 nats over 200 steps: 0.02 a step."""
    found = plane_values.PlaneValues("exponent", AXES, averaged=200.0)
    for point, row in enumerate(NEUTRAL_ROWS):
        found.add(point, row)
    assert found.counts() == {"stable": 2, "neutral": 3, "unstable": 1}
    assert found.kinds().T.ravel().tolist() == [0, 0, 1, 0, 0, 0]
    assert found.neutral_bounds() == pytest.approx([0.02, 2.093 * 0.04])
    raster = plane_map.raster(found)
    for shown in ({"colour": True}, {"colour": False}, {"colour": False, "ascii_only": True}):
        words = [
            "".join(c.char for c in entry) for entry in raster_renderer.legend(raster, **shown)
        ]
        dots, around = ("...", "+-") if "ascii_only" in shown else ("…", "±")
        assert re.search(rf" stable: λ (≤|<=) -0.\d+ {re.escape(dots)} < 0$", words[0])
        assert words[1].endswith(f" neutral: 0 within {around} 0.02 {dots} 0.084")
        assert re.search(rf" unstable: λ > 0 {re.escape(dots)} 0.\d+$", words[2])
    letters = raster_renderer.cells(raster, 2, 3, colour=False)
    assert [cell.char for row in letters for cell in row].count("0") == 3


def test_ranges_of_a_legend_do_not_overlap_and_window_and_points_are_said():
    asked = {"system": {"name": "henon"}, "plane": {"value": "exponent"}, "steps": 300,
             "measure": {"discard": 100}, "ensemble": {"references": 1, "twins": 0},
             "sweep": {"system.parameters.a": {"linear": [0.9, 1.3, 6]}}}  # fmt: skip
    found = plane_values.of_experiment(resolve(asked))
    for point, value in enumerate((-0.5, -0.3, 0.01, -0.01, 0.2)):
        found.add(point, {"lyapunov": value, "lyapunov_error": 0.001, "diverged_at": None})
    raster = plane_map.raster(found)
    words = [
        "".join(c.char for c in entry) for entry in raster_renderer.legend(raster, colour=False)
    ]
    assert [line.split(maxsplit=1)[1] for line in words] == [
        "stable: λ ≤ -0.484 … < -0.02", "neutral: |λ| ≤ 0.02", "unstable: λ > 0.02 … 0.484"
    ]  # fmt: skip
    lines = ["".join(c.char for c in line) for line in raster_renderer.framed(raster, 80, 20)]
    assert lines[1] == "λ in nats per step, over steps 100–300; 5 of 6 points"
    swept = {**asked, "sweep": {"steps": [150, 200]}}
    assert plane_values.window(resolve(swept)).endswith("over steps 100–the last one")


def test_both_signs_have_one_scale_about_0():
    """As far from 0, as far along the scale; and near 0 the colours of both are near."""
    rows = [{"lyapunov": v, "diverged_at": None} for v in (0.4, -0.4, -0.0002, 0.0002, 0.1, -0.1)]
    found = plane_values.PlaneValues("exponent", AXES)
    for point, row in enumerate(rows):
        found.add(point, row)
    raster = plane_map.raster(found)
    stable, unstable = (s for s in raster.scales if s.name in ("stable", "unstable"))
    assert (stable.low, stable.high) == (-unstable.high, -unstable.low)
    levels = raster.levels.T.ravel()
    assert levels[0] == pytest.approx(1 - levels[1])
    assert levels[4] == pytest.approx(1 - levels[5])
    colours = raster_renderer.image(raster)[::-1].transpose(1, 0, 2).reshape(-1, 3).astype(int)
    assert abs(colours[2] - colours[3]).max() <= 12  # −.0002 and .0002 look alike
    assert abs(colours[2] - colours[0]).max() > 100  # and nothing like .4


def test_the_bounds_of_a_neutral_class_follow_the_steps_that_are_averaged():
    keys = {"steps": [100, 200, 400], "measure.discard": [0, 50]}
    table = {"plane.value": "exponent", "ensemble.twins": 0, "sweep": keys}
    found = plane_values.of_experiment(resolve({}, table)).bounds
    expected = [[4 / (s - d) for s in keys["steps"]] for d in keys["measure.discard"]]
    assert found == pytest.approx(np.array(expected))
    flow = {"plane.value": "exponent", "ensemble.twins": 0, "system.name": "lorenz", "steps": 1000}
    flow |= {"system.parameters": {"dt": 0.02}, "sweep": {"system.parameters.rho": [20.0, 28.0]}}
    assert plane_values.of_experiment(resolve({}, flow)).bounds == pytest.approx(
        np.full((1, 2), 0.2)
    )


def test_a_neutral_map_says_its_bounds_in_its_files(tmp_path):
    from tuichaos.reports.sweep_report import of_plane

    table = {**LINE, "sweep": {**LINE["sweep"]}}
    table["sweep"] = {"system.parameters.eta": {"linear": [1.0, 5.0, 8]},
                      "system.parameters.beta": {"linear": [0.1, 0.9, 8]}}  # fmt: skip
    run = sweep_runner.sweep(resolve(table), out=tmp_path / "sweep")
    low, high = run.summary["neutral_bounds"]
    assert low == pytest.approx(4 / 60)
    assert f"(neutral: |λ| up to 0.067 … {high:.2g})" in next(iter(of_plane(run.summary)))
    with Image.open(export(run, "png", tmp_path / "map.png")) as image:
        assert f"neutral (|λ| up to 0.067 … {high:.2g})" in image.text["classes"]


def test_periods_and_verdicts_are_classes():
    periods = plane_of("period", *({"period": p, "diverged_at": None} for p in (1, 2, 3, None, 40)))
    assert periods.kinds().T.ravel().tolist() == [1, 2, 3, 0, 40, -1]
    assert list(periods.counts()) == ["period 1", "period 2", "period 3", "longer", "no period"]
    words = ("periodic-2", "periodic-4", "chaotic", "transient-chaos", None, "diverged")
    verdicts = plane_of("verdict", *({"verdict": word} for word in words))
    kinds = verdicts.kinds().T.ravel().tolist()
    assert len({*kinds}) == 6  # periods differ
    assert kinds[4] == -2
    assert verdicts.counts()["periodic"] == 2
    image = raster_renderer.image(plane_map.raster(verdicts))
    colours = {tuple(c) for c in image.reshape(-1, 3).tolist()}
    assert len(colours) == 6


def test_convergence_tells_three_kinds_apart():
    found = plane_of(
        "convergence",
        {"convergence": 0.1, "converged": 1, "diverged_at": None},
        {"convergence": 0.0, "converged": 1, "diverged_at": None},
        {"convergence": 3.0, "converged": 0, "diverged_at": None},
        {"convergence": None, "converged": 0, "diverged_at": None},
        {"convergence": None, "converged": 0, "diverged_at": 12},
    )
    assert found.counts() == {"converged": 2, "not converged": 2, "diverged": 1}
    assert found.kinds().T.ravel().tolist() == [1, 1, 0, 0, 0, -1]


# --- the command line -------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TUICHAOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    return sweep_runner.sweep(small(), out=tmp_path / "sweep")


def printed(*arguments):
    from click.testing import CliRunner

    from tuichaos.cli.main import cli

    found = CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_plot_draws_it_in_characters_where_there_is_no_colour(kept, monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    text = printed("plot", kept.path)
    assert "\x1b" not in text
    assert "converged: loss/first" in text
    assert "optimizer.learning_rates.0" in text
    assert len(text.splitlines()) == 24
    assert printed("plot", kept.path, "--what", "map", "--ascii").isascii()


def test_plot_draws_half_blocks_in_colour(kept, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = printed("plot", kept.path)
    assert "▀" in text
    assert "\x1b[38;2;" in text
    monkeypatch.setenv("NO_COLOR", "1")
    text = printed("plot", kept.path)
    assert "▀" not in text
    assert "\x1b[38" not in text


def test_256_colours_will_do(kept, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    code = "from tuichaos.cli.main import main; main()"  # a process of its own: styles are kept
    found = subprocess.run(
        [sys.executable, "-c", code, "plot", str(kept.path)], capture_output=True, check=True
    )
    text = found.stdout.decode()
    assert "▀" in text
    assert "\x1b[38;5;" in text
    assert "\x1b[38;2;" not in text


def test_a_plane_may_be_asked_for_on_the_command_line(tmp_path, monkeypatch):
    """What the README shows: the value by --set, the keys by --over."""
    monkeypatch.setenv("TUICHAOS_HOME", str(tmp_path))
    asked = ["--set", "plane.value=exponent", "--set", "ensemble.references=1", "--set", "steps=9"]
    asked += ["--set", "ensemble.twins=0", "--out", tmp_path / "run"]
    asked += ["--over", "optimizer.learning_rate=log:0.1:10:4", "--over", "network.hidden.0=[2, 3]"]
    text = printed("run", "--preset", "quick", *asked)
    assert "exponent of 8 points: " in text
    assert "stable: λ" in text
    assert "dimension of the boundary: no number" in text
    assert len(rows_of(tmp_path / "run")) == 8


def test_the_report_and_json_say_what_was_found(kept):
    from tuichaos.reports.sweep_report import of_plane

    first, second = of_plane(kept.summary)
    assert first.startswith("convergence of 30 points: converged ")
    assert second == "dimension of the boundary: no number: fewer than 128 points a side"
    whole = {**kept.summary, "boundary": {**kept.summary["boundary"], "dimension": 1.25,
             "dimension_bounds": [1.1, 1.4], "slopes": [1.2, 1.3], "fitted": [4, 32],
             "points_on_boundary": 1234}}  # fmt: skip
    assert list(of_plane(whole))[1] == (
        "dimension of the boundary: 1.250, bounds 1.10 to 1.40, boxes of 4 to 32 cells "
        "(slopes 1.20, 1.30), 1,234 points on it"
    )


# --- the boundary of a plane that is large enough ---------------------------------------------

LINE = {
    "steps": 60,
    "system": {"name": "quadratic", "start": [1.0, 0.5]},
    "ensemble": {"references": 1, "twins": 0},
    "plane": {"value": "exponent"},
    "sweep": {
        "system.parameters.eta": {"linear": [1.0, 5.0, 128]},
        "system.parameters.beta": {"linear": [0.1, 0.9, 128]},
    },
}


@pytest.mark.slow
def test_the_boundary_of_a_plane_is_in_its_files_and_its_chart(tmp_path):
    """Heavy ball on a parabola is stable up to η = 2 + 2β: a straight line."""
    from tuichaos.plots.run_plots import picture

    run = sweep_runner.sweep(resolve(LINE), out=tmp_path / "sweep")
    unstable = plane_values.of_run(run).kinds() == 1
    eta, beta = (np.array(axis.values) for axis in axes(run.experiment.sweep))
    assert (unstable == (eta[None, :] > 2 + 2 * beta[:, None])).mean() > 0.98
    part = run.summary["boundary"]
    assert part["dimension"] == pytest.approx(1, abs=0.05)
    assert part["sizes"] == [1, 2, 4, 8, 16]
    counts = run.table("boundary.csv")
    assert counts["count"].tolist() == part["counts"]
    assert np.isnan(counts["line"]).tolist() == [True, True, False, False, False]
    shown = picture(run, "boundary")
    assert [curve.name for curve in shown.curves][1].startswith("dimension 1.0")
    assert json.loads(json.dumps(run.summary)) == run.summary


def test_no_chart_of_a_boundary_without_a_number(kept):
    from tuichaos.plots.run_plots import picture

    with pytest.raises(InputError, match=r"--what boundary: .*fewer than 128"):
        picture(kept, "boundary")


# --- the presets ------------------------------------------------------------------------------


def test_the_presets_are_the_published_figure():
    found = preset("fractal-tanh")
    assert found.network.multipliers == [0.5, 0.125]
    first, second = axes(found.sweep)
    assert (first.key, second.key) == ("optimizer.learning_rates.0", "optimizer.learning_rates.1")
    assert (first.values[0], first.values[-1], len(first.values)) == (2e-3, 2e6, 256)
    assert found.steps == 500


@pytest.mark.long
@pytest.mark.parametrize(
    "side", [pytest.param(128, marks=pytest.mark.slow), pytest.param(256, marks=pytest.mark.soak)]
)
def test_fractal_tanh(side, tmp_path):
    """Of every second rate in the slow tests; whole in the soak, in minutes."""

    def dimension(name):
        experiment = preset(name)
        ranges = {k: {"log": [*v["log"][:2], side]} for k, v in experiment.sweep.items()}
        found = sweep_runner.sweep(preset(name, {"sweep": ranges}), out=tmp_path / name)
        return found.summary["boundary"]["dimension"]

    with at_most(600):
        whole = dimension("fractal-tanh")
    assert 1 <= whole <= 1.3
    assert whole + 0.1 < dimension("fractal-zoom") <= 2


@pytest.mark.slow
async def test_the_settings_show_no_rate_where_layers_have_their_own():
    from tuichaos.config.explorer_settings import Config
    from tuichaos.tui.app import Explorer
    from tuichaos.tui.widgets.settings import Settings

    for rates, shown in (([0.1, 0.2], False), ([], True)):
        experiment = resolve({}, {"optimizer.learning_rates": rates})
        async with Explorer(experiment, Config()).run_test(size=(120, 40)) as pilot:
            settings = pilot.app.screen.query_one(Settings)
            row = settings.query_one("#field-optimizer-learning-rate").parent
            assert row.display == shown


def test_every_word_and_period_of_a_verdict_has_a_class():
    from tuichaos.instruments.period import LONGEST
    from tuichaos.plots.plane_map import OF_VERDICTS
    from tuichaos.sweeps.plane_values import PERIODS, VERDICTS

    words = {word for orbit in ORBITS for word in orbit.words}
    assert {"periodic" if w.startswith("periodic-") else w for w in words} <= set(VERDICTS)
    assert PERIODS > LONGEST
    signs = [sign for _, sign in OF_VERDICTS.values()]
    assert len(set("".join(signs))) == len("".join(signs))
