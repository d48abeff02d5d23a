"""Statistics of the presets, with as few references as the bounds allow (marker slow)."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tuichaos
from tuichaos.instruments.verdicts import MAY_WAKE

pytestmark = pytest.mark.slow


def test_eos(simulate):
    run = simulate(preset="eos")
    nmle = run.summary["nmle"]
    assert 0.82 * 500 <= nmle["kept"] <= 0.93 * 500
    assert 0.27 <= nmle["mean"] <= 0.31
    assert 0.09 <= nmle["std"] <= 0.12
    leading = run.summary["lyapunov"]
    assert leading["mean"] == pytest.approx(0.22, abs=0.02)
    assert leading["count"] == 500


def test_chaos_at_the_edge_passes_in_most_references(simulate):
    run = simulate({"steps": 2000, "ensemble.references": 100, "ensemble.twins": 0,
                    "record.every": 100}, preset="eos")  # fmt: skip
    rates = run.summary["rates"]
    assert rates["50-200"]["mean"] > 0.2
    late = rates["1000-2000"]
    assert abs(late["median"]) < 1e-3
    # The mean is not quite 0: in about a tenth of the references chaos comes back.
    assert late["mean"] < 0.05


@pytest.mark.parametrize("references", [15, pytest.param(30, marks=pytest.mark.long)])
def test_low(simulate, references):
    run = simulate({"ensemble.references": references, "measure.tangent": False,
                    "measure.accuracy": False}, preset="low")  # fmt: skip
    ratio = run.series["distance"][-1] / 7e-7
    assert 0.6 <= np.median(ratio) <= 0.9
    assert (ratio < 3).mean() >= 0.85
    assert run.summary["nmle"]["kept"] <= references // 30  # of 15 none
    first_ten = np.median(ratio[:10])
    assert 0.5 <= first_ten <= 1.35


def test_post_learning(simulate):
    run = simulate(preset="post-learning")
    distance = run.series["distance"]
    assert (distance[3999] == 0).all()
    assert np.median(distance[5000] / distance[4000]) < 1
    assert run.summary["nmle"]["kept"] == 0
    assert run.summary["growth"]["ci95"][1] < 0


LEVELS = (1.0984, 2.90, 2.98, 3.01, 2.92, 2.93, 3.04, 3.90, 4.75, 5.83, 4.32, 4.95, 5.36)
LEVELS += (3.99, 6.32, 8.96, 5.24, 6.64, 7.73, 4.04, 7.88, 12.10, 6.09, 8.30, 10.12)


def on_known_attractor(loss):
    near = np.abs(loss[:, None] - np.array(LEVELS)).min(axis=1)
    if (near < 0.02).all():
        return True
    inside = ((loss >= 1.10) & (loss <= 2.40)).all()
    return bool(inside and np.corrcoef(loss[:-1], loss[1:])[0, 1] < -0.15)


def test_large(simulate):
    run = simulate({"measure.tangent": False}, preset="large")
    last = run.series["loss"][-100:]
    assert sum(on_known_attractor(loss) for loss in last.T) >= 15


def test_logistic(simulate):
    run = simulate(preset="logistic")
    assert run.summary["lyapunov"]["mean"] == pytest.approx(math.log(2), abs=2e-3)
    assert run.summary["growth"]["mean"] == pytest.approx(math.log(2), abs=0.03)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("eta", "exact"), [(0.5, 0.0), (1.5, 0.491), (1.9, 0.878), (2.0, math.log(3))]
)
def test_two_layer_scalar(simulate, eta, exact):
    run = simulate({"optimizer.learning_rate": eta}, preset="two-layer-scalar")
    assert run.summary["lyapunov"]["mean"] == pytest.approx(exact, abs=2e-3)


def test_eos_orbits(simulate):
    orbits = simulate(preset="eos-orbits")
    assert (orbits.series["distance"][200] > 1e-3).all()


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_low_long_stays_small_whatever_its_length(tmp_path):
    """The whole command, charts and all, in a process of its own.

    Its peak is the kernel's VmHWM: ru_maxrss begins at the peak of the process that started it.
    """
    program = (
        "import re, sys; from tuichaos.cli.main import _run_cli; code = _run_cli();"
        "print(*re.findall(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()),"
        " file=sys.stderr); sys.exit(code)"
    )
    megabytes = {}
    for steps in (2000, 50000):
        arguments = ["run", "--preset", "low-long", "--set", f"steps={steps}"]
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments, "--out", tmp_path / str(steps)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        megabytes[steps] = int(done.stderr.split()[-1]) / 1024
    assert megabytes[50000] < 600
    assert megabytes[50000] < megabytes[2000] + 60
    long = tuichaos.open_run(tmp_path / "50000")
    assert long.summary["nmle"]["kept"] == 0
    assert (long.series["loss"][-1] < long.series["loss"][5000]).all()


def test_low_long(simulate):
    """Of its fifty thousand steps the first eight thousand."""
    run = simulate({"steps": 8000}, preset="low-long")
    assert run.summary["nmle"]["kept"] == 0
    assert (run.series["loss"][-1] < run.series["loss"][5000]).all()


def test_dead_network(simulate):
    run = simulate(preset="dead-network")
    # Their units still move: in a hundred times as many steps 8 of 19 wake.
    assert set(run.summary["regimes"]) <= {"undecided", "transient-chaos"}
    assert run.summary["verdicts"]["missing"][MAY_WAKE] >= 17
    assert run.summary["units"]["final_share_all"] == 1
    found = {(int(one["stuck_on"]), one["eta_eff"]) for one in run.summary["verdicts"]["dead"]}
    assert {(0, 5.0), (1, 10.0), (2, 15.0)} <= found


def test_low_is_marginal_and_stable(simulate):
    run = simulate(preset="low")
    assert run.summary["regimes"] == {"marginal": 10}
    orbital = run.summary["orbital"]
    assert orbital["lyapunov_stable"] == 10
    assert 1 < orbital["distance_ratio"] < 3


@pytest.mark.long
def test_adam_eos(simulate):
    """The preconditioned sharpness hovers at 38/η (Cohen et al. 2022, arXiv 2207.14484)."""
    found = simulate(preset="adam-eos").summary
    assert 36 < 0.01 * found["sharpness"]["preconditioned_last_tenth"] < 39
    low, high = found["lyapunov"]["ci95"]
    assert 0 < low < found["lyapunov"]["mean"] < high < 0.02
