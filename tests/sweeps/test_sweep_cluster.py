"""Sweeps on a Dask cluster over loopback: the bytes of one process, whatever dies."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import clusters
import pytest
from waiting import MAX_SECONDS, wait_for

import tuichaos
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.sweeps import (
    batch,
    cluster,
    cluster_connection,
    cluster_members,
    cluster_worker,
    points,
    worker_options,
    workers,
)
from tuichaos.sweeps import journal as rows
from tuichaos.sweeps.sweep_reader import read

FAST = {"steps": 40, "ensemble.references": 2, "ensemble.twins": 1, "network.hidden": [3]}
RATE = "optimizer.learning_rate"
PROGRAM = "from tuichaos.cli.main import main; main()"
# What distributed itself leaves open when it is closed is not ours to tell.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


def experiment(ranges, overrides=None):
    return tuichaos.resolve({"sweep": ranges}, {**FAST, **(overrides or {})})


def table(run):
    return (run.path / "sweep.csv").read_bytes()


@pytest.fixture
def program():
    """Start a command line as a process, which does not outlive the test."""
    started = []

    def go(*arguments):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=env,
            )
        )
        return started[-1]

    yield go
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def pair():
    """Two workers of one thread."""
    with clusters.local(2) as found:
        yield found


# --- the same bytes ------------------------------------------------------------------------

CASES = {
    "one batch": ({RATE: {"log": [0.01, 10.0, 13]}}, {}),
    "a batch for each value": ({"steps": [30, 50, 70], RATE: [0.1, 1.0]}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_cluster_gives_the_bytes_of_one_process(case, pair, tmp_path):
    made, seen = experiment(*CASES[case]), []
    level = logging.getLogger("distributed").level
    one = tuichaos.sweep(made, out=tmp_path / "one")
    many = tuichaos.sweep(
        made, out=tmp_path / "many", scheduler=pair.scheduler_address, watch=seen.append
    )
    assert table(many) == table(one)
    assert seen[-1].done == points.grid(made).size
    assert seen[-1].slots in (1, 2)  # one that answers late may find all points given out
    assert seen[-1].seconds_left == 0
    manifest = many.manifest
    assert (manifest["scheduler"], manifest["workers"]) == (pair.scheduler_address, None)
    assert [m["host"] for m in manifest["machines"]] == [one.manifest["host"]]
    assert manifest["warnings"] == []
    assert logging.getLogger("distributed").level == level


def test_run_folders_on_a_shared_file_system(pair, tmp_path):
    made = experiment({RATE: [0.1, 1.0]})
    done = tuichaos.sweep(made, out=tmp_path / "s", keep=True, scheduler=pair.scheduler_address)
    assert sorted(p.name for p in (done.path / "runs").iterdir()) == ["00000", "00001"]
    grid = points.grid(made)
    elsewhere = batch.Job(grid.base, str(tmp_path / "elsewhere" / "runs"), 1, grid.points[0])
    answer = cluster_worker.work(elsewhere, tuple(grid.points), "a session of its own")
    assert answer.rows == ()
    assert "--keep: it does not see" in answer.unfit


@pytest.mark.slow
def test_workers_that_come_later_are_used_and_their_threads_do_not_disturb_each_other(tmp_path):
    made = experiment({RATE: {"log": [0.01, 10.0, 12]}}, {"steps": 200})
    one = tuichaos.sweep(made, out=tmp_path / "one")
    seen = []
    with clusters.local(0, threads=2) as pool:

        def watch(progress):
            if not seen:
                pool.scale(1)
            seen.append(progress)

        many = tuichaos.sweep(
            made, out=tmp_path / "many", scheduler=pool.scheduler_address, watch=watch
        )
    assert table(many) == table(one)
    assert (seen[0].slots, seen[0].seconds_left, seen[-1].slots) == (0, None, 2)


# --- what dies -----------------------------------------------------------------------------

LONG = {RATE: {"log": [0.01, 10.0, 24]}}
LONGER = {"steps": 300, "ensemble.references": 8}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """sweep.csv of a sweep that nothing disturbed."""
    made = experiment(LONG, LONGER)
    return table(tuichaos.sweep(made, out=tmp_path_factory.mktemp("whole") / "s"))


@pytest.mark.slow
@pytest.mark.revives
def test_a_worker_that_is_killed_loses_no_point(pair, whole, tmp_path):
    killed = []

    def watch(progress):
        if progress.done >= 2 and not killed:
            killed.append(next(iter(pair.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    made = experiment(LONG, LONGER)
    done = tuichaos.sweep(made, out=tmp_path / "s", scheduler=pair.scheduler_address, watch=watch)
    assert killed
    assert table(done) == whole
    assert done.manifest["points"] == {"total": 24, "done": 24, "failed": 0}


@pytest.mark.long
def test_a_point_that_kills_every_worker_is_recorded(tmp_path):
    """Dask gives up a unit after a number of dead workers (here one); alone, after two more,
    the point has had its three."""
    import dask
    import distributed  # noqa: F401 (its defaults would go with the setting otherwise)

    base = {"steps": 30, "ensemble.references": 1, "system.name": "deadly:make"}
    made = experiment({"system.parameters.r": {"linear": [3.0, 3.5, 6]}}, base)
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), clusters.local(2) as pool:
        done = tuichaos.sweep(made, out=tmp_path / "s", scheduler=pool.scheduler_address)
    found = read(done.path)
    assert found["status"] == ["done"] * 3 + ["failed"] + ["done"] * 2
    assert found["reason"][3] == "the worker process died"


GATED = {"system.parameters.r": {"linear": [3.0, 3.9, 12]}}
BASE = {"steps": 30, "ensemble.references": 1, "system.name": "gated:make"}


@pytest.fixture
def gated(tmp_path):
    """A sweep whose last points wait for a file, which is given as well: (experiment, gate)."""
    gate = tmp_path / "gate"
    made = experiment(GATED, {**BASE, "system.parameters.gate": str(gate)})
    (tmp_path / "e.toml").write_text(made.to_toml())
    return tmp_path / "e.toml", gate


@pytest.fixture(scope="module")
def all_of_gated(tmp_path_factory):
    """Its sweep.csv, when nothing disturbed it."""
    made = experiment(GATED, BASE)
    return table(tuichaos.sweep(made, out=tmp_path_factory.mktemp("gated") / "s"))


def begun(out, process):
    """Wait until a sweep in a folder has points."""
    journal = out / rows.JOURNAL
    wait_for(lambda: journal.exists() and journal.read_text().count("\n") >= 2, process)


@pytest.mark.slow
def test_a_scheduler_that_is_killed_ends_in_one_line_and_a_folder_that_goes_on(
    gated, all_of_gated, tmp_path, command, program
):
    (file, _), out = gated, tmp_path / "s"
    with clusters.apart(tmp_path) as (process, address):
        how = ("--scheduler", address, "--trust", "gated:make")
        sweep = program("run", file, "--out", out, *how)
        begun(out, sweep)
        os.kill(process.pid, signal.SIGKILL)
        _, words = sweep.communicate(timeout=MAX_SECONDS)
    assert sweep.returncode == 1
    *told, last = words.splitlines()
    assert all(line.startswith("point ") for line in told), words
    assert last.startswith(f"tuichaos: error: {out}: the scheduler {address} went away")
    assert last.endswith(f"; tuichaos resume {out} goes on")
    part = tuichaos.open_run(out)
    assert part.manifest["status"] == "failed"
    assert 2 <= part.manifest["points"]["done"] < 12
    assert command("resume", out, "--quiet") == (0, "", "")
    assert table(part) == all_of_gated


@pytest.mark.slow
def test_a_client_that_is_killed_leaves_nothing_on_the_cluster(
    pair, gated, all_of_gated, tmp_path, program
):
    from distributed import Client

    (file, gate), out = gated, tmp_path / "s"
    how = ("--scheduler", pair.scheduler_address, "--trust", "gated:make")
    sweep = program("run", file, "--out", out, *how)
    begun(out, sweep)
    sweep.kill()
    sweep.wait(MAX_SECONDS)
    assert tuichaos.open_run(out).status == "killed"
    gate.touch()
    with Client(pair.scheduler_address, set_as_default=False) as client:

        def left():
            at = client.run(lambda dask_worker: len(dask_worker.state.tasks))
            return sum(at.values()) + client.run_on_scheduler(
                lambda dask_scheduler: len(dask_scheduler.tasks)
            )

        wait_for(lambda: left() == 0)
    done = tuichaos.resume(tuichaos.open_run(out), scheduler=pair.scheduler_address)
    assert table(done) == all_of_gated


@pytest.mark.long
def test_a_scheduler_that_closes_ends_it_and_another_goes_on(pair, gated, all_of_gated, tmp_path):
    (file, gate), out = gated, tmp_path / "s"
    with clusters.local(1) as pool:

        def watch(progress):
            if progress.done >= 2:
                pool.close()

        with pytest.raises(RunFailed, match="went away, or dropped what it was asked"):
            tuichaos.sweep(
                tuichaos.load(file), out=out, scheduler=pool.scheduler_address, watch=watch
            )
    part = tuichaos.open_run(out)
    assert part.manifest["points"]["done"] < 12
    gate.touch()
    done = tuichaos.resume(part, scheduler=pair.scheduler_address)
    assert table(done) == all_of_gated
    assert done.manifest["machines"] == part.manifest["machines"]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.revives
def test_all_workers_are_killed_at_once(pair, gated, all_of_gated, tmp_path):
    """Others take their places."""
    (file, gate), killed = gated, []

    def watch(progress):
        if progress.done >= 2 and not killed:
            killed.extend(worker.pid for worker in pair.workers.values())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            gate.touch()

    done = tuichaos.sweep(
        tuichaos.load(file), out=tmp_path / "s", scheduler=pair.scheduler_address, watch=watch
    )
    assert len(killed) == 2
    assert table(done) == all_of_gated
    assert done.manifest["points"] == {"total": 12, "done": 12, "failed": 0}


@pytest.mark.long
@pytest.mark.slow
def test_a_worker_that_leaves_in_good_order_gives_its_unit_back(gated, all_of_gated, tmp_path):
    """As at the end of its lifetime: it is no death."""
    from distributed import Client

    (file, gate), left = gated, []
    with clusters.local(2) as pool:

        def watch(progress):
            if progress.done >= 2 and not left:
                with Client(pool.scheduler_address, set_as_default=False) as client:
                    left.extend(list(client.scheduler_info()["workers"])[:1])
                    client.retire_workers(left, close_workers=True)
                gate.touch()

        done = tuichaos.sweep(
            tuichaos.load(file), out=tmp_path / "s", scheduler=pool.scheduler_address, watch=watch
        )
    assert left
    assert table(done) == all_of_gated
    assert done.manifest["warnings"] == []


def test_ctrl_c_cancels_what_flies(pair, tmp_path, program):
    """Workers put down what they are at, however much of it is left."""
    from distributed import Client

    made = experiment({RATE: [0.1, 0.2, 0.3]}, {"steps": 200_000, "record.every": 100})
    (tmp_path / "e.toml").write_text(made.to_toml())
    with Client(pair.scheduler_address, set_as_default=False) as client:

        def busy():
            at = client.run(lambda dask_worker: dask_worker.state.executing_count)
            return sum(at.values())

        arguments = ("--scheduler", pair.scheduler_address, "--quiet")
        sweep = program("run", tmp_path / "e.toml", "--out", tmp_path / "s", *arguments)
        wait_for(lambda: busy() == 2)
        sweep.send_signal(signal.SIGINT)
        out, words = sweep.communicate(timeout=MAX_SECONDS)
        assert (sweep.returncode, out) == (130, "")
        assert words.count("\n") == 1
        assert "interrupted at point 0 of 3" in words
        wait_for(lambda: busy() == 0)
    assert tuichaos.open_run(tmp_path / "s").status == "interrupted"


def test_a_system_that_workers_cannot_import_is_told_once(pair, tmp_path, monkeypatch, command):
    """Only this process sees the folder that it is in."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "nearby.py").write_text("from deadly import make\n")
    monkeypatch.syspath_prepend(str(tmp_path / "hidden"))
    base = {"steps": 30, "ensemble.references": 1, "system.name": "nearby:make"}
    made = experiment({"system.parameters.r": [3.0, 3.1, 3.2]}, base)
    (tmp_path / "e.toml").write_text(made.to_toml())
    code, out, err = command(
        "run",
        tmp_path / "e.toml",
        "--scheduler",
        pair.scheduler_address,
        "--out",
        tmp_path / "s",
        "--quiet",
    )
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "a worker on " in err
    assert "nearby" in err
    code, _, err = command("resume", tmp_path / "s", "--quiet")  # here it can be imported
    assert (code, err) == (0, "")


