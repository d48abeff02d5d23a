"""How fast: training, measuring and tangents, against the plain torch.nn loop.

All figures come from one process, as microseconds of wall time for one step of one replica;
what is compared takes turns. The plain loop is what one would write: torch.nn.Sequential, a loss,
``backward()``, ``torch.optim.SGD``, one network, one thread.
"""

from __future__ import annotations

import contextlib
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from tuichaos.benchmarks import sweeps
from tuichaos.benchmarks.instruments import costs
from tuichaos.common.devices import repeatable
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import resolve
from tuichaos.config.presets import preset
from tuichaos.execution.plan import Plan, plan
from tuichaos.execution.runner import run
from tuichaos.instruments import chosen
from tuichaos.instruments.base import RunContext

QUICK_SECONDS = 0.3  # for each figure of a quick call
# Seconds of a quick machine beside the figures of training: the rest of a whole call.
REST_SECONDS = 150.0
SIZES = ((1, 0), (1, 5), (8, 7), (500, 5))  # references × twins: 1, 6, 64, 3000 replicas
OFF = ("loss", "accuracy", "weight_norm", "distance", "nmle", "growth", "tangent", "regime")
TANGENT = ("tangent",)
NOISE = "noise"
TURNS = 3
MEASURING = ("loss", "accuracy", "weight_norm", "distance", "nmle", "growth")


def _experiment(references: int, twins: int, device: str, on: tuple[str, ...]) -> Experiment:
    overrides = {f"measure.{name}": name in on for name in OFF}
    overrides |= {"ensemble.references": references, "ensemble.twins": twins}
    return resolve({}, {**overrides, "steps": 1_000_000_000, "device": device})


def plain_loop(experiment: Experiment, seconds: float) -> float:
    """Microseconds a step of the plain loop on the experiment's data and network."""
    system = plan(experiment).built.system
    widths = system.network.widths
    layers: list[torch.nn.Module] = []
    for k in range(len(widths) - 1):
        layers += [torch.nn.Sigmoid()] * (k > 0)
        layers.append(torch.nn.Linear(widths[k], widths[k + 1], dtype=torch.float64))
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loss = torch.nn.CrossEntropyLoss()
    x, y = system.train.x.T.contiguous(), system.train.labels

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    with repeatable(torch.device("cpu")):
        return _per_call(step, seconds)


def _per_call(call: Callable[[], object], seconds: float) -> float:
    for _ in range(20):
        call()
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        call()
        count += 1
    return spent / count * 1e6


def simulated(ready: Plan, seconds: float) -> float:
    """Microseconds a replica-step of the simulation, instruments folded, nothing written."""
    instruments = chosen(RunContext(ready.experiment, ready.built.system))
    start = steps = 0.0
    with contextlib.closing(ready.simulation(instruments).frames()) as frames:
        for number, frame in enumerate(frames):
            for instrument in instruments:
                instrument.fold(frame)
            if number == 0:  # warming up
                start = time.perf_counter()
                continue
            steps += len(frame.steps)
            spent = time.perf_counter() - start
            if spent >= seconds:
                break
    return spent / (steps * ready.replicas) * 1e6


def in_turn(plans: Sequence[Plan], seconds: float) -> list[list[float]]:
    """``simulated`` of each plan, turn by turn, for so many seconds each: what is compared sees
    the same machine. As many turns as there is time for, three at most."""
    found: list[list[float]] = [[] for _ in plans]
    start, turns = time.perf_counter(), 0
    while turns < TURNS and (not turns or time.perf_counter() - start < seconds * len(plans)):
        for times, ready in zip(found, plans, strict=True):
            times.append(simulated(ready, seconds / TURNS))
        turns += 1
    return found


def promised(seconds: float, quick: bool) -> str:
    """How long ``table`` takes: each figure so many seconds, and what is not timed by them."""
    figures = 1 + 3 * len(SIZES)
    if quick:
        return f"about {figures * seconds + 20:.0f} s"
    return (
        f"about {(figures + 2) * seconds + REST_SECONDS:.0f} s on a quick machine, two or three "
        "times that on a slow one; --quick: the first table alone, under half a minute"
    )


