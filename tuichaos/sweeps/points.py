"""The points of a sweep: a grid over an experiment, checked, and what can go as one batch."""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import changed
from tuichaos.config.measure import Measure
from tuichaos.config.per_replica_keys import INITIAL, USERS, dense_key, per_replica
from tuichaos.config.plane_and_diagram import Diagram
from tuichaos.config.reference_parameters import REFERENCE
from tuichaos.config.sweep_axes import Axis, Number, axes
from tuichaos.config.titles import without_ranges

if TYPE_CHECKING:
    from tuichaos.sweeps.orbit_diagram.observable import Component

MAX_POINTS = 10_000  # without being asked for: more are hours, or a slip of the pen
MAX_DENSE = 100_000  # likewise of points that are single numbers
MAX_DRAWN = 10_000_000  # likewise values that a diagram keeps
MAX_KEPT = 50_000_000  # even then: each is a number of Python, 32 bytes
MAX_CHECKED = 1_000  # of a larger grid its corners and so many evenly chosen points
CHECK_SECONDS = 3.0  # and so long at most


@dataclass(frozen=True)
class Point:
    """One point of the grid of a sweep.

    Attributes
    ----------
    index : int
        Its number in grid order, counted from 0, the first key slowest.
    values : tuple of float
        The values of the swept keys, in the order of ``[sweep]``.
    """

    index: int
    values: tuple[Number, ...]


@dataclass(frozen=True)
class Base:
    """The experiment that all points share, as a table, and the keys they differ in.

    Plain data: it is sent to other processes. ``dense``: points are single numbers or orbits,
    and go side by side as one simulation; the table then measures what these need.
    """

    table: Mapping[str, Any]
    keys: tuple[str, ...]
    dense: bool = False
    diagram: Diagram | None = None  # of an orbit diagram, with all its points
    path: tuple[Point, ...] = ()
    component: Component | None = None  # that is drawn, once it is known
    data: str = ""  # the digest of what their file of data holds

    @property
    def continued(self) -> bool:
        """Whether the points of a diagram go on from each other."""
        return self.diagram is not None and bool(self.diagram.directions)

    def experiment(self, point: Point) -> Experiment:
        """The experiment of one point, the same that ``tuichaos run --set`` makes; InputError
        names the key."""
        overrides = dict(zip(self.keys, point.values, strict=True))
        found = changed(self.table, overrides)
        if not self.data:
            return found
        return found.model_copy(update={"data": found.data.expecting(self.data)})


