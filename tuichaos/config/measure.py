"""The table ``[measure]`` of an experiment: which instruments, and how they average."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tuichaos.config.field_types import (
    Estimator,
    Integer,
    Reach,
    Sizes,
    Switch,
    Table,
    Windows,
    options,
)

SPECTRUM = options("count", "references")
MOVING = options("width", "every")
ROUTES = options("references", "twins")
SHARPNESS = options("every", "count", "references")
ORBITAL = options("window", "references")
AUTOCORRELATION = options("lags", "references")
FEW = options("references")
RECURRENCE = options("points", "references")
UNITS = options("every")
PROJECTION = options("components", "points", "references")
CONVERGENCE = options("last")


class Measure(Table):
    """Which instruments, and how they average."""

    loss: Switch = Field(True, description="loss on the train part")
    accuracy: Switch = Field(True, description="accuracy on train and test part")
    weight_norm: Switch = Field(True, description="L1 norm over all parameters")
    distance: Switch = Field(True, description="L1 distance of the twins, total and by layer")
    nmle: Estimator = Field(True, description="the paper's exponent: best window, filter")
    growth: Estimator = Field(True, description="exponent of the twins between fixed levels")
    tangent: Estimator = Field(True, description="exponent of a renormalised tangent vector")
    regime: Estimator = Field(True, description="a verdict on each reference, with evidence")
    spectrum: SPECTRUM = Field(
        False,
        description="Lyapunov spectrum by QR: true (all exponents of all references), or "
        "{ count = exponents, references = the first so many }",
    )
    moving: MOVING = Field(
        False,
        description="finite-time exponents in moving windows: { width = steps, every = stride }",
    )
    routes: ROUTES = Field(
        False,
        description="free twins, renormalised twins and tangents from the same displacements: "
        "{ references = the first so many, twins = of each }",
    )
    sizes: Sizes = Field(
        [], description="perturbation sizes to compare the exponent of: [1e-12, …]"
    )
    sharpness: SHARPNESS = Field(
        False,
        description="largest eigenvalues of the Hessian of the loss: { every = steps, "
        "count = eigenvalues, references = the first so many }",
    )
    orbital: ORBITAL = Field(
        False,
        description="distance of twins to the whole reference orbit: { window = steps to either "
        "side, references = the first so many }",
    )
    autocorrelation: AUTOCORRELATION = Field(
        False, description="of loss and state: { lags = up to, references = the first so many }"
    )
    expansion: FEW = Field(
        False, description="the paper's local expansion rates of the loss: { references = … }"
    )
    recurrence: RECURRENCE = Field(
        False, description="recurrence plot: { points = of the orbit, references = … }"
    )
    zero_one: FEW = Field(False, description="0–1 test for chaos of the loss: { references = … }")
    period: FEW = Field(False, description="period of the loss at the end: { references = … }")
    dimensions: FEW = Field(
        False, description="irrelevant dimensions, knock-out, shares: { references = … }"
    )
    units: UNITS = Field(False, description="saturated hidden units: { every = steps }")
    projection: PROJECTION = Field(
        False,
        description="principal components of the orbit: { components = …, points = of the orbit, "
        "references = … }",
    )
    convergence: CONVERGENCE = Field(
        False, description="whether training converged: { last = losses that are averaged }"
    )
    reach: Reach = Field(
        False,
        description="steps until an accuracy is first reached, train and test part: "
        "{ accuracy = 0.9, every = steps between looks }",
    )
    discard: Annotated[Integer, Field(ge=0)] = Field(
        0, description="steps before the running exponent is averaged"
    )
    windows: Windows = Field(
        [0, 50, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000],
        description="edges of the windows of rates.csv, cut at steps",
    )
