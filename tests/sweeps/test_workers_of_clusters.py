"""Workers of a cluster that cannot do the points: each is asked first, named, and left out."""

from __future__ import annotations

import platform
import re

import clusters
import pytest

import tuichaos
from tuichaos.sweeps.result import open_run

FAST = {"steps": 20, "ensemble.references": 2, "ensemble.twins": 1, "network.hidden": [3]}
RATE = {"optimizer.learning_rate": {"linear": [0.1, 2.0, 12]}}
ROWS = "".join(f"{k / 7},{k * k / 50},{k % 2}\n" for k in range(40))
OTHERS = "".join(f"{k / 5},{k * k / 50},{k % 2}\n" for k in range(40))
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture
def file(tmp_path):
    """The experiment of a sweep of data from a file."""
    (tmp_path / "data.csv").write_text(ROWS)
    (tmp_path / "others.csv").write_text(OTHERS)
    data = {"data.name": "csv", "data.path": str(tmp_path / "data.csv")}
    (tmp_path / "e.toml").write_text(tuichaos.resolve({"sweep": RATE}, {**FAST, **data}).to_toml())
    return tmp_path / "e.toml"


def elsewhere(folder):
    """Preloaded where other data are at the same path."""
    return f"OTHER = {str(folder / 'others.csv')!r}\n{clusters.ELSEWHERE}"


def table(folder):
    return (folder / "sweep.csv").read_bytes()


@pytest.mark.slow
def test_who_cannot_do_the_points_is_named_and_the_others_do_them(file, tmp_path, command):
    """Also where the scheduler has no tuichaos."""
    assert command("run", file, "--out", tmp_path / "whole", "--quiet")[0] == 0
    with clusters.Parts(tmp_path).scheduler(clusters.ABSENT) as parts:
        parts.worker()
        for preload in (elsewhere(tmp_path), clusters.ABSENT, clusters.EARLIER):
            parts.worker(preload)
        parts.wait_for_workers(4)
        out = tmp_path / "s"
        code, _, err = command("run", file, "--out", out, "--scheduler", parts.address, "--quiet")
    assert code == 0, err
    assert table(out) == table(tmp_path / "whole")
    warnings = open_run(out).manifest["warnings"]
    assert err.splitlines() == [f"tuichaos: warning: {line}" for line in warnings]
    assert len(warnings) == 3
    where = (
        rf"a worker on {re.escape(platform.node())} \(tcp://127\.0\.0\.1:\d+\) cannot run this: "
    )
    for words in ("data.csv holds other data", "tuichaos is not installed there", "tuichaos 0.0.9"):
        (line,) = [line for line in warnings if words in line]
        assert re.match(where, line)


@pytest.mark.long
@pytest.mark.slow
def test_where_no_worker_can_it_is_over_and_goes_on_elsewhere(file, tmp_path, command, monkeypatch):
    with clusters.Parts(tmp_path).scheduler() as parts:
        parts.worker(elsewhere(tmp_path))
        parts.worker(clusters.ABSENT)
        parts.wait_for_workers(2)
        out = tmp_path / "s"
        code, _, err = command("run", file, "--out", out, "--scheduler", parts.address, "--quiet")
        assert (code, err.count("\n")) == (1, 1)
        assert "data.csv holds other data" in err
        assert "tuichaos is not installed there" in err
        assert err.endswith(f"; tuichaos resume {out} goes on\n")
        assert open_run(out).status == "failed"
        parts.worker(clusters.RENUMBERED)  # its bits may differ: told, and used
        parts.wait_for_workers(3)
        code, _, err = command("resume", out, "--scheduler", parts.address, "--quiet")
    assert code == 0
    assert "with tuichaos 0.0.9, here" in err
    assert command("run", file, "--out", tmp_path / "whole", "--quiet")[0] == 0
    assert table(out) == table(tmp_path / "whole")


# --- memory --------------------------------------------------------------------------------


@pytest.fixture
def limited(tmp_path, command):
    """Run a sweep on a worker with a memory limit: (exit code, stderr)."""

    def go(memory, ranges, overrides=None):
        made = tuichaos.resolve({"sweep": ranges}, {**FAST, **(overrides or {})})
        (tmp_path / "m.toml").write_text(made.to_toml())
        with clusters.Parts(tmp_path).scheduler() as parts:
            parts.worker(memory=memory)
            parts.wait_for_workers(1)
            how = ("--out", tmp_path / "s", "--scheduler", parts.address, "--quiet")
            code, _, err = command("run", tmp_path / "m.toml", *how)
        return code, err

    return go


