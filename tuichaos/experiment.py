"""What to run: the validated experiment, TOML in and out, dotted overrides.

Every key has a default; ``describe_keys`` lists them from the models below, so that
``tuichaos presets --keys`` cannot lag behind.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from tuichaos.errors import InputError, nearest
from tuichaos.locations import resolved

MAX_SEED = 2**63 - 1
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23}  # one unit in the last place of 1


# --- kinds of values ---------------------------------------------------------------------


def _integer(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be an integer, not {value!r}")
    return value


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, not {value!r}")
    try:
        value = float(value)
    except OverflowError:
        raise ValueError("must be a finite number") from None
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {value!r}")
    return value


def _positive(value: object) -> float:
    number = _real(value)
    if number <= 0:
        raise ValueError(f"must be greater than 0, not {value!r}")
    return number


def _rates(value: object) -> object:
    if not isinstance(value, list):
        return _positive(value)
    if not value:
        raise ValueError("must not be an empty list")
    return [_positive(item) for item in value]


def _start(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of numbers (one state), or a list of such lists")
    if isinstance(value[0], list):
        return [[_real(item) for item in _as_list(row)] for row in value]
    return [_real(item) for item in value]


def _as_list(value: object) -> list:
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of numbers, not {value!r}")
    return value


def _counts(value: object) -> object:
    if value is None:
        return None
    for item in _as_list(value):
        if _integer(item) < 0:
            raise ValueError("must not be negative")
    if sum(value) == 0:
        raise ValueError("must leave at least one sample")
    return value


def _widths(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of widths such as [10] or [32, 16], not {value!r}")
    for item in value:
        if not 1 <= _integer(item) <= 1_000_000:
            raise ValueError(f"widths must lie between 1 and 1000000, not {item}")
    return value


def _windows(value: object) -> object:
    for item in _as_list(value):
        _integer(item)
    if value[0] < 0 or any(b <= a for a, b in itertools.pairwise(value)):
        raise ValueError("must be increasing steps from 0 up")
    return value


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"must be true, false or a table such as {{ every = 10 }}, not {value!r}")
    for key, item in value.items():
        if key != "every":
            raise ValueError(f"unknown key {key!r}; there is only 'every'")
        if _integer(item) < 1:
            raise ValueError("every must be at least 1")
    return value


def _every_step(value: object) -> object:
    value = _switch(value)
    if isinstance(value, dict) and value.get("every", 1) != 1:
        raise ValueError("this estimator needs every step: true or false")
    return value


Real = Annotated[float, BeforeValidator(_real)]
Positive = Annotated[float, BeforeValidator(_positive)]
Integer = Annotated[int, BeforeValidator(_integer)]
Switch = Annotated[Any, BeforeValidator(_switch)]
Estimator = Annotated[Any, BeforeValidator(_every_step)]


# --- the models --------------------------------------------------------------------------


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


SYSTEMS = ("training", "logistic", "quadratic", "quartic")
DATA = ("iris", "digits", "wine", "breast-cancer", "moons", "circles", "blobs", "xor")
DATA += ("csv", "npz", "scalar", "chebyshev", "gaussian", "inline")


class System(Table):
    name: str = Field("training", description="training, a reference system, or module:factory")
    parameters: dict[str, Any] = Field({}, description="parameters of a reference system")
    start: Annotated[Any, BeforeValidator(_start)] = Field(
        None, description="one state for all references, or a list of one each; else drawn"
    )

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SYSTEMS and not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", name):
            raise ValueError(f"unknown system {name!r}; {nearest(name, SYSTEMS)}")
        return name


class Data(Table):
    name: Literal[DATA] = Field("iris", description="the data set")
    train: Annotated[int, BeforeValidator(_integer), Field(ge=1)] | None = Field(
        None, description="samples to train on; default 120 for iris, all of a regression set, 80 %"
    )
    scaling: Literal["none", "standard", "minmax"] = Field(
        "none", description="of each feature, fitted on the train part"
    )
    class_counts: Annotated[Any, BeforeValidator(_counts)] = Field(
        None, description="train samples of each class; default as the split falls"
    )
    path: str | None = Field(None, description="the file of csv and npz data")
    parameters: dict[str, Any] = Field({}, description="of a generated set: samples, noise, …")
    x: list[Any] | None = Field(None, description="inline inputs, a list of rows")
    y: list[Any] | None = Field(None, description="inline labels, or targets as a list of rows")

    @model_validator(mode="after")
    def _source(self) -> Data:
        if (self.name in ("csv", "npz")) != (self.path is not None):
            raise ValueError("path: is for csv and npz data, which need it")
        if self.name != "inline" and (self.x is not None or self.y is not None):
            raise ValueError("x: inline samples need data.name = 'inline'")
        return self


class Network(Table):
    kind: Literal["mlp"] = Field("mlp", description="multi-layer perceptron")
    hidden: Annotated[list[int], BeforeValidator(_widths)] = Field(
        [10], description="widths of the hidden layers; [] for none"
    )
    activation: Literal["sigmoid", "tanh", "relu", "gelu", "softplus", "linear"] = Field(
        "sigmoid", description="of the hidden layers, as torch.nn"
    )
    init: Literal["normal", "xavier", "torch"] = Field(
        "normal", description="initial law: N(0, init_scale²), Glorot uniform, torch.nn.Linear's"
    )
    init_scale: Positive = Field(1.0, description="scale of the initial law")
    bias: bool = Field(True, description="whether layers have biases", strict=True)


class Loss(Table):
    name: Literal["cross-entropy", "mse"] = Field(
        "cross-entropy", description="cross-entropy, or ½ squared error"
    )


class Change(Table):
    step: Annotated[Integer, Field(ge=0)] = Field(..., description="from this step on")
    learning_rate: Annotated[Any, BeforeValidator(_rates)] = Field(
        ..., description="η, or a list of one η a reference"
    )


class Optimizer(Table):
    name: Literal["gd"] = Field("gd", description="full-batch gradient descent")
    learning_rate: Annotated[Any, BeforeValidator(_rates)] = Field(
        1.0, description="η, or a list of one η a reference"
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


class Ensemble(Table):
    references: Annotated[Integer, Field(ge=1)] = Field(500, description="reference orbits")
    twins: Annotated[Integer, Field(ge=0)] = Field(5, description="perturbed twins of each")
    perturbation: Annotated[Real, Field(ge=0)] = Field(
        1e-8, description="ε: each perturbed entry moves by U(−ε, ε)"
    )
    perturb: Literal["weights", "all"] = Field(
        "weights", description="all parameters, or no biases"
    )
    perturb_at: Annotated[Integer, Field(ge=0)] = Field(0, description="step of the perturbation")


class Measure(Table):
    loss: Switch = Field(True, description="loss on the train part")
    accuracy: Switch = Field(True, description="accuracy on train and test part")
    weight_norm: Switch = Field(True, description="L1 norm over all parameters")
    distance: Switch = Field(True, description="L1 distance of the twins, total and by layer")
    nmle: Estimator = Field(True, description="the paper's exponent: best window, filter")
    growth: Estimator = Field(True, description="exponent of the twins between fixed levels")
    tangent: Estimator = Field(True, description="exponent of a renormalised tangent vector")
    discard: Annotated[Integer, Field(ge=0)] = Field(
        0, description="steps before the running exponent is averaged"
    )
    windows: Annotated[list[int], BeforeValidator(_windows)] = Field(
        [0, 50, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000],
        description="edges of the windows of rates.csv, cut at steps",
    )


class Record(Table):
    every: Annotated[Integer, Field(ge=1)] = Field(1, description="steps between rows")
    states_every: Annotated[Integer, Field(ge=0)] = Field(
        0, description="steps between saved states; 0 saves none"
    )


class Experiment(Table):
    """One experiment, complete and valid. Build it with ``load``, ``preset`` or ``resolve``."""

    name: str = Field("experiment", description="names the run folder; default the file's stem")
    title: str = Field("", description="one line for lists and charts")
    about: str = Field("", description="a sentence on what one should see")
    steps: Annotated[Integer, Field(ge=1)] = Field(200, description="optimizer steps, or turns")
    seed: Annotated[Integer, Field(ge=0, le=MAX_SEED)] = Field(0, description="of every draw")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    dtype: Literal["float64", "float32"] = Field("float64", description="of every state")
    system: System = System()
    data: Data = Data()
    network: Network = Network()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    ensemble: Ensemble = Ensemble()
    measure: Measure = Measure()
    record: Record = Record()
    paper: dict[str, str] = Field({}, description="published figures, by key of summary.json")

    @field_validator("device")
    @classmethod
    def _device(cls, name: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
            raise ValueError(f"unknown device {name!r}; {nearest(name, ('auto', 'cpu', 'cuda'))}")
        return name

    @field_validator("name")
    @classmethod
    def _named(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty")
        return text

    @field_validator("name", "title", "about")
    @classmethod
    def _printable(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("must be one line of printable characters")
        return text

    @model_validator(mode="after")
    def _together(self) -> Experiment:
        ensemble = self.ensemble
        unit = EPSILON[self.dtype]
        if ensemble.twins and ensemble.perturbation < 4 * unit:
            raise ValueError(
                f"ensemble.perturbation: {ensemble.perturbation:g} is too small for {self.dtype}, "
                f"or missing: twins need at least {4 * unit:.2g}"
            )
        if ensemble.twins and ensemble.perturb_at >= self.steps:
            raise ValueError(f"ensemble.perturb_at: must be below steps = {self.steps}")
        if self.measure.discard >= self.steps:
            raise ValueError(f"measure.discard: must be below steps = {self.steps}")
        for rates in (self.optimizer, *self.optimizer.changes):
            self._check_rates(rates.learning_rate)
        if any(change.step >= self.steps for change in self.optimizer.changes):
            raise ValueError(f"optimizer.changes: steps must be below steps = {self.steps}")
        if self.optimizer.changes and self.system.name != "training":
            raise ValueError("optimizer.changes: only training has a learning rate")
        return self

    def _check_rates(self, rates: float | list[float]) -> None:
        count = self.ensemble.references
        if isinstance(rates, list) and len(rates) != count:
            raise ValueError(f"optimizer.learning_rate: {len(rates)} values for {count} references")

    @property
    def warnings(self) -> list[str]:
        """What is allowed but should be said before the run."""
        limit = 100 * EPSILON[self.dtype]
        if self.ensemble.twins and self.ensemble.perturbation < limit:
            return [
                f"ensemble.perturbation {self.ensemble.perturbation:g} is below {limit:.2g}: "
                "the initial distance is rounded (the measured one is recorded)"
            ]
        return []

    def with_changes(self, changes: Mapping[int, Mapping[str, Any]]) -> Experiment:
        """The same with learning rates that changed while it ran: {step: {learning_rate}}."""
        table = self.model_dump()
        rows = [{"step": step, **values} for step, values in sorted(changes.items())]
        table["optimizer"]["changes"] = rows
        return Experiment(**table)

    def to_toml(self) -> str:
        """The whole experiment as TOML, defaults included, keys without a value left out."""
        import tomli_w

        return tomli_w.dumps(_without_none(self.model_dump()))


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in table.items() if v is not None}
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in kept.items()}


# --- reading -----------------------------------------------------------------------------


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read an experiment file; ``overrides`` are dotted keys, later ones win.

    A relative ``data.path`` in the file is seen from the file's folder. Raises InputError.
    """
    path = Path(path)
    table = read_toml(path)
    data = table.get("data")
    if isinstance(data, dict) and isinstance(data.get("path"), str):
        data["path"] = _absolute(data["path"], path.parent)
    table.setdefault("name", path.stem)
    return resolve(_told(table, overrides or {}), overrides)


