"""Data sets of training: real ones, generated ones, files; split and scaling from the seed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tuichaos.common import npz
from tuichaos.common.errors import InputError, OtherData, nearest
from tuichaos.common.number_text import whole
from tuichaos.common.rng import Purpose, generator
from tuichaos.config.data_sets import data_spec
from tuichaos.config.experiment import Data
from tuichaos.config.instrument_spec import loaded
from tuichaos.systems import odd_features, table_cells, tables
from tuichaos.systems import targets as targets_of
from tuichaos.systems.file_cache import Once

MAX_CLASSES = 10_000
MAX_NUMBERS = 5_000_000  # in a generated data set
MAX_FILED = 60_000_000  # in an npz file, and in targets: MNIST has 55 million; 0.5 GB


@dataclass(frozen=True, eq=False)  # one is itself alone, and can be a key
class Dataset:
    """Samples before features, as a person would write them.

    ``x`` (samples, features) float64. ``y``: int64 labels (samples,) from 0, or float64
    targets (samples, outputs). ``x_test``, ``y_test`` alike, with no rows where there is no
    test part. ``classes``: how many, None for real-valued targets. ``told``: how a file was
    read, in one line, empty where nothing was guessed; ``facts``: the same for manifest.json;
    ``warnings``: lines on what may not be meant; ``source``: the digest of what a file holds.
    It is shared by all who ask for it: arrays are read-only.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int | None
    told: str = ""
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    source: str = ""

    @functools.cached_property
    def digest(self) -> str:
        """A checksum of the samples as used, to tell whether a file has changed since."""
        return _checksum((self.x, self.y, self.x_test, self.y_test))

    @property
    def outputs(self) -> int:
        return self.classes if self.classes is not None else self.y.shape[1]

    def targets(self, y: np.ndarray) -> np.ndarray:
        """(samples, outputs) float64: the targets, one-hot for classes."""
        return y if self.classes is None else np.eye(self.classes)[y]


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
        return _checksum(self.arrays, "\n".join(self.labels))


def load(data: Data, seed: int, loss: str = "") -> Dataset:
    """Read or generate the data of an experiment, split and scaled. ``seed``: the experiment's,
    where the data have none; ``loss``: its name; cross-entropy takes classes only, in whatever
    form they are written.

    Raises InputError, naming the key or the file, for what cannot be used.
    """
    seed = seed if data.seed is None else data.seed
    key = (data.model_dump_json(), seed, loss)
    found = _sets.get(key, data.path, lambda: _loaded(data, seed, loss))
    if data.expected and found.source != data.expected:
        raise OtherData(
            f"data.path: {data.path} holds other data than when the sweep began "
            f"(digest {found.source[:SHOWN]}, then {data.expected[:SHOWN]})"
        )
    return found


def _loaded(data: Data, seed: int, loss: str) -> Dataset:
    raw = _raw(data, seed, loss)
    classes = int(raw.y.max()) + 1 if raw.is_classes else None
    if classes is not None and classes > MAX_CLASSES:
        raise InputError(f"{_source(data)}: class labels go up to {MAX_CLASSES - 1} at most")
    if classes is not None and classes * len(raw.x) > MAX_FILED:
        raise InputError(
            f"{_source(data)}: {len(raw.x):,} samples of {classes:,} classes; at most "
            f"{MAX_FILED:,} targets"
        )
    if classes is not None and classes < 2:
        raise InputError(f"{_source(data)}: one class only; two are needed to tell them apart")
    train, rest = _split(raw, data, seed)
    x_test, y_test = raw.test if raw.test is not None else (raw.x[rest], raw.y[rest])
    x, y = raw.x[train], raw.y[train]
    warnings = _warnings(raw, data, classes, y)
    told = _told(raw, data)
    facts = {key: value for key, value in raw.facts.items() if key not in ("features", "names")}
    if raw.labels:
        facts["labels"] = list(raw.labels)
    source = raw.digest if data.path is not None else ""
    del raw  # a large one is in memory twice by now
    x, x_test = _scaled(data.scaling, x, x_test)
    _freeze((x, y, x_test, y_test))
    return Dataset(x, y, x_test, y_test, classes, told, warnings, facts, source)


SHOWN = 12  # digits of a digest in a message
MAX_KEPT = 16_000_000  # numbers, 128 MB, of data sets as they are used, and as many as read


def _size(arrays: Iterable[np.ndarray]) -> int:
    return sum(array.size for array in arrays)


_sets: Once[Dataset] = Once(MAX_KEPT, lambda d: _size((d.x, d.y, d.x_test, d.y_test)))
_read: Once[Raw] = Once(MAX_KEPT, lambda raw: _size(raw.arrays))


def _freeze(arrays: Iterable[np.ndarray]) -> None:
    for array in arrays:
        array.flags.writeable = False


