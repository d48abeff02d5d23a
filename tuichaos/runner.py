"""Running an experiment: the one way from an Experiment to a run folder."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuichaos.engine import Engine
from tuichaos.errors import RunFailed
from tuichaos.experiment import Experiment
from tuichaos.frames import Frame
from tuichaos.instruments import chosen
from tuichaos.instruments.base import Instrument, Setup
from tuichaos.instruments.survival import Survival
from tuichaos.manifest import facts, now, outcome
from tuichaos.pace import GivenUp, Pace
from tuichaos.plan import Plan, plan
from tuichaos.preview import Preview, Rows
from tuichaos.recorder import (
    Folder,
    Nowhere,
    create,
    replace_text,
    without_nan,
    write_manifest,
)
from tuichaos.runs import Run, open_run
from tuichaos.states import SavedStates
from tuichaos.watching import Progress, Watcher


def run(
    experiment: Experiment,
    *,
    out: str | Path | None = None,
    threads: int | None = None,
    watch: Watcher | None = None,
    stop: threading.Event | None = None,
) -> Run:
    """Run an experiment into a new run folder and open it.

    ``out`` names the folder (default: a new one among the kept runs). ``watch`` is called
    after each frame; setting ``stop``, or ctrl-C, ends the run cleanly after a frame:
    ctrl-C then raises KeyboardInterrupt, with the folder complete up to there.
    Raises InputError before anything is written, RunFailed when the run cannot go on.
    """
    ready = plan(experiment, threads)
    stop = stop or threading.Event()
    with interrupts(stop) as interrupted:
        path = create(ready.experiment, out)
        prepare(ready, path, Pace(stop=stop)).run(watch)
    done = open_run(path)
    if interrupted:
        raise KeyboardInterrupt(
            f"interrupted at step {done.manifest['step']} of {experiment.steps}; "
            f"what was computed is in {path}"
        )
    return done


@contextlib.contextmanager
def interrupts(stop: threading.Event) -> Iterator[list[int]]:
    """Let the first ctrl-C set ``stop`` and the second one interrupt at once."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def handle(number: int, frame: object) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        stop.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def prepare(
    ready: Plan, path: Path | None, pace: Pace, extra: Sequence[Instrument] = ()
) -> Recording:
    """A run that is about to begin in the folder ``path``, or without one; ``extra``:
    instruments besides those its experiment asks for. Raises RunFailed where it cannot be
    had, by lack of memory for one; the folder then says so."""
    try:
        return Recording(ready, path, pace, extra)
    except Exception as error:
        ended = {"status": "failed", "finished": now(), "step": 0}
        reason = _reason(error, ready)
        if path is None:
            raise RunFailed(reason) from error
        with contextlib.suppress(OSError):
            replace_text(path / "experiment.toml", ready.experiment.to_toml())
            write_manifest(path, {"name": ready.experiment.name, **ended, "reason": reason})
        raise RunFailed(f"{path}: {reason}") from error