# What may differ from a published experiment while its figures still stand for comparison.
COMPARABLE = ("seed", "device", "ensemble.references", "record.", "measure.", "name", "about")


def _told(table: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A file's table whose title says what was changed, without published figures that no
    longer compare."""
    changed = {k: v for k, v in overrides.items() if _value(table, k) != v}
    beyond = {k: v for k, v in changed.items() if not k.startswith((*COMPARABLE, "title", "paper"))}
    if not beyond:
        return table
    words = ", ".join(f"{key} = {value}" for key, value in beyond.items())
    told = {key: value for key, value in table.items() if key != "paper"}
    if isinstance(told.get("title"), str):
        told["title"] = f"{told['title']} [{words}]" if words.isprintable() else told["title"]
    return told


def _value(table: Mapping[str, Any], key: str) -> Any:
    found: Any = table
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; InputError names the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number too long
        raise InputError(f"{path}: is not TOML: {str(error).splitlines()[0]}") from None


def resolve(table: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Experiment:
    """An Experiment from nested tables and dotted overrides; raises InputError."""
    if not isinstance(table, Mapping):
        raise InputError(f"an experiment is a table, not {type(table).__name__}")
    merged = _copied({str(key): value for key, value in table.items()})
    for key, value in (overrides or {}).items():
        if key == "data.path" and isinstance(value, str):
            value = _absolute(value, Path.cwd())
        _put(merged, key, value)
    try:
        return Experiment(**merged)
    except ValidationError as error:
        raise InputError(_explain(error)) from None


def parse_override(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` split at the first ``=``; VALUE is TOML, else a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: must be KEY=VALUE")
    try:
        table = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return key.strip(), value
    return key.strip(), table["value"] if list(table) == ["value"] else value


def _absolute(path: str, folder: Path) -> str:
    return str(resolved(path, "data.path", folder))


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied(v) if isinstance(v, dict) else v for k, v in table.items()}


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise InputError(f"{key}: {parent!r} is a value, not a table")
    table[last] = value


KINDS = {"boolean": " true or false", "string": " text", "dictionary": " a table"}


def _explain(error: ValidationError) -> str:
    """The first fault as one line that names the key."""
    fault = error.errors()[0]
    where = [str(part) for part in fault["loc"] if not _is_inner(part)]
    if fault["type"] == "extra_forbidden" and "." in where[-1]:
        return f"{'.'.join(where)}: unknown key; a dotted key must not be quoted"
    if fault["type"] == "extra_forbidden":
        return f"{'.'.join(where)}: unknown key; did you mean {_nearest_key(where)!r}?"
    if fault["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        hint = nearest(fault["input"], choices)
        return f"{'.'.join(where)}: unknown value {fault['input']!r}; {hint}"
    if fault["type"] == "model_type":
        return f"{'.'.join(where)}: is a table, not a value such as {fault['input']!r}"
    message = re.sub(r"^Value error, |^Input should be( a valid)?", "", fault["msg"])
    if fault["type"] != "value_error":
        message = f"must be{KINDS.get(message.strip(), message)}, not {fault['input']!r}"
    if fault["type"] == "value_error" and re.match(r"[\w.]+: ", message):
        return ".".join([*where, message])
    return f"{'.'.join(where)}: {message}".replace("\n", " ")


def _nearest_key(where: list[str]) -> str:
    """The known dotted key most like an unknown one, by its own name and as a whole."""

    def likeness(key: str) -> float:
        pairs = ((where[-1], key.split(".")[-1]), (".".join(where), key))
        return sum(difflib.SequenceMatcher(None, a, b).ratio() for a, b in pairs)

    return max((key for key, _, _ in describe_keys()), key=likeness)


def _is_inner(part: object) -> bool:
    """Whether a part of an error's place is pydantic's own (a branch of a union)."""
    return isinstance(part, str) and ("[" in part or part in ("int", "none"))


def describe_keys() -> Iterator[tuple[str, Any, str]]:
    """Every key of an experiment with its default and meaning."""
    yield from _describe(Experiment, "")


def _describe(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Table):
            yield from _describe(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.default, _meaning(field)


def _meaning(field: Any) -> str:
    choices = typing.get_args(field.annotation)
    if typing.get_origin(field.annotation) is Literal:
        return f"{field.description}: {', '.join(map(str, choices))}"
    return field.description or ""