@dataclass(frozen=True)
class Grid:
    """A sweep: the product of its axes, the first key slowest."""

    experiment: Experiment
    axes: tuple[Axis, ...]
    component: Component | None = None  # that a diagram draws, once it is known
    data: str = ""  # the digest of what their file of data holds, once it was read

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(axis.key for axis in self.axes)

    @property
    def size(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def ways(self) -> int:
        """How often its values are gone through: twice where a diagram goes up and down."""
        return max(1, len(self.experiment.diagram.directions))

    @functools.cached_property
    def base(self) -> Base:
        table = self.experiment.model_dump()
        del table["sweep"]
        table["title"] = without_ranges(self.experiment)
        dense = self.experiment.is_dense
        if dense:
            table["measure"] |= measured(self.experiment)
            del table["plane"], table["diagram"]
        if self.experiment.diagram.observable == "none":
            return Base(table, self.keys, dense, data=self.data)
        table["ensemble"]["twins"] = 0  # no measure of a diagram needs them
        return Base(
            table,
            self.keys,
            dense,
            self.experiment.diagram,
            tuple(self.points),
            self.component,
            self.data,
        )

    @functools.cached_property
    def points(self) -> list[Point]:
        rows = itertools.product(*(axis.values for axis in self.axes))
        return [Point(k, values) for k, values in enumerate(rows)]

    def warnings(self) -> list[str]:
        """What should be said before it runs: the warnings of its points, each kind once."""
        found: dict[str, list[str]] = {}
        for index in chosen(self, MAX_CHECKED):
            for warning in self.base.experiment(self.points[index]).warnings:
                found.setdefault(warning.split()[0], []).append(warning)
        return [_counted(lines) for lines in found.values()]

    def batches(self) -> list[list[Point]]:
        """Points that differ only in per-replica parameters, together, in grid order."""
        alike = dense_key if self.experiment.is_dense else per_replica
        fixed = [k for k, key in enumerate(self.keys) if not alike(self.experiment, key)]
        found: dict[tuple[Number, ...], list[Point]] = {}
        for point in self.points:
            found.setdefault(tuple(point.values[k] for k in fixed), []).append(point)
        return list(found.values())


def _counted(lines: list[str]) -> str:
    return lines[0] if len(lines) == 1 else f"{lines[0]} (and {len(lines) - 1} points more)"


def grid(experiment: Experiment, yes: bool = False) -> Grid:
    """The grid of an experiment with ``[sweep]``, every point of it valid.

    Raises InputError: no sweep, too many points without ``yes``, or the first point that is
    not an experiment that can run. Of more than MAX_CHECKED points the corners and that many
    others are looked at.
    """
    if not experiment.sweep:
        raise InputError("sweep: no key is swept; see [sweep] and --over")
    made = Grid(experiment, tuple(axes(experiment.sweep)))
    most = MAX_DENSE if experiment.is_dense else MAX_POINTS
    if made.size > most and not yes:
        raise InputError(
            f"sweep: {made.size:,} points; more than {most:,} must be asked for with --yes"
        )
    drawn = _drawn(made)
    if drawn > MAX_KEPT:
        raise InputError(f"diagram.last: {drawn:,} values to keep; at most {MAX_KEPT:,}")
    if drawn > MAX_DRAWN and not yes:
        raise InputError(
            f"diagram.last: {drawn:,} values to keep; more than {MAX_DRAWN:,} must be asked for "
            "with --yes"
        )
    for key in made.keys:
        if key == "sweep" or key.startswith("sweep."):
            raise InputError(f"sweep.{key}: a sweep cannot be swept")
    for index in for_a_while(chosen(made, MAX_CHECKED)):
        try:
            made.base.experiment(made.points[index])
        except InputError:
            _refuse_fractions(made, made.points[index])
            raise
    if made.base.diagram:
        _check_diagram(experiment, made.keys[0])
    return made


def for_a_while(indices: Iterator[int]) -> Iterator[int]:
    """The same, until CHECK_SECONDS are over: points that nobody looked at are checked when
    their turn comes, and a sweep of large data sets begins all the same."""
    end = time.monotonic() + CHECK_SECONDS
    for index in indices:
        yield index
        if time.monotonic() > end:
            return


def _refuse_fractions(made: Grid, refused: Point) -> None:
    """Raise InputError for the first value with a fraction, where it is for those that all
    values of a key are no whole numbers, and ``refused`` only for being 1.0 among them."""
    whole = tuple(int(v) if v == int(v) else v for v in refused.values)
    made.base.experiment(Point(refused.index, whole))
    for k, axis in enumerate(made.axes):
        for value in axis.values:
            if value != int(value):
                values = (*whole[:k], value, *whole[k + 1 :])
                made.base.experiment(Point(refused.index, values))


def _drawn(made: Grid) -> int:
    """How many values a diagram keeps; 0 for another sweep."""
    diagram, references = made.experiment.diagram, made.experiment.ensemble.references
    if diagram.observable == "none":
        return 0
    return made.size * references * diagram.last * made.ways


def chosen(made: Grid, most: int) -> Iterator[int]:
    """The numbers of all points, or of the corners and ``most`` others."""
    if made.size <= most:
        return iter(range(made.size))
    sizes = [len(axis.values) for axis in made.axes]
    corners = {0, sizes[-1] - 1, made.size - sizes[-1], made.size - 1}
    others = {k * (made.size - 1) // (most - 1) for k in range(most)}
    return iter(sorted(corners | others))


def _check_diagram(experiment: Experiment, key: str) -> None:
    """InputError unless orbit diagrams can go over a key: a parameter of the map itself, or the
    scale of initial states where each value starts afresh."""
    users = ":" in experiment.system.name and key.startswith(USERS)
    if not users and not dense_key(experiment, key):
        name = experiment.system.name
        known = ["optimizer.learning_rate", INITIAL]
        if name != "training":
            known = [USERS + p for p in REFERENCE.get(name, ())] or [USERS + "…"]
        raise InputError(
            f"sweep.{key}: an orbit diagram goes over a parameter that each replica may have its "
            f"own of: {', '.join(known)}"
        )
    if key == INITIAL and experiment.diagram.directions:
        raise InputError(
            f"diagram.continued: {key} is of initial states alone, and a continued orbit has none"
        )


# What a value of a plane, or a diagram, needs of [measure]; all else is off.
ALL = {"references": 1_000_000}  # of a simulation: as many as there are
NEEDED: dict[str, dict[str, Any]] = {
    "convergence": {"convergence": True},
    "exponent": {"tangent": True},
    "period": {"period": ALL},
    "verdict": {"tangent": True, "regime": True},
    "none": {"tangent": True},  # a diagram: its period is that of what is drawn
}


def measured(experiment: Experiment) -> dict[str, Any]:
    """The switches of ``[measure]`` for the points of a plane or a diagram."""
    fields = Measure.model_fields.items()
    off = {name: False for name, field in fields if isinstance(field.default, bool)}
    found = off | {"sizes": []} | NEEDED[experiment.plane.value]
    if experiment.diagram.observable != "none":
        found["discard"] = experiment.steps - experiment.diagram.last
    if experiment.measure.convergence and found["convergence"]:
        found["convergence"] = experiment.measure.convergence
    return found
