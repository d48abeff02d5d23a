"""Checking the folder of a sweep: whether its points are all there and in its table, and one of
them what the experiment gives here and now, bit for bit."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator

from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.limits import read_text
from tuichaos.execution.manifest import differing
from tuichaos.execution.verify import DECLARED, Check, checksums, is_declared
from tuichaos.storage.folder_checks import MALFORMED, check_entries
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.sweeps import sweep_table
from tuichaos.sweeps.batch import folder_of
from tuichaos.sweeps.journal import JOURNAL, Journal, Row
from tuichaos.sweeps.points import Grid, grid
from tuichaos.sweeps.sweep_reader import MAX_BYTES, NAME
from tuichaos.sweeps.sweep_runner import RUNS, stream

MAX_SECONDS = 60.0  # that a point is computed again


def checks(run: Run) -> Iterator[Check]:
    """The checks of a sweep's points, as they are made."""
    try:
        made, journal = grid(run.experiment, yes=True), Journal(run.path)
        if max(journal.rows, default=0) >= made.size:
            raise InputError("holds points beyond the last")
    except InputError as error:
        yield Check(JOURNAL, False, str(error))
        return
    yield _points(run, made, journal)
    yield _table(run, made, journal)
    if run.manifest.get("keep"):
        yield _runs(run, made, journal)
    yield _again(run, made, journal)


def _points(run: Run, made: Grid, journal: Journal) -> Check:
    words = f"{len(journal.rows):,} of {made.size:,} points, {len(journal.failed):,} failed"
    if journal.fault:
        return Check(JOURNAL, False, f"is damaged after {len(journal.rows):,} points")
    if run.status == "done":
        return Check(JOURNAL, len(journal.rows) == made.size, words)
    return Check(JOURNAL, None, words)


def _table(run: Run, made: Grid, journal: Journal) -> Check:
    name = f"points of {NAME}"
    if run.status == "running":  # it is behind by a moment
        return Check(name, None, "are not looked at while it is running")
    try:
        there = read_text(run.path / NAME, MAX_BYTES)
    except (OSError, ValueError) as error:
        return Check(name, False, f"cannot be read: {error}")
    same = there == sweep_table.text(made, journal.rows)
    return Check(name, same, f"{'are' if same else 'are not'} those of {JOURNAL}")


def _runs(run: Run, made: Grid, journal: Journal) -> Check:
    """Whether the kept runs of the points that are done are there, as they were written."""
    done = sorted(journal.rows.keys() - journal.failed)
    for index in done:
        path = folder_of(run.path / RUNS, made.points[index])
        try:
            check_entries(path.parent)
            point = open_run(path)
            wrong = [f"{c.name}: {c.words}" for c in checksums(point) if c.passed is not True]
            if point.status != "done":
                wrong.append(f"status {point.status}")
        except (InputError, OSError) as error:
            wrong = [str(error)]
        if wrong:
            return Check(RUNS, False, f"point {index}: {wrong[0]}")
    return Check(RUNS, True, f"{len(done):,} of them, whose checksums are right")


def _again(run: Run, made: Grid, journal: Journal) -> Check:
    """Whether the first point that is done, computed again, is the same row."""
    done = sorted(journal.rows.keys() - journal.failed)
    if not done or made.base.continued:
        because = "goes on from the one before it" if done else "is done"
        return Check("a point again", None, f"{'each' if done else 'none'} {because}")
    name = f"point {done[0]} again"
    if is_declared(run):
        return Check(name, None, DECLARED)
    try:
        fresh = _computed(made, done[0])
    except (InputError, RunFailed) as error:
        return Check(name, None, str(error))
    except MALFORMED as error:  # a user's system may raise anything
        return Check(name, None, f"{type(error).__name__}: {error}")
    if fresh is None:
        return Check(name, None, f"takes longer than {MAX_SECONDS:.0f} s")
    if _kept(fresh) == _kept(journal.rows[done[0]]):
        return Check(name, True, "is the same, to the last digit")
    changed = differing(run.manifest)
    because = f"; it was computed under {changed}" if changed else ""
    return Check(name, False, f"is not the same{because}")


def _computed(made: Grid, index: int) -> Row | None:
    """The row of a point; None where it takes too long."""
    stop = threading.Event()
    timer = threading.Timer(MAX_SECONDS, stop.set)
    timer.daemon = True
    timer.start()
    others = set(range(made.size)) - {index}
    try:
        with contextlib.closing(stream(made, stop=stop, known=others)) as source:
            return next((found for found in source if isinstance(found, Row)), None)
    finally:
        timer.cancel()


def _kept(row: Row) -> str:
    """As it is written."""
    return json.dumps([row.status, row.numbers, row.orbit, row.ends, row.noise_floor])
