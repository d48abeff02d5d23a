"""Sharpness: the largest algebraic eigenvalues of the Hessian of the loss along the orbit.

Gradient descent with learning rate η is stable along a direction of curvature λ while
η·λ/2 < 1; training raises the sharpness λmax until it hovers at 2/η, the edge of stability
(Cohen et al. 2021, arXiv 2103.00065). With momentum β the threshold is (2 + 2β)/η. Algebraic,
not by magnitude: far from a minimum the most negative eigenvalue is often the longest one,
and tells nothing of stability.

Optimizers that divide by the root of mean squares are stable by the largest eigenvalue of
P^(−1/2)·(H + λ)·P^(−1/2) (Cohen et al. 2022, arXiv 2207.14484), with the diagonal P of their
denominators and a weight decay λ that is part of the gradient: adam below (2 + 2β₁)/((1 − β₁)·η),
which is 38/η at β₁ = 0.9.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.common.rng import Purpose, generator
from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.lanczos import largest
from tuichaos.instruments.statistics import median, median_interval
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.systems.acceleration import hessian
from tuichaos.systems.base import System
from tuichaos.systems.generic_stepper import JACOBIAN_DIMENSION
from tuichaos.systems.hessian import Gradient, Hessian, defined_matrices
from tuichaos.systems.layout import parameter_mask

EVERY = 10  # steps between measurements
LEAST = 3  # measured steps in the last tenth: below, there is no mean over it

# Parameters up to which the whole matrix and LAPACK take less time than Lanczos: about 0.7 of
# it at 163 parameters, 6 times as long at 301.
DENSE = 192


class Sharpness(Instrument, kept_as="Sharpness"):
    """λ_1 ≥ … ≥ λ_k of the Hessian over all parameters (optimizer state left out), at every
    so many steps and at the last one; column ``sharpness`` of series.csv, sharpness.csv.

    Small systems by all products and LAPACK, larger ones by Lanczos started from the last
    eigenvectors (see lanczos.py). Each reference is treated on its own: others change no bit.
    Of optimizers with a preconditioner the largest preconditioned eigenvalue as well, column
    ``preconditioned_sharpness``, which is then what is held against the threshold.
    Empty where a reference has diverged, its Hessian is not finite or Lanczos did not
    converge. Memory: 8·(k + 2) bytes a reference and measured step (0.5 MB for 4 references
    over 50 000 steps), and the k eigenvectors of each reference.

    Measured at even steps only, an orbit of period 2 shows one of its two values: an odd
    ``every`` sees both.

    Raises InputError for a system without a loss, one whose loss torch cannot differentiate
    twice, and more eigenvalues than there are parameters.

    References
    ----------
    .. [1] Cohen et al. 2021, arXiv 2103.00065: sharpness, and 2/η, or (2 + 2β)/η with momentum.
    """

    key = "sharpness"
    depends_on_steps = False
    carries = True
    not_kept = ("_found", "_workers")

    def __init__(self, context: RunContext) -> None:
        self.context = context
        switch = context.experiment.measure.sharpness
        self.every = option(switch, "every", EVERY)
        self.count = option(switch, "count", 1)
        asked = option(switch, "references", context.references)
        self.references = min(asked, context.references)
        self.size = int(parameter_mask(context.system.layout).sum())
        _check(context.system, context.experiment.system.name, self.count, self.size)
        self.preconditions = context.system.preconditions
        self._workers = threading.local()  # of each thread, its scratch memory
        # (count, size) of each reference by Lanczos, of the preconditioned Hessian at −1 − r.
        self._vectors: dict[int, Tensor] = {}
        self._parts: list[tuple[np.ndarray, ...]] = []
        self.read_to = 0
        self._found: tuple[int, Findings] | None = None

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(orbit.states.shape[1], self.references - orbit.first))
        times = np.flatnonzero(self.measured_at(orbit.steps))
        values = np.full((len(times), own, self.count), np.nan)
        threshold, scaled = np.full((2, len(times), own), np.nan)
        if own and len(times):
            known = orbit.system.stable_sharpness
            if known is not None:
                threshold[:] = known.expand(orbit.states.shape[1])[:own].cpu().numpy()
            values, scaled = self._values(orbit, own, torch.from_numpy(times))
        found = {"sharpness": values, "stable_sharpness": threshold}
        return found | ({"preconditioned_sharpness": scaled} if self.preconditions else {})

    def measured_at(self, steps: np.ndarray) -> np.ndarray:
        """At which of ``steps`` it is measured: (T,) bool."""
        return (steps % self.every == 0) | (steps == self.context.steps)

    def _values(self, orbit: BlockOrbit, own: int, times: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The eigenvalues (times, own, count), downwards, and the largest preconditioned one
        (times, own)."""
        # In double precision whatever the run's: a tolerance of 1e-8 needs it.
        states = orbit.states[times][:, :own].nan_to_num().double()
        system = orbit.system.to(states.device, torch.float64)
        scaled = np.full(states.shape[:2], np.nan)
        if self._hessian_is_small():
            matrices = defined_matrices(system, states)
            values = _eigenvalues(matrices, self.count).cpu().numpy()
        else:
            values = np.full((*states.shape[:2], self.count), np.nan)
            alive = orbit.alive[times, :own].cpu().numpy()
            worker = self._worker(system)
            for r in range(own):
                part = system.take(torch.tensor([r], device=states.device))
                for m in np.flatnonzero(alive[:, r]):
                    worker.at(part, states[m, r])
                    step = int(orbit.steps[times[m]])
                    values[m, r] = self._at(worker, orbit.first + r, step, states.device)
                    if self.preconditions and step:  # at step 0 there are no moments
                        now = part.later(int(times[m])).preconditioned(states[m, r][None])
                        scaled[m, r] = self._preconditioned(worker, orbit.first + r, step, now)
        values[~orbit.alive[times, :own].cpu().numpy()] = np.nan
        return values, scaled

    def _hessian_is_small(self) -> bool:
        system = self.context.system
        return not system.is_network and system.dimension <= JACOBIAN_DIMENSION

    def _worker(self, system: System) -> Hessian:
        if not hasattr(self._workers, "hessian"):
            self._workers.hessian = hessian(system)
        return self._workers.hessian

    def _at(self, worker: Hessian, reference: int, step: int, device: torch.device) -> np.ndarray:
        """The eigenvalues (count,) at the state the worker is at."""
        if self.size <= DENSE:
            return _eigenvalues(worker.matrix(), self.count).cpu().numpy()
        return self._by_lanczos(lambda v: worker.product(v[None])[0], reference, step, device)

    def _preconditioned(
        self, worker: Hessian, reference: int, step: int, now: tuple[Tensor, Tensor]
    ) -> float:
        """The largest eigenvalue of P^(−1/2)·(H + λ)·P^(−1/2) at the state the worker is at."""
        scale, decay = now[0][0].rsqrt(), now[1][0]
        if self.size <= DENSE:
            matrix = scale[:, None] * worker.matrix() * scale + torch.diag(decay * scale * scale)
            return float(_eigenvalues(matrix, 1)[0])

        def product(v: Tensor) -> Tensor:
            return scale * (worker.product((scale * v)[None])[0] + decay * scale * v)

        return float(self._by_lanczos(product, reference, step, scale.device, True)[0])

    def _by_lanczos(
        self,
        product: Callable[[Tensor], Tensor],
        reference: int,
        step: int,
        device: torch.device,
        preconditioned: bool = False,
    ) -> np.ndarray:
        """The largest eigenvalues (count,); NaN of those that did not converge."""
        seed = self.context.experiment.seed
        rng = generator(seed, Purpose.SHARPNESS, reference, step)
        draws = torch.from_numpy(rng.standard_normal((self.count, self.size))).to(device)
        key = -1 - reference if preconditioned else reference
        starts = self._vectors.get(key)
        starts = torch.zeros_like(draws) if starts is None else starts
        values, vectors, met = largest(product, starts, draws)
        self._vectors[key] = vectors
        return np.where(met, values.numpy(), np.nan)

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        at = self.measured_at(frame.steps)
        values, threshold = frame["sharpness"], frame["stable_sharpness"]
        self.read_to = int(frame.steps[-1])
        columns = {"sharpness": values[:, :, 0]}
        if self.preconditions:
            columns["preconditioned_sharpness"] = frame["preconditioned_sharpness"]
        self._parts.append((frame.steps[at], values, threshold, [*columns.values()][-1]))
        found = {}
        for name, seen in columns.items():
            found[name] = np.full((len(frame.steps), self.context.references), np.nan)
            found[name][at, : self.references] = seen
        return found

    def findings(self) -> Findings:
        if self._found is None or self._found[0] != self.read_to:
            self._found = (self.read_to, self._findings(*self._all()))
        return self._found[1]

    def _all(self) -> tuple[np.ndarray, ...]:
        """Measured steps (M,), eigenvalues (M, references, count), thresholds (M, references), and
        what is held against them, of that shape."""
        if not self._parts:
            blank = np.empty((0, self.references))
            return np.empty(0, dtype=int), np.empty((*blank.shape, self.count)), blank, blank
        self._parts = [tuple(map(np.concatenate, zip(*self._parts, strict=True)))]
        return self._parts[0]

    def _findings(
        self, steps: np.ndarray, values: np.ndarray, threshold: np.ndarray, held: np.ndarray
    ) -> Findings:
        lead = values[:, :, 0]
        start = self.read_to - self.read_to // 10
        late = steps >= start
        final = lead[-1] if len(steps) else np.full(self.references, np.nan)
        stable = threshold[-1] if len(steps) else np.full(self.references, np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = held / threshold
        tenth, half = _late_means(lead, late), _late_means(ratio, late)
        columns = {
            "sharpness": final,
            "sharpness_last_tenth": tenth,
            "stable_sharpness": stable,
            "eta_sharpness_half": half,
        }
        rest = np.full(self.context.references - self.references, np.nan)
        summary = {
            **self._over_references("final", final),
            **self._over_references("final_eta_half", ratio[-1] if len(steps) else stable),
            **self._over_references("mean_last_tenth", tenth),
            **self._over_references("mean_last_tenth_eta_half", half),
            **self._of_preconditioned(held, late),
            "threshold": _common(stable),
            "eigenvalues": self.count,
            "every": self.every,
            "count": int(np.isfinite(final).sum()),
            "total": self.references,
            "window": [start, self.read_to],
            "reason": _reason(len(steps), final, tenth, half),
        }
        return Findings(
            exponents={name: np.concatenate([column, rest]) for name, column in columns.items()},
            summary={"sharpness": summary},
            tables={"sharpness.csv": self._table(steps, values, ratio, held)},
        )

    def _of_preconditioned(self, held: np.ndarray, late: np.ndarray) -> dict[str, Any]:
        if not self.preconditions:
            return {}
        final = held[-1] if len(held) else np.full(self.references, np.nan)
        return {
            **self._over_references("preconditioned_final", final),
            **self._over_references("preconditioned_last_tenth", _late_means(held, late)),
        }

    def _over_references(self, name: str, values: np.ndarray) -> dict[str, Any]:
        """Mean and median of the finite values (references,). The interval is the median's:
        a largest eigenvalue is positive with a long tail, where Student's interval of the mean
        of twenty holds it in 89 % and the median's in 95 % or more, whatever the law."""
        values = values[np.isfinite(values)]
        interval = median_interval(values)
        return {
            name: float(values.mean()) if len(values) else math.nan,
            f"{name}_median": median(values),
            f"{name}_median_ci95": list(interval) if math.isfinite(interval[0]) else None,
        }

    def _table(
        self, steps: np.ndarray, values: np.ndarray, ratio: np.ndarray, held: np.ndarray
    ) -> tuple[list[str], list[list[Any]]]:
        more = [f"eigenvalue{k}" for k in range(2, self.count + 1)]
        more += ["preconditioned_sharpness"] if self.preconditions else []
        at, rows = steps.tolist(), []
        for reference in range(self.references):
            numbers = np.column_stack([values[:, reference, :1], ratio[:, reference]])
            numbers = np.hstack([numbers, values[:, reference, 1:]])
            if self.preconditions:
                numbers = np.column_stack([numbers, held[:, reference]])
            numbers = numbers.tolist()
            rows += [[reference, t, *row] for t, row in zip(at, numbers, strict=True)]
        return ["reference", "step", "sharpness", "eta_sharpness_half", *more], rows


def _check(system: System, name: str, count: int, size: int) -> None:
    if "loss" not in system.observables:
        raise InputError(f"measure.sharpness: {name} has no loss")
    if count > size:
        raise InputError(f"measure.sharpness: {count} eigenvalues of {size} parameters")
    if system.is_network:
        return
    try:  # a user's loss may be anything
        fault = _undifferentiable(system)
    except Exception as error:
        fault = (str(error) or type(error).__name__).splitlines()[0]
    if fault:
        raise InputError(
            f"measure.sharpness: the loss of {name} cannot be differentiated twice: {fault}"
        )


def _undifferentiable(system: System) -> str:
    """What is wrong where a derivative is lost on the way (``detach``, a detour by numbers),
    which would read as 0; empty if nothing."""
    one = system.take(torch.tensor([0]))
    x = torch.from_numpy(np.asarray(system.start(np.random.default_rng(0)))[None]).double()
    v, h, gradient = torch.ones_like(x), 1e-5, Gradient(one)
    slope, bend = gradient.step(x), gradient.tangent(x, v)
    ahead, behind = (one.observe(y)["loss"] for y in (x + h * v, x - h * v))
    if not slope.any() and ((ahead - behind) / (2 * h)).abs().max() > 1e-3:
        return "its gradient is 0, its slope is not"
    turn = (gradient.step(x + h * v) - gradient.step(x - h * v)) / (2 * h)
    if not bend.any() and turn.abs().max() > 1e-3:
        return "its Hessian is 0, its curvature is not"
    return ""


def _eigenvalues(matrices: Tensor, count: int) -> Tensor:
    """The largest eigenvalues (…, count) of symmetric matrices (…, n, n), downwards; NaN of
    those that are not finite."""
    good = torch.isfinite(matrices).all(-1).all(-1)
    held = matrices.masked_fill(~good[..., None, None], 0.0)
    values = torch.linalg.eigvalsh(held).flip(-1)[..., :count]
    return values.masked_fill(~good[..., None], torch.nan)


def _late_means(values: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Mean (references,) of values (M, references) over the late steps; NaN of too few."""
    if late.sum() < LEAST:
        return np.full(values.shape[1], np.nan)
    return values[late].mean(axis=0)


def _common(values: np.ndarray) -> float:
    """The value all references have; NaN where they differ."""
    return float(values[0]) if len(values) and (values == values[0]).all() else np.nan


def _reason(measured: int, final: np.ndarray, tenth: np.ndarray, half: np.ndarray) -> str | None:
    if not measured:
        return "no step was measured yet"
    if not np.isfinite(final).any():
        return "all references diverged, or no eigenvalue of the Hessian was found to its precision"
    if not np.isfinite(tenth).any():
        return (
            f"fewer than {LEAST} measurements in the last tenth of the run: take a smaller "
            "measure.sharpness.every"
        )
    if not np.isfinite(half).any():
        return "there is no single learning rate to compare with (2/η is not known)"
    return None


def kept_bytes(asked: Asked) -> float:
    """Of eigenvalues, and of the vectors that Lanczos keeps."""
    first = asked.option("references", asked.references, asked.references)
    times = asked.steps // asked.option("every", 10) + 2
    return 8 * first * asked.option("count", 1, asked.dimension) * (times + 4 * asked.dimension)
