"""Checking a run folder: what is whole passes, and each kind of damage is named."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import threading

import numpy as np
import pytest
from mutations import stopped_run

from tuichaos.api import verify
from tuichaos.config.loading import resolve
from tuichaos.execution import resume, runner
from tuichaos.storage.run_reader import open_run
from tuichaos.storage.run_writer import checksums
from tuichaos.sweeps import sweep_table, sweep_verify
from tuichaos.sweeps.journal import Journal
from tuichaos.sweeps.points import grid
from tuichaos.sweeps.sweep_runner import sweep

SMALL = {"steps": 50, "ensemble": {"references": 3, "twins": 2}, "record": {"every": 4}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return runner.run(resolve(SMALL), out=tmp_path_factory.mktemp("whole") / "run").path


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def wrong(folder):
    return [check.name for check in verify(open_run(folder)) if check.passed is False]


def test_a_whole_folder_passes(folder):
    checks = list(verify(open_run(folder)))
    assert all(check.passed for check in checks)
    assert [check.name for check in checks][-2:] == ["rows of series.csv", "first 32 steps again"]


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def spoil(path):
    text = path.read_text()
    at = text.index("\n", len(text) // 2)
    start = text.rindex(",", 0, at)
    path.write_text(f"{text[:start]},nan{text[at:]}")


def change_digit(path):
    text = path.read_text()
    at = text.index("\n", 100) - 1
    path.write_text(text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :])


def lose_a_row(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-3]))


@pytest.mark.parametrize(
    ("name", "damage", "named"),
    [
        ("series.csv", cut, {"series.csv", "rows of series.csv"}),
        ("series.csv", spoil, {"series.csv"}),
        ("series.csv", change_digit, {"series.csv", "first 32 steps again"}),
        ("series.csv", lose_a_row, {"series.csv", "rows of series.csv"}),
        ("exponents.csv", spoil, {"exponents.csv"}),
        ("summary.json", cut, {"summary.json"}),
        ("rates.csv", lambda path: path.unlink(), {"rates.csv"}),
    ],
)
def test_damage_is_named(name, damage, named, folder):
    damage(folder / name)
    found = set(wrong(folder))
    assert named <= found
    assert found - named <= {"rows of series.csv", "first 32 steps again"}


def test_another_experiment_is_noticed(folder):
    path = folder / "experiment.toml"
    path.write_text(path.read_text().replace("learning_rate = 1.0", "learning_rate = 1.1"))
    assert wrong(folder) == ["experiment", "experiment.toml", "first 32 steps again"]


def test_json_with_a_number_that_is_none(folder):
    path = folder / "summary.json"
    path.write_text(json.dumps({"nmle": float("nan")}))
    assert wrong(folder) == ["summary.json", "summary.json"]


def test_a_run_without_checksums_says_so(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["files"]
    path.write_text(json.dumps(manifest))
    checks = {check.name: check for check in verify(open_run(folder))}
    assert checks["checksums"].passed is None
    assert not wrong(folder)


@pytest.mark.parametrize("told", [{"step": 40}, {"step": None}, {"status": "banana"}])
def test_an_end_that_is_none_is_told(told, folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | told))
    assert "status" in wrong(folder)


def test_the_command(folder, command):
    code, out, err = command("verify", str(folder))
    assert (code, err) == (0, "")
    assert out.count("ok   ") == len(out.splitlines())
    cut(folder / "series.csv")
    code, out, err = command("verify", str(folder))
    assert (code, err) == (1, "")
    assert "FAIL series.csv" in out


def test_a_row_beside_the_first_is_computed_again(tmp_path):
    table = {**SMALL, "steps": 200, "record": {"every": 90}}
    folder = runner.run(resolve(table), out=tmp_path / "run").path
    checks = {check.name: check.words for check in verify(open_run(folder))}
    head, *rows = (folder / "series.csv").read_text().splitlines(keepends=True)
    counted = int(re.search(r"\(([\d,]+) of", checks["first 90 steps again"])[1].replace(",", ""))
    assert counted >= len(head) + sum(map(len, rows[:6]))
    rates = (folder / "experiment.toml").read_text()
    assert "learning_rate = 1.0" in rates
    (folder / "experiment.toml").write_text(rates.replace("rate = 1.0", "rate = 1.25"))
    assert "first 90 steps again" in wrong(folder)


RATES = {"optimizer.learning_rate": [0.1, 0.2, 0.4]}
QUARTIC = {"steps": 60, "system": {"name": "quartic"}, "ensemble": {"references": 1, "twins": 0}}
SHAPES = {"system.parameters.a": {"linear": [0.9, 1.1, 4]}}
SWEEPS = {
    "rates": {**SMALL, "sweep": RATES},
    "sizes": {**SMALL, "sweep": {"network.hidden.0": [3, 4]}},
    "component": {
        **SMALL,
        "ensemble": {"references": 2, "twins": 0},
        "diagram": {"observable": "component.1", "last": 8},
        "sweep": RATES,
    },
    "diagram": {**QUARTIC, "diagram": {"observable": "x0", "last": 8}, "sweep": SHAPES},
    "plane": {**QUARTIC, "steps": 400, "plane": {"value": "period"}, "sweep": SHAPES},
}


@pytest.fixture(params=SWEEPS)
def swept(request, tmp_path):
    return sweep(resolve(SWEEPS[request.param]), out=tmp_path / "sweep").path


def lines_of(folder):
    return [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]


def written(folder, rows):
    (folder / "points.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_point_of_a_sweep_is_computed_again(swept):
    checks = {check.name: check for check in verify(open_run(swept))}
    assert all(check.passed for check in checks.values())
    assert checks["point 0 again"].words == "is the same, to the last digit"


def test_a_changed_digit_of_a_point_is_found(swept):
    """Consistently, in the journal and in the table: only computing again can tell."""
    rows = lines_of(swept)
    first = next(row for row in rows if row["point"] == 0)
    if "orbit" in first:
        (values,) = first["orbit"].values()
        values[0][0] = np.nextafter(values[0][0], 9.0)
    else:
        name, value = next((k, v) for k, v in first["numbers"].items() if v is not None)
        changed = value + 1 if isinstance(value, int) else np.nextafter(value, 9.0)
        first["numbers"][name] = changed
    written(swept, rows)
    run = open_run(swept)
    sweep_table.write(swept, grid(run.experiment), Journal(swept).rows)
    run.manifest["files"] = checksums(swept)
    assert [check.name for check in verify(run) if check.passed is False] == ["point 0 again"]


def test_the_table_of_a_sweep_is_checked(tmp_path):
    folder = sweep(resolve(SWEEPS["rates"]), out=tmp_path / "sweep").path
    path = folder / "sweep.csv"
    text = path.read_text()
    path.write_text(text.replace("\n0,0.1,", "\n0,0.3,"))
    assert path.read_text() != text
    assert wrong(folder) == ["sweep.csv", "points of sweep.csv"]
    path.unlink()
    assert wrong(folder) == ["sweep.csv", "points of sweep.csv"]


def test_the_points_of_a_sweep_are_counted(tmp_path):
    folder = sweep(resolve(SWEEPS["rates"]), out=tmp_path / "sweep").path
    path = folder / "points.jsonl"
    rows = lines_of(folder)
    written(folder, rows[1:])
    assert wrong(folder) == ["points.jsonl", "points.jsonl", "points of sweep.csv"]
    written(folder, [*rows, {**rows[0], "point": 3}])
    assert wrong(folder) == ["points.jsonl", "points.jsonl"]
    path.write_text(path.read_text() + "what is no row\n")
    assert wrong(folder) == ["points.jsonl", "points.jsonl"]


def test_a_stopped_sweep_is_checked_as_far_as_it_went(tmp_path):
    stop = threading.Event()

    def watch(progress):
        if progress.done:
            stop.set()

    folder = sweep(resolve(SWEEPS["sizes"]), out=tmp_path / "sweep", watch=watch, stop=stop).path
    checks = {check.name: check for check in verify(open_run(folder))}
    assert checks["points.jsonl"].passed is None
    assert checks["points.jsonl"].words == "1 of 2 points, 0 failed"
    assert checks["point 0 again"].passed
    assert not wrong(folder)


def test_what_cannot_be_computed_again_is_said(tmp_path, monkeypatch):
    made = {**SWEEPS["diagram"], "diagram": {"observable": "x0", "last": 8, "continued": "both"}}
    folder = sweep(resolve(made), out=tmp_path / "chain").path
    check = list(verify(open_run(folder)))[-1]
    assert (check.passed, check.words) == (None, "each goes on from the one before it")
    monkeypatch.setattr(sweep_verify, "MAX_SECONDS", 0.0)
    folder = sweep(resolve(SWEEPS["rates"]), out=tmp_path / "long").path
    check = list(verify(open_run(folder)))[-1]
    assert (check.passed, check.words) == (None, "takes longer than 0 s")


def test_rows_that_are_gone_or_no_text_are_told(folder):
    (folder / "series.csv").write_bytes(b"\xff\xfe\x00" * 100)
    assert {"series.csv", "rows of series.csv", "first 32 steps again"} <= set(wrong(folder))
    (folder / "series.csv").unlink()
    assert {"series.csv", "rows of series.csv", "first 32 steps again"} <= set(wrong(folder))


# --- folders that are not at their end, and what lies in them ------------------------------

LONG = {"steps": 4000, "ensemble": {"references": 2, "twins": 1}}
LONG |= {"record": {"states_every": 100}, "measure": {"tangent": False, "regime": False}}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    home = tmp_path_factory.mktemp("parts")
    runner.run(resolve(LONG), out=home / "done")
    return stopped_run(home / "part", resolve(LONG)), home / "done"


@pytest.fixture
def part(parts, tmp_path):
    return shutil.copytree(parts[0], tmp_path / "part")


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_run_that_did_not_end_by_itself_is_not_called_damaged(status, part):
    """Killed, its manifest tells no step; the rows do."""
    path = part / "manifest.json"
    told = json.loads(path.read_text())
    known = {k: v for k, v in told.items() if k not in ("step", "files", "finished", "pid")}
    path.write_text(json.dumps(known | {"status": status, "pid": 2**22 + 1}))
    assert open_run(part).status == ("killed" if status == "running" else status)
    checks = {check.name: check for check in verify(open_run(part))}
    assert not wrong(part)
    assert checks["rows of series.csv"].passed
    lines = (part / "series.csv").read_text().splitlines(keepends=True)
    (part / "series.csv").write_text("".join(lines[:10] + lines[12:]))
    assert "rows of series.csv" in wrong(part)


def test_a_run_that_was_killed_at_once_has_no_rows(part):
    for name in ("series.csv", "checkpoints"):
        place = part / name
        shutil.rmtree(place) if place.is_dir() else place.write_text("")
    told = json.loads((part / "manifest.json").read_text())
    known = {k: v for k, v in told.items() if k not in ("step", "files")}
    (part / "manifest.json").write_text(json.dumps(known | {"status": "running"}))
    checks = {check.name: check.passed for check in verify(open_run(part))}
    assert checks["rows of series.csv"] is None


def test_a_checkpoint_that_resume_would_refuse_is_told(part):
    before = {path: path.read_bytes() for path in part.rglob("*") if path.is_file()}
    assert not wrong(part)
    assert {path: path.read_bytes() for path in part.rglob("*") if path.is_file()} == before
    path = part / "experiment.toml"
    path.write_text(path.read_text().replace("states_every = 100", "states_every = 50"))
    checks = {c.name: c for c in verify(open_run(part)) if c.passed is False}
    assert "record.states_every" in checks["checkpoint"].words


def test_a_checkpoint_that_is_none_is_told(part):
    for path in (part / "checkpoints").glob("*.json"):
        body = json.loads(path.read_text().partition("\n")[2])
        body["tree"] = {"array": "0"}
        text = json.dumps(body)
        path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    assert "checkpoint" in wrong(part)


def test_a_longer_run_under_way_is_looked_at(parts, tmp_path):
    folder = shutil.copytree(parts[1], tmp_path / "done")
    stop = threading.Event()
    with contextlib.suppress(KeyboardInterrupt):
        resume.resume(open_run(folder), steps=9000, watch=lambda _: stop.set(), stop=stop)
    assert (folder / "further").exists()
    checks = {check.name: check.passed for check in verify(open_run(folder))}
    assert checks["further/checkpoint"]
    assert not wrong(folder)
    cut(folder / "further" / "series.csv")
    assert "further/series.csv" in wrong(folder)


@pytest.mark.parametrize("name", ["spectrum.csv", "more.json", "x.npz"])
def test_a_file_that_the_run_did_not_write_is_told(name, folder):
    (folder / name).write_text("{}")
    assert name in wrong(folder)


def test_the_kept_runs_of_a_sweep_are_looked_at(tmp_path):
    folder = sweep(resolve(SWEEPS["rates"]), out=tmp_path / "sweep", keep=True).path
    checks = {check.name: check for check in verify(open_run(folder))}
    assert (checks["runs"].passed, not wrong(folder)) == (True, True)
    change_digit(folder / "runs" / "00001" / "series.csv")
    assert wrong(folder) == ["runs"]
    shutil.rmtree(folder / "runs" / "00001")
    assert wrong(folder) == ["runs"]
