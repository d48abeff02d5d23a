"""The table ``[optimizer]``: which optimizer, and its arguments as ``torch.optim`` names them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tuichaos.config.field_types import Integer, LayerRates, Rates, Table, shares, sizes

DECAY = {"weight_decay": 0.0}
ADAM = {"betas": [0.9, 0.999], "eps": 1e-8, **DECAY, "bias_correction": True}


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer: ``make``, the class of systems/optimizers.py, and its ``arguments`` with the
    defaults that torch.optim gives them."""

    make: str
    arguments: Mapping[str, Any]


OPTIMIZERS = {
    "gd": OptimizerSpec("GD", {}),
    "sgd": OptimizerSpec("SGD", {"momentum": 0.0, "dampening": 0.0, "nesterov": False, **DECAY}),
    "rmsprop": OptimizerSpec("RMSprop", {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0, **DECAY}),
    "adam": OptimizerSpec("Adam", ADAM),
    "adamw": OptimizerSpec("AdamW", {**ADAM, "weight_decay": 0.01}),
}


class Change(Table):
    """Another learning rate from a step on.

    Parameters
    ----------
    step : int
        From this step on.
    learning_rate : float or list of float
        η, or a list of one η a reference.
    """

    step: Annotated[Integer, Field(ge=0)] = Field(..., description="from this step on")
    learning_rate: Rates = Field(..., description="η, or a list of one η a reference")


def _betas(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"must be a list of two numbers such as [0.9, 0.999], not {value!r}")
    return [shares(item) for item in value]


Share = Annotated[Any, BeforeValidator(lambda value: None if value is None else shares(value))]
Amount = Annotated[Any, BeforeValidator(lambda value: None if value is None else sizes(value))]
Betas = Annotated[Any, BeforeValidator(_betas)]


class Optimizer(Table):
    """One step of training."""

    name: Literal["gd", "sgd", "rmsprop", "adam", "adamw"] = Field(
        "gd", description="gradient descent, or one of torch.optim's"
    )
    learning_rate: Rates = Field(1.0, description="η, or a list of one η a reference")
    learning_rates: LayerRates = Field(
        [],
        description="one η a linear layer (each may be a list of one η a reference); takes the "
        "place of learning_rate",
    )
    changes: list[Change] = Field(
        [], description="learning rates that hold from a step on: {step = N, learning_rate = η}"
    )
    momentum: Share = Field(
        None, description="μ of sgd and rmsprop, 0 to below 1, or a list of one a reference"
    )
    dampening: Share = Field(None, description="τ of sgd: v ← μ·v + (1 − τ)·gradient")
    nesterov: bool | None = Field(None, description="of sgd with momentum", strict=True)
    weight_decay: Amount = Field(
        None, description="λ; part of the gradient, but of adamw a factor 1 − η·λ"
    )
    alpha: Share = Field(None, description="of rmsprop: s ← α·s + (1 − α)·gradient²")
    betas: Betas = Field(None, description="of adam and adamw: [β₁, β₂]")
    eps: Amount = Field(None, description="ε of rmsprop, adam and adamw, outside the root")
    bias_correction: bool | None = Field(
        None,
        description="of adam and adamw; false: their map is the same at every step",
        strict=True,
    )

    @field_validator("changes")
    @classmethod
    def _in_order(cls, changes: list[Change]) -> list[Change]:
        if any(b.step <= a.step for a, b in itertools.pairwise(changes)):
            raise ValueError("steps must increase")
        return changes

    @model_validator(mode="after")
    def _complete(self) -> Optimizer:
        """Arguments that are not said have the defaults of torch.optim; others are refused."""
        own = OPTIMIZERS[self.name].arguments
        for name in ARGUMENTS:
            given = getattr(self, name)
            if name in own and given is None:
                self.__dict__[name] = own[name]
            elif name not in own and given is not None:
                takers = ", ".join(k for k, spec in OPTIMIZERS.items() if name in spec.arguments)
                raise ValueError(f"{name}: {self.name} has none; it is of {takers}")
        if self.nesterov and (least(self.momentum) == 0 or most(self.dampening) > 0):
            raise ValueError("nesterov: needs a momentum above 0, and no dampening")
        if self.eps is not None and least(self.eps) == 0:
            raise ValueError("eps: must be above 0")
        return self

    @property
    def per_replica(self) -> dict[str, Any]:
        """Arguments that are numbers, each of which may be a list of one a reference."""
        found = {name: getattr(self, name) for name in ARGUMENTS if name != "betas"}
        if self.betas is not None:
            found["betas.0"], found["betas.1"] = self.betas
        return {k: v for k, v in found.items() if v is not None and not isinstance(v, bool)}

    @property
    def threshold_name(self) -> str:
        """The largest stable eigenvalue as a formula; see ``Optimizer.threshold``."""
        if self.name in ("adam", "adamw"):
            return "(2+2β₁)/((1−β₁)η)" if self.name == "adam" else "(2−ηλ)(1+β₁)/((1−β₁)η)"
        if not self.momentum:
            return "2/η"
        if self.nesterov:
            return "(2+2μ)/((1+2μ)η)"
        return "(2+2μ)/((1−τ)η)" if self.dampening else "(2+2μ)/η"

    def rate_at(self, step: int) -> Rates:
        """The learning rate that holds for the step from ``step`` on."""
        past = [change.learning_rate for change in self.changes if change.step <= step]
        return past[-1] if past else self.learning_rate


ARGUMENTS = tuple(dict.fromkeys(name for spec in OPTIMIZERS.values() for name in spec.arguments))


def drop_arguments(table: dict[str, Any], said: set[str]) -> None:
    """Take from ``[optimizer]`` what its optimizer does not have and nobody has ``said``, as dotted
    keys: it is left from another one."""
    own = OPTIMIZERS[table["name"]].arguments if table["name"] in OPTIMIZERS else ARGUMENTS
    for name in set(ARGUMENTS) - set(own):
        if not any(re.fullmatch(rf"optimizer\.{name}(\.\d+)?", key) for key in said):
            table.pop(name, None)


def least(value: Any) -> float:
    """The least of the values of the references, or the one of all."""
    return min(value) if isinstance(value, list) else value


def most(value: Any) -> float:
    """The largest of the values of the references, or the one of all."""
    return max(value) if isinstance(value, list) else value
