"""All points of a sweep are of the data that it was begun with; they are read once a process."""

from __future__ import annotations

import os
from collections import OrderedDict

import pytest

import tuichaos
from tuichaos.api import verify
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.execution.plan import plan
from tuichaos.storage.run_reader import open_run
from tuichaos.sweeps import batch, cluster_worker, points
from tuichaos.sweeps.sweep_runner import resume
from tuichaos.systems import data_sources, tables
from tuichaos.systems import datasets as source

FAST = {"steps": 20, "ensemble.references": 2, "ensemble.twins": 1, "network.hidden": [3]}
RATE = {"optimizer.learning_rate": {"linear": [0.1, 2.0, 24]}}
ROWS = "".join(f"{k / 7},{k * k / 50},{k % 2}\n" for k in range(40))
OTHERS = "".join(f"{k / 5},{k * k / 50},{k % 2}\n" for k in range(40))


def experiment(path, ranges=RATE):
    data = {"data.name": "csv", "data.path": str(path)}
    return tuichaos.resolve({"sweep": ranges}, {**FAST, **data})


def replaced(path, text):
    """Another file in its place, as an editor writes it."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(ROWS)
    return path


def test_a_file_too_large_to_keep_is_read_once_while_it_is_used(data, tmp_path, monkeypatch):
    read, plain = [], tables.read
    monkeypatch.setattr(tables, "read", lambda *a: read.append(a) or plain(*a))
    for kept in (source._sets, data_sources._read):
        monkeypatch.setattr(kept, "most", 1)
        monkeypatch.setattr(kept, "_kept", OrderedDict())  # and nothing of earlier tests
    tuichaos.sweep(experiment(data), out=tmp_path / "s")
    checked = 25  # points that are looked at before it begins, each for itself
    assert len(read) <= checked  # and none of its 24 points while it runs
    assert not source._sets._kept


@pytest.mark.parametrize("ranges", [RATE, {"seed": list(range(12))}, {"data.seed": [1, 2, 3]}])
def test_a_file_is_read_once(ranges, data, tmp_path, monkeypatch):
    read, plain = [], tables.read
    monkeypatch.setattr(tables, "read", lambda *a: read.append(a) or plain(*a))
    tuichaos.sweep(experiment(data, ranges), out=tmp_path / "s")
    assert len(read) == 1


def test_a_file_that_changed_is_read_again(data, tmp_path):
    made = tuichaos.resolve({}, {**FAST, "data.name": "csv", "data.path": str(data)})
    first = tuichaos.run(made, out=tmp_path / "one")
    replaced(data, OTHERS)
    second = tuichaos.run(made, out=tmp_path / "two")
    assert first.manifest["data"]["source_sha256"] != second.manifest["data"]["source_sha256"]
    assert (first.path / "series.csv").read_bytes() != (second.path / "series.csv").read_bytes()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("workers", [None, 1, 2])
def test_a_file_that_is_replaced_in_the_middle_ends_a_sweep(workers, data, tmp_path):
    whole = tuichaos.sweep(experiment(data), out=tmp_path / "whole")

    def watch(progress):
        if progress.done >= 2:
            replaced(data, OTHERS)

    with pytest.raises(
        RunFailed, match=r"data\.csv holds other data than when the sweep began"
    ) as e:
        tuichaos.sweep(experiment(data), out=tmp_path / "s", workers=workers, watch=watch)
    assert str(e.value).endswith(f"; tuichaos resume {tmp_path / 's'} goes on")
    part = open_run(tmp_path / "s")
    assert 2 <= part.manifest["points"]["done"] < 24
    assert part.manifest["points"]["failed"] == 0
    found = {check.name: check for check in verify(part)}
    assert found["data"].passed is False
    assert found["data"].words == "are not those that it began with"
    with pytest.raises(InputError, match="its experiment or its data changed"):
        resume(open_run(part.path))
    replaced(data, ROWS)
    done = resume(open_run(part.path), workers=workers)
    assert (done.path / "sweep.csv").read_bytes() == (whole.path / "sweep.csv").read_bytes()
    assert {check.name: check.passed for check in verify(done)}["data"] is True


def test_other_data_in_the_test_part_alone_are_seen(data, tmp_path):
    """The first point may train on the same samples: resume compares the whole file."""
    made = experiment(data, {"optimizer.learning_rate": [0.5, 1.0]})
    job = job_of(made)
    lines = ROWS.splitlines(keepends=True)
    replaced(data, "".join(lines[:-1]) + "9,9,1\n")
    assert "holds other data" in cluster_worker.work(job, job_points(made), "one").unfit


def job_of(made):
    first = plan(points.grid(made).base.experiment(points.Point(0, (0.5,))))
    grid = points.Grid(made, points.grid(made).axes, data=first.built.dataset.source)
    return batch.Job(grid.base, None, 1, grid.points[0])


def job_points(made):
    return tuple(points.grid(made).points)


def test_a_worker_that_finds_other_data_gives_no_row(data, tmp_path):
    made = experiment(data, {"optimizer.learning_rate": [0.5, 1.0]})
    job = job_of(made)
    assert len(cluster_worker.work(job, job_points(made), "two").rows) == 2
    replaced(data, OTHERS)  # this process has been found fit before
    answer = cluster_worker.work(job, job_points(made), "two")
    assert answer.rows == ()
    assert "data.csv holds other data" in answer.unfit


def test_a_run_tells_of_other_data(data, tmp_path):
    made = tuichaos.resolve({}, {**FAST, "data.name": "csv", "data.path": str(data)})
    run = tuichaos.run(made, out=tmp_path / "one")
    assert {c.name: c.passed for c in verify(run)}["data"] is True
    replaced(data, OTHERS)
    assert {c.name: c.passed for c in verify(run)}["data"] is False
    data.unlink()
    assert {c.name: c.passed for c in verify(run)}["data"] is None


def test_a_worker_tells_of_points_that_cannot_be_planned_as_one_process_does(data, monkeypatch):
    """One by one, not of the unit that they are in."""
    made = experiment(data, {"optimizer.learning_rate": [0.5, 1.0]})
    rows = cluster_worker.work(job_of(made), job_points(made), "three").rows

    def refused(*_):
        raise InputError("no")

    monkeypatch.setattr(cluster_worker, "needs", refused)
    assert cluster_worker.work(job_of(made), job_points(made), "three").rows == rows
