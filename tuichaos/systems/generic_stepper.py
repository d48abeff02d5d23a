"""The stepper of any system: it advances a block by ``System.step``, and tangents with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import torch
from torch import Tensor

from tuichaos.systems.base import System
from tuichaos.systems.stepper_protocol import Scored, Stepper, Stretch, padded

FIXED_ROWS = 64  # a step of a System is always called with this many rows
MANY_ROWS = 1024  # observables, batched over time, with this many
JACOBIAN_ROWS = 4096  # Jacobians likewise, times their d columns: a jvp is mostly overhead
JACOBIAN_DIMENSION = 16  # up to here whole Jacobians are cheaper than one jvp a step


class GenericStepper:
    """Steps any System through ``System.step``, always in batches of so many rows."""

    def __init__(self, rows: int = FIXED_ROWS) -> None:
        self.rows = rows

    @property
    def aside(self) -> Stepper:
        return self  # it has no scratch memory

    def advance(
        self,
        system: System,
        x: Tensor,
        steps: int,
        tangents: Tensor | None,
        scored: Scored | None = None,
    ) -> Stretch:
        orbit = x.new_empty(steps + 1, *x.shape)
        orbit[0] = x
        for rows in _batches(x.shape[0], self.rows):
            part = _part(system, rows, self.rows, x.device)
            state = padded(x[rows], self.rows)
            for t in range(1, steps + 1):
                state = part.later(t - 1).step(state)
                orbit[t, rows] = state[: rows.stop - rows.start]
        if tangents is None:
            return Stretch(orbit)
        along = orbit[:-1, : tangents.shape[0]]
        growth, tangents = linearised(system, along, tangents, self.rows)
        return Stretch(orbit, growth, tangents)

    def observe(
        self, system: System, states: Tensor, known: Collection[str] = ()
    ) -> dict[str, Tensor]:
        found: dict[str, list[Tensor]] = {}
        for part, x, rows in _flattened(system, states, MANY_ROWS):
            for name, values in part.observe(x).items():
                found.setdefault(name, []).append(values[: rows.stop - rows.start])
        return {name: torch.cat(v).reshape(states.shape[:2]) for name, v in found.items()}


def linearised(
    system: System, orbit: Tensor, tangents: Tensor, rows: int = FIXED_ROWS
) -> tuple[Tensor, Tensor]:
    """Carry unit tangents (references, dimension) along states (T, references, dimension).

    Returns the growth ln ‖DF(x)v‖₂ of each step (T, references) and the last unit vectors.
    A vector that becomes exactly 0 has growth −inf, and NaN from then on.
    """
    small = orbit.shape[2] <= JACOBIAN_DIMENSION
    image = _by_jacobians(system, orbit) if small else _by_jvp(system, orbit, rows)
    lengths = orbit.new_empty(orbit.shape[:2])
    v = tangents
    for t in range(orbit.shape[0]):
        v = image(t, v)
        torch.linalg.vector_norm(v, dim=1, out=lengths[t])
        v = v / lengths[t, :, None]
    return lengths.log(), v


def jacobians(system: System, orbit: Tensor) -> Tensor:
    """DF at states (T, references, d) as (T, references, d, d): one jvp gives all columns."""
    times, references, d = orbit.shape
    matrices = orbit.new_empty(times * references, d, d)
    units = torch.eye(d, dtype=orbit.dtype, device=orbit.device)
    units = units.repeat_interleave(JACOBIAN_ROWS, 0)
    for part, x, rows in _flattened(system, orbit, JACOBIAN_ROWS, d):
        columns = part.tangent(x, units).reshape(d, JACOBIAN_ROWS, d)
        matrices[rows] = columns[:, : rows.stop - rows.start].permute(1, 2, 0)
    return matrices.reshape(times, references, d, d)


def _flattened(
    system: System, states: Tensor, size: int, copies: int = 1
) -> Iterator[tuple[System, Tensor, slice]]:
    """States (T, references, d) of many times, the first that of the system, as batches
    (copies·size, d), each batch ``copies`` times below itself, with the system of its rows and
    the rows' place among T·references."""
    flat = states.reshape(-1, states.shape[2])
    for rows in _batches(len(flat), size):
        place = padded(torch.arange(rows.start, rows.stop, device=states.device), size)
        place, x = place.repeat(copies), padded(flat[rows], size).repeat(copies, 1)
        part = system.take(place % states.shape[1])
        yield part if part.autonomous else part.later(place // states.shape[1]), x, rows


Image = Callable[[int, Tensor], Tensor]


def _by_jacobians(system: System, orbit: Tensor) -> Image:
    matrices = jacobians(system, orbit)
    return lambda t, v: (matrices[t] * v[:, None, :]).sum(-1)


def _by_jvp(system: System, orbit: Tensor, size: int) -> Image:
    references = orbit.shape[1]
    batches = [
        (rows, _part(system, rows, size, orbit.device)) for rows in _batches(references, size)
    ]

    def image(t: int, v: Tensor) -> Tensor:
        out = torch.empty_like(v)
        for rows, part in batches:
            x, now = padded(orbit[t, rows], size), part.later(t)
            out[rows] = now.tangent(x, padded(v[rows], size))[: rows.stop - rows.start]
        return out

    return image


def _batches(count: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def _part(system: System, rows: slice, size: int, device: torch.device) -> System:
    return system.take(padded(torch.arange(rows.start, rows.stop, device=device), size))
