"""The system of a diagram at any value of its key, for whoever follows orbits through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tuichaos.config.per_replica_keys import INITIAL, dense_key
from tuichaos.sweeps.points import Base, Point
from tuichaos.systems import build
from tuichaos.systems.base import System


def leading(base: Base) -> Point:
    """The point that stands for all: of the largest value, as a momentum of 0 is none."""
    return max(base.path, key=lambda point: abs(point.values[0]))


@dataclass(frozen=True)
class Family:
    """The systems of a diagram: ``at`` one value of its key, or at one for each row."""

    base: Base
    system: System | None  # of which one parameter changes; None if it is made for each value

    @classmethod
    def of(cls, base: Base) -> Family:
        """The family of a diagram."""
        first = base.experiment(leading(base))
        return cls(base, build(first).system if dense_key(first, base.keys[0]) else None)

    @property
    def moves(self) -> bool:
        """Whether the key changes the map, and not only where it starts."""
        return self.base.keys[0] != INITIAL

    @property
    def dimension(self) -> int:
        return (self.system or self.at(leading(self.base).values[0])).dimension

    def at(self, value: float) -> System:
        """The system at one value, that of all rows."""
        if self.system is None:
            return build(self.base.experiment(Point(0, (value,)))).system
        if not self.moves:
            return self.system
        return self.system.changed({self._name: value})

    def at_each(self, values: Sequence[float]) -> System:
        """The system whose row k has the value ``values[k]``."""
        if self.system is None:
            made = {value: self.at(value) for value in dict.fromkeys(values)}
            return Rowwise(tuple(made[value] for value in values))
        return self.system.changed({self._name: list(values)}) if self.moves else self.system

    @property
    def _name(self) -> str:
        key = self.base.keys[0]
        own = key.removeprefix("optimizer.")
        return own if own != key else key.rpartition(".")[2]


@dataclass(frozen=True)
class Rowwise(System):
    """One system for each row, of one dimension."""

    systems: tuple[System, ...]

    @property
    def dimension(self) -> int:
        return self.systems[0].dimension

    def step(self, x: Tensor) -> Tensor:
        rows = zip(self.systems, x.split(1), strict=True)
        return torch.cat([system.step(row) for system, row in rows])

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        rows = zip(self.systems, x.split(1), v.split(1), strict=True)
        return torch.cat([system.tangent(a, b) for system, a, b in rows])

    def take(self, index: Tensor) -> Rowwise:
        return Rowwise(tuple(self.systems[k] for k in index.tolist()))
