"""A block: some references with their twins and tangents, advanced together on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError
from tuichaos.simulation.ensemble import displaced
from tuichaos.simulation.frames import BlockOrbit, Observed, Probe
from tuichaos.systems.base import System
from tuichaos.systems.stepper_protocol import Scored, Stepper, Stretch

# Arrays of a frame that serve the certificate and are no probe's.
FIRST, WITNESS = "_first", "_witness"


def nowhere(steps: np.ndarray) -> np.ndarray:
    """No step is observed."""
    return np.zeros(len(steps), dtype=bool)


@dataclass
class Block:
    """Some references, ``first`` to ``first + count``, with all that belongs to them.

    Rows of ``x``: the references, the witness (an unperturbed twin of reference 0, in the
    last block only), the twins of the first reference, of the second, …. ``tangents``
    (count, dimension) are unit vectors. ``system`` has the parameters of all references, at
    step 0.
    """

    first: int
    count: int
    witness: bool
    x: Tensor
    tangents: Tensor | None
    system: System
    twins: int = 0
    _row_system: System = field(init=False)
    _own_system: System = field(init=False)

    def __post_init__(self) -> None:
        self.use(self.system)

    @property
    def lead(self) -> int:
        """Rows before the first twin."""
        return self.count + self.witness

    def use(self, system: System) -> None:
        """Go on under a system, each row with the parameters of its reference."""
        self.system = system
        own = torch.arange(self.first, self.first + self.count, device=self.x.device)
        zero = torch.zeros(int(self.witness), dtype=torch.int64, device=self.x.device)
        self._own_system = system.take(own)
        self._row_system = system.take(torch.cat([own, zero, own.repeat_interleave(self.twins)]))

    def go_on(self, x: Tensor, tangents: Tensor | None, twins: int) -> None:
        """Take the place of a block of the same references at another step. InputError for
        a state that is of others."""
        rows = (self.lead + self.count * twins, self.x.shape[1])
        if (
            twins < 0
            or not _alike(x, rows, self.x)
            or (tangents is None) != (self.tangents is None)
        ):
            raise InputError("is of another simulation: its states are not of this one")
        if tangents is not None and not _alike(tangents, self.tangents.shape, self.tangents):
            raise InputError("is of another simulation: its tangents are not of this one")
        self.x, self.tangents, self.twins = x, tangents, twins
        self.use(self.system)

    def perturb(self, moves: Tensor) -> None:
        """Let twins start from the references, moved by (count, twins, dimension)."""
        self.twins, x = moves.shape[1], self.x[: self.count, None]
        self.x = torch.cat([self.x, displaced(x, moves, self.system.layout).flatten(0, 1)])
        self.use(self.system)

    def advance(
        self,
        stepper: Stepper,
        start: int,
        steps: int,
        is_last: bool,
        probes: Sequence[Probe],
        observed: Observed = nowhere,
    ) -> dict[str, np.ndarray]:
        """Take some steps and let the probes look; the end state is seen only if it is the
        run's (else it begins the next frame). ``observed``: the steps at which they will look
        at observables. Returns arrays (T, count, …) by name."""
        scored = Scored(self.count, observed(np.arange(start, start + steps)))
        now = self._row_system.later(start)
        stretch = stepper.advance(
            now, self.x, steps, self.tangents, scored if scored.at.any() else None
        )
        alive = put_to_rest(stretch.orbit)
        self.x = stretch.orbit[-1].clone()
        if stretch.tangents is not None:
            self.tangents = stretch.tangents.clone()
        found: dict[str, np.ndarray] = {}
        view = self._view(stretch, alive, start, steps + is_last, stepper, found)
        found["alive"] = view.alive.cpu().numpy()
        for probe in probes:
            found.update(probe(view))
        if self.first == 0:
            found[FIRST] = stretch.orbit[:, 0].cpu().numpy().copy()
        if self.witness:
            found[WITNESS] = stretch.orbit[:, self.count].cpu().numpy().copy()
        return found

    def lone_orbit_agrees(self, stepper: Stepper, steps: int) -> bool:
        """Whether the first reference takes the same steps alone as in this block, at an even
        place and at an odd one: a product may round by where its result lies in memory."""
        first = torch.full((2,), self.first, device=self.x.device)
        alone = stepper.advance(self.system.take(first), self.x[:1].expand(2, -1), steps, None)
        alone = alone.orbit.nan_to_num()
        among = stepper.advance(self._row_system, self.x, steps, None).orbit[:, :1].nan_to_num()
        return torch.equal(alone, among.expand_as(alone))

    def _view(
        self,
        stretch: Stretch,
        alive: Tensor,
        start: int,
        times: int,
        stepper: Stepper,
        found: dict[str, np.ndarray],
    ) -> BlockOrbit:
        orbit, growth = stretch.orbit[:times], stretch.growth
        twins = None
        if self.twins:
            twins = orbit[:, self.lead :].unflatten(1, (self.count, self.twins))
        if growth is not None:
            growth = growth.masked_fill(~alive[: len(growth), : self.count], torch.nan)
            unknown = torch.full_like(growth[:1], torch.nan)
            growth = torch.cat([growth, unknown])[:times]
        return BlockOrbit(
            self.first,
            np.arange(start, start + times),
            orbit[:, : self.count],
            twins,
            growth,
            alive[:times, : self.count],
            self._own_system.later(start),
            stepper,
            found,
            stretch.scored if alive.all() else None,  # the dead are at rest, in no number
        )


def put_to_rest(orbit: Tensor) -> Tensor:
    """Fill each replica's orbit (T + 1, rows, dimension) with NaN from the first non-finite
    state on; returns which states are alive (T + 1, rows)."""
    if torch.isfinite(orbit.sum()):  # no entry can be NaN or infinite
        return torch.ones(orbit.shape[:2], dtype=torch.bool, device=orbit.device)
    # As numbers: not every device takes a running minimum of booleans.
    alive = torch.isfinite(orbit).all(-1).to(torch.int32).cummin(0).values.bool()
    orbit.masked_fill_(~alive[:, :, None], torch.nan)
    return alive


def _alike(found: Tensor, shape: tuple[int, ...], other: Tensor) -> bool:
    """Whether a tensor has that shape, and the type of numbers of another one."""
    return tuple(found.shape) == tuple(shape) and found.dtype == other.dtype
