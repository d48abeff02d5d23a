"""An orbit is its own under every optimizer: alone, in company, on threads, and resumed."""

from __future__ import annotations

import csv

import pytest

import tuichaos

OPTIMIZERS = (
    {"name": "sgd", "momentum": 0.9, "dampening": 0.2, "learning_rate": 0.3},
    {"name": "sgd", "momentum": 0.9, "nesterov": True, "learning_rate": 0.1},
    {"name": "rmsprop", "learning_rate": 0.01},
    {"name": "adam", "learning_rate": 0.03},
    {"name": "adamw", "learning_rate": 0.03},
)


def series(run, references):
    rows = csv.DictReader((run.path / "series.csv").read_text(encoding="utf-8").splitlines())
    return [row for row in rows if int(row["reference"]) < references]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: "-".join(map(str, one)))
def test_three_references_are_the_first_three_of_sixty(optimizer, simulate):
    table = {f"optimizer.{key}": value for key, value in optimizer.items()}
    table |= {"steps": 30, "ensemble.twins": 1, "measure.discard": 0}
    few = simulate({**table, "ensemble.references": 3}, threads=1)
    many = simulate({**table, "ensemble.references": 60}, threads=2)
    assert series(few, 3) == series(many, 3)
    assert many.manifest["noise_floor"]["holds"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: "-".join(map(str, one)))
def test_a_run_goes_on_to_the_bytes_of_a_whole_one(optimizer, simulate):
    table = {f"optimizer.{key}": value for key, value in optimizer.items()}
    table |= {"ensemble.references": 3, "ensemble.twins": 1, "measure.discard": 0}
    whole = simulate({**table, "steps": 40})
    part = simulate({**table, "steps": 17})
    longer = tuichaos.resume(part, steps=40)
    assert (longer.path / "series.csv").read_bytes() == (whole.path / "series.csv").read_bytes()
