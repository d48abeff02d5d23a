"""Where data come from: a generator, a file, or numbers in the experiment; looked over."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tuichaos.common import npz
from tuichaos.common.errors import InputError, nearest
from tuichaos.common.number_text import whole
from tuichaos.common.rng import Purpose, generator
from tuichaos.config.data_sets import data_spec
from tuichaos.config.instrument_spec import loaded
from tuichaos.config.training_tables import Data
from tuichaos.systems import tables
from tuichaos.systems import targets as targets_of
from tuichaos.systems.file_cache import Once

MAX_CLASSES = 10_000
MAX_FILED = 60_000_000  # in an npz file, and in targets: MNIST has 55 million; 0.5 GB
MAX_KEPT = 16_000_000  # numbers, 128 MB, of data sets as they are used, and as many as read
MAX_NUMBERS = 5_000_000  # in a generated data set


@dataclass(frozen=True)
class Raw:
    """A data set before split and scaling; ``test`` is an (x, y) pair or None. ``told``,
    ``warnings``, ``facts``: see Dataset; ``labels``: what the classes are called, in order."""

    x: np.ndarray
    y: np.ndarray
    test: tuple[np.ndarray, np.ndarray] | None = None
    told: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_classes(self) -> bool:
        return self.y.ndim == 1

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return (self.x, self.y, *(self.test or ()))

    @functools.cached_property
    def digest(self) -> str:
        """A checksum of all samples, and of what their classes are called."""
        return checksum(self.arrays, "\n".join(self.labels))


def size(arrays: Iterable[np.ndarray]) -> int:
    return sum(array.size for array in arrays)


_read: Once[Raw] = Once(MAX_KEPT, lambda raw: size(raw.arrays))


def freeze(arrays: Iterable[np.ndarray]) -> None:
    for array in arrays:
        array.flags.writeable = False


def raw_data(data: Data, seed: int, loss: str) -> Raw:
    if data.name in FILES:
        # The split, the scaling and the seed are not asked for yet.
        key = (data.name, data.target, data.task, loss)
        return _read.get((data.path, *key), data.path, lambda: _of_file(data, loss))
    if data.name == "inline":
        return _inline(data, loss)
    return _generated(data, seed)


def _generated(data: Data, seed: int) -> Raw:
    spec = data_spec(data.name)
    for key in data.parameters:
        if key not in spec.parameters:
            hint = nearest(key, spec.parameters)
            raise InputError(f"data.parameters.{key}: {data.name} has no such parameter; {hint}")
    given = {k: _number(k, data.parameters.get(k, d), d) for k, d in spec.parameters.items()}
    if math.prod(v for v in given.values() if isinstance(v, int)) > MAX_NUMBERS:
        raise InputError(f"data.parameters: more than {MAX_NUMBERS:,} numbers")
    try:
        return Raw(*loaded(spec.make)(generator(seed, Purpose.DATA), **given))
    except ValueError as error:  # what only the generator itself knows to be wrong
        raise InputError(f"data.parameters: {_reason(error)}") from None


def _number(key: str, value: object, default: float) -> float:
    """A parameter of the kind of its default: a positive integer, or a number from 0 up."""
    wanted = int if isinstance(default, int) else (int, float)
    value = whole(value) if wanted is int else value
    low = 1 if isinstance(default, int) else 0
    if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value < math.inf:
        kind = "a positive integer" if isinstance(default, int) else "a number from 0 up"
        raise InputError(f"data.parameters.{key}: must be {kind}, not {value!r}")
    return value


def _inline(data: Data, loss: str) -> Raw:
    if data.x is None or data.y is None:
        raise InputError("data.x, data.y: inline data needs both")
    if any(isinstance(item, bool) for item in _leaves([data.x, data.y])):
        raise InputError("data.x, data.y: must hold numbers, not true or false")
    return _checked("data.x, data.y", data.x, data.y, data.task, loss)


def _leaves(items: list) -> Iterator[object]:
    for item in items:
        yield from _leaves(item) if isinstance(item, list) else [item]


def _csv(data: Data, loss: str) -> Raw:
    """A table in a text file: a sample a row, the class or the target in one column."""
    where = f"data.path: {data.path}"
    table = tables.read(data.path, where, data.target)
    found = table.target
    column = table.facts["target"]
    if not isinstance(found, np.ndarray) and any(word.lower() in NO_CLASS for word in found):
        line = tables.line_of(data.path, where, column, NO_CLASS)
        raise InputError(f"{where}: line {line}: column {column}, the target, has no value there")
    others = "" if data.target is not None else _others(table)
    targets = targets_of.of_column(where, found, data.task, others)
    warnings = [*table.warnings, *_named_otherwise(data, table), *targets.warnings]
    facts = {**table.facts, "task": "classes" if targets.y.ndim == 1 else "regression"}
    return Raw(
        table.x,
        targets.y,
        told=(*table.told, *targets.told),
        warnings=tuple(warnings),
        labels=tuple(targets.labels),
        facts=facts,
    )


NO_CLASS = targets_of.NO_CLASS
LIKE_CLASS = ("class", "target", "label", "labels", "species", "category", "y")


def _others(table: tables.Table) -> str:
    """What to say of a feature that looks like classes where the target does not."""
    place, column = 0, table.facts["features"][0]
    values = np.unique(table.x[:, place])
    if (values % 1 == 0).all() and len(values) <= targets_of.MANY and len(values) > 1:
        return f"; column {column} holds {len(values)} whole numbers: data.target = {column}"
    return "; data.target names another column"


def _named_otherwise(data: Data, table: tables.Table) -> list[str]:
    """A warning where a feature has the name of a target, and the target has not."""
    names, target = table.facts["names"], table.facts["target"]
    if data.target is not None or not names or names[target].lower() in LIKE_CLASS:
        return []
    found = [names[k] for k in table.facts["features"] if names[k].lower() in LIKE_CLASS]
    if not found:
        return []
    return [f"a feature is named {found[0]!r}; if it is the target: data.target = {found[0]!r}"]


ARRAYS = (
    "an npz archive of the arrays x (samples, features) and y (samples,), and for a test part of "
    "its own x_test and y_test"
)


def _npz(data: Data, loss: str) -> Raw:
    if data.path is None:
        raise InputError(f"data.path: npz data needs a file: --set data.path=FILE, {ARRAYS}")
    where = f"data.path: {data.path}"
    parts = npz.read(data.path, PARTS, MAX_FILED, where, kinds="fiubU")
    _check_parts(where, parts)
    named = _named(where, parts, data.task)
    raw = _checked(where, parts["x"], parts["y"], data.task, loss)
    raw = raw if named is None else _with_names(raw, named)
    if "x_test" not in parts:
        return raw
    task = "classes" if raw.is_classes else "regression"
    test = _checked(where, parts["x_test"], parts["y_test"], task, loss, ("x_test", "y_test"))
    if test.x.shape[1] != raw.x.shape[1]:
        raise InputError(f"{where}: x_test has {test.x.shape[1]} features, x has {raw.x.shape[1]}")
    if test.y.shape[1:] != raw.y.shape[1:]:
        raise InputError(f"{where}: y_test has another number of outputs than y")
    if raw.is_classes and test.y.max() > raw.y.max():
        raise InputError(f"{where}: y_test has class {test.y.max()}, y goes up to {raw.y.max()}")
    return replace(raw, test=(test.x, test.y))


PARTS = ("x", "y", "x_test", "y_test")


def _check_parts(where: str, parts: Mapping[str, np.ndarray]) -> None:
    """Raise InputError where an array is missing, or y_test is of another form than y."""
    for name in ("x", "y"):
        if name not in parts:
            raise InputError(f"{where}: has no array {name}; it needs x and y")
    for name, other in (("x_test", "y_test"), ("y_test", "x_test")):
        if name in parts and other not in parts:
            raise InputError(f"{where}: has {name} and no {other}; it needs both or neither")
    if "y_test" in parts:
        y, y_test = parts["y"], parts["y_test"]
        forms = [(a.ndim, a.dtype.kind if a.dtype.kind in "fU" else "") for a in (y, y_test)]
        if forms[0] != forms[1]:
            raise InputError(
                f"{where}: y_test is not written as y is (labels, floats, texts, columns): "
                f"{_form(y_test)}, y {_form(y)}"
            )


def _form(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _named(where: str, parts: dict[str, np.ndarray], task: str | None) -> targets_of.Named | None:
    """Put numbers in the place of labels that are texts; what they are called, None where they
    are not texts."""
    if parts["y"].dtype.kind != "U":
        return None
    _check_shapes(where, parts["x"], parts["y"], ("x", "y"))
    named = targets_of.of_texts(where, parts["y"], task)
    parts["y"] = named.targets.y
    if "y_test" in parts:
        parts["y_test"] = named.of(where, "y_test", parts["y_test"])
    return named


def _with_names(raw: Raw, named: targets_of.Named) -> Raw:
    found = named.targets
    told, warnings, labels = tuple(found.told), tuple(found.warnings), tuple(found.labels)
    return replace(raw, told=told, warnings=warnings, labels=labels)


def _check_shapes(where: str, x: np.ndarray, y: np.ndarray, names: tuple[str, str]) -> None:
    """Raise InputError naming the array that has not the shape it needs."""
    for name, array in zip(names, (x, y), strict=True):
        forms = (2,) if array is x else (1, 2)
        if array.ndim not in forms:
            wanted = "(samples, features)" if array is x else "(samples,) or (samples, outputs)"
            raise InputError(f"{where}: {name} must be {wanted}, not {array.shape}")
        if 0 in array.shape:
            raise InputError(f"{where}: {name} is empty, of shape {array.shape}")
    if len(x) != len(y):
        raise InputError(f"{where}: {names[0]} has {len(x):,} samples, {names[1]} {len(y):,}")


def _checked(
    where: str,
    x: object,
    y: object,
    task: str | None,
    loss: str,
    names: tuple[str, str] = ("x", "y"),
) -> Raw:
    """Arrays as given by a person: x (samples, features); y as ``targets.of_array`` has it, or
    of true and false. ``names``: what messages call the two."""
    x, y = (_array(where, name, part) for name, part in zip(names, (x, y), strict=True))
    told = []
    if y.dtype.kind == "b":
        told = [f"{names[1]} holds true and false, taken as 1 and 0"]
        y = y.astype(np.uint8)
    for name, array in zip(names, (x, y), strict=True):
        if array.dtype.kind not in "fiu":
            kind = "true and false" if array.dtype.kind == "b" else "texts"
            raise InputError(f"{where}: {name} must hold numbers, and holds {kind}")
    _check_shapes(where, x, y, names)
    with np.errstate(over="ignore"):
        x = x.astype(np.float64, copy=False)
        finite = y if y.dtype.kind != "f" else y.astype(np.float64, copy=False)
    for name, array in zip(names, (x, finite), strict=True):
        if not np.isfinite(array).all():
            raise InputError(f"{where}: {name} must hold finite numbers")
    found = targets_of.of_array(where, y, task, loss)
    told = (*told, *found.told)
    if found.y.ndim == 2:
        return Raw(x, found.y, told=told, facts={"task": "regression"})
    if found.y.min() < 0:
        raise InputError(
            f"{where}: {names[1]}: class labels count from 0, these begin at {found.y.min():.0f}; "
            "labels that are texts may be any"
        )
    if found.y.max() >= MAX_CLASSES:  # before they are made what they may not fit into
        raise InputError(f"{where}: {names[1]}: class labels go up to {MAX_CLASSES - 1} at most")
    return Raw(x, found.y.astype(np.int64), told=told, facts={"task": "classes"})


def _array(where: str, name: str, part: object) -> np.ndarray:
    try:
        return np.asarray(part)
    except (ValueError, OverflowError):
        raise InputError(f"{where}: {name}: ragged rows, or numbers beyond all range") from None


def _of_file(data: Data, loss: str) -> Raw:
    raw = FILES[data.name](data, loss)
    freeze(raw.arrays)
    return raw


FILES: dict[str, Callable[[Data, str], Raw]] = {"csv": _csv, "npz": _npz}


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


def checksum(arrays: Iterable[np.ndarray], words: str = "") -> str:
    import hashlib

    total = hashlib.sha256(words.encode())
    for part in arrays:
        total.update(repr((part.shape, part.dtype.str)).encode())
        total.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))
    return total.hexdigest()
