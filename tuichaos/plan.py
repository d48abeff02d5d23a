"""From an experiment to what can run: checked against its data and this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tuichaos.devices import resolve_device
from tuichaos.ensemble import EnsembleDraws, draws
from tuichaos.errors import InputError
from tuichaos.experiment import Experiment
from tuichaos.instruments.base import Instrument
from tuichaos.pace import Pace
from tuichaos.simulation import Simulation
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
    def replicas(self) -> int:
        ensemble = self.experiment.ensemble
        return ensemble.references * (1 + ensemble.twins)

    @property
    def replica_steps(self) -> int:
        """Steps of all replicas; twins count from their perturbation on."""
        ensemble, steps = self.experiment.ensemble, self.experiment.steps
        alone = min(ensemble.perturb_at, steps)
        return ensemble.references * steps + (self.replicas - ensemble.references) * (steps - alone)

    def simulation(self, instruments: Sequence[Instrument], pace: Pace | None = None) -> Simulation:
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
            changes={
                change.step: {"learning_rate": change.learning_rate}
                for change in self.experiment.optimizer.changes
            },
            pace=pace,
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
