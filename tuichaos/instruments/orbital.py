"""Orbital distance: of a twin to the whole reference orbit, beside its distance at one time.

orbital(t) = min over |s − t| ≤ window of ‖x'(t) − x(s)‖, distance(t) = ‖x'(t) − x(t)‖, both L1
over the parameters. An orbit is Lyapunov stable when all twins that begin near enough stay near at
the same time, and orbitally stable when they stay near the orbit as a set, ahead or behind as they
may be (Hirsch, Smale and Devaney, Differential Equations, Dynamical Systems, ch. 8 and 10; the
minimum over s is that of arXiv 2404.05782, section on orbital stability). What is said here is
said of twins at one distance, over the steps that were run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tuichaos.common.errors import InputError
from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.signals import REFERENCES
from tuichaos.instruments.statistics import median
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.storage.checkpoint_encoding import kept
from tuichaos.systems.base import parameter_mask

WINDOW = 100  # steps to either side that are searched
MAX_TIMES = 400  # at which twins are compared, more than a chart has columns
LEAST_TIMES = 20  # below, a verdict would be about a handful of steps
HELD_BYTES = 32_000_000  # of twins that wait for the orbit to come past, of one reference

# A distance stays near as long as it is below so many times the initial one. At η = 0.01,
# which the paper calls marginal, nine in ten end below 5 times; chaos passes 10 times within
# a dozen steps of a rate of 0.2.
LIMIT = 10.0

# Not "stable": that is said of all distances that are small enough, for all times, and not of one
# initial distance and one level over the steps of a run.
LYAPUNOV, ORBITAL, NEITHER = "near at the same time", "near the orbit", "neither"
KEYS = {LYAPUNOV: "lyapunov_stable", ORBITAL: "orbitally_stable", NEITHER: "neither"}


@kept("Waiting")
@dataclass
class Waiting:
    """Twins at a step, for which the orbit has been searched up to ``searched``."""

    step: int
    searched: int
    twins: np.ndarray  # (own, twins, parameters)
    least: np.ndarray  # (own, twins), so far
    distance: np.ndarray  # (own, twins)
    length: np.ndarray  # (own,)


class OrbitalDistance(Instrument, kept_as="OrbitalDistance"):
    """Both distances of the first references at up to MAX_TIMES steps from the perturbation
    to ``steps − window``, the last one whose window is whole; the mean over twins of each.

    Parameters only, optimizer state left out. There is no interpolation: the orbit is its
    states, and a minimum cannot tell a shift of less than a step, so the length of a step,
    ‖x(t+1) − x(t)‖, stands beside it. A verdict is about the steps that were compared, by the
    greatest ratio of each mean distance to d at the perturbation (see LIMIT).

    Keeps, for each reference, the last ``window`` states and twins that wait for the end of
    theirs (at most HELD_BYTES): 83 parameters, 5 twins, window 100: 0.4 MB, whatever the
    number of steps. Probe array: ``orbital`` (times done, r, 3).

    References
    ----------
    .. [1] Hirsch, Smale and Devaney, Differential Equations, Dynamical Systems, ch. 8 and 10: the
       two kinds of stability.
    .. [2] Danovski, Soriano and Lacasa 2024, arXiv 2404.05782, section on orbital stability: the
       minimum over s.
    """

    key = "orbital"
    carries = True

    def __init__(self, context: RunContext) -> None:
        switch = context.experiment.measure.orbital
        twins = context.experiment.ensemble.twins
        if not twins:
            raise InputError("measure.orbital: needs twins; ensemble.twins is 0")
        self.context = context
        self.window = option(switch, "window", WINDOW)
        self.references = min(option(switch, "references", REFERENCES), context.references)
        mask = parameter_mask(context.system.layout)
        self.index = np.flatnonzero(mask)
        held = max(1, HELD_BYTES // (8 * twins * len(self.index)))
        self.times = compared_steps(context.perturb_at, context.steps, self.window, held)
        self.past: dict[int, np.ndarray] = {}  # of a block: (own, up to window, parameters)
        self.waiting: dict[int, list[Waiting]] = {}
        self.found: list[np.ndarray] = []
        self.read_to = 0

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        done = self._done(orbit.steps)
        if not own or not len(self.times) or orbit.steps[0] > self.times[-1] + self.window:
            return {"orbital": np.full((len(done), own, 3), np.nan)}
        states = self._numbers(orbit.states[:, :own].transpose(0, 1))
        past = self.past.get(orbit.first, states[:, :0])
        track = np.concatenate([past, states], axis=1)
        self.past[orbit.first] = track[:, -self.window :].copy()
        waiting = [*self.waiting.get(orbit.first, []), *self._new(orbit, own)]
        first = int(orbit.steps[0]) - past.shape[1]
        for twins in waiting:
            self._search(twins, track, first)
        ready = [w for w in waiting if w.searched == w.step + self.window]
        self.waiting[orbit.first] = [w for w in waiting if w.searched < w.step + self.window]
        rows = [[w.distance.mean(1), w.least.mean(1), w.length] for w in ready]
        return {"orbital": np.array(rows).reshape(-1, 3, own).transpose(0, 2, 1)}

    def _done(self, steps: np.ndarray) -> np.ndarray:
        """The compared steps whose windows end within ``steps``."""
        ends = self.times + self.window
        return self.times[(ends >= steps[0]) & (ends <= steps[-1])]

    def _numbers(self, states: torch.Tensor) -> np.ndarray:
        return states.cpu().numpy().astype(np.float64)[..., self.index]

    def _new(self, orbit: BlockOrbit, own: int) -> list[Waiting]:
        """The twins at the compared steps of this frame."""
        found = []
        for step in self.times[(self.times >= orbit.steps[0]) & (self.times <= orbit.steps[-1])]:
            twins = self._numbers(orbit.twins[int(step - orbit.steps[0]), :own])
            least, distance = np.full((2, *twins.shape[:2]), np.inf)
            searched = max(0, int(step) - self.window) - 1
            length = np.full(own, np.nan)
            found.append(Waiting(int(step), searched, twins, least, distance, length))
        return found

    def _search(self, twins: Waiting, track: np.ndarray, first: int) -> None:
        """Compare with the states (own, S, parameters) from step ``first`` on, as far as they
        are new and within the window."""
        from scipy.spatial.distance import cdist

        start = twins.searched + 1
        end = min(twins.step + self.window, first + track.shape[1] - 1)
        at = twins.step - start
        for r, row in enumerate(track):
            # Element by element in one order: no bit depends on how many there are.
            apart = cdist(twins.twins[r], row[start - first : end + 1 - first], "cityblock")
            twins.least[r] = np.minimum(twins.least[r], apart.min(axis=1))
            if 0 <= at < apart.shape[1]:
                twins.distance[r] = apart[:, at]
            if start <= twins.step + 1 <= end:
                here = twins.step - first
                pair = row[here : here + 1], row[here + 1 : here + 2]
                twins.length[r] = cdist(*pair, "cityblock")[0, 0]
        twins.searched = end

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        self.found.append(frame["orbital"])
        self.read_to = int(frame.steps[-1])
        return {}

    def findings(self) -> Findings:
        found = np.concatenate([np.empty((0, self.references, 3)), *self.found])
        times = self.times[: len(found)].tolist()
        rows = [
            [reference, step, *found[k, reference]]
            for reference in range(self.references)
            for k, step in enumerate(times)
        ]
        columns = ["reference", "step", "distance", "orbital", "step_length"]
        return Findings(
            summary={"orbital": self._summary(found)}, tables={"orbital.csv": (columns, rows)}
        )

    def _summary(self, found: np.ndarray) -> dict[str, Any]:
        verdicts = [verdict(*found[:, r].T) for r in range(self.references)]
        given = [v for v in verdicts if v is not None]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = found[:, :, :2] / found[:1, :, :1]
        has = np.array([v is not None for v in verdicts])
        greatest = ratios[:, has].max(axis=0) if given else np.empty((0, 2))
        last = int(self.times[len(found) - 1]) if len(found) else self.context.perturb_at
        counts = {name: given.count(name) for name in (LYAPUNOV, ORBITAL, NEITHER)}
        shown = [f"{number} {name}" for name, number in counts.items() if number]
        return {
            "verdict": ", ".join(shown) or None,  # all of them in a few words
            **{KEYS[name]: number for name, number in counts.items()},
            "unresolved": sum(unresolved(*found[:, r].T) for r in np.flatnonzero(has)),
            "verdicts": verdicts,
            "distance_ratio": median(greatest[:, 0]),
            "orbital_ratio": median(greatest[:, 1]),
            "step_length": median(found[:, has, 2]),
            "limit": LIMIT,
            "search": self.window,
            "count": len(given),
            "total": self.references,
            "window": [self.context.perturb_at, last],
            "reason": None if given else self._reason(found),
        }

    def _reason(self, found: np.ndarray) -> str:
        if len(found) < LEAST_TIMES:
            return (
                f"the run is too short: fewer than {LEAST_TIMES} steps have {self.window} more "
                "after them (measure.orbital.window)"
            )
        if not np.isfinite(found[..., :2]).all(axis=(0, 2)).any():
            return "all references, or their twins, diverged"
        return "the twins start exactly on their reference: no distance to compare with"


def compared_steps(start: int, steps: int, window: int, held: int) -> np.ndarray:
    """Evenly spaced steps from ``start`` to ``steps − window``, at most MAX_TIMES + 1 and at
    most about ``held`` within a window; none if there would be fewer than LEAST_TIMES."""
    span = steps - window - start
    if span + 1 < LEAST_TIMES:
        return np.empty(0, dtype=np.int64)
    stride = max(-(-span // MAX_TIMES), -(-window // held), 1)
    return np.arange(start, start + span + 1, stride)


def verdict(distance: np.ndarray, orbital: np.ndarray, length: np.ndarray) -> str | None:
    """What the distances (times,) of one reference tell; None for too few, for an orbit or a
    twin that diverged, and for twins that start on the reference."""
    if len(distance) < LEAST_TIMES or not np.isfinite([distance, orbital]).all():
        return None
    if distance[0] == 0:
        return None
    level = LIMIT * distance[0]
    if (distance <= level).all():
        return LYAPUNOV
    return ORBITAL if (orbital <= level).all() else NEITHER


def unresolved(distance: np.ndarray, orbital: np.ndarray, length: np.ndarray) -> bool:
    """Whether "neither" rests only on orbital distances shorter than a step, which tell that
    states are sparse along the orbit as well as that twins are off it."""
    far = orbital > LIMIT * distance[0]
    return bool(far.any() and (orbital[far] <= length[far]).all())


def kept_bytes(asked: Asked) -> float:
    """Of the states that are searched."""
    first = asked.option("references", 4, asked.references)
    return 8 * first * (2 * asked.option("window", 100, asked.steps) + 1) * asked.dimension
