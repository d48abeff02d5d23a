"""The presets of chaotic transients: time to accuracy against the learning rate."""

from __future__ import annotations

import numpy as np
import pytest

import tuichaos
from tuichaos.common.errors import InputError
from tuichaos.sweeps.sweep_reader import read

RATE = "optimizer.learning_rate"


def test_without_a_file_one_line_says_what_to_pass(command, home):
    for arguments in ([], ["--dry-run"], ["--set", "sweep={}"]):
        code, out, err = command("run", "--preset", "transient-mnist", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith("tuichaos: error: data.path: ")
        assert err.count("\n") == 1
        for word in ("--set data.path=FILE", "x (samples, features)", "y (samples,)",
                     "x_test", "y_test"):  # fmt: skip
            assert word in err
    assert not home.exists()
    assert command("presets", "transient-mnist")[0] == 0
    with pytest.raises(InputError, match="path: is missing: csv data need a file"):
        tuichaos.resolve({"data": {"name": "csv"}})


@pytest.mark.slow
def test_an_npz_of_the_shapes_of_mnist(tmp_path, command):
    """Ten patterns of 784 pixels with noise: the whole way, from the file to sweep.csv."""
    rng = np.random.default_rng(0)
    patterns = rng.uniform(size=(10, 784)) * (rng.uniform(size=(10, 784)) < 0.2)

    def samples(count):
        labels = np.arange(count) % 10
        x = patterns[labels] + rng.normal(0, 0.1, (count, 784))
        return np.clip(x, 0, 1).astype(np.float32), labels.astype(np.uint8)

    (x, y), (x_test, y_test) = samples(60), samples(30)
    np.savez(tmp_path / "m.npz", x=x, y=y, x_test=x_test, y_test=y_test)
    sets = {"data.path": tmp_path / "m.npz", "ensemble.references": 2, "ensemble.twins": 1,
            "steps": 60, "measure.reach": "{accuracy=0.5}", "measure.regime": "false",
            "sweep": "{}"}  # fmt: skip
    code, _, _ = command(
        "run", "--preset", "transient-mnist",
        *(a for k, v in sets.items() for a in ("--set", f"{k}={v}")),
        "--over", f"{RATE}=[0.0005, 0.5]", "--out", tmp_path / "s", "--keep", "--quiet",
    )  # fmt: skip
    assert code == 0
    found = read(tmp_path / "s")
    assert found["reach_test.total"].tolist() == [2, 2]
    assert np.isnan(found["reach_test.median"][0])
    assert 0 < found["reach_test.median"][1] < 60
    kept = tuichaos.open_run(tmp_path / "s" / "runs" / "00001")
    assert kept.manifest["data"]["train"] == 60
    assert kept.manifest["data"]["test"] == 30


def test_the_settings_of_the_paper():
    made = tuichaos.preset("transient-mnist")
    assert (made.network.hidden, made.network.activation, made.network.init) == (
        [64], "tanh", "normal",
    )  # fmt: skip
    assert (made.ensemble.references, made.ensemble.twins, made.ensemble.perturbation) == (
        50, 5, 1e-8,
    )  # fmt: skip
    assert made.sweep == {RATE: {"log": [0.0005, 20.0, 16]}}


@pytest.mark.long
@pytest.mark.slow
def test_time_to_accuracy_is_shortest_where_chaos_sets_in_and_passes():
    """Six of the preset's rates: shortest at the third, longer on either side, never at the
    last one, where chaos lasts."""
    rates = [0.1123, 0.4472, 1.2608, 3.5546, 5.0216, 10.0]
    found = read(tuichaos.sweep(tuichaos.preset("transient-digits", {"sweep": {RATE: rates}})).path)
    steps, low = found["reach_test.median"], found["reach_test.median_ci95.low"]
    assert np.isfinite(steps).tolist() == [True] * 4 + [False] * 2
    assert np.nanargmin(steps) == 2
    assert (low[[0, 1, 3]] > found["reach_test.median_ci95.high"][2]).all()
    early, late = found["rates.0-50.mean"], found["rates.200-400.mean"]
    assert (early[:2] < 0.005).all()
    assert (early[2:] > 0.02).all()
    assert late[2] < 0.005
    assert late[4] > 0.1
