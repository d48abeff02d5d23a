"""The roll of a cluster's workers: who is there, who can do points, when it is over."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from tuichaos.common.errors import RunFailed
from tuichaos.sweeps import batch, cluster_members, points, workers
from tuichaos.sweeps.cluster_members import Roll
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.worker_memory import Room

FIT = {"slots": 2, "room": 1e9, "needs": 4e8, "host": "h"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(cluster_members, "LATE_SECONDS", 0.0)
    monkeypatch.setattr(cluster_members, "GRACE_SECONDS", 0.0)


def there(found, *names, **facts):
    seen = {f"tcp://{name}:1": {"nthreads": 2, **facts} for name in names}
    gone = found.see(seen)
    return [found.members[address] for address in seen], gone


def test_it_is_over_only_where_no_worker_can():
    found = Roll()
    assert found.over() == ""  # one may come
    (a, b), _ = there(found, "a", "b")
    assert found.undecided
    found.set_aside(a, "no\nreason")
    assert found.over() == ""
    found.answered(b, FIT)
    assert (found.slots, found.threads, found.over()) == (2, 2, "")
    found.set_aside(b, "no")
    assert found.over() == ("a worker on a (tcp://a:1) cannot run this, nor can h (tcp://b:1): no")
    found.answered(b, FIT)
    assert found.left_out() == ["a worker on a (tcp://a:1) cannot run this: no"]


def test_a_worker_that_can_is_waited_for_when_it_goes(monkeypatch):
    found = Roll()
    (a, b), _ = there(found, "a", "b")
    found.set_aside(a, "no")
    found.answered(b, FIT)
    monkeypatch.setattr(cluster_members, "GRACE_SECONDS", 1e9)
    found.gone(b.address, died=True)
    assert found.over() == ""
    monkeypatch.setattr(cluster_members, "GRACE_SECONDS", 0.0)
    assert found.over().endswith("cannot run this: no")


def test_those_that_are_missing_twice_are_gone():
    found = Roll()
    there(found, "a", "b")
    assert there(found, "a")[1] == []
    _, gone = there(found, "a")
    assert [member.address for member in gone] == ["tcp://b:1"]


def test_many_workers_are_named_in_a_line():
    found = Roll()
    for member in there(found, *"abcdefgh")[0]:
        found.set_aside(member, "no")
    (line,) = found.left_out()
    assert line.endswith("e (tcp://e:1) and 3 more: no")


def test_deaths_of_those_that_were_asked_end_it_with_both_numbers():
    found = Roll(needs=4e8)
    for number in range(cluster_members.MAX_ASKED):
        assert found.over() == ""
        (member,), _ = there(found, f"w{number}", memory_limit=5e8)
        found.gone(member.address, died=True)
    assert found.over() == (
        "3 workers died when they were asked what they can do, the last on w2 (tcp://w2:1); memory "
        "may be why: its limit is 500 MB, and a process with a point in it needs 400 MB or more"
    )


def test_memory_is_named_only_where_it_may_be_why():
    found = Roll(needs=4e8)
    for name, limit in (("a", 0), ("b", 64e9), ("c", 5e8)):
        (member,), _ = there(found, name, memory_limit=limit)
        found.answered(member, FIT)
        found.gone(member.address, died=True)
        assert bool(found.deaths()) == (name == "c")
    (member,), _ = there(found, "d", memory_limit=64e9)
    found.answered(member, FIT)
    found.gone(member.address, died=True, had=61e9)
    assert (
        "h (tcp://d:1): Dask ended it for its memory, 61 GB of a limit of 64 GB" in found.deaths()
    )


def test_a_worker_that_is_paused_gets_nothing_and_one_that_stays_so_is_told():
    found = Roll()
    (a,), _ = there(found, "a", memory_limit=1e9)
    found.answered(a, FIT)
    for _ in range(cluster_members.IDLE_LOOKS):
        there(found, "a", memory_limit=1e9, status="paused")
        assert (found.slots, found.free(), found.over()) == (0, None, "")
    there(found, "a", memory_limit=1e9, status="paused")
    assert "memory: it is paused, as it holds too much of its 1.0 GB" in found.over()
    there(found, "a", memory_limit=1e9)
    assert (found.slots, found.over()) == (2, "")


def test_the_next_unit_goes_to_the_least_busy_and_one_without_company_to_an_empty_one():
    found = Roll()
    (a, b), _ = there(found, "a", "b")
    found.answered(a, FIT)
    found.answered(b, {**FIT, "room": 2e9})
    assert found.free() is b
    b.running = 1
    assert found.free(alone=True) is a
    a.running, a.alone = 1, True
    assert found.free(alone=True) is None
    assert (found.free(), found.slots) == (b, 3)


class Machines(workers.Pool):
    """Workers that are apart: all at once die with their first units, then all live."""

    apart = True

    def __init__(self, count, deadly=()):
        self.count, self.deadly, self.running, self.alone = count, deadly, {}, []

    def executor(self):
        return None

    def slots(self):
        return self.count

    def submit(self, executor, job, points, alone=False):
        future = Future()
        self.running[future] = (points, alone)
        future.set_result(None)
        return future

    def answer(self, future):
        points, alone = self.running.pop(future)
        if not alone or any(point.index in self.deadly for point in points):
            raise workers.WorkerDied
        self.alone.append(len(points))
        return [Row(point.index, "done", "") for point in points]

    def end(self, executor):
        return None


def scattered(pool, count):
    made = [points.Point(k, (float(k),)) for k in range(count)]
    found = workers.scattered(batch.Job(None), workers.units([made], 8), pool, threading.Event())
    return {row.point: row.status for row in found if isinstance(row, Row)}


def test_machines_that_go_at_once_are_no_deaths_of_points():
    pool = Machines(64)
    assert scattered(pool, 200) == dict.fromkeys(range(200), "done")
    assert set(pool.alone) == {1}


def test_a_point_that_kills_without_company_is_recorded():
    found = scattered(Machines(4, deadly={3}), 20)
    assert found == {**dict.fromkeys(range(20), "done"), 3: "failed"}


def test_points_that_all_kill_end_it():
    with pytest.raises(RunFailed, match="die again and again"):
        scattered(Machines(4, deadly=range(100)), 100)


def test_threads_share_the_memory_of_their_process():
    room, order = Room(100.0, threads=2), []

    def other():
        with room.taken(60.0, 60.0) as got:
            order.append(got)

    with room.taken(10.0, 80.0) as got:
        assert got == 50.0  # its share
        thread = threading.Thread(target=other)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", 60.0]
    with room.taken(100.0, 100.0), room.taken(1.0, 1.0, lambda: True) as got:
        assert got == 0.0  # nobody wants it any more