def _told(raw: Raw, data: Data) -> str:
    name = table_cells.shown(data.path) if data.path else data.name
    return f"{name}: {'; '.join(raw.told)}" if raw.told else ""


def _warnings(raw: Raw, data: Data, classes: int | None, y: np.ndarray) -> tuple[str, ...]:
    """What may not be meant: classes without samples, many of them; ``y``: of the train part."""
    found = list(raw.warnings)
    if data.name == "npz":  # those of a table are in raw.warnings
        names = [f"x[:, {k}]" for k in range(raw.x.shape[1])]
        found += odd_features.warnings(raw.x, names, first=True)
    if classes is not None and data.name in GIVEN:
        found += targets_of.many(classes, len(raw.y), targets_of.are_words(raw.labels))
        absent = np.flatnonzero(np.bincount(y, minlength=classes) == 0).tolist()
        first = int(raw.y.min())
        if first:
            found.append(
                f"labels begin at {first}: {_outputs_below(first)}; subtract {first} from y, so "
                "that they begin at 0"
            )
        absent = [k for k in absent if k >= first]
        if absent and data.class_counts is None:
            named = ", ".join(raw.labels[k] if raw.labels else str(k) for k in absent[:MAX_NAMED])
            more = ", …" if len(absent) > MAX_NAMED else ""
            found.append(f"no training sample is of class {named}{more}")
    return tuple(f"data: {words}" for words in found)


def _outputs_below(first: int) -> str:
    """What is said of the outputs of the classes below the smallest label."""
    if first == 1:
        return "output 0 has no samples"
    return f"outputs 0 {'and' if first == 2 else 'to'} {first - 1} have no samples"


MAX_NAMED = 6
GIVEN = ("csv", "npz", "inline")  # by a person, who may err


def _source(data: Data) -> str:
    return f"data.path: {data.path}" if data.path else f"data.name: {data.name}"


# --- split and scaling -------------------------------------------------------------------


def _split(raw: Raw, data: Data, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the train and the test part, each in the order of the file."""
    order = generator(seed, Purpose.SPLIT).permutation(len(raw.x))
    trained = np.zeros(len(order), dtype=bool)
    if data.class_counts is not None:
        trained[_by_class(raw, data, order)] = True
    else:
        trained[order[: _train_size(raw, data)]] = True
    return np.flatnonzero(trained), np.flatnonzero(~trained)


def _train_size(raw: Raw, data: Data) -> int:
    count = len(raw.x)
    if data.train is not None:
        if data.train > count:
            raise InputError(f"data.train: {data.train} is more than the {count} samples there are")
        return data.train
    if not raw.is_classes or raw.test is not None:
        return count
    return 120 if data.name == "iris" else max(1, math.floor(0.8 * count))


def _by_class(raw: Raw, data: Data, order: np.ndarray) -> np.ndarray:
    counts = data.class_counts
    if not raw.is_classes:
        raise InputError(f"data.class_counts: {data.name} has real-valued targets, no classes")
    there = np.bincount(raw.y).tolist()
    if len(counts) != len(there) or any(c > t for c, t in zip(counts, there, strict=False)):
        raise InputError(f"data.class_counts: {counts} cannot be taken from classes of {there}")
    if data.train is not None and sum(counts) != data.train:
        raise InputError(f"data.class_counts: {counts} sum to {sum(counts)}, not to data.train")
    return np.concatenate([order[raw.y[order] == k][:n] for k, n in enumerate(counts)])


def _scaled(how: str, x: np.ndarray, x_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift and scale each feature by the train part: to mean 0 and deviation 1 (population),
    or to [0, 1]; a constant feature is only shifted."""
    if how == "none":
        return x, x_test
    with np.errstate(over="ignore", invalid="ignore"):
        low = x.mean(0) if how == "standard" else x.min(0)
        width = x.std(0) if how == "standard" else np.ptp(x, 0)
        width = np.where(width > 0, width, 1.0)
        x, x_test = (x - low) / width, (x_test - low) / width
    if not (np.isfinite(width).all() and np.isfinite(x).all() and np.isfinite(x_test).all()):
        raise InputError(f"data.scaling: {how}: the data are too large, or too far apart, for it")
    return x, x_test


# --- sources -----------------------------------------------------------------------------


def _raw(data: Data, seed: int, loss: str) -> Raw:
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
    _freeze(raw.arrays)
    return raw


FILES: dict[str, Callable[[Data, str], Raw]] = {"csv": _csv, "npz": _npz}


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


def _checksum(arrays: Iterable[np.ndarray], words: str = "") -> str:
    import hashlib

    total = hashlib.sha256(words.encode())
    for part in arrays:
        total.update(repr((part.shape, part.dtype.str)).encode())
        total.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))
    return total.hexdigest()
