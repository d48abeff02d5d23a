"""What an orbit diagram draws: one number of each state, by the name that is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tuichaos.common.errors import InputError, nearest
from tuichaos.instruments.observables import GROUPS
from tuichaos.simulation.frames import BlockOrbit
from tuichaos.systems.base import System, parameter_mask, spans

# Values (times, r) of a block's orbit at some times (indices into its steps).
Observable = Callable[[BlockOrbit, np.ndarray], np.ndarray]

COMPONENT = re.compile(r"component\.([1-9]\d{0,3})")
STATE = re.compile(r"state\.(\d{1,12})")
ENTRY = re.compile(r"(.+)\[([\d, ]+)\]")
KEY = "diagram.observable"


@dataclass(frozen=True)
class Component:
    """A principal component: ``mean`` and the unit vector ``direction`` (both of as many
    numbers as a state has parameters), and the share of the variance it explains."""

    mean: tuple[float, ...]
    direction: tuple[float, ...]
    explained: float


def observable(system: System, name: str, component: Component | None = None) -> Observable:
    """The observable of that name; InputError names it and what there is.

    An observable of the system, ``weight_norm`` (L1 over all parameters), ``state.K``, an
    entry of a piece of the state such as ``layers.0.weight[3,1]``, or ``component.K``: where
    the parameters lie along a principal component, which has to be known by then.
    """
    if name in system.observables:
        return _of_the_system(name)
    if name == "weight_norm":
        kept = torch.from_numpy(parameter_mask(system.layout))
        return lambda orbit, times: _sums(np.abs(_states(orbit, times, kept)))
    if component_number(system, name):
        if component is None:
            raise ValueError("a principal component has to be found first")
        return _along(system, component)
    place = _place(system, name)
    return lambda orbit, times: orbit.states[torch.from_numpy(times), :, place].cpu().numpy()


def check_observable(system: System, name: str) -> None:
    """InputError unless there is such an observable."""
    if name not in (*system.observables, "weight_norm") and not component_number(system, name):
        _place(system, name)


def component_number(system: System, name: str) -> int:
    """K of ``component.K``, 0 for what is none; InputError where there are fewer."""
    found = COMPONENT.fullmatch(name)
    if not found:
        return 0
    most = int(parameter_mask(system.layout).sum())
    if int(found[1]) > most:
        raise InputError(f"{KEY}: {name}: the states have {most} components, counted from 1")
    return int(found[1])


def _place(system: System, name: str) -> int:
    """The place of a named entry in the state."""
    if found := STATE.fullmatch(name):
        if int(found[1]) >= system.dimension:
            raise InputError(f"{KEY}: {name}: the state has entries 0 to {system.dimension - 1}")
        return int(found[1])
    found = ENTRY.fullmatch(name)
    asked = found[1] if found else name
    for piece, span in spans(system.layout):
        if piece.name != asked:
            continue
        index = tuple(int(n) for n in re.findall(r"\d+", found[2])) if found else ()
        fits = len(index) == len(piece.shape)
        if not fits or any(i >= n for i, n in zip(index, piece.shape, strict=True)):
            last = ",".join(str(n - 1) for n in piece.shape)
            first = ",".join("0" for _ in piece.shape)
            entries = f"{piece.name}[{first}] to {piece.name}[{last}]"
            raise InputError(f"{KEY}: {name}: its entries are {entries}")
        return span.start + int(np.ravel_multi_index(index, piece.shape))
    pieces = (f"{piece.name}[…]" for piece in system.layout)
    choices = (*system.observables, "weight_norm", *pieces, "state.0", "component.1")
    raise InputError(f"{KEY}: unknown observable {name!r}; {nearest(name, choices)}")


def _of_the_system(name: str) -> Observable:
    def values(orbit: BlockOrbit, times: np.ndarray) -> np.ndarray:
        found = orbit.observe(times)
        kept = found[name].astype(np.float64)
        if name in GROUPS and "loss" in found:  # an accuracy of a state without a loss is none
            kept = np.where(np.isfinite(found["loss"]), kept, np.nan)
        return kept

    return values


def _along(system: System, component: Component) -> Observable:
    kept = torch.from_numpy(parameter_mask(system.layout))
    mean, direction = np.array(component.mean), np.array(component.direction)
    return lambda orbit, times: _sums((_states(orbit, times, kept) - mean) * direction)


def _states(orbit: BlockOrbit, times: np.ndarray, kept: torch.Tensor) -> np.ndarray:
    states = orbit.states[torch.from_numpy(times)]
    if not kept.all():
        states = states[:, :, kept.to(states.device)]
    return states.cpu().numpy().astype(np.float64)


def _sums(values: np.ndarray) -> np.ndarray:
    """Over the last axis, (T, r): each row by itself, so that its bits are its own."""
    rows = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
    return np.array([row.sum() for row in rows]).reshape(values.shape[:-1])
