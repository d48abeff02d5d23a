"""What to run: the validated experiment, TOML in and out, dotted overrides.

Every key has a default; ``fault_text.describe_keys`` lists them from the models below, so that
``tuichaos presets --keys`` cannot lag behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from tuichaos.common.errors import nearest
from tuichaos.common.limits import MAX_STEPS
from tuichaos.config.field_types import (
    Integer,
    Real,
    Size,
    Start,
    Table,
)
from tuichaos.config.measure import OWN_KEYS, Measure
from tuichaos.config.optimizer import Optimizer
from tuichaos.config.plane_and_diagram import Diagram, Plane
from tuichaos.config.reference_parameters import REFERENCE, check_parameters
from tuichaos.config.sweep_axes import Ranges
from tuichaos.config.training_tables import MAX_SEED, Data, Loss, Network

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23}  # one unit in the last place of 1


SYSTEMS = ("training", *REFERENCE)


class System(Table):
    """What evolves."""

    name: str = Field("training", description="training, a reference system, or module:factory")
    parameters: dict[str, Any] = Field({}, description="parameters of a reference system")
    start: Start = Field(
        None, description="one state for all references, or a list of one each; else drawn"
    )

    allow_nondeterministic: bool = Field(
        False,
        description="run a map of your own that is random, depends on a time of its own or couples "
        "its rows; it then gets no verdict",
    )

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SYSTEMS and not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", name):
            raise ValueError(f"unknown system {name!r}; {nearest(name, SYSTEMS)}")
        return name

    @model_validator(mode="after")
    def _takes(self) -> System:
        if self.name in REFERENCE:
            check_parameters(self.name, self.parameters)
        return self


class Ensemble(Table):
    """References and their twins."""

    references: Annotated[Integer, Field(ge=1)] = Field(500, description="reference orbits")
    twins: Annotated[Integer, Field(ge=0)] = Field(5, description="perturbed twins of each")
    perturbation: Size = Field(1e-8, description="ε: each perturbed entry moves by U(−ε, ε)")
    perturb: Literal["weights", "all", "state", "everything"] = Field(
        "weights",
        description="no biases, all parameters, the state of the optimizer alone, or everything",
    )
    perturb_at: Annotated[Integer, Field(ge=0)] = Field(0, description="step of the perturbation")


class Record(Table):
    """What is kept of the orbits."""

    every: Annotated[Integer, Field(ge=1)] = Field(1, description="steps between rows")
    states_every: Annotated[Integer, Field(ge=0)] = Field(
        0, description="steps between saved states; 0 saves none"
    )
    checkpoint: Annotated[Real, Field(ge=0)] = Field(
        10.0, description="seconds between checkpoints, from which a run goes on; 0 for none"
    )


class Experiment(Table):
    """One experiment, complete and valid.

    Build it with ``tuichaos.load``, ``tuichaos.preset`` or ``tuichaos.resolve``. What each key of a
    table means is listed by ``tuichaos presets --keys``.

    Attributes
    ----------
    name : str
        Names the run folder.
    title : str
        One line for lists and charts.
    about : str
        A sentence on what one should see.
    steps : int
        Optimizer steps, or turns.
    seed : int
        Of every draw.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    dtype : str
        ``float64`` or ``float32``, of every state.
    system : System
        What evolves (the table, not ``tuichaos.System``).
    data : Data
        What a network is trained on.
    network : Network
        The network and its initial law.
    loss : Loss
        What training makes small.
    optimizer : Optimizer
        One step of training, with its ``changes``.
    ensemble : Ensemble
        References and their twins.
    measure : Measure
        Which instruments, and how they average.
    record : Record
        What is kept of the orbits.
    sweep : dict of str to range
        Up to two keys to go through.
    plane : Plane
        What a map over one or two keys shows at each point.
    diagram : Diagram
        What an orbit diagram shows.
    paper : dict of str to str
        Published figures, by key of summary.json.

    Examples
    --------
    >>> import tuichaos
    >>> experiment = tuichaos.resolve({"system": {"name": "logistic", "parameters": {"r": 3.7}}})
    >>> experiment.called, experiment.is_dense, experiment.warnings
    ('experiment', False, [])
    """

    name: str = Field("experiment", description="names the run folder; default the file's stem")
    title: str = Field("", description="one line for lists and charts")
    about: str = Field("", description="a sentence on what one should see")
    steps: Annotated[Integer, Field(ge=1, le=MAX_STEPS)] = Field(
        200, description="optimizer steps, or turns"
    )
    seed: Annotated[Integer, Field(ge=0, le=MAX_SEED)] = Field(0, description="of every draw")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    dtype: Literal["float64", "float32"] = Field("float64", description="of every state")
    system: System = System()
    data: Data = Data()
    network: Network = Network()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    ensemble: Ensemble = Ensemble()
    measure: Measure = Field(default_factory=Measure)  # instruments may join later
    record: Record = Record()
    sweep: Ranges = Field(
        {},
        description="up to two keys to go through: { log = [from, to, points] }, "
        "{ linear = [from, to, points] } or [values]",
    )
    plane: Plane = Plane()
    diagram: Diagram = Diagram()
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
        for name, values in self.optimizer.per_replica.items():
            self._check_rates(values, name)
        self._check_layers()
        if any(change.step >= self.steps for change in self.optimizer.changes):
            raise ValueError(f"optimizer.changes: steps must be below steps = {self.steps}")
        if self.plane.value != "none" and self.diagram.observable != "none":
            raise ValueError("plane.value: a plane and a diagram are two sweeps, not one")
        if self.is_dense and not self.sweep:
            raise ValueError("sweep: a plane or a diagram needs the keys that it goes over")
        if self.diagram.observable != "none" and len(self.sweep) != 1:
            raise ValueError("sweep: an orbit diagram goes over one key")
        if self.diagram.observable != "none" and self.diagram.last > self.steps:
            raise ValueError(f"diagram.last: must be at most steps = {self.steps}")
        if self.optimizer.changes and self.system.name != "training":
            raise ValueError("optimizer.changes: only training has a learning rate")
        return self

    def _check_rates(self, rates: float | list[float], key: str = "learning_rate") -> None:
        count = self.ensemble.references
        if isinstance(rates, list) and len(rates) != count:
            raise ValueError(f"optimizer.{key}: {len(rates)} values for {count} references")

    def _check_layers(self) -> None:
        """Learning rates of layers fit the network, and nothing asks for a single one beside."""
        rates, layers = self.optimizer.learning_rates, self.network.layers
        if not rates:
            return
        if self.system.name != "training":
            raise ValueError("optimizer.learning_rates: only training has layers")
        if len(rates) != layers:
            raise ValueError(
                f"optimizer.learning_rates: {len(rates)} values for {layers} linear layers"
            )
        for layer, rate in enumerate(rates):
            self._check_rates(rate, f"learning_rates.{layer}")
        if self.optimizer.changes:
            raise ValueError(
                "optimizer.changes: change the one learning rate; learning_rates has one a layer"
            )
        if "optimizer.learning_rate" in self.sweep:
            raise ValueError(
                "sweep.optimizer.learning_rate: optimizer.learning_rates takes its place; "
                "sweep optimizer.learning_rates.0 and so on"
            )

    @property
    def called(self) -> str:
        """What charts of it are headed by.

        Its name; without a title that of a map of the user's, and that of the map where its own is
        another map's, as of a preset.
        """
        other = self.name in REFERENCE and self.name != self.system.name
        own = ":" in self.system.name or other
        return self.system.name if own and not self.title else self.name

    @property
    def heading(self) -> str:
        """What tables of it are headed by: its title, or what it is called."""
        return self.title or self.called

    @property
    def is_dense(self) -> bool:
        """Whether the points of its sweep are single numbers or orbits, not runs."""
        return self.plane.value != "none" or self.diagram.observable != "none"

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
        """Give the same with learning rates that changed while it ran.

        Parameters
        ----------
        changes : Mapping of int to Mapping
            ``learning_rate`` by the step from which it holds.

        Returns
        -------
        Experiment
            With these as its ``optimizer.changes``.
        """
        table = self.model_dump()
        rows = [{"step": step, **values} for step, values in sorted(changes.items())]
        table["optimizer"]["changes"] = rows
        return Experiment(**table)

    def to_toml(self) -> str:
        """Write the whole experiment as TOML.

        Returns
        -------
        str
            Defaults included, keys without a value left out.
        """
        import tomli_w

        table = _without_none(self.model_dump())
        if not self.sweep:
            del table["sweep"]
        for name in set(table["measure"]) - OWN_KEYS:  # of others: only where it is asked for
            if not table["measure"][name]:
                del table["measure"][name]
        for name in ("plane", "diagram"):  # of few experiments
            if getattr(self, name) == type(getattr(self, name))():
                del table[name]
        return tomli_w.dumps(table)


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in table.items() if v is not None}
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in kept.items()}
