"""What manifest.json says of a run: how, on what and how well it ran, never what it found."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from tuichaos.common.devices import describe, processor
from tuichaos.common.version import VERSION
from tuichaos.config.titles import title_of
from tuichaos.execution.plan import Plan
from tuichaos.simulation.simulation import Simulation
from tuichaos.systems.datasets import Dataset


def now() -> str:
    """The time as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def ended(started: str) -> str:
    """The time at an end, never before the beginning: clocks are turned back."""
    return max(now(), started)


def facts(plan: Plan, simulation: Simulation) -> dict[str, Any]:
    """What is known before the first step."""
    experiment, data = plan.experiment, plan.built.dataset
    return {
        "name": experiment.name,
        "title": title_of(experiment),
        "versions": versions(),
        "platform": platform.platform(),
        "host": platform.node(),
        "device": experiment.device,
        "device_name": describe(plan.device),
        "threads": simulation.threads,
        "dimension": plan.built.system.dimension,
        "time_step": plan.built.system.time_step,
        "replicas": plan.replicas,
        "replica_steps": plan.replica_steps,
        "data": None if data is None else _data(data),
        "warnings": plan.warnings,
        "pid": os.getpid(),
        "started": now(),
    }


def outcome(
    plan: Plan, simulation: Simulation, first: int, step: int, seconds: float
) -> dict[str, Any]:
    """What is known when the last frame is recorded; ``first``: the step it went on from,
    ``seconds`` ago."""
    floor = simulation.noise_floor
    done = plan.replica_steps_until(step)
    since = done - plan.replica_steps_until(first)
    return {
        "step": step,
        "seconds": round(seconds, 3),
        "replica_steps": done,
        "replica_steps_per_second": round(since / seconds, 1),
        "noise_floor": {
            "holds": floor.holds,
            "largest_distance": floor.largest,
            "first_step": floor.first_step,
            "steps": floor.steps,
            "lone_orbit_agrees": floor.lone,
        },
    }


def _data(data: Dataset) -> dict[str, Any]:
    return {
        "train": len(data.x),
        "test": len(data.x_test),
        "features": data.x.shape[1],
        "outputs": data.outputs,
        "sha256": data.digest,
        **({"source_sha256": data.source} if data.source else {}),
        **({"read": data.told, **data.facts} if data.told else {}),
    }


def versions() -> dict[str, str]:
    """What the bits of a run depend on."""
    return {
        "tuichaos": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "byteorder": sys.byteorder,
        "processor": processor(),
        "MKL_CBWR": os.environ.get("MKL_CBWR", ""),  # see tuichaos/__init__.py
    }


def differing(before: Mapping[str, Any]) -> str:
    """What of versions and machine is no longer what a manifest tells; empty if nothing."""
    old, new = before.get("versions", {}), versions()
    words = [
        f"{name} {old[name]} → {new[name]}" for name in new if old.get(name, new[name]) != new[name]
    ]
    if before.get("host", platform.node()) != platform.node():
        words.append("another machine")
    return ", ".join(words)
