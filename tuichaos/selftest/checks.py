"""What a trial and a check are, and how a trial is performed."""

from __future__ import annotations

import enum
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError, RunFailed
from tuichaos.config.loading import resolve
from tuichaos.execution.runner import run
from tuichaos.storage.run_reader import Run

Value = float | str  # a verdict is a word
Reader = Callable[[Run], Value | None]


class Kind(enum.StrEnum):
    """Where an expected number is from, which sets how far off a measured one may be."""

    EXACT = "exact"  # a closed form that holds at every step: off by rounding only
    AVERAGE = "average"  # a closed form of an infinite average: off by what is sampled
    PUBLISHED = "published"  # a number from the literature, with the digits it has


@dataclass(frozen=True)
class Check:
    """One number or word of a run: ``read`` gives what was measured, NaN where there is none.

    ``route`` is the key of ``[measure]`` whose instrument it is from, or one of the parts of
    every run: survival, orbit, certificate. A check passes when what was measured is at most
    ``allowed`` off; a word is right (0 off) or wrong (1 off).
    """

    name: str
    route: str
    read: Reader
    expected: Value
    allowed: float
    kind: Kind


def exact(name: str, route: str, read: Reader, expected: float, allowed: float = 1e-10) -> Check:
    """A check of a closed form that holds at every step."""
    return Check(name, route, read, expected, allowed, Kind.EXACT)


def average(name: str, route: str, read: Reader, expected: float, allowed: float = 2e-3) -> Check:
    """A check of a closed form that a long average tends to."""
    return Check(name, route, read, expected, allowed, Kind.AVERAGE)


def published(name: str, route: str, read: Reader, expected: float, allowed: float = 2e-3) -> Check:
    """A check of a number from the literature."""
    return Check(name, route, read, expected, allowed, Kind.PUBLISHED)


def word(name: str, route: str, read: Reader, expected: str) -> Check:
    """A check of a verdict: a system that is known to deserve it."""
    return Check(name, route, read, expected, 0.0, Kind.EXACT)


@dataclass(frozen=True)
class Trial:
    """One experiment (dotted overrides of the defaults) and what is read from its run.

    ``long``: its averages take more than a second or so.
    """

    name: str
    overrides: Mapping[str, Any]
    checks: tuple[Check, ...]
    long: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a check found; ``measured`` is NaN where there was nothing."""

    check: Check
    measured: Value

    @property
    def error(self) -> float:
        if isinstance(self.check.expected, str) and isinstance(self.measured, str):
            return float(self.measured != self.check.expected)
        if isinstance(self.check.expected, str) or isinstance(self.measured, str):
            return math.nan
        return abs(self.measured - self.check.expected)

    @property
    def passed(self) -> bool:
        return self.error <= self.check.allowed  # False of NaN


@dataclass(frozen=True)
class Result:
    """A trial that was performed: an outcome for each check, wall time, and the reason why
    there are no numbers, where the run failed."""

    trial: Trial
    outcomes: tuple[Outcome, ...]
    seconds: float
    reason: str = ""


# Only what a trial asks for is measured, on the processor: one reference way everywhere.
QUIET = {
    "device": "cpu",
    "ensemble.references": 1,
    "ensemble.twins": 0,
    "measure.distance": False,
    "measure.nmle": False,
    "measure.growth": False,
    "measure.regime": False,
    "measure.tangent": False,
    "measure.accuracy": False,
    "measure.weight_norm": False,
}


def run_trial(trial: Trial) -> Result:
    """Run a trial in a temporary folder that is gone afterwards, and read its numbers.

    A run that fails, or a number that cannot be read, is a check that fails.
    """
    start = time.perf_counter()
    reason, measured = "", [math.nan] * len(trial.checks)
    with tempfile.TemporaryDirectory(prefix="tuichaos-selftest-") as folder:
        try:
            experiment = resolve({"name": "selftest"}, {**QUIET, **trial.overrides})
            done = run(experiment, out=Path(folder) / "run")
            measured = [_value(check.read(done)) for check in trial.checks]
        except (InputError, RunFailed, LookupError, OSError) as error:
            reason = f"{type(error).__name__}: {error}".replace(folder, "the temporary folder")
    outcomes = tuple(map(Outcome, trial.checks, measured))
    return Result(trial, outcomes, time.perf_counter() - start, reason)


def _value(value: Value | None) -> Value:
    if isinstance(value, str):
        return value
    return math.nan if value is None else float(value)
