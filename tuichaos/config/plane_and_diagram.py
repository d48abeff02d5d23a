"""The tables ``[plane]`` and ``[diagram]`` of an experiment: sweeps whose points are single
numbers or orbits, computed side by side, and drawn as a map or an orbit diagram."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuichaos.config.field_types import Integer, Real, Table

DIRECTIONS = ("up", "down")
VALUES = ("convergence", "exponent", "period", "verdict")


class Plane(Table):
    """What a map over one or two parameters shows at each point."""

    value: Literal[("none", *VALUES)] = Field(
        "none", description="what a map over the swept keys shows"
    )


class Diagram(Table):
    """An orbit diagram: the last states of an observable at each value of a parameter."""

    observable: str = Field(
        "none",
        description="loss, x0 … of the system, weight_norm, one entry of the state "
        "(layers.0.weight[3,1], state.0), or a principal component of the states (component.1)",
    )
    last: Annotated[Integer, Field(ge=1)] = Field(
        200, description="steps at the end that are drawn; those before are the transient"
    )
    continued: Literal["no", *DIRECTIONS, "both"] = Field(
        "no",
        description="each value starts afresh, or from the last state at the value below it (up), "
        "above it (down), or both ways",
    )
    nudge: Annotated[Real, Field(ge=0)] = Field(
        1e-9,
        description="a continued state is moved by U(−ν, ν) of its largest entry at each new "
        "value: an orbit exactly on a fixed point would never leave it",
    )

    @property
    def directions(self) -> tuple[str, ...]:
        """The ways through the values that are continued; none where each starts afresh."""
        return {"no": (), "both": DIRECTIONS}.get(self.continued, (self.continued,))
