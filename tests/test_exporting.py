"""Exports: whole, some steps, the curves of a chart; nothing is overwritten."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tuichaos.curves import Curve, Picture
from tuichaos.errors import InputError
from tuichaos.exporting import export, export_curves, export_steps, free_name


def test_the_rows_of_some_steps_are_those_of_the_series(simulate, tmp_path):
    run = simulate({"ensemble.references": 3, "steps": 50}, preset="quick")
    lines = (run.path / "series.csv").read_text().splitlines()
    target = export_steps(run, 10, 12, tmp_path / "some.csv")
    assert target.read_text().splitlines() == [lines[0], *lines[31:40]]
    whole = export(run, "csv", tmp_path / "whole.csv")
    assert whole.read_bytes() == (run.path / "series.csv").read_bytes()
    with pytest.raises(InputError, match="not overwritten"):
        export_steps(run, 0, 1, whole)


def test_curves_side_by_side(tmp_path):
    x = np.arange(4.0)
    curves = [Curve("a, first", x, x / 3), Curve("b", x[1:3], np.array([np.nan, 7]))]
    path = export_curves(Picture("t", curves), tmp_path / "c.csv")
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["step", "a, first", "b"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3"]
    assert [float(row[1]) for row in rows[1:]] == (x / 3).tolist()
    assert [row[2] for row in rows[1:]] == ["", "", "7.0", ""]


def test_a_name_that_is_free(tmp_path):
    assert free_name("a", tmp_path).name == "a.csv"
    (tmp_path / "a.csv").touch()
    (tmp_path / "a-2.csv").touch()
    assert free_name("a", tmp_path).name == "a-3.csv"


@pytest.mark.parametrize("name", ["", "a\nb"])
def test_what_is_no_name_is_refused(name, simulate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = simulate({"steps": 5}, preset="quick")
    with pytest.raises(InputError, match=r"--out: .* is not a path"):
        export(run, "csv", name)
    assert not list(tmp_path.glob("*.csv"))
