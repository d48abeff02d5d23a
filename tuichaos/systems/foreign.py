"""A user's system as the rest sees it: what fails in there is named, and what torch cannot do
in two threads at once is done by one at a time."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuichaos.common import out_of_memory
from tuichaos.common.errors import InputError, RunFailed, SystemFault, is_fault
from tuichaos.systems.base import TRANSFORMS, HiddenLayer, System
from tuichaos.systems.layout import Piece

# Where torch keeps what is global to the process: nested levels of vmap, grad, jvp.
GLOBAL = ("/torch/_functorch/", "/torch/autograd/forward_ad.py")
# What is used of an object that is no System.
LOOKED_FOR = ("dimension", "step", "start", "observe", "tangent", "time_step")
# What torch says where a step hands its tensors to NumPy, differentiated or not.
NUMPY = ("doesn't have storage", "call numpy()", "call .numpy()", "to numpy array")
# Exceptions that say themselves what went wrong.
TOLD = (InputError, RunFailed, SystemFault, MemoryError, torch.OutOfMemoryError)


class Foreign(System):
    """The user's object ``inner``, of which ``name`` tells in messages. It needs ``dimension``
    and ``step``; what else it has of a System is used. With ``alone`` no two of its functions
    run at the same time, in whatever threads: they use function transforms of torch. ``time``:
    the step at which the map is, () or (rows,), for an object whose ``step`` asks for it."""

    def __init__(self, inner: Any, name: str, alone: bool = False, time: int | Tensor = 0) -> None:
        self.inner = inner
        self.name = name
        self.alone = alone
        self.time = time
        self.dimension = inner.dimension

    def step(self, x: Tensor) -> Tensor:
        return self._call("step", x, **self._time("step", x))

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        if self.own("tangent"):
            return self._call("tangent", x, v, **self._time("tangent", x))
        return super().tangent(x, v)

    def later(self, steps: int | Tensor) -> System:
        if self.autonomous:
            return self
        return Foreign(self.inner, self.name, self.alone, self.time + steps)

    @functools.cached_property
    def autonomous(self) -> bool:
        return not takes_time(self.inner.step)

    def _time(self, what: str, x: Tensor) -> dict[str, Tensor]:
        """The time of each row (rows, 1), for a function that asks for it; of the dtype of the
        states, as an integer times a number would be of lower precision."""
        if self.autonomous or not takes_time(getattr(self.inner, what)):
            return {}
        now = torch.as_tensor(self.time, dtype=x.dtype, device=x.device).reshape(-1, 1)
        return {"t": now.expand(len(x), 1)}

    def start(self, rng: np.random.Generator) -> np.ndarray:
        return self._call("start", rng)

    def observe(self, x: Tensor) -> Mapping[str, Tensor]:
        return self._call("observe", x)

    def hidden_units(self, x: Tensor) -> list[HiddenLayer]:
        return self._call("hidden_units", x)

    def take(self, index: Tensor) -> System:
        return self._again(self._call("take", index))

    def changed(self, parameters: Mapping[str, object]) -> System:
        return self._again(self._call("changed", parameters))

    def to(self, device: torch.device, dtype: torch.dtype) -> System:
        return self._again(self._call("to", device, dtype))

    @property
    def layout(self) -> tuple[Piece, ...]:
        return self._value("layout")

    @property
    def is_network(self) -> bool:
        return self._value("is_network")

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        return self._value("hidden_widths")

    @property
    def time_step(self) -> float:
        return float(self._value("time_step"))

    @property
    def stable_sharpness(self) -> Tensor | None:
        return self._value("stable_sharpness")

    @property
    def block_rows(self) -> int:
        return self._value("block_rows")

    @property
    def observables(self) -> tuple[str, ...]:
        return self._value("observables") if self.own("observables") else super().observables

    def own(self, what: str) -> bool:
        """Whether the object has a function of its own for that, not a default."""
        known = getattr(type(self.inner), what, None)
        return self._has(what) and (known is None or known is not getattr(System, what))

    def _has(self, what: str) -> bool:
        """Whether the object has it: of one that is no System a few are looked for."""
        return isinstance(self.inner, System) or (what in LOOKED_FOR and hasattr(self.inner, what))

    def _again(self, found: Any) -> System:
        """The same around another object that the user's own gave."""
        return (
            self
            if found is self.inner or found is self
            else Foreign(found, self.name, self.alone, self.time)
        )

    def _value(self, what: str) -> Any:
        """An attribute, or the default of one."""
        if not self._has(what):
            return getattr(System, what).fget(self)
        return getattr(self.inner, what)

    def _call(self, what: str, *arguments: Any, **time: Tensor) -> Any:
        """What a function of the user's gives; the default where there is none."""
        if not self._has(what):
            return getattr(System, what)(self, *arguments)
        act = getattr(self.inner, what)
        try:
            if self.alone:
                with TRANSFORMS:
                    return act(*arguments, **time)
            return act(*arguments, **time)
        except BaseException as error:  # it is anyone's code
            named = self._named(what, error)
            if named is error:
                raise
            raise named from error

    def _named(self, what: str, error: BaseException) -> BaseException:
        """An exception that says where it was raised; want of memory says so itself."""
        if isinstance(error, TOLD) or not is_fault(error) or out_of_memory.is_one(error):
            return error
        lines = str(error).strip().splitlines()
        words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        if any(part in words for part in NUMPY):
            words += " (its functions must be torch's, not NumPy's)"
        return SystemFault(f"{self.name}.{what}: {words}")


def takes_time(act: Callable[..., object]) -> bool:
    """Whether a function asks for the time: by an argument ``t``."""
    try:
        return "t" in inspect.signature(act).parameters
    except (TypeError, ValueError):  # it tells nothing of itself
        return False


def uses_transforms(act: Callable[[], object]) -> bool:
    """Whether what is done uses function transforms of torch, at any depth."""
    seen = []

    def look(frame: Any, event: str, argument: object) -> None:
        if event == "call" and not seen:
            path = frame.f_code.co_filename.replace("\\", "/")
            if any(part in path for part in GLOBAL):
                seen.append(path)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        act()
    finally:
        sys.setprofile(before)
    return bool(seen)
