"""Data sets of training: real ones, generated ones, files; split and scaling from the seed."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tuichaos.common.errors import InputError, OtherData
from tuichaos.common.rng import Purpose, generator
from tuichaos.config.training_tables import Data
from tuichaos.systems import odd_features, table_cells
from tuichaos.systems import targets as targets_of
from tuichaos.systems.data_sources import (
    MAX_CLASSES,
    MAX_FILED,
    MAX_KEPT,
    Raw,
    checksum,
    freeze,
    raw_data,
    size,
)
from tuichaos.systems.file_cache import Once


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
        return checksum((self.x, self.y, self.x_test, self.y_test))

    @property
    def outputs(self) -> int:
        return self.classes if self.classes is not None else self.y.shape[1]

    def targets(self, y: np.ndarray) -> np.ndarray:
        """(samples, outputs) float64: the targets, one-hot for classes."""
        return y if self.classes is None else np.eye(self.classes)[y]


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
            f"(digest {data.expected[:SHOWN]} then, {found.source[:SHOWN]} now)"
        )
    return found


def _loaded(data: Data, seed: int, loss: str) -> Dataset:
    raw = raw_data(data, seed, loss)
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
    freeze((x, y, x_test, y_test))
    return Dataset(x, y, x_test, y_test, classes, told, warnings, facts, source)


SHOWN = 12  # digits of a digest in a message


_sets: Once[Dataset] = Once(MAX_KEPT, lambda d: size((d.x, d.y, d.x_test, d.y_test)))


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