class Recording:
    """One run while it is being recorded into its folder, or without one for its ``preview``."""

    def __init__(
        self, plan: Plan, path: Path | None, pace: Pace, extra: Sequence[Instrument] = ()
    ) -> None:
        self.plan = plan
        self.experiment = plan.experiment  # with what changed while it ran
        self.path = path
        self.step = 0
        setup = Setup(plan.experiment, plan.built.system, pace.heed)
        self.survival = Survival(setup)
        self.states: SavedStates | None = None
        if plan.experiment.record.states_every and path is not None:
            self.states = SavedStates(setup, plan.built.dataset, path)
        saved = [self.states] if self.states else []
        self.instruments = [*chosen(setup), self.survival, *saved, *extra]
        self.simulation = plan.simulation(self.instruments, pace)
        self.facts = facts(plan, self.simulation)
        self.restored_at: int | None = None  # when the folder had vanished
        self.wanted = threading.Event()  # somebody wants to see the tables as they are
        self.preview: Preview | None = None
        self.reason = ""  # why it failed
        self._next_look = 0.0

    def run(self, watch: Watcher | None) -> None:
        """Run to the end, a stop or a failure; the folder tells which."""
        with contextlib.closing(self.advance(watch)) as frames:
            for _ in frames:
                pass

    def advance(self, watch: Watcher | None, engine: Engine | None = None) -> Iterator[None]:
        """The same, frame by frame: others may be advanced in between, on an ``engine`` that
        they share. It is then set to work before the first yield, and frames follow."""
        clock = time.perf_counter()
        with contextlib.ExitStack() as open_files:
            try:
                folder = open_files.enter_context(self._folder())
                if self.states:
                    open_files.callback(self.states.close)
                folder.manifest({**self.facts, "status": "running"})
                if engine is not None:
                    self.simulation.begin(engine)
                    yield
                for frame in self.simulation.frames(engine):
                    self._record(frame, folder, watch, clock)
                    yield
                seconds = time.perf_counter() - clock
                results = self._results()
                folder.finish(*results)
                self.preview = self._preview(*results)
                folder.manifest(self._ended(seconds))
            except GivenUp:
                raise
            except BaseException as error:
                self._failed(error)
                if _is_failure(error):
                    where = "" if self.path is None else f"{self.path}: "
                    raise RunFailed(where + self.reason) from error
                raise

    def _folder(self) -> Folder | Nowhere:
        return Nowhere() if self.path is None else Folder(self.path, self.experiment)

    def _record(
        self, frame: Frame, folder: Folder | Nowhere, watch: Watcher | None, clock: float
    ) -> None:
        if len(self.simulation.changes) != len(self.experiment.optimizer.changes):
            self.experiment = self.experiment.with_changes(self.simulation.changes)
            folder.experiment(self.experiment)
        columns: dict[str, np.ndarray] = {}
        for instrument in self.instruments:
            columns.update(instrument.fold(frame))
        folder.append(frame.steps, columns, references=frame["alive"].shape[1])
        self.step = int(frame.steps[-1])
        if self.wanted.is_set() and time.monotonic() > self._next_look:
            self.wanted.clear()
            start = time.monotonic()
            self.preview = self._preview(*self._results())
            # Looking at a run may take a tenth of its time.
            self._next_look = start + 10 * (time.monotonic() - start)
        if folder.restored:
            self._tell_restored(folder)
        if watch is not None:
            watch(
                Progress(
                    self.step,
                    self.plan.experiment.steps,
                    self.plan.replica_steps_until(self.step),
                    self.plan.replica_steps,
                    time.perf_counter() - clock,
                    self.survival.count,
                    self.survival.first,
                    frame.steps,
                    columns,
                )
            )

    def _tell_restored(self, folder: Folder | Nowhere) -> None:
        folder.restored, self.restored_at = False, self.step
        warning = f"the run folder vanished and was made again at step {self.step}"
        self.facts["warnings"] = [*self.facts["warnings"], warning]
        folder.manifest({**self.facts, "status": "running"})

    def _results(self) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
        """Columns of exponents.csv, further tables, and the summary."""
        found = [instrument.findings() for instrument in self.instruments]
        experiment = self.plan.experiment
        exponents, tables, summary = _blank(experiment)
        summary |= {"name": experiment.name, "steps": self.step}
        for findings in found:
            exponents.update(findings.exponents)
            tables.update(findings.tables)
            summary.update(findings.summary)
        return exponents, tables, summary

    def _preview(
        self, exponents: Mapping[str, np.ndarray], tables: Mapping[str, Rows], summary: dict
    ) -> Preview:
        columns = list(exponents)
        by_reference = zip(*(np.asarray(exponents[name]).tolist() for name in columns), strict=True)
        rows = [[reference, *row] for reference, row in enumerate(by_reference)]
        tables = {**tables, "exponents.csv": (["reference", *columns], rows)}
        return Preview(self.experiment, without_nan(summary), tables)

    def _ended(self, seconds: float) -> dict[str, Any]:
        status = "done" if self.step == self.plan.experiment.steps else "interrupted"
        ended = outcome(self.plan, self.simulation, self.step, seconds)
        return {**self.facts, **ended, "status": status}

    def _failed(self, error: BaseException) -> None:
        """Say in the manifest how the run ended, if that can still be written."""
        status = "failed" if _is_failure(error) else "interrupted"
        self.reason = reason = _reason(error, self.plan)
        if self.path is None:
            return
        ended = {"status": status, "finished": now(), "step": self.step, "reason": reason}
        with contextlib.suppress(OSError):
            write_manifest(self.path, {**self.facts, **ended})


EXPONENT_COLUMNS = ("nmle", "start", "length", "r_squared", "kept", "lyapunov", "lyapunov_error")


def _blank(experiment: Experiment) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """What the files hold where nothing was measured: the contract's columns and keys."""
    nothing = np.full(experiment.ensemble.references, np.nan)
    tables = {"rates.csv": (["reference", "start", "end", "lyapunov"], [])}
    summary = {
        "name": "",
        "steps": 0,
        "references": experiment.ensemble.references,
        "nmle": {"mean": None, "std": None, "kept": None, "total": None},
        "lyapunov": {"mean": None, "ci95": None},
        "rates": {},
        "distance": {},
        "loss": {"final_median": None},
        "diverged": 0,
        "regime": None,
        "regimes": None,
    }
    return dict.fromkeys(EXPONENT_COLUMNS, nothing), tables, summary


def _is_failure(error: BaseException) -> bool:
    """Whether a run was ended by a fault, a user's system that exits among them, and not by
    a person."""
    return isinstance(error, Exception | SystemExit)


def _reason(error: BaseException, plan: Plan) -> str:
    """What went wrong, in one line."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return (
            f"out of memory on {plan.experiment.device} with {plan.replicas} replicas; "
            "try fewer references or twins, or another device"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
