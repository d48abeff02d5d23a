"""Running an experiment: the one way from an Experiment to a run folder."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuichaos.devices import describe, resolve_device
from tuichaos.ensemble import EnsembleDraws, draws
from tuichaos.errors import InputError, RunFailed
from tuichaos.experiment import Experiment
from tuichaos.instruments import chosen
from tuichaos.instruments.base import Findings, Instrument, Setup
from tuichaos.recorder import Folder, StatesFile, create, now
from tuichaos.runs import Run, open_run
from tuichaos.simulation import BlockOrbit, Frame, Simulation
from tuichaos.systems import Built, build
from tuichaos.systems.data import digest
from tuichaos.version import VERSION


@dataclass(frozen=True)
class Progress:
    """What a watcher is told after each frame.

    ``columns``: what went to series.csv, (T, references) at the frame's ``steps`` (T,).
    """

    step: int
    total: int
    replicas: int
    seconds: float
    diverged: int
    steps: np.ndarray
    columns: Mapping[str, np.ndarray]


Watcher = Callable[[Progress], object]


@dataclass(frozen=True)
class Plan:
    """An experiment that has been checked in every respect and is ready to run."""

    experiment: Experiment  # with the device resolved
    built: Built
    ensemble: EnsembleDraws
    device: torch.device
    threads: int | None

    @property
    def replicas(self) -> int:
        ensemble = self.experiment.ensemble
        return ensemble.references * (1 + ensemble.twins)

    @property
    def replica_steps(self) -> int:
        """Steps of all replicas; twins count from their perturbation on."""
        ensemble, steps = self.experiment.ensemble, self.experiment.steps
        alone = min(ensemble.perturb_at, steps)
        return ensemble.references * steps + (self.replicas - ensemble.references) * (steps - alone)

    def simulation(self, instruments: list[Instrument], stop: threading.Event) -> Simulation:
        """The simulation of this plan, watched by these instruments."""
        return Simulation(
            self.built.system,
            self.ensemble,
            self.experiment.steps,
            probes=[instrument.probe for instrument in instruments],
            tangents=bool(self.experiment.measure.tangent),
            device=self.device,
            dtype=getattr(torch, self.experiment.dtype),
            threads=self.threads,
            stop=stop,
        )


def plan(experiment: Experiment, threads: int | None = None) -> Plan:
    """Check an experiment against this machine and its data; raises InputError."""
    if threads is not None and threads < 1:
        raise InputError(f"--threads: must be at least 1, not {threads}")
    device = resolve_device(experiment.device)
    built = build(experiment)
    name = "cpu" if device.type == "cpu" else str(device)
    resolved = experiment.model_copy(update={"device": name})
    return Plan(resolved, built, draws(resolved, built.system), device, threads)


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
    with _interrupts(stop) as interrupted:
        path = Recording(ready, stop).into(create(ready.experiment, out), watch)
    done = open_run(path)
    if interrupted:
        raise KeyboardInterrupt(
            f"interrupted at step {done.manifest['step']} of {experiment.steps}; "
            f"what was computed is in {path}"
        )
    return done


@contextlib.contextmanager
def _interrupts(stop: threading.Event) -> Iterator[list[int]]:
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


@dataclass
class Recording:
    """One run while it is being recorded."""

    plan: Plan
    stop: threading.Event
    step: int = 0
    diverged_at: np.ndarray = field(init=False)
    instruments: list[Instrument] = field(init=False)
    states: StatesFile | None = None

    def __post_init__(self) -> None:
        setup = Setup(self.plan.experiment, self.plan.built.system)
        self.instruments = chosen(setup)
        self.diverged_at = np.full(setup.references, np.nan)

    def into(self, path: Path, watch: Watcher | None) -> Path:
        """Run to the end, a stop or a failure; the folder tells which."""
        experiment = self.plan.experiment
        started, clock = now(), time.perf_counter()
        probes = [_states_probe(experiment)] if experiment.record.states_every else []
        simulation = self.plan.simulation(self.instruments, self.stop)
        simulation.probes += tuple(probes)
        told = self._facts(simulation, started)
        folder = None
        try:
            folder = Folder(path, experiment)
            folder.manifest({**told, "status": "running"})
            if probes:
                self.states = StatesFile(path)
            self._record(simulation, folder, watch, clock)
            loop_seconds = time.perf_counter() - clock
            self._finish(folder, simulation)
        except BaseException as error:
            if folder is not None:
                folder.close()
            self._fail(path, told, error)
            if isinstance(error, Exception):
                raise RunFailed(f"{path}: {_reason(error)}") from error
            raise
        status = "done" if self.step == experiment.steps else "interrupted"
        folder.manifest({**told, **self._outcome(simulation, loop_seconds), "status": status})
        return path

    # --- while it runs ---

    def _record(
        self, simulation: Simulation, folder: Folder, watch: Watcher | None, clock: float
    ) -> None:
        for frame in simulation.frames():
            columns: dict[str, np.ndarray] = {}
            for instrument in self.instruments:
                columns.update(instrument.fold(frame))
            self._note_divergence(frame)
            folder.append(frame.steps, columns or {"loss": np.full(frame["alive"].shape, np.nan)})
            if self.states is not None and len(frame["state_steps"]):
                self._save_states(frame)
            # The state after the frame's last step is known, if not yet recorded.
            self.step = int(frame.steps[-1])
            if watch is not None:
                seconds = time.perf_counter() - clock
                watch(self._progress(frame, columns, seconds))

    def _progress(
        self, frame: Frame, columns: Mapping[str, np.ndarray], seconds: float
    ) -> Progress:
        return Progress(
            self.step,
            self.plan.experiment.steps,
            self.plan.replicas,
            seconds,
            int(np.isfinite(self.diverged_at).sum()),
            frame.steps,
            columns,
        )

    def _note_divergence(self, frame: Frame) -> None:
        lost = ~frame["alive"]
        fresh = lost.any(axis=0) & np.isnan(self.diverged_at)
        first = frame.steps[np.argmax(lost, axis=0)]
        self.diverged_at[fresh] = first[fresh]

    def _save_states(self, frame: Frame) -> None:
        self.states.append(
            frame["state_steps"][:, 0].astype(np.int64),
            {"states": frame["states"], "twins": frame["twins"]},
        )

    # --- at the end ---

    def _finish(self, folder: Folder, simulation: Simulation) -> None:
        found = [instrument.findings() for instrument in self.instruments]
        folder.finish(*self._tables(found), self._summary(found))
        if self.states is not None:
            self.states.finish(_fixed_arrays(self.plan.built))

    def _tables(self, found: list[Findings]) -> tuple[dict, dict]:
        references = len(self.diverged_at)
        blank = np.full(references, np.nan)
        exponents = dict.fromkeys(EXPONENT_COLUMNS, blank)
        tables = {"rates.csv": (["reference", "start", "end", "lyapunov"], [])}
        for findings in found:
            exponents.update(findings.exponents)
            tables.update(findings.tables)
        exponents["diverged_at"] = self.diverged_at
        return exponents, tables

    def _summary(self, found: list[Findings]) -> dict[str, Any]:
        experiment = self.plan.experiment
        summary: dict[str, Any] = {
            "name": experiment.name,
            "steps": self.step,
            "references": experiment.ensemble.references,
            "nmle": {"mean": None, "std": None, "kept": None, "total": None},
            "lyapunov": {"mean": None, "ci95": None},
            "rates": {},
            "distance": {},
            "loss": {"final_median": None},
        }
        for findings in found:
            summary.update(findings.summary)
        lost = self.diverged_at[np.isfinite(self.diverged_at)]
        summary["diverged"] = len(lost)
        summary["diverged_at"] = {
            "first": int(lost.min()) if len(lost) else None,
            "median": float(np.median(lost)) if len(lost) else None,
            "last": int(lost.max()) if len(lost) else None,
        }
        # No instrument gives a verdict yet.
        summary["regime"], summary["regimes"] = None, None
        return summary

    def _facts(self, simulation: Simulation, started: str) -> dict[str, Any]:
        """What is known before the first step."""
        plan = self.plan
        data = plan.built.dataset
        return {
            "name": plan.experiment.name,
            "title": plan.experiment.title,
            "versions": _versions(),
            "platform": platform.platform(),
            "device": plan.experiment.device,
            "device_name": describe(plan.device),
            "threads": simulation.threads,
            "dimension": plan.built.system.dimension,
            "replicas": plan.replicas,
            "replica_steps": plan.replica_steps,
            "data": None if data is None else _data_facts(data),
            "warnings": plan.experiment.warnings,
            "pid": os.getpid(),
            "started": started,
        }

    def _outcome(self, simulation: Simulation, seconds: float) -> dict[str, Any]:
        floor = simulation.noise_floor
        done = self.plan.replica_steps * self.step / self.plan.experiment.steps
        return {
            "finished": now(),
            "step": self.step,
            "seconds": round(seconds, 3),
            "replica_steps_per_second": round(done / seconds, 1),
            "noise_floor": {
                "holds": floor.holds,
                "largest_distance": floor.largest,
                "first_step": floor.first_step,
                "steps": floor.steps,
                "lone_orbit_agrees": floor.lone,
            },
        }

    def _fail(self, path: Path, told: Mapping[str, Any], error: BaseException) -> None:
        """Say in the manifest how the run ended, if that can still be written."""
        from tuichaos.recorder import FORMAT, write_json

        status = "failed" if isinstance(error, Exception) else "interrupted"
        reason = {"status": status, "finished": now(), "step": self.step, "reason": _reason(error)}
        with contextlib.suppress(OSError):
            write_json(path / "manifest.json", {"format": FORMAT, **told, **reason})
        if self.states is not None:
            with contextlib.suppress(OSError):
                self.states.close()


EXPONENT_COLUMNS = ("nmle", "start", "length", "r_squared", "kept", "lyapunov", "lyapunov_error")
EXPONENT_COLUMNS += ("diverged_at",)


def _states_probe(experiment: Experiment) -> Callable[[BlockOrbit], dict[str, np.ndarray]]:
    """A probe that copies states at the steps of ``record.states_every``, and at the end."""
    every, steps, twins = (
        experiment.record.states_every,
        experiment.steps,
        experiment.ensemble.twins,
    )

    def probe(orbit: BlockOrbit) -> dict[str, np.ndarray]:
        kept = np.flatnonzero((orbit.steps % every == 0) | (orbit.steps == steps))
        index = torch.from_numpy(kept)
        states = orbit.states[index]
        apart = states[:, :, None].expand(-1, -1, twins, -1)
        apart = apart if orbit.twins is None else orbit.twins[index]
        return {
            "state_steps": np.repeat(orbit.steps[kept, None], states.shape[1], axis=1),
            "states": states.cpu().numpy().copy(),
            "twins": apart.cpu().numpy().copy(),
        }

    return probe


def _fixed_arrays(built: Built) -> dict[str, np.ndarray]:
    fixed = {"layout": np.array([str(piece) for piece in built.system.layout])}
    data = built.dataset
    if data is not None:
        fixed |= {"x": data.x, "y": data.y, "x_test": data.x_test, "y_test": data.y_test}
    return fixed


def _data_facts(data: Any) -> dict[str, Any]:
    return {
        "train": len(data.x),
        "test": len(data.x_test),
        "features": data.x.shape[1],
        "outputs": data.outputs,
        "sha256": digest(data),
    }


def _versions() -> dict[str, str]:
    return {
        "tuichaos": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "byteorder": sys.byteorder,
    }


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
