"""Exports: whole, some steps, the curves of a chart; nothing is overwritten."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tuichaos.common.errors import InputError
from tuichaos.plots.figure import Curve, Picture
from tuichaos.reports import export as exporting
from tuichaos.reports.export import export, export_curves, export_steps, free_name
from tuichaos.storage.run_reader import open_run


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


def damage(path, how):
    """What may be in the place of a table."""
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "binary":
        row = content.splitlines(keepends=True)[-1]
        path.write_bytes(content + row * 5_000 + b"\xff\xfe\n")


@pytest.mark.parametrize("how", ["missing", "folder", "binary"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_series_that_cannot_be_read_leaves_nothing(how, kind, simulate, tmp_path, command):
    path = simulate({"steps": 5}, preset="quick").path
    damage(path / "series.csv", how)
    out = tmp_path / f"hh.{kind}"
    for _ in range(2):
        code, told, err = command("export", path, "--format", kind, "--out", out)
        assert (code, told, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"tuichaos: error: {path / 'series.csv'}: ")
        assert "cannot be read: " in err
        assert not out.exists()
    with pytest.raises(InputError, match=r"series\.csv: cannot be read"):
        export_steps(open_run(path), 0, 10, out)
    assert not out.exists()


@pytest.mark.parametrize("kind", ["csv", "parquet", "png"])
def test_a_table_of_a_sweep_that_cannot_be_read_leaves_nothing(kind, tmp_path, command):
    arguments = ("--set", "plane.value=exponent", "--over", "seed=[1, 2]", "--quiet", "--yes")
    sweep = tmp_path / "sweep"
    made = command("run", "--preset", "quick", "--set", "steps=5", *arguments, "--out", sweep)
    assert made[0] == 0, made
    for how in ("missing", "folder"):
        path = shutil.copytree(sweep, tmp_path / how)
        damage(path / "sweep.csv", how)
        out = tmp_path / f"hh.{kind}"
        code, told, err = command("export", path, "--format", kind, "--out", out)
        assert (code, told, err.count("\n")) == (2, "", 1)
        assert f"error: {path / 'sweep.csv'}: cannot be read: " in err
        assert not out.exists()


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_export_that_ends_early_leaves_nothing(fault, simulate, tmp_path, monkeypatch):
    run, out = simulate({"steps": 5}, preset="quick"), tmp_path / "hh.csv"

    def lines(path):
        yield "reference,step\n" * 10_000
        raise fault

    monkeypatch.setattr(exporting, "safe_lines", lines)
    expected = InputError if isinstance(fault, OSError) else fault
    with pytest.raises(expected):
        export(run, "csv", out)
    assert not out.exists()


SMALL_DISK = """
import resource, sys
from tuichaos.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
main()
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_export_that_finds_no_room_leaves_nothing(kind, simulate, tmp_path):
    path, out = simulate({"steps": 50}, preset="quick").path, tmp_path / f"hh.{kind}"
    words = ["export", path, "--format", kind, "--out", out]
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, *words], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"tuichaos: error: {out}: cannot be written: File too large\n"
    assert not out.exists()


def test_what_is_there_is_not_touched_and_the_hint_fits(simulate, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    path = simulate({"steps": 5}, preset="quick").path
    for name in (f"{path.name}.csv", "b.csv"):
        (tmp_path / name).write_text("precious")
    assert command("export", path)[2].endswith("is not overwritten; use --out\n")
    for out in ("b.csv", "/dev/full", "/dev/stdout"):
        code, told, err = command("export", path, "--out", out)
        assert (code, told) == (2, "")
        assert err.endswith(f"{out}: exists and is not overwritten; name another file\n")
    assert (tmp_path / "b.csv").read_text() == "precious"
    (tmp_path / "link.csv").symlink_to("nowhere.csv")
    assert command("export", path, "--out", "link.csv")[0] == 2
    assert not (tmp_path / "nowhere.csv").exists()
