"""State as plain data: a tree for JSON, and the arrays it names, for safetensors.

Nothing is pickled and no code is named: what is read back is numbers, texts, lists, tables,
arrays, and objects of the few classes that were marked with ``kept``, under the names that
they were marked with.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.errors import InputError

T = TypeVar("T", bound=type)
KEPT: dict[str, type] = {}
NAMES: dict[type, str] = {}
PLAIN = (type(None), bool, int, float, str)


def kept(name: str) -> Callable[[T], T]:
    """Mark a class whose objects are state: all their attributes are kept, but for those
    named in ``not_kept`` of the class. ``name``: what checkpoints call it, for good, whatever
    the class is called."""

    def mark(cls: T) -> T:
        KEPT[name], NAMES[cls] = cls, name
        return cls

    return mark


class Encoder:
    """Gathers arrays by name while trees are made."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def encode(self, value: Any) -> Any:
        """A tree for JSON; TypeError for what is no state."""
        if isinstance(value, np.generic):
            return {"scalar": self._put(np.asarray(value))}
        if isinstance(value, float) and not math.isfinite(value):
            return {"bits": struct.pack(">d", value).hex()}  # JSON has none; which NaN it is too
        if isinstance(value, PLAIN):
            return value
        if isinstance(value, Tensor):
            return {"tensor": self._put(value.detach().cpu().numpy())}
        if isinstance(value, np.ndarray):
            return {"array": self._put(value)}
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, tuple):
            return {"tuple": [self.encode(item) for item in value]}
        if isinstance(value, set | frozenset):
            return {"set": [self.encode(item) for item in sorted(value)]}
        if isinstance(value, Mapping):
            return {"dict": [[self.encode(k), self.encode(v)] for k, v in value.items()]}
        if isinstance(value, np.random.Generator):
            return {"generator": self.encode(value.bit_generator.state)}
        if name := NAMES.get(type(value)):
            return {"object": name, "state": self.encode(attributes(value))}
        raise TypeError(f"{type(value).__name__} is no state that can be kept")

    def _list(self, items: list) -> Any:
        """A list; of arrays alike in all but their length, as one array cut at lengths."""
        if len(items) > 1 and _alike(items):
            lengths = [len(item) for item in items]
            return {"arrays": self._put(np.concatenate(items)), "lengths": lengths}
        return [self.encode(item) for item in items]

    def _put(self, array: np.ndarray) -> str:
        name = str(len(self.arrays))
        self.arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name


def _alike(items: list) -> bool:
    """Whether they are arrays that can be put one after the other."""
    if not all(isinstance(item, np.ndarray) and item.ndim for item in items):
        return False
    return len({(item.dtype, item.shape[1:]) for item in items}) == 1


def attributes(thing: Any) -> dict[str, Any]:
    """What of an object is state, by name."""
    left_out = getattr(type(thing), "not_kept", ())
    return {name: value for name, value in vars(thing).items() if name not in left_out}


class Decoder:
    """Makes values of trees; tensors on ``device``. InputError for a tree that is none."""

    def __init__(self, arrays: Mapping[str, np.ndarray], device: torch.device) -> None:
        self.arrays = arrays
        self.device = device

    def decode(self, tree: Any) -> Any:
        if isinstance(tree, PLAIN):
            return tree
        if isinstance(tree, list):
            return [self.decode(item) for item in tree]
        if isinstance(tree, dict):
            for kind, make in self._makers.items():
                if kind in tree:
                    return make(self, tree)
        raise InputError("is damaged: holds what is no state")

    def _array(self, tree: Mapping[str, Any], kind: str) -> np.ndarray:
        name = tree[kind]
        if not isinstance(name, str) or name not in self.arrays:
            raise InputError("is damaged: names an array that is not there")
        return self.arrays[name]

    def _arrays(self, tree: Mapping[str, Any]) -> list[np.ndarray]:
        whole, lengths = self._array(tree, "arrays"), tree["lengths"]
        if sum(lengths) != len(whole) or min(lengths, default=0) < 0:
            raise InputError("is damaged: arrays of other lengths")
        return [part.copy() for part in np.split(whole, np.cumsum(lengths)[:-1])]

    def _dict(self, tree: Mapping[str, Any]) -> dict[Any, Any]:
        return {self.decode(key): self.decode(value) for key, value in tree["dict"]}

    def _generator(self, tree: Mapping[str, Any]) -> np.random.Generator:
        found = np.random.Generator(np.random.PCG64())
        found.bit_generator.state = self.decode(tree["generator"])
        return found

    def _object(self, tree: Mapping[str, Any]) -> Any:
        cls = KEPT.get(tree["object"])
        if cls is None:
            raise InputError("is damaged: holds an object of an unknown kind")
        found = cls.__new__(cls)
        found.__dict__.update(self.decode(tree["state"]))
        return found

    _makers: Mapping[str, Callable[[Decoder, Mapping[str, Any]], Any]] = {
        "tensor": lambda self, t: torch.tensor(self._array(t, "tensor"), device=self.device),
        "array": lambda self, t: self._array(t, "array").copy(),
        "scalar": lambda self, t: self._array(t, "scalar")[()],
        "bits": lambda self, t: struct.unpack(">d", bytes.fromhex(t["bits"]))[0],
        "arrays": _arrays,
        "tuple": lambda self, t: tuple(map(self.decode, t["tuple"])),
        "set": lambda self, t: set(map(self.decode, t["set"])),
        "dict": _dict,
        "generator": _generator,
        "object": _object,
    }
