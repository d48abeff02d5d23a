"""The tables ``[plane]`` and ``[diagram]`` of an experiment: sweeps whose points are single
numbers or orbits, computed side by side, and drawn as a map or an orbit diagram."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuichaos.values import Integer, Table

VALUES = ("convergence", "exponent", "period", "verdict")


class Plane(Table):
    """What a map over one or two parameters shows at each point."""

    value: Literal[("none", *VALUES)] = Field(
        "none", description="what a map over the swept keys shows"
    )


class Diagram(Table):
    """An orbit diagram: the last states of an observable at each value of a parameter."""

    observable: str = Field(
        "none", description="loss, weight_norm, x0 …, or another observable of the system"
    )
    last: Annotated[Integer, Field(ge=1)] = Field(
        200, description="steps at the end that are drawn; those before are the transient"
    )