def table(seconds: float, device: str, quick: bool = False) -> Iterator[str]:
    """The lines of ``tuichaos bench``; ``quick``: the table of training and the start alone."""
    yield promised(seconds, quick)
    ready = plan(_experiment(1, 0, device, ()))
    threads = ready.simulation([]).threads
    plain = plain_loop(ready.experiment, seconds)
    yield f"4-10-3 network, iris, float64; {ready.experiment.device}, {threads} threads"
    yield f"plain torch.nn loop, one thread: {plain:.1f} µs a step"
    yield ""
    yield "replicas  training µs  ratio to plain  measuring adds  tangent µs  in replica-steps"
    for references, twins in SIZES:
        yield _row(references, twins, device, seconds, plain)
    yield ""
    yield _start(device, 2 if quick else 3)
    if quick:
        return
    yield ""
    yield _spectrum(device, seconds)
    yield ""
    yield from costs(device)
    yield ""
    yield _whole(device, plain)
    yield ""
    yield from sweeps.lines(device, plain)
    yield ""
    yield "µs of wall time a step of one replica; 'measuring adds' is loss, accuracy, norm,"
    yield "distances and their estimators beside training alone; 'tangent' is one tangent's step."
    yield f"All three took turns; {NOISE!r}: not in every turn dearer than training alone."


def _spectrum(device: str, seconds: float) -> str:
    """All exponents of one reference beside the functional step of one replica."""
    experiment = _experiment(1, 0, device, ())
    system = plan(experiment).built.system
    x = torch.zeros(1, system.dimension, dtype=torch.float64)
    with repeatable(torch.device("cpu")):
        functional = _per_call(lambda: system.step(x), seconds)
    bare = simulated(plan(experiment), seconds)
    measured = resolve(experiment.model_dump(), {"measure.spectrum": True})
    cost = simulated(plan(measured), seconds) - bare
    return (
        f"spectrum of all {system.dimension} exponents of one reference: {cost:.0f} µs a step, "
        f"{cost / functional:.1f} functional steps (torch.func) of {functional:.0f} µs"
    )


def _start(device: str, starts: int) -> str:
    """What a run of one reference and one step takes, from the start of the program to its end,
    beside what torch alone takes to load."""
    sets = ("ensemble.references=1", "ensemble.twins=0", "steps=1", f"device={device}")
    settings = [argument for one in sets for argument in ("--set", one)]
    with tempfile.TemporaryDirectory() as folder:
        least, own = math.inf, math.inf
        for k in range(starts):
            out = ["--quiet", "--out", str(Path(folder) / str(k))]
            least = min(least, _processor_seconds("-c", "import torch"))
            run_it = ("-m", "tuichaos", "run", "--preset", "quick", *settings, *out)
            own = min(own, _processor_seconds(*run_it))
    return (
        f"start: a run of one step takes {own:.2f} s of processor time, `import torch` alone "
        f"{least:.2f} s: {own / least:.2f} times (least of {starts}, in turn)"
    )


def _processor_seconds(*arguments: str) -> float:
    """Of a process of Python with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _whole(device: str, plain: float) -> str:
    """The preset eos, measured and recorded, against the plain loop for as many steps."""
    experiment = preset("eos", {"device": device})
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(experiment, out=Path(folder) / "eos")
        spent = time.perf_counter() - start
    steps = plan(experiment).replica_steps
    loop = steps * plain / 1e6
    return (
        f"run --preset eos, measured and recorded: {spent:.1f} s for {steps:,} replica-steps; "
        f"the plain loop: {loop:.0f} s; ratio {loop / spent:.1f}×"
    )


def _row(references: int, twins: int, device: str, seconds: float, plain: float) -> str:
    plans = [plan(_experiment(references, twins, device, on)) for on in ((), MEASURING, TANGENT)]
    training, watched, tangents = in_turn(plans, seconds)
    replicas = references * (1 + twins)
    measuring = [b / a - 1 for a, b in zip(training, watched, strict=True)]
    tangent = [(b - a) * replicas / references for a, b in zip(training, tangents, strict=True)]
    median = statistics.median(training)
    steps = f"{statistics.median(tangent) / median:.1f}"
    return (
        f"{replicas:>8}  {median:>11.2f}  {plain / median:>13.1f}×  "
        f"{_told(measuring, '.0%'):>14}  {_told(tangent, '.2f'):>10}  "
        f"{steps if min(tangent) > 0 else NOISE:>16}"
    )


def _told(differences: list[float], form: str) -> str:
    """The median, or that it is not told from nothing: where not all turns say that it costs."""
    return format(statistics.median(differences), form) if min(differences) > 0 else NOISE
