"""One run while it is being recorded."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuichaos.common import out_of_memory
from tuichaos.common.atomic_files import reason, replace_text
from tuichaos.common.errors import InputError, RunFailed, SystemFault, is_fault
from tuichaos.config.experiment import Experiment
from tuichaos.execution.checkpointer import Checkpointer, ResumeFrom
from tuichaos.execution.manifest import ended, facts, now, outcome
from tuichaos.execution.plan import Plan
from tuichaos.execution.preview import Preview, Rows
from tuichaos.execution.progress_event import Progress, Watcher
from tuichaos.instruments import chosen
from tuichaos.instruments.base import Instrument, RunContext
from tuichaos.instruments.saved_states import SavedStates
from tuichaos.instruments.survival import Survival
from tuichaos.simulation.frames import Frame
from tuichaos.simulation.run_control import Cancelled, RunControl
from tuichaos.simulation.worker_pool import Engine
from tuichaos.storage import run_order
from tuichaos.storage.fingerprint import check_planned
from tuichaos.storage.run_writer import (
    NullWriter,
    RunWriter,
    checksums,
    tell_end,
    without_nan,
)


def prepare(
    ready: Plan,
    path: Path | None,
    control: RunControl,
    extra: Sequence[Instrument] = (),
    before: ResumeFrom | None = None,
) -> Recording:
    """A run that is about to begin in the folder ``path``, or without one; ``extra``:
    instruments besides those its experiment asks for; ``before``: what it goes on from.
    Raises RunFailed where it cannot be had, by lack of memory for one; the folder then says
    so."""
    try:
        return Recording(ready, path, control, extra, before)
    except InputError:  # a checkpoint that does not fit: nothing was touched
        raise
    except BaseException as error:
        if not is_fault(error):
            raise
        words = _reason(error, ready)
        if path is None:
            raise RunFailed(words) from error
        end = {"status": "failed", "finished": now(), "step": 0, "reason": words}
        with contextlib.suppress(OSError):
            replace_text(path / "experiment.toml", ready.experiment.to_toml())
            tell_end(path, {"name": ready.experiment.name, **end})
        raise RunFailed(f"{path}: {words}") from error


class Recording:
    """One run while it is being recorded into its folder, or without one for its ``preview``."""

    def __init__(
        self,
        plan: Plan,
        path: Path | None,
        control: RunControl,
        extra: Sequence[Instrument] = (),
        before: ResumeFrom | None = None,
    ) -> None:
        self.plan = plan
        self.experiment = plan.experiment  # with what changed while it ran
        self.path = path
        self.step = 0
        context = RunContext(
            plan.experiment, plan.built.system, control.check_cancelled, self._parted
        )
        self.survival = Survival(context)
        self.states: SavedStates | None = None
        if plan.experiment.record.states_every and path is not None:
            self.states = SavedStates(context, plan.built.dataset, path)
        saved = [self.states] if self.states else []
        self.instruments = [*chosen(context), self.survival, *saved, *extra]
        self.simulation = plan.simulation(self.instruments, control)
        self._changes = dict(self.simulation.changes)  # that experiment.toml tells
        self.facts = facts(plan, self.simulation)
        self.checkpointer: Checkpointer | None = None
        if path is not None:
            self.checkpointer = Checkpointer(path, plan.experiment.record.checkpoint, self)
            self.facts["planned"] = self.checkpointer.prints
        self.at: int | None = None  # bytes of series.csv that were there before
        if before is not None:
            check_planned(path, before.planned, self.checkpointer.prints)
            self.facts |= before.facts
            if before.checkpoint is not None:
                self.at = self.checkpointer.restore(before.checkpoint)
        self.first = self.step  # that this process begins at
        self.wanted = threading.Event()  # somebody wants to see the tables as they are
        self.preview: Preview | None = None
        self.reason = ""  # why it failed
        self._next_look = 0.0

    def _parted(self) -> int | None:
        """The step at which the noise floor failed, so far."""
        return self.simulation.noise_floor.first_step

    def run(self, watch: Watcher | None) -> None:
        """Run to the end, a stop or a failure; the folder tells which."""
        with contextlib.closing(self.advance(watch)) as frames:
            for _ in frames:
                pass

    def advance(self, watch: Watcher | None, engine: Engine | None = None) -> Iterator[None]:
        """The same, frame by frame: others may be advanced in between, on an ``engine`` that
        they share. It is then set to work before the first yield, and frames follow."""
        clock = time.perf_counter()
        folder: RunWriter | NullWriter = NullWriter()
        with contextlib.ExitStack() as open_files:
            try:
                folder = open_files.enter_context(self._folder())
                if self.states:
                    open_files.callback(self.states.file.close)
                if "number" not in self.facts:
                    self.facts["number"] = run_order.number(self.path)
                folder.manifest({**self.facts, "status": "running"})
                if engine is not None:
                    self.simulation.begin(engine)
                    yield
                for frame in self.simulation.frames(engine):
                    self._record(frame, folder, watch, clock)
                    if self.checkpointer is not None:
                        self.checkpointer.look(folder)
                    yield
                seconds = time.perf_counter() - clock
                self._finish(folder, seconds)
                if self.step == self.plan.experiment.steps:
                    self._clear()
            except Cancelled:
                raise
            except BaseException as error:
                self._failed(error)
                if is_fault(error):
                    where = "" if self.path is None else f"{self.path}: "
                    raise RunFailed(where + self.reason) from error
                raise

    def _finish(self, folder: RunWriter | NullWriter, seconds: float) -> None:
        """Write what there is at an end, the words on it last."""
        if self.checkpointer is not None and self.step < self.plan.experiment.steps:
            self.checkpointer.write(folder)
        results = self._results()
        folder.finish(*results)
        if self.states:
            self.states.finish()
        self.preview = self._preview(*results)
        folder.manifest(self._ended(seconds))

    def _folder(self) -> RunWriter | NullWriter:
        return NullWriter() if self.path is None else RunWriter(self.path, self.experiment, self.at)

    def _clear(self) -> None:
        """Let go of what only a run that is not done needs."""
        if self.states:
            self.states.file.clear()
        if self.checkpointer is not None:
            self.checkpointer.clear()

    def _record(
        self, frame: Frame, folder: RunWriter | NullWriter, watch: Watcher | None, clock: float
    ) -> None:
        if self.simulation.changes != self._changes:  # one may take the place of a planned one
            self._changes = dict(self.simulation.changes)
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
        if watch is not None:
            before = self.plan.replica_steps_until(self.first)  # of another process
            watch(
                Progress(
                    self.step,
                    self.plan.experiment.steps,
                    self.plan.replica_steps_until(self.step) - before,
                    self.plan.replica_steps - before,
                    time.perf_counter() - clock,
                    self.survival.count,
                    self.survival.first,
                    frame.steps,
                    columns,
                    self.plan.built.system.time_step,
                )
            )

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
        return Preview(
            self.experiment, without_nan(summary), tables, self.plan.built.system.time_step
        )

    def _ended(self, seconds: float) -> dict[str, Any]:
        status = "done" if self.step == self.plan.experiment.steps else "interrupted"
        found = outcome(self.plan, self.simulation, self.first, self.step, seconds)
        files = {} if self.path is None else {"files": checksums(self.path)}
        finished = ended(self.facts["started"])
        return {**self.facts, "finished": finished, **found, "status": status, **files}

    def _failed(self, error: BaseException) -> None:
        """Say in the manifest how the run ended, if that can still be written."""
        status = "failed" if is_fault(error) else "interrupted"
        self.reason = _reason(error, self.plan)
        if self.path is None:
            return
        if not self.path.exists():
            self.reason = "the run folder was deleted or moved while the run wrote to it"
        finished = ended(self.facts["started"])
        end = {"status": status, "finished": finished, "step": self.step, "reason": self.reason}
        tell_end(self.path, {**self.facts, **end})


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


def _reason(error: BaseException, plan: Plan) -> str:
    """What went wrong, in one line."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or out_of_memory.is_one(error):
        ensemble = plan.experiment.ensemble
        device = plan.experiment.device
        return out_of_memory.words(error, device, ensemble.references, ensemble.twins)
    if isinstance(error, OSError) and error.strerror:
        return reason(error)
    if isinstance(error, SystemFault):
        return str(error)
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