# --- no cluster at all ---------------------------------------------------------------------

BAD = ["", "x", "127.0.0.1:8786", "tcp://", "tcp://h", "tcp://h:0", "tcp://h:99999", "tcp://h:p",
       "tcp://a b:1", "http://h:1", "tcp://h:1/x", "tcp://u@h:1", "tcp://:1"]  # fmt: skip


@pytest.mark.parametrize("address", BAD)
def test_addresses_that_are_none(address, command, home):
    over = ("--over", f"{RATE}=[1.0]")
    code, out, err = command("run", "--preset", "quick", *over, "--scheduler", address)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert command("run", "--preset", "quick", *over, "--scheduler", address, "--dry-run")[0] == 2
    assert f"--scheduler {address}: must be tcp://HOST:PORT" in " ".join(err.split()) or not address
    assert not home.exists()


def unknown(host, *_):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


answered = threading.Event()  # what it stands for is over


def slow(host, *_):
    assert answered.wait(MAX_SECONDS)


@pytest.mark.parametrize(
    ("answer", "words"),
    [(unknown, "the host name no.such.host does not resolve"), (slow, "within 0.1 s")],
)
def test_a_host_that_does_not_resolve_is_refused_at_once(answer, words, command, home, monkeypatch):
    monkeypatch.setattr(worker_options.socket, "getaddrinfo", answer)
    monkeypatch.setattr(worker_options, "NAME_SECONDS", 0.1)
    over = ("--over", f"{RATE}=[1.0]")
    address = ("--scheduler", "tcp://no.such.host:8786")
    answered.clear()
    code, out, err = command("run", "--preset", "quick", *over, *address)
    answered.set()  # only then: nobody waited for it
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in " ".join(err.split())
    assert not home.exists()


