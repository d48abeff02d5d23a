"""The reference systems by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tuichaos.config.reference_parameters import REFERENCE, STRUCTURE
from tuichaos.systems.reference_base import ReferenceSystem
from tuichaos.systems.reference_descents import Product, Quadratic, Quartic, SoftmaxMap
from tuichaos.systems.reference_maps import Cat, Henon, Logistic, Lorenz


def _quadratic(tensors: Mapping[str, Tensor], curvatures: Any) -> Quadratic:
    bent = curvatures if isinstance(curvatures, list) else [curvatures]
    return Quadratic(tensors, tuple(map(float, bent)), bool((tensors["beta"] != 0).any()))


def _softmax_map(tensors: Mapping[str, Tensor], fractions: Any) -> SoftmaxMap:
    total = sum(fractions)
    return SoftmaxMap(tensors, tuple(f / total for f in fractions))


MAKERS: dict[str, Callable[..., ReferenceSystem]] = {
    "cat": Cat,
    "henon": Henon,
    "logistic": Logistic,
    "lorenz": lambda tensors, dt: Lorenz(tensors, float(dt)),
    "product": lambda tensors, factors: Product(tensors, int(factors)),
    "quadratic": _quadratic,
    "quartic": Quartic,
    "softmax-map": _softmax_map,
}


def reference_system(name: str, parameters: Mapping[str, object]) -> ReferenceSystem:
    """The reference system of that name, with its checked parameters (see ``parameters``)."""
    values = {**REFERENCE[name], **parameters}
    structure = {key: values.pop(key) for key in STRUCTURE if key in values}
    tensors = {k: torch.tensor(value, dtype=torch.float64) for k, value in values.items()}
    return MAKERS[name](tensors, **structure)
