"""The tables of an experiment that say what is trained: data, network, loss, optimizer."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from tuichaos.common.errors import nearest
from tuichaos.config.data_sets import data_names
from tuichaos.config.field_types import (
    MAX_SIZE,
    Counts,
    Integer,
    LayerRates,
    Multipliers,
    Positive,
    Rates,
    Table,
    Target,
    Widths,
)

MAX_SEED = 2**63 - 1


class Data(Table):
    """What a network is trained on."""

    name: str = Field("iris", description=f"the data set: {', '.join(data_names())}")
    train: Annotated[Integer, Field(ge=1)] | None = Field(
        None, description="samples to train on; default 120 for iris, all of a regression set, 80 %"
    )
    scaling: Literal["none", "standard", "minmax"] = Field(
        "none", description="of each feature, fitted on the train part"
    )
    seed: Annotated[Integer, Field(ge=0, le=MAX_SEED)] | None = Field(
        None,
        description="of the split, and of generated data: others with the same references; default "
        "the experiment's seed",
    )
    class_counts: Counts = Field(
        None, description="train samples of each class; default as the split falls"
    )
    path: str | None = Field(None, description="the file of csv and npz data")
    target: Target = Field(
        None,
        description="of csv: the column of the class or target, by its name or its number from "
        "0 (from the end if negative); default the last one",
    )
    task: Literal["classes", "regression"] | None = Field(
        None,
        description="what csv, npz and inline targets are: classes, or regression on numbers; "
        "default as they look, which is told",
    )
    parameters: dict[str, Any] = Field({}, description="of a generated set: samples, noise, …")
    x: list[Any] | None = Field(None, description="inline inputs, a list of rows")
    y: list[Any] | None = Field(None, description="inline labels, or targets as a list of rows")
    # What the file has to hold: the digest of what was read when a sweep was begun. No key.
    _expected: str = PrivateAttr("")

    def expecting(self, digest: str) -> Data:
        """The same, of a file that holds what has this digest."""
        found = self.model_copy()
        found._expected = digest
        return found

    @property
    def expected(self) -> str:
        return self._expected

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in data_names():
            raise ValueError(f"unknown value {name!r}; {nearest(name, data_names())}")
        return name

    @model_validator(mode="after")
    def _source(self) -> Data:
        # An npz is a preset's to ask for and the user's to give: it is missed when it is read.
        if self.name == "csv" and self.path is None:
            raise ValueError("path: is missing: csv data need a file")
        if self.name not in ("csv", "npz") and self.path is not None:
            raise ValueError("path: is for csv and npz data, which need it")
        if self.name != "inline" and (self.x is not None or self.y is not None):
            raise ValueError("x: inline samples need data.name = 'inline'")
        if self.name != "csv" and self.target is not None:
            raise ValueError("target: names a column of csv data")
        if self.name not in ("csv", "npz", "inline") and self.task is not None:
            raise ValueError("task: is for csv, npz and inline data; of the others it is known")
        return self


class Network(Table):
    """The network and its initial law."""

    kind: Literal["mlp"] = Field("mlp", description="multi-layer perceptron")
    hidden: Widths = Field([10], description="widths of the hidden layers; [] for none")
    activation: Literal["sigmoid", "tanh", "relu", "gelu", "softplus", "linear"] = Field(
        "sigmoid", description="of the hidden layers, as torch.nn"
    )
    init: Literal["normal", "xavier", "torch"] = Field(
        "normal", description="initial law: N(0, init_scale²), Glorot uniform, torch.nn.Linear's"
    )
    init_scale: Positive = Field(1.0, description="scale of the initial law")
    bias: bool = Field(True, description="whether layers have biases", strict=True)
    multipliers: Multipliers = Field(
        [],
        description="c of each linear layer, which then computes c·W·a, with W of the initial "
        "law; states hold c·W. Without biases",
    )

    @property
    def layers(self) -> int:
        """How many linear layers there are."""
        return len(self.hidden) + 1

    @model_validator(mode="after")
    def _scaled(self) -> Network:
        if self.init != "normal" and self.init_scale > MAX_SIZE:  # drawn between two bounds
            raise ValueError(f"init_scale: must be at most {MAX_SIZE:g} for init = {self.init!r}")
        if not self.multipliers:
            return self
        if self.bias:
            raise ValueError("multipliers: are for networks without biases; set bias = false")
        if len(self.multipliers) != self.layers:
            raise ValueError(
                f"multipliers: {len(self.multipliers)} for {self.layers} linear layers"
            )
        return self


class Loss(Table):
    """What training makes small."""

    name: Literal["cross-entropy", "mse"] = Field(
        "cross-entropy", description="cross-entropy, or ½ squared error"
    )


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


class Optimizer(Table):
    """One step of training."""

    name: Literal["gd"] = Field("gd", description="full-batch gradient descent")
    learning_rate: Rates = Field(1.0, description="η, or a list of one η a reference")
    learning_rates: LayerRates = Field(
        [],
        description="one η a linear layer (each may be a list of one η a reference); takes the "
        "place of learning_rate",
    )
    changes: list[Change] = Field(
        [], description="learning rates that hold from a step on: {step = N, learning_rate = η}"
    )

    @field_validator("changes")
    @classmethod
    def _in_order(cls, changes: list[Change]) -> list[Change]:
        if any(b.step <= a.step for a, b in itertools.pairwise(changes)):
            raise ValueError("steps must increase")
        return changes

    def rate_at(self, step: int) -> Rates:
        """The learning rate that holds for the step from ``step`` on."""
        past = [change.learning_rate for change in self.changes if change.step <= step]
        return past[-1] if past else self.learning_rate
