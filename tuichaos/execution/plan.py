"""From an experiment to what can run: checked against its data and this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from tuichaos.common.devices import resolve_device
from tuichaos.common.errors import InputError
from tuichaos.common.number_text import whole
from tuichaos.common.paths import here
from tuichaos.config.experiment import Experiment
from tuichaos.execution.resource_limits import check_memory, check_room, most_kept, needed
from tuichaos.instruments import chosen
from tuichaos.instruments.base import Instrument, RunContext, observed
from tuichaos.simulation.ensemble import EnsembleDraws, draws
from tuichaos.simulation.run_control import RunControl
from tuichaos.simulation.simulation import Simulation
from tuichaos.systems import Built, build


@dataclass(frozen=True)
class Plan:
    """An experiment that has been checked in every respect and is ready to run."""

    experiment: Experiment  # with the device resolved
    built: Built
    ensemble: EnsembleDraws
    device: torch.device
    threads: int | None

    @property
    def told(self) -> list[str]:
        """What was guessed about data from a file, in a line; none where nothing was."""
        data = self.built.dataset
        return [f"data: {data.told}"] if data is not None and data.told else []

    @property
    def warnings(self) -> list[str]:
        """What is allowed but should be said before the run."""
        data = self.built.dataset
        return [*self.experiment.warnings, *(data.warnings if data is not None else ())]

    @property
    def replicas(self) -> int:
        ensemble = self.experiment.ensemble
        return ensemble.references * (1 + ensemble.twins)

    @property
    def replica_steps(self) -> int:
        """Steps of all replicas; twins count from their perturbation on."""
        return self.replica_steps_until(self.experiment.steps)

    def replica_steps_until(self, step: int) -> int:
        """Steps that all replicas have taken when the run is at a step."""
        ensemble = self.experiment.ensemble
        together = max(0, step - ensemble.perturb_at)
        return ensemble.references * (step + ensemble.twins * together)

    @property
    def most_kept(self) -> int:
        """Bytes that no checkpoint of it is larger than, by far."""
        return most_kept(self.experiment, self.built, self.threads)

    @property
    def needed(self) -> float:
        """Bytes that it needs, beside what the process holds before it."""
        return needed(self.experiment, self.built, self.threads)

    def check_room(self, out: Path | None) -> None:
        """Raise InputError where the disk has no room for the rows: where ``out`` is, or the
        kept runs are."""
        check_room(self.experiment, self.built.system.dimension, out)

    def simulation(
        self, instruments: Sequence[Instrument], control: RunControl | None = None
    ) -> Simulation:
        """The simulation of this plan, watched by these instruments."""
        return Simulation(
            self.built.system,
            self.ensemble,
            self.experiment.steps,
            probes=[instrument.probe for instrument in instruments],
            observed=partial(observed, instruments),
            tangents=bool(self.experiment.measure.tangent),
            device=self.device,
            dtype=getattr(torch, self.experiment.dtype),
            threads=self.threads,
            changes={
                change.step: {"learning_rate": change.learning_rate}
                for change in self.experiment.optimizer.changes
            },
            control=control,
            carries=any(instrument.carries for instrument in instruments),
        )


MAX_THREADS = 512  # more than machines have; each takes memory, and time to begin


def plan(experiment: Experiment, threads: int | None = None, checked: bool = False) -> Plan:
    """Check an experiment against this machine and its data; raises InputError. ``checked``: one
    of the same size, with the same instruments, was looked at already."""
    threads = whole(threads)
    if threads is not None and (not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS):
        raise InputError(f"--threads: must be an integer from 1 to {MAX_THREADS}, not {threads}")
    if not isinstance(experiment, Experiment):
        raise InputError(f"an Experiment is needed, not {experiment!r}; see load and preset")
    if experiment.sweep:
        raise InputError("sweep: this is a sweep, not one run; see tuichaos run, tuichaos.sweep")
    here()  # before anything computes
    device = resolve_device(experiment.device)
    built = build(experiment)
    if not checked:
        check_memory(experiment, built, threads)
    name = "cpu" if device.type == "cpu" else str(device)
    resolved = experiment.model_copy(update={"device": name})
    if not checked:
        chosen(RunContext(resolved, built.system))  # they refuse what they cannot measure
    return Plan(resolved, built, draws(resolved, built.system), device, threads)
