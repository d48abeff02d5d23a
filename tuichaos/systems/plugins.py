"""A user's own system, named as ``package.module:factory`` and looked over before it runs."""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError, SystemFault, is_fault
from tuichaos.common.paths import here
from tuichaos.systems.base import System
from tuichaos.systems.foreign import Foreign, uses_transforms

# Columns of series.csv that mean something else.
RESERVED = {"reference", "step", "distance", "lyapunov", "weight_norm", "sharpness"}
RESERVED |= {"train_accuracy", "test_accuracy"}


def users_system(name: str, parameters: Mapping[str, object]) -> System:
    """What ``package.module:factory`` makes of the parameters, given as keywords.

    InputError, in one line, for whatever goes wrong in there.
    """
    module, _, factory = name.partition(":")
    folder = str(here())
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        made = getattr(importlib.import_module(module), factory)(**parameters)
        system = Foreign(made, name)
        system.alone = _look_over(system)
    except SystemFault as error:
        raise InputError(f"system.name: {error}") from None
    except BaseException as error:  # it is anyone's code: told, not traced
        if not is_fault(error):
            raise
        text = (str(error) or "no message").splitlines()[0]
        if isinstance(error, TypeError) and parameters:
            text += f" (system.parameters, given as keywords: {', '.join(sorted(parameters))})"
        raise InputError(f"system.name: {name}: {type(error).__name__}: {text}") from None
    return system


def _look_over(system: Foreign) -> bool:
    """Raise ValueError for a system that would give wrong numbers without saying so. Returns
    whether its functions use transforms of torch, which two threads cannot at once."""
    d = system.dimension
    if isinstance(d, bool) or not isinstance(d, int) or d < 1:
        raise ValueError(f"dimension must be a positive integer, not {d!r}")
    if not (math.isfinite(system.time_step) and system.time_step > 0):
        raise ValueError(f"time_step must be a number above 0, not {system.time_step!r}")
    rng = np.random.default_rng(0)
    starts = [np.asarray(system.start(rng), dtype=np.float64) for _ in range(3)]
    if any(start.shape != (d,) or not np.isfinite(start).all() for start in starts):
        raise ValueError(f"start must give {d} finite numbers")
    size = sum(piece.size for piece in system.layout)
    if size != d:
        raise ValueError(f"layout has {size} numbers, dimension is {d}")
    x = torch.from_numpy(np.stack(starts))
    before = x.clone()
    _alike(system.step(x), x, "step")
    if not torch.equal(x, before):
        raise ValueError("step changes the states it is given: let it work on a copy, x.clone()")
    v = torch.from_numpy(rng.standard_normal(x.shape))
    tangent = system.tangent(x, v)
    _alike(tangent, x, "tangent")
    _differentiable(system, x, v, tangent)
    for name, values in system.observe(x).items():
        if not re.fullmatch(r"\w[\w.-]*", name) or name in RESERVED or name.startswith("distance."):
            raise ValueError(f"observe: {name!r} cannot name a column")
        if not isinstance(values, Tensor) or values.shape != (3,):
            raise ValueError(f"observe: {name} must be a tensor (replicas,)")
    return (
        uses_transforms(lambda: system.step(x))
        or uses_transforms(lambda: system.observe(x))
        or (system.own("tangent") and uses_transforms(lambda: system.tangent(x, v)))
    )


def _alike(found: object, x: Tensor, what: str) -> None:
    if not isinstance(found, Tensor) or found.shape != x.shape or found.dtype != x.dtype:
        shape = getattr(found, "shape", type(found).__name__)
        dtype = getattr(found, "dtype", "")
        raise ValueError(
            f"{what} must give a tensor (replicas, {x.shape[1]}) of the dtype it is given, "
            f"not {tuple(shape) if isinstance(shape, torch.Size) else shape} {dtype}"
        )


WRONG = 0.01  # by which a tangent may differ from a difference


def _differentiable(system: Foreign, x: Tensor, v: Tensor, tangent: Tensor) -> None:
    """Refuse a step whose derivative is lost on the way (``detach``, a detour by integers):
    the tangent would be 0 where a finite difference is not."""
    h = 1e-7 * max(1.0, float(x.abs().max()))
    difference = (system.step(x + h * v) - system.step(x - h * v)) / (2 * h)
    slope, given = (part.abs().amax(dim=1) for part in (difference, tangent))
    lost = (given == 0) & (slope > 1e-3)
    if lost.all():
        raise ValueError("step is not differentiable by torch: its tangent is 0, its slope is not")
    apart = (tangent - difference).abs().amax(dim=1)
    if system.own("tangent") and (apart > WRONG * torch.maximum(slope, given) + WRONG).all():
        raise ValueError(
            f"tangent is not the derivative of step: |DF(x)·v| is about {float(slope[0]):.3g} by "
            f"differences of step, {float(given[0]):.3g} by tangent"
        )
