"""What one batch saves: sweeps beside runs started one by one, and beside the plain loop."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tuichaos.common.errors import RunFailed
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import resolve
from tuichaos.config.presets import preset
from tuichaos.sweeps.points import grid
from tuichaos.sweeps.sweep_runner import sweep

RATE = "optimizer.learning_rate"
OFF = ("accuracy", "weight_norm", "nmle", "growth", "tangent", "regime")
ALONE = 3  # of the runs of a sweep that are started one by one; their time is scaled
SIZES = [1e-14, 1e-8, 1e-1]  # of the fourteen of eos-epsilons; their time is scaled
PROGRAM = "from tuichaos.cli.main import main; main()"


def sweep_experiment(device: str) -> Experiment:
    """31 learning rates of 4 references × 2 twins × 200 steps, distance and loss only."""
    overrides = {f"measure.{name}": False for name in OFF}
    overrides |= {"ensemble.references": 4, "ensemble.twins": 2, "device": device}
    return resolve({"sweep": {RATE: {"log": [0.01, 10.0, 31]}}}, overrides)


def lines(device: str, plain: float) -> Iterator[str]:
    """``plain``: microseconds of the plain loop for one step."""
    yield _one_by_one(device)
    yield _epsilons(device, plain)


def _one_by_one(device: str) -> str:
    made = sweep_experiment(device)
    rates = [point.values[0] for point in grid(made).points]
    chosen = [rates[k * (len(rates) - 1) // (ALONE - 1)] for k in range(ALONE)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "sweep.toml"
        file.write_text(made.to_toml(), encoding="utf-8")
        batch = shell("run", file, "--out", folder / "batch", "--quiet")
        alone = 0.0
        for k, rate in enumerate(chosen):
            sets = ["--set", "sweep={}", "--set", f"{RATE}={rate!r}"]
            alone += shell("run", file, *sets, "--out", folder / str(k), "--quiet")
    scaled = alone / ALONE * len(rates)
    return (
        f"{len(rates)} learning rates × 4 references × 2 twins × 200 steps, distance and loss, as "
        f"one command: {batch:.1f} s; as {len(rates)} commands: {scaled:.0f} s ({ALONE} of them "
        f"took {alone:.1f} s, scaled); ratio {scaled / batch:.1f}×"
    )


def shell(*arguments: object) -> float:
    """Seconds of a tuichaos command in a process of its own, from its start to its end."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    spent = time.perf_counter() - start
    if done.returncode:
        raise RunFailed(f"tuichaos {arguments[0]}: {done.stderr.strip()[-200:]}")
    return spent


def _environment() -> dict[str, str]:
    """This process's, with where this tuichaos is: the same is run."""
    places = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", ""))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def _epsilons(device: str, plain: float) -> str:
    """Three points of the preset eos-epsilons against the plain loop for as many steps."""
    whole = preset("eos-epsilons", {"device": device})
    ensemble = whole.ensemble
    each = ensemble.references * (1 + ensemble.twins) * whole.steps
    points = grid(whole).size
    few = preset("eos-epsilons", {"device": device, "sweep": {"ensemble.perturbation": SIZES}})
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        sweep(few, out=Path(folder) / "sweep")
        spent = (time.perf_counter() - start) / len(SIZES) * points
    loop = each * points * plain / 1e6
    return (
        f"run --preset eos-epsilons, {each * points:,} replica-steps: {spent:.0f} s ({len(SIZES)} "
        f"of its {points} points, scaled); the plain loop: {loop:.0f} s; ratio {loop / spent:.1f}×"
    )
