"""Three routes to one exponent, from the same displacement: free twin, renormalised twin, tangent.

Free: ln‖x'(t) − x(t)‖ of the twin as it is, for as long as that is small and above rounding.
Renormalised: a second twin from the same place, brought back to the first distance along the
line that joins the two whenever its distance leaves a band, the logarithms of the factors
added up (Benettin, Galgani, Strelcyn 1976, Phys. Rev. A 14, 2338–2345; Sprott 2003, Chaos and
Time-Series Analysis, ch. 5). Tangent: DF along the orbit, from the same direction (Benettin et
al. 1980). All norms are L2 over the whole state, all rates (ln d(end) − ln d(start)) over the
time between, so that the three can be compared twin by twin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.common.rng import Purpose, generator
from tuichaos.common.thresholds import COLLAPSE_UNITS, FLOOR_UNITS, GROWTH_LIMIT
from tuichaos.config.instrument_spec import Asked
from tuichaos.instruments.base import Findings, Instrument, RunContext, option
from tuichaos.instruments.statistics import mean_and_interval, median
from tuichaos.simulation.frames import BlockOrbit, Frame
from tuichaos.storage.checkpoint_encoding import kept
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.base import System
from tuichaos.systems.stepper_protocol import Stepper

ROUTES = ("free", "renormalised", "tangent")
REFERENCES = 4  # unless more are asked for
LINEAR = 1e-5  # a free twin farther away may no longer follow the tangent

# How many times its first distance d0 a renormalised twin may be away, either way. At
# d0 = 5e-8 and states of size 10 rounding adds 1e-15 a step: 2e-6 of the distance at the
# band's lower edge, while at its upper edge, 5e-6, the curvature of the step tells as much. A
# wider band would be worse at one of them, a narrower one would rescale, and round, oftener.
BAND = 100.0

TANGENT_STEPS = 32  # of tangents a call of the stepper
TANGENT_BYTES = 4_000_000  # of states in such a call


@kept("Company")
@dataclass
class Company:
    """What is carried along the references of one block, r of them with j twins each.

    ``twins`` (r, j, dimension) the renormalised ones; ``first`` (r, j) their first distances,
    ``base`` those after they were last rescaled, ``total`` the logarithms of all factors
    before; ``directions`` (r·j, dimension) unit tangents, ``length`` (r, j) the ln of their
    growth; ``scale`` (r) the largest ‖x‖₂ since the perturbation. NaN in ``total`` or
    ``length``: that route has ended. ``noisy`` (r, dimension): twins that nothing has moved
    but a rounding more at every step, drawn from ``noise``.
    """

    not_kept: ClassVar[tuple[str, ...]] = ("steppers",)

    twins: Tensor
    first: Tensor
    base: Tensor
    total: Tensor
    directions: Tensor
    length: np.ndarray
    scale: Tensor
    noisy: Tensor
    noise: list[np.random.Generator]
    tangent_steps: int
    # For twins and for tangents, with scratch memory of their own; made when first needed.
    steppers: tuple[Stepper, Stepper] | None = None


class Routes(Instrument, kept_as="Routes"):
    """Rates along the three routes over two windows of each twin, nats per unit of time.

    One window is from the perturbation for as long as the free twin is above the rounding floor
    and below LINEAR and GROWTH_LIMIT·S, with S the largest ‖x‖₂ since the perturbation; the other,
    without the free twin, to the end of the run.

    The floor is FLOOR_UNITS times what rounding alone does: u·S, or the distance of a noisy
    twin if that is larger. Rounding grows along with everything else; where twins stay on a
    slow direction while a fast one opens across it, it overtakes a distance of 1e-7 within
    some twenty steps, and the twin then no longer tells how its displacement grows.

    A renormalised twin is looked at at every step and counts up to the last one, rescaled or
    not. It ends (empty) when the first distance is itself outside floor and growth limit, when
    its distance becomes less than COLLAPSE_UNITS·u·S (a superstable point: nothing but
    rounding is left), and when it or its reference diverges; a tangent when a step shrinks
    it below COLLAPSE_UNITS·u. The common window ends where any of the three does.
    Memory: a few states for each twin and a frame of distances, whatever the run's length.

    References
    ----------
    .. [1] Benettin, Galgani and Strelcyn 1976, Phys. Rev. A 14, 2338–2345: renormalised twins.
    .. [2] Sprott 2003, Chaos and Time-Series Analysis, ch. 5: the same.
    .. [3] Benettin et al. 1980, Meccanica 15, 9–20, part 2: tangents.
    """

    key = "routes"
    depends_on_steps = False
    carries = True
    not_kept = ("_cached",)

    def __init__(self, context: RunContext) -> None:
        ensemble, switch = context.experiment.ensemble, context.experiment.measure.routes
        if not ensemble.twins:
            raise InputError("measure.routes: there are no twins to start from: ensemble.twins = 0")
        self.context = context
        self.references = min(option(switch, "references", REFERENCES), context.references)
        self.twins = min(option(switch, "twins", ensemble.twins), ensemble.twins)
        shape = (self.references, self.twins)
        self.companies: dict[int, Company] = {}
        self.origin = np.full((3, *shape), np.nan)  # ln d of each route at the perturbation
        self.at_end = np.full((3, *shape), np.nan)  # and where the common window ends
        self.last = np.full((3, *shape), np.nan)  # and at the last step so far
        self.end = np.full(shape, context.perturb_at)
        self.open = np.ones(shape, dtype=bool)
        self.began = np.zeros(shape, dtype=bool)  # the free twin, inside its band
        self.read_to = -1
        self._cached: tuple[int, Findings] | None = None

    # --- in the worker threads ---

    def probe(self, orbit: BlockOrbit) -> Mapping[str, np.ndarray]:
        own = max(0, min(self.references - orbit.first, orbit.states.shape[1]))
        times = len(orbit.steps)
        logs = np.full((times, own, self.twins, 3), np.nan)
        within = np.zeros((times, own, self.twins), dtype=bool)
        if own and orbit.twins is not None:
            self._follow(orbit, own, logs, within)
        return {"routes": logs, "routes.within": within}

    def _follow(self, orbit: BlockOrbit, own: int, logs: np.ndarray, within: np.ndarray) -> None:
        """Fill ln d of the three routes (T, own, twins, 3), and whether the free twin is in
        its band (T, own, twins)."""
        states = orbit.states[:, :own]
        free = _norms(orbit.twins[:, :own, : self.twins] - states[:, :, None])
        company = self.companies.get(orbit.first)
        if company is None:
            company = self._begin(orbit, states[0], orbit.twins[0, :own, : self.twins])
            self.companies[orbit.first] = company
        if company.steppers is None:
            system, rows, device = orbit.system, own * self.twins, states.device
            for_tangents = stepper_for(system, rows, company.tangent_steps, device)
            company.steppers = (stepper_for(system, rows + own, 1, device), for_tangents)
        norms = torch.cat([company.scale[None], _norms(states).nan_to_num(0.0, 0.0)])
        scale = norms.cummax(0).values[1:, :, None]
        company.scale = scale[-1, :, 0].clone()
        index = torch.arange(own, device=states.device).repeat_interleave(self.twins)
        moves = len(orbit.steps) - int(orbit.steps[-1] == self.context.steps)
        with_noisy = orbit.system.take(torch.cat([index, index[:: self.twins]]))
        logs[..., 1], noise = self._renormalised(company, with_noisy, states, scale, moves)
        logs[..., 2] = self._tangents(company, orbit.system.take(index), states, moves)
        with np.errstate(divide="ignore"):
            logs[..., 0] = np.log(_numbers(free))
        floor = FLOOR_UNITS * torch.maximum(self.context.unit * scale, noise)
        high = torch.clamp(GROWTH_LIMIT * scale, max=LINEAR)
        within[:] = ((free >= floor) & (free < high)).cpu().numpy()
        logs[~orbit.alive[:, :own].cpu().numpy()] = np.nan

    def _begin(self, orbit: BlockOrbit, x: Tensor, twins: Tensor) -> Company:
        apart = (twins - x[:, None]).flatten(0, 1)
        first = _norms(apart)
        rows, dimension = apart.shape
        steps = int(max(1, min(TANGENT_STEPS, TANGENT_BYTES // (16 * rows * dimension))))
        seed = self.context.experiment.seed
        own = range(orbit.first, orbit.first + len(x))
        shape = twins.shape[:2]
        distances = first.reshape(shape)
        return Company(
            twins.clone(),
            distances,
            distances.clone(),
            torch.zeros_like(distances),
            apart / first[:, None],
            np.log(_numbers(distances)) if (first > 0).all() else np.full(shape, np.nan),
            torch.zeros_like(x[:, 0]),
            x.clone(),
            [generator(seed, Purpose.ROUNDING, reference) for reference in own],
            steps,
        )

    def _renormalised(
        self, company: Company, system: System, states: Tensor, scale: Tensor, moves: int
    ) -> tuple[np.ndarray, Tensor]:
        """ln of the distance there would be without rescaling, (T, r, j), and how far the
        noisy twins are (T, r, 1)."""
        unit, first = self.context.unit, company.first
        floor, limit = FLOOR_UNITS * unit * scale, GROWTH_LIMIT * scale
        low = torch.maximum(first / BAND, floor)
        high = torch.minimum(first * BAND, limit)
        usable = (first >= floor) & (first <= limit)
        least = COLLAPSE_UNITS * unit * scale
        ratios, totals, noise = [], [], []
        roundings = self._roundings(company, states, moves)
        for t in range(len(states)):
            x = states[t][:, None]
            apart = company.twins - x
            d = _norms(apart)
            told = usable[t] & (d >= least[t]) & torch.isfinite(d)
            company.total.masked_fill_(~told, torch.nan)
            noise.append(_norms(company.noisy[:, None] - x))
            ratios.append(d / company.base)
            totals.append(company.total)
            out = (d < low[t]) | (d > high[t])
            if out.any():
                moved = x + apart * (first / d)[:, :, None]
                company.total = torch.where(out, company.total + ratios[-1].log(), company.total)
                company.base = torch.where(out, _norms(moved - x), company.base)
                company.twins = torch.where(out[:, :, None], moved, company.twins)
            else:
                company.total = company.total.clone()
            if t < moves:
                rows = torch.cat([company.twins.flatten(0, 1), company.noisy])
                image = company.steppers[0].advance(system.later(t), rows, 1, None).orbit[1]
                company.twins = image[: -len(company.noisy)].clone().view_as(company.twins)
                company.noisy = image[-len(company.noisy) :] * roundings[t]
        grown = torch.stack(totals) + torch.stack(ratios).log()
        return _numbers(grown + first.log()), torch.stack(noise)

    def _roundings(self, company: Company, states: Tensor, moves: int) -> Tensor:
        """Factors 1 ± u at most, uniform, for each entry and step (moves, r, dimension)."""
        shape = (moves, states.shape[2])
        drawn = [rng.uniform(-self.context.unit, self.context.unit, shape) for rng in company.noise]
        factors = torch.tensor(np.stack(drawn, axis=1), dtype=torch.float64, device=states.device)
        return (1 + factors).to(states.dtype)

    def _tangents(self, company: Company, system: System, states: Tensor, moves: int) -> np.ndarray:
        """ln of the length of the tangent, which begins as the twin's distance, (T, r, j)."""
        growth = []
        for t in range(0, moves, company.tangent_steps):
            steps = min(company.tangent_steps, moves - t)
            rows = states[t].repeat_interleave(self.twins, dim=0)
            now = system.later(t)
            stretch = company.steppers[1].advance(now, rows, steps, company.directions)
            growth.append(_numbers(stretch.growth).reshape(steps, *company.length.shape))
            company.directions = stretch.tangents.clone()
        growth = np.concatenate([company.length[None], *growth])
        with np.errstate(invalid="ignore"):
            lost = growth[1:] < math.log(COLLAPSE_UNITS * self.context.unit)
        growth[1:][lost | ~np.isfinite(growth[1:])] = np.nan
        lengths = np.add.accumulate(growth)
        company.length = lengths[-1]
        return lengths[: len(states)]

    # --- folding ---

    def fold(self, frame: Frame) -> Mapping[str, np.ndarray]:
        wanted = frame.steps >= self.context.perturb_at
        if not wanted.any():
            return {}
        steps = frame.steps[wanted]
        logs = np.moveaxis(frame["routes"][wanted], 3, 0)  # (3, T, r, j)
        if self.read_to < 0:
            self.origin = self.at_end = logs[:, 0]
            self.began = frame["routes.within"][wanted][0]
        within = frame["routes.within"][wanted] & np.isfinite(logs).all(axis=0)
        within = np.logical_and.accumulate(within, axis=0) & self.open
        newest = within.sum(axis=0) - 1
        some = newest >= 0
        at = np.maximum(newest, 0)
        found = np.take_along_axis(logs, at[None, None], axis=1)[:, 0]
        self.at_end = np.where(some, found, self.at_end)
        self.end = np.where(some, steps[at], self.end)
        self.open = within[-1]
        self.last = logs[:, -1]
        self.read_to = int(steps[-1])
        return {}

    def rates(self) -> tuple[np.ndarray, np.ndarray]:
        """Per unit of time, (3, references, twins) each: over the common window, and to the
        last step, where the free twin has none."""
        start, step = self.context.perturb_at, self.context.time_step
        with np.errstate(invalid="ignore", divide="ignore"):
            common = (self.at_end - self.origin) / ((self.end - start) * step)
            whole = (self.last - self.origin) / (max(self.read_to - start, 0) * step)
        whole[0] = np.nan
        return tuple(np.where(np.isfinite(rate), rate, np.nan) for rate in (common, whole))

    def findings(self) -> Findings:
        if self._cached is None or self._cached[0] != self.read_to:
            self._cached = (self.read_to, self._findings())
        return self._cached[1]

    def _findings(self) -> Findings:
        common, whole = self.rates()
        start = self.context.perturb_at
        rows = []
        for r, j in np.ndindex(*self.end.shape) if self.read_to >= 0 else ():
            rows.append([r, j, start, int(self.end[r, j]), *common[:, r, j]])
            rows.append([r, j, start, self.read_to, *whole[:, r, j]])
        columns = ["reference", "twin", "start", "end", *ROUTES]
        summary = {"routes": self._summary(common, whole)}
        return Findings(summary=summary, tables={"routes.csv": (columns, rows)})

    def _summary(self, common: np.ndarray, whole: np.ndarray) -> dict[str, Any]:
        found = {}
        for k, name in enumerate(ROUTES):
            for suffix, rates in (("", common), ("_whole", whole)):
                if k or not suffix:
                    one = mean_and_interval(_over_twins(rates[k]))
                    found[name + suffix] = one["mean"]
                    found[f"{name}{suffix}_ci95"] = one["ci95"]
        free, renormalised = (_largest(common[k] - common[2]) for k in (0, 1))
        measured = np.isfinite(common[0])
        lengths = (self.end - self.context.perturb_at)[measured]
        return {
            **found,
            "free_disagreement_max": free,
            "renormalised_disagreement_max": renormalised,
            "disagreement_max": max(free, renormalised),
            "whole_disagreement_max": _largest(whole[1] - whole[2]),
            "length_median": median(lengths.astype(np.float64)),
            "twins": int(measured.sum()),
            "count": int(measured.any(axis=1).sum()),
            "total": self.references,
            "window": [self.context.perturb_at, int(self.end.max())],
            "reason": None if measured.any() else self._why_none(),
        }

    def _why_none(self) -> str:
        if self.read_to < 0:
            return "the twins have not been moved yet (ensemble.perturb_at)"
        if self.read_to == self.context.perturb_at:
            return "no step was taken since the twins were moved"
        if self.began.any():
            return "no twin stays between rounding and the growth limit for a whole step"
        if (self.origin[0] >= math.log(LINEAR)).all():
            return (
                f"the twins start farther than {LINEAR:g} from their references: take a smaller "
                "ensemble.perturbation"
            )
        return (
            "the twins start where rounding rules, or as far apart as they get: take another "
            "ensemble.perturbation"
        )


def _over_twins(rates: np.ndarray) -> np.ndarray:
    """Mean over the twins that have a rate (references,), NaN where none has."""
    good = np.isfinite(rates)
    with np.errstate(invalid="ignore"):
        return np.where(good, rates, 0.0).sum(axis=1) / good.sum(axis=1)


def _largest(differences: np.ndarray) -> float:
    """The largest absolute value of the finite ones, NaN without one."""
    finite = np.abs(differences[np.isfinite(differences)])
    return float(finite.max()) if len(finite) else math.nan


def _norms(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=-1)


def _numbers(values: Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.float64)


def kept_bytes(asked: Asked) -> float:
    """Of twins and tangents that it advances itself."""
    twins = max(1, asked.experiment.ensemble.twins)
    first = asked.option("references", 4, asked.references)
    return 8 * 8 * first * asked.option("twins", twins, twins) * asked.dimension
