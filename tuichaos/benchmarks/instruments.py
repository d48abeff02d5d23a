"""What each instrument costs: processor time in the preset eos-orbits, beside the bare run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch

from tuichaos.common.devices import repeatable
from tuichaos.config.presets import preset
from tuichaos.execution.plan import Plan, plan
from tuichaos.instruments import chosen
from tuichaos.instruments.base import Instrument, RunContext

# What is measured unless switched off.
USUAL = ("loss", "accuracy", "weight_norm", "distance", "nmle", "growth", "tangent", "regime")
SIZES = [10.0**-k for k in range(1, 15)]
MEASURES: dict[str, Mapping[str, object]] = {
    "regime": {"regime": True},
    "saturated units": {"units": True},
    "moving windows": {"tangent": True, "moving": True},
    "routes": {"routes": True},
    "14 perturbation sizes": {"sizes": SIZES},
    "spectrum of 83, 1 reference": {"spectrum": {"references": 1}},
    "sharpness every 10 steps": {"sharpness": {"every": 10}},
    "orbital distance": {"orbital": True},
    "autocorrelation": {"autocorrelation": True},
    "expansion rates": {"expansion": True},
    "recurrence plot": {"recurrence": True},
    "0–1 test": {"zero_one": True},
    "period": {"period": True},
    "irrelevant dimensions": {"dimensions": True},
    "projection": {"projection": True},
    "steps to an accuracy": {"reach": True},
}
TOGETHER = {"tangent": True, "sharpness": {"every": 10}, "regime": True}


@dataclass
class Spent:
    """Seconds of processor time: while the run goes on, at its end, and in probes by thread."""

    running: list[float] = field(default_factory=list)
    ending: list[float] = field(default_factory=list)


def costs(device: str) -> Iterator[str]:
    """A line for each instrument, and the ratio of a run with TOGETHER to the bare one."""
    bare = _wall(_plan(device, {}))
    steps = preset("eos-orbits").steps
    yield f"eos-orbits, 4 references × 5 twins, bare: {bare / steps * 1e6:.0f} µs a step of all"
    yield "instrument                     µs of processor time a step    ms at the end"
    for label, overrides in MEASURES.items():
        spent = _spent(_plan(device, overrides))
        each = sum(spent.running) / steps * 1e6
        yield f"{label:<30} {each:>28.1f} {sum(spent.ending) * 1e3:>16.0f}"
    together = _wall(_plan(device, TOGETHER))
    yield (
        f"tangent, sharpness every 10 steps and regime together: {together / bare:.1f} times "
        f"the bare run (wall time)"
    )


def _plan(device: str, measure: Mapping[str, object]) -> Plan:
    off = {f"measure.{name}": False for name in USUAL}
    on = {f"measure.{name}": value for name, value in measure.items()}
    return plan(preset("eos-orbits", {"device": device, **off, **on}))


def _wall(ready: Plan) -> float:
    """Seconds of a whole run, nothing written."""
    instruments = chosen(RunContext(ready.experiment, ready.built.system))
    start = time.perf_counter()
    for frame in ready.simulation(instruments).frames():
        for one in instruments:
            one.fold(frame)
    for one in instruments:
        one.findings()
    return time.perf_counter() - start


def _spent(ready: Plan) -> Spent:
    """The processor time of the instruments of a whole run, those of its observables (the
    loss at every step, which several read) included."""
    instruments = chosen(RunContext(ready.experiment, ready.built.system))
    spent = Spent()
    for one in instruments:
        _watch(one, spent)
    with repeatable(torch.device("cpu")):
        for frame in ready.simulation(instruments).frames():
            for one in instruments:
                one.fold(frame)
        for one in instruments:
            one.findings()
    return spent


def _watch(instrument: Instrument, spent: Spent) -> None:
    def timed(call: Callable, into: list[float]) -> Callable:
        def measured(*arguments: object) -> object:
            start = time.thread_time()
            found = call(*arguments)
            into.append(time.thread_time() - start)  # from several threads
            return found

        return measured

    instrument.probe = timed(instrument.probe, spent.running)
    instrument.fold = timed(instrument.fold, spent.running)
    instrument.findings = timed(instrument.findings, spent.ending)
