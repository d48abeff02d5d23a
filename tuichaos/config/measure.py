"""The table ``[measure]`` of an experiment: which instruments, and how they average."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, create_model

from tuichaos.config.field_types import Integer, Table, Windows
from tuichaos.config.instrument_spec import Spec
from tuichaos.config.instruments import specs


def field_of(spec: Spec) -> tuple[Any, Any]:
    """Type and default of the switch of an instrument."""
    return spec.options, Field(spec.default, description=spec.words)


AVERAGES: dict[str, Any] = {
    "discard": (
        Annotated[Integer, Field(ge=0)],
        Field(0, description="steps before the running exponent is averaged"),
    ),
    "windows": (
        Windows,
        Field(
            [0, 50, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000],
            description="edges of the windows of rates.csv, cut at steps",
        ),
    ),
}

# Keys of tuichaos itself; others may join (extension.py).
OWN_KEYS = {spec.key for spec in specs()} | set(AVERAGES)

Measure = create_model(
    "Measure",
    __base__=Table,
    __module__=__name__,
    __doc__="Which instruments, and how they average.",
    **{spec.key: field_of(spec) for spec in specs()},
    **AVERAGES,
)