def test_a_memory_limit_that_no_point_fits_into_is_refused_before(limited, tmp_path):
    code, err = limited("190MB", RATE)
    assert (code, err.count("\n")) == (2, 1)
    words = " ".join(err.split())
    assert re.search(r"a point needs about \d+ MB of memory.* has a limit above 190 MB", words)
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_workers_that_die_for_their_memory_before_any_point(limited):
    """With torch loaded they have too much already."""
    code, err = limited("215MB", RATE)
    assert (code, err.count("\n")) == (1, 1)
    assert re.search(
        r"3 workers died when they were asked what they can do, the last on .*\(tcp://.*\): Dask "
        r"ended it for its memory, \d+ MB of a limit of 215 MB; a process with a point in it needs "
        r"2\d\d MB or more; tuichaos resume",
        err,
    )


def test_a_point_that_no_worker_has_the_memory_for(limited, tmp_path):
    """It fails with both numbers; the others are done."""
    code, err = limited("700MB", {"ensemble.references": [2, 60_000, 3]})
    assert code == 1, err
    found = open_run(tmp_path / "s").table()
    assert found["status"] == ["done", "failed", "done"]
    assert re.fullmatch(
        r"memory: a point needs about [\d.]+ GB, and about \d+ MB are for Python and torch; "
        r"the worker may have 665 MB",
        found["reason"][1],
    )


@pytest.mark.long
@pytest.mark.slow
def test_a_point_goes_to_the_worker_that_has_the_memory(tmp_path, command):
    """Also where that one answers only after the other has failed at it."""
    off = dict.fromkeys(("measure.tangent", "measure.regime", "measure.period"), False)
    wide = {"steps": 2, "ensemble.twins": 0, "network.hidden": [1500], **off}
    made = tuichaos.resolve({"sweep": {"ensemble.references": [2, 1500, 3]}}, wide)
    (tmp_path / "m.toml").write_text(made.to_toml())
    with clusters.Parts(tmp_path).scheduler() as parts:
        short = tmp_path / "short"
        parts.worker(clusters.SHORT.format(str(short)), memory="700MB")
        parts.worker(clusters.LATE.format(str(short)), memory="0")
        parts.wait_for_workers(2)
        how = ("--out", tmp_path / "s", "--scheduler", parts.address, "--quiet")
        code, _, err = command("run", tmp_path / "m.toml", *how)
    assert (code, err) == (0, "")
    assert short.exists()
    assert open_run(tmp_path / "s").table()["status"] == ["done"] * 3


def test_a_worker_that_would_start_nothing_after_its_first_point(limited):
    code, err = limited("400MB", RATE)
    assert (code, err.count("\n")) == (1, 1)
    assert re.search(
        r"cannot run this: memory: .* the worker may have 320 MB to start anything", err
    )


MAP = {
    "system.name": "logistic",
    "steps": 20,
    "ensemble.references": 40,
    "measure.tangent": True,
    "plane.value": "exponent",
}


@pytest.mark.long
@pytest.mark.slow
def test_units_are_no_larger_than_a_worker(limited, tmp_path):
    made = {"system.parameters.r": {"linear": [3.0, 4.0, 300]}}
    one = tuichaos.sweep(tuichaos.resolve({"sweep": made}, {**FAST, **MAP}), out=tmp_path / "one")
    code, err = limited("560MB", made, MAP)
    assert (code, err) == (0, "")
    assert table(tmp_path / "s") == table(one.path)


@pytest.mark.slow
def test_a_point_that_takes_more_memory_than_was_foreseen(limited, tmp_path):
    """Dask ends the worker, three times or more: the point fails, and both numbers are said."""
    hungry = {"system.name": "hungry:make", "ensemble.references": 1}
    code, err = limited("800MB", {"system.parameters.r": [3.0, 3.1]}, hungry)
    assert code == 1
    found = open_run(tmp_path / "s").table()
    assert found["status"] == ["done", "failed"]
    assert found["reason"][1] == (
        "the worker process died: it had more than its memory limit of 800 MB"
    )
    assert re.search(
        r"warning: \d workers died, the last on .*: Dask ended it for its memory, \d+ MB of a "
        r"limit of 800 MB; a process with a point in it needs \d+ MB or more\n",
        err,
    )
