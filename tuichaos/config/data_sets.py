"""All data sets by name, one entry each; what is read from files, or written inline, has no
more to tell here than its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuichaos.common.errors import InputError

MADE = "tuichaos.systems.generated_data"


@dataclass(frozen=True)
class DataSpec:
    """A data set.

    Parameters
    ----------
    name : str
        For ``data.name``.
    make : str or callable
        Or ``module:name``: called with a numpy Generator and the parameters, it gives x
        (samples, features) and y: int64 labels (samples,) from 0, or float64 targets (samples,
        outputs). ValueError for parameters that it cannot take. Empty: read from elsewhere.
    parameters : Mapping
        ``data.parameters`` with their defaults: whole numbers from 1, or numbers from 0.
    inputs : int
        Features, as far as they are known before it is made; 1: one at least.
    """

    name: str
    make: str | Callable[..., Any] = ""
    parameters: Mapping[str, float] = field(default_factory=dict)
    inputs: int = 1


DATA_SETS = (
    DataSpec("iris", f"{MADE}:iris", inputs=4),
    DataSpec("digits", f"{MADE}:digits", inputs=64),
    DataSpec("wine", f"{MADE}:wine", inputs=13),
    DataSpec("breast-cancer", f"{MADE}:breast_cancer", inputs=30),
    DataSpec("moons", f"{MADE}:moons", {"samples": 200, "noise": 0.1}, 2),
    DataSpec("circles", f"{MADE}:circles", {"samples": 200, "noise": 0.1, "factor": 0.5}, 2),
    DataSpec(
        "blobs",
        f"{MADE}:blobs",
        {"samples": 200, "features": 2, "centers": 3, "spread": 1.0},
        2,
    ),
    DataSpec("xor", f"{MADE}:xor", inputs=2),
    DataSpec("csv"),
    DataSpec("npz"),
    DataSpec("scalar", f"{MADE}:scalar"),
    DataSpec("chebyshev", f"{MADE}:chebyshev", {"degree": 5, "points": 20}),
    DataSpec("gaussian", f"{MADE}:gaussian", {"samples": 72, "features": 8, "outputs": 1}),
    DataSpec("inline"),
)
_REGISTRY = {spec.name: spec for spec in DATA_SETS}


def data_names() -> tuple[str, ...]:
    """All that ``data.name`` may be."""
    return tuple(_REGISTRY)


def is_registered(name: str) -> bool:
    """Whether a data set was added in this process."""
    return name in _REGISTRY and name not in {spec.name for spec in DATA_SETS}


def data_spec(name: str) -> DataSpec:
    """The entry of a data set that is there."""
    return _REGISTRY[name]


def register_data(spec: DataSpec) -> None:
    """Add a data set, from now on a name for ``data.name`` in this process.

    Parameters
    ----------
    spec : DataSpec
        Its name, what makes it, and its parameters.

    Raises
    ------
    InputError
        Where there is one of that name, or nothing that makes it.

    Examples
    --------
    >>> import numpy as np
    >>> import tuichaos
    >>> from tuichaos.config.data_sets import DataSpec
    >>> def line(rng, samples):
    ...     x = rng.standard_normal((samples, 1))
    ...     return x, (x[:, 0] > 0).astype(np.int64)
    >>> tuichaos.register_data(DataSpec("line", line, {"samples": 40}))
    >>> tuichaos.resolve({"data": {"name": "line"}}).data.name
    'line'
    """
    if not isinstance(spec, DataSpec) or not spec.make:
        raise InputError("a data set is registered by a DataSpec with what makes it")
    if spec.name in _REGISTRY:
        raise InputError(f"data.name: there is a data set {spec.name!r}")
    _REGISTRY[spec.name] = spec
