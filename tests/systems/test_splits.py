"""The kept fraction, its interval, and several splits of the data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tuichaos.config.loading import resolve
from tuichaos.instruments.statistics import mean_and_interval, share_interval
from tuichaos.reports.run_report import rows
from tuichaos.storage import fingerprint
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps.sweep_reader import read
from tuichaos.systems.datasets import load

SMALL = {
    "network.hidden": [2],
    "optimizer.learning_rate": 3.0,
    "ensemble.references": 12,
    "ensemble.twins": 2,
    "steps": 60,
    "measure.regime": False,
}


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [  # Newcombe 1998, Stat. Med. 17, 857, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0018, 0.1718),  # the end near 0 is that of Brown, Cai, DasGupta 2001
    ],
)
def test_the_interval_of_a_share_is_wilsons(count, total, low, high):
    assert share_interval(count, total) == pytest.approx([low, high], abs=5e-5)
    mirrored = share_interval(total - count, total)
    assert mirrored == pytest.approx([1 - high, 1 - low], abs=5e-5)


@pytest.mark.parametrize("total", [5, 8, 20, 60])
def test_the_interval_of_a_rare_case_holds_it(total):
    """Wilson's alone holds a share of .02 or .98 in as little as 84 %."""
    for share in (0.01, 0.02, 0.03, 0.97, 0.98, 0.99):
        held = 0.0
        for count in range(total + 1):
            low, high = share_interval(count, total)
            weight = math.comb(total, count) * share**count * (1 - share) ** (total - count)
            held += weight * (low <= share <= high)
        assert held >= 0.9


def test_no_case_has_no_share():
    assert share_interval(0, 0) is None


def data_of(name, seed, own=None):
    experiment = resolve({}, {"data.name": name, "seed": seed, "data.seed": own})
    return load(experiment.data, experiment.seed)


@pytest.mark.parametrize("name", ["iris", "blobs"])
def test_the_seed_of_the_data_is_that_of_the_experiment_unless_given(name):
    own, given = data_of(name, 7), data_of(name, 0, 7)
    assert (own.x == given.x).all()
    assert (own.y == given.y).all()
    other = data_of(name, 7, 8)
    assert not np.array_equal(own.x, other.x)


def test_references_are_the_same_on_every_split(simulate):
    """Only the data differ: states start alike."""
    small = {**SMALL, "record.states_every": 60}
    first, other = (simulate({**small, "data.seed": seed}) for seed in (1, 2))
    states = [run.states["states"] for run in (first, other)]
    assert (states[0][0] == states[1][0]).all()
    assert not np.array_equal(states[0][-1], states[1][-1])


def test_folders_of_earlier_versions_go_on():
    """A key that says nothing is none of what was planned."""
    before, now = resolve({}, {}), resolve({}, {"data.seed": 3})
    assert "data.seed" not in fingerprint.prints(before, None, False)
    assert "data.seed" in fingerprint.prints(now, None, False)


def test_the_table_of_a_run_has_the_interval_and_says_what_of(command, tmp_path):
    changes = [f"{key}={str(value).lower()}" for key, value in SMALL.items()]
    changes = [part for change in changes for part in ("--set", change)]
    code, out, _ = command("run", "--preset", "quick", *changes, "--out", tmp_path / "run")
    assert code == 0
    assert "one split of the data" in " ".join(out.split())
    run = open_run(tmp_path / "run")
    nmle = run.summary["nmle"]
    assert nmle["kept_ci95"] == share_interval(nmle["kept"], 12)
    row = next(row for row in rows(run) if row.measure.strip() == "kept by filter")
    assert row.interval == "[{:#.3g}, {:#.3g}]".format(*nmle["kept_ci95"])


def test_a_sweep_over_splits_says_how_far_they_lie_apart(command, tmp_path):
    changes = [f"{key}={str(value).lower()}" for key, value in SMALL.items()]
    changes = [part for change in changes for part in ("--set", change)]
    over = ["--over", "data.seed=[0, 1, 2]", "--over", "optimizer.learning_rate=[3, 5]"]
    code, out, err = command("run", "--preset", "quick", *changes, *over, "--out", tmp_path / "s")
    assert code == 0, err
    table = read(open_run(tmp_path / "s").path)
    for rate in (3, 5):
        own = table["optimizer.learning_rate"] == rate
        shares = table["nmle.kept"][own] / table["nmle.total"][own]
        assert len(shares) == 3
        found = mean_and_interval(shares, (0.0, 1.0))
        line = next(line for line in out.splitlines() if f"splits at η = {rate}" in line)
        ends = "[{:#.3g}, {:#.3g}]".format(*found["ci95"])
        assert f"kept over 3 splits at η = {rate}: {found['mean']:#.3g} {ends}, from " in line
    assert "one split of the data" not in out
    assert "kept, 95 %" in out


def test_a_sweep_of_one_split_says_so(command, tmp_path):
    changes = [f"{key}={str(value).lower()}" for key, value in SMALL.items()]
    changes = [part for change in changes for part in ("--set", change)]
    over = ["--over", "optimizer.learning_rate=[3, 5]"]
    code, out, _ = command("run", "--preset", "quick", *changes, *over, "--out", tmp_path / "s")
    assert code == 0
    assert "one split of the data" in " ".join(out.split())
    maps = ["--set", "system.name=logistic", "--set", "steps=120"]
    maps += ["--set", "measure.regime=false", "--over", "system.parameters.r=[3.8, 4]"]
    code, out, _ = command(
        "run",
        "--preset",
        "logistic",
        *maps,
        "--set",
        "ensemble.references=4",
        "--out",
        tmp_path / "m",
    )
    assert code == 0
    assert "split of the data" not in out