@contextlib.contextmanager
def silent():
    """A port at which somebody listens who never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def closed():
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield port


@pytest.mark.parametrize("where", [silent, closed])
def test_a_scheduler_that_does_not_answer(where, command, home, monkeypatch):
    monkeypatch.setattr(cluster_connection, "CONNECT_SECONDS", 1.0)
    over = ("--over", f"{RATE}=[1.0]")
    with where() as port:
        code, out, err = command(
            "run", "--preset", "quick", *over, "--scheduler", f"tcp://127.0.0.1:{port}"
        )
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no Dask scheduler answers there" in err
    assert not home.exists()


def test_settings_of_dask_that_fail_are_told(monkeypatch):
    """Not "nobody answers", when nobody was asked."""

    def failing(address):
        raise KeyError("distributed")

    monkeypatch.setattr(cluster, "greet", failing)
    with pytest.raises(InputError, match=r"\(KeyError: 'distributed'\)$"):
        cluster.connect("tcp://127.0.0.1:8786")


@pytest.mark.long
@pytest.mark.slow
def test_it_is_waited_for_ten_seconds(tmp_path, program):
    with silent() as port:
        start = time.monotonic()
        with pytest.raises(InputError):
            cluster.connect(f"tcp://127.0.0.1:{port}")
        assert time.monotonic() - start >= 10
        sweep = program(
            "run", "--preset", "quick", "--over", f"{RATE}=[1.0]", "--out", tmp_path / "s",
            "--scheduler", f"tcp://127.0.0.1:{port}",
        )  # fmt: skip
        _, words = sweep.communicate(timeout=MAX_SECONDS)
    assert (sweep.returncode, words.count("\n")) == (2, 1)
    assert not (tmp_path / "s").exists()


def test_what_is_refused_beside_it_and_without_dask(command, home, monkeypatch):
    address = "tcp://127.0.0.1:1"
    over = ("--over", f"{RATE}=[1.0]")
    code, _, err = command(
        "run", "--preset", "quick", *over, "--scheduler", address, "--workers", 2
    )
    assert code == 2
    assert "--workers, --scheduler: one of them" in err
    assert command("run", "--preset", "quick", "--scheduler", address)[0] == 2
    monkeypatch.setattr(worker_options.importlib.util, "find_spec", lambda name: None)
    code, _, err = command("run", "--preset", "quick", *over, "--scheduler", address)
    assert code == 2
    assert "pip install 'tuichaos[cluster]'" in err
    assert not home.exists()


# --- parts ---------------------------------------------------------------------------------


def test_workers_with_other_versions_are_told():
    pool = object.__new__(cluster.Cluster)
    pool._roll = cluster_members.Roll()
    pool._machines = {
        "a": {**cluster_worker.machine(), "host": "n1", "torch": "1.0"},
        "b": cluster_worker.machine(),
    }
    (warning,) = pool.warnings()
    assert warning.startswith(
        f"points were computed on n1 with torch 1.0, here {cluster_worker.torch.__version__}"
    )
    json.dumps(pool.machines())


def test_units_are_cut_when_there_are_more_hands():
    made = points.grid(experiment(LONG)).points
    waiting = workers.deque([workers.Unit(tuple(made[:16])), workers.Unit(tuple(made[16:]))])
    workers._cut(waiting, 7)
    assert len(waiting) == 7
    assert sorted(p.index for unit in waiting for p in unit.points) == list(range(24))
    workers._cut(waiting, 100)
    assert sorted(unit.points[0].index for unit in waiting) == list(range(24))


@pytest.mark.long
def test_a_scheduler_that_falls_silent(monkeypatch):
    pool = object.__new__(cluster.Cluster)
    pool.scheduler, pool._asked, pool._job = "tcp://h:1", time.monotonic(), None
    pool._roll, pool._events = cluster_members.Roll(), workers.deque()
    pool._roll.see({"tcp://w:1": {"nthreads": 3}})
    pool._roll.answered(pool._roll.members["tcp://w:1"], {"slots": 3, "room": 1e9})
    pool._client = type("Client", (), {"status": "running"})
    pool._count, pool._heard = threading.Event(), time.monotonic()
    pool._count.done = lambda: False
    assert pool.slots() == 3
    pool._heard -= cluster.SILENCE_SECONDS + 1
    with pytest.raises(RunFailed, match="does not answer any more"):
        pool.slots()
    with pytest.raises(InputError, match="must be tcp"):
        worker_options.check_address(None)
