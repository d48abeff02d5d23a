"""Data sets of training: real ones, generated ones, files; split and scaling from the seed."""

from __future__ import annotations

import array
import csv
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from tuichaos import archives
from tuichaos.bounds import check_file
from tuichaos.errors import InputError, nearest
from tuichaos.experiment import Data
from tuichaos.randomness import Purpose, generator

MOST_CLASSES = 10_000
MOST_NUMBERS = 5_000_000  # in a generated data set, and in one of a CSV file
MOST_FILED = 60_000_000  # in an npz file, and in targets: MNIST has 55 million; 0.5 GB
MOST_DEGREE = 1_000  # of a Chebyshev polynomial: a network of this size follows none of 10
MOST_CSV = 100_000_000  # bytes; reading takes some seconds, and an npz of the same none
MOST_LINE = 1_000_000  # characters of a CSV file: 50 000 numbers


@dataclass(frozen=True)
class Dataset:
    """Samples before features, as a person would write them.

    ``x`` (samples, features) float64. ``y``: int64 labels (samples,) from 0, or float64
    targets (samples, outputs). ``x_test``, ``y_test`` alike, with no rows where there is no
    test part. ``classes``: how many, None for real-valued targets.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int | None

    @property
    def outputs(self) -> int:
        return self.classes if self.classes is not None else self.y.shape[1]

    def targets(self, y: np.ndarray) -> np.ndarray:
        """(samples, outputs) float64: the targets, one-hot for classes."""
        return y if self.classes is None else np.eye(self.classes)[y]


@dataclass(frozen=True)
class Raw:
    """A data set before split and scaling; ``test`` is an (x, y) pair or None."""

    x: np.ndarray
    y: np.ndarray
    test: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def is_classes(self) -> bool:
        return self.y.ndim == 1


def load(data: Data, seed: int) -> Dataset:
    """Read or generate the data of an experiment, split and scaled.

    Raises InputError, naming the key or the file, for what cannot be used.
    """
    raw = _raw(data, seed)
    classes = int(raw.y.max()) + 1 if raw.is_classes else None
    if classes is not None and classes > MOST_CLASSES:
        raise InputError(f"{_source(data)}: class labels go up to {MOST_CLASSES - 1} at most")
    if classes is not None and classes * len(raw.x) > MOST_FILED:
        raise InputError(
            f"{_source(data)}: {len(raw.x):,} samples of {classes:,} classes; at most "
            f"{MOST_FILED:,} targets"
        )
    if classes is not None and classes < 2:
        raise InputError(f"{_source(data)}: one class only; two are needed to tell them apart")
    train, rest = _split(raw, data, seed)
    x_test, y_test = raw.test if raw.test is not None else (raw.x[rest], raw.y[rest])
    x, y = raw.x[train], raw.y[train]
    del raw  # a large one is in memory twice by now
    x, x_test = _scaled(data.scaling, x, x_test)
    return Dataset(x, y, x_test, y_test, classes)


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


def _raw(data: Data, seed: int) -> Raw:
    if data.name in FILES:
        return FILES[data.name](data)
    if data.name == "inline":
        return _inline(data)
    source, defaults = GENERATED[data.name]
    for key in data.parameters:
        if key not in defaults:
            hint = nearest(key, defaults)
            raise InputError(f"data.parameters.{key}: {data.name} has no such parameter; {hint}")
    parameters = {k: _number(k, data.parameters.get(k, d), d) for k, d in defaults.items()}
    if parameters.get("degree", 0) > MOST_DEGREE:
        raise InputError(f"data.parameters.degree: at most {MOST_DEGREE:,}")
    if math.prod(v for v in parameters.values() if isinstance(v, int)) > MOST_NUMBERS:
        raise InputError(f"data.parameters: more than {MOST_NUMBERS:,} numbers")
    try:
        return source(generator(seed, Purpose.DATA), **parameters)
    except ValueError as error:  # what only the generator itself knows to be wrong
        raise InputError(f"data.parameters: {_reason(error)}") from None


def _number(key: str, value: object, default: float) -> float:
    """A parameter of the kind of its default: a positive integer, or a number from 0 up."""
    wanted = int if isinstance(default, int) else (int, float)
    low = 1 if isinstance(default, int) else 0
    if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value < math.inf:
        kind = "a positive integer" if isinstance(default, int) else "a number from 0 up"
        raise InputError(f"data.parameters.{key}: must be {kind}, not {value!r}")
    return value


def _sklearn(loader: str) -> Callable[[np.random.Generator], Raw]:
    def source(rng: np.random.Generator) -> Raw:
        from sklearn import datasets

        found = getattr(datasets, loader)()
        return Raw(found.data.astype(np.float64), found.target.astype(np.int64))

    return source


def _made(maker: str, **renamed: str) -> Callable[..., Raw]:
    def source(rng: np.random.Generator, **parameters: float) -> Raw:
        from sklearn import datasets

        arguments = {renamed.get(k, k): v for k, v in parameters.items()}
        state = np.random.RandomState(int(rng.integers(2**32)))
        x, y = getattr(datasets, maker)(random_state=state, **arguments)
        return Raw(x, y.astype(np.int64))

    return source


def _xor(rng: np.random.Generator) -> Raw:
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return Raw(x, np.array([0, 1, 1, 0]))


def _scalar(rng: np.random.Generator) -> Raw:
    return Raw(np.ones((1, 1)), np.ones((1, 1)))


def _chebyshev(rng: np.random.Generator, degree: int, points: int) -> Raw:
    x = np.linspace(-1, 1, points)
    y = np.polynomial.Chebyshev.basis(degree)(x)
    return Raw(x[:, None], y[:, None])


def _gaussian(rng: np.random.Generator, samples: int, features: int, outputs: int) -> Raw:
    x = rng.standard_normal((samples, features))
    return Raw(x, rng.standard_normal((samples, outputs)))


GENERATED: dict[str, tuple[Callable[..., Raw], Mapping[str, float]]] = {
    "iris": (_sklearn("load_iris"), {}),
    "digits": (_sklearn("load_digits"), {}),
    "wine": (_sklearn("load_wine"), {}),
    "breast-cancer": (_sklearn("load_breast_cancer"), {}),
    "moons": (_made("make_moons", samples="n_samples"), {"samples": 200, "noise": 0.1}),
    "circles": (
        _made("make_circles", samples="n_samples"),
        {"samples": 200, "noise": 0.1, "factor": 0.5},
    ),
    "blobs": (
        _made("make_blobs", samples="n_samples", features="n_features", spread="cluster_std"),
        {"samples": 200, "features": 2, "centers": 3, "spread": 1.0},
    ),
    "xor": (_xor, {}),
    "scalar": (_scalar, {}),
    "chebyshev": (_chebyshev, {"degree": 5, "points": 20}),
    "gaussian": (_gaussian, {"samples": 72, "features": 8, "outputs": 1}),
}


def _inline(data: Data) -> Raw:
    if data.x is None or data.y is None:
        raise InputError("data.x, data.y: inline data needs both")
    if any(isinstance(item, bool) for item in _leaves([data.x, data.y])):
        raise InputError("data.x, data.y: must hold numbers, not true or false")
    return _checked("data.x, data.y", data.x, data.y)


def _leaves(items: list) -> Iterator[object]:
    for item in items:
        yield from _leaves(item) if isinstance(item, list) else [item]


def _csv(data: Data) -> Raw:
    """Numbers separated by commas, the class in the last column; one header line may lead."""
    where = f"data.path: {data.path}"
    try:
        check_file(Path(data.path))
        if os.path.getsize(data.path) > MOST_CSV:
            raise InputError(f"{where}: larger than {MOST_CSV // 10**6} MB; use an npz file")
        with open(data.path, newline="", encoding="utf-8-sig") as file:
            values = _rows(_lines(file, where), where)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{where}: cannot be read: {_reason(error)}") from None
    if (values[:, -1] % 1 != 0).any():
        raise InputError(f"{where}: the last column must hold classes (whole numbers)")
    _, labels = np.unique(values[:, -1], return_inverse=True)
    return Raw(values[:, :-1], labels.astype(np.int64))


def _lines(file: TextIO, where: str) -> Iterator[str]:
    """The lines of a file, none longer than MOST_LINE."""
    number = 0
    while line := file.readline(MOST_LINE + 1):
        number += 1
        if len(line) > MOST_LINE:
            raise InputError(f"{where}: line {number} is longer than {MOST_LINE:,} characters")
        yield line


def _rows(lines: Iterator[str], where: str) -> np.ndarray:
    """The numbers of a CSV file, (rows, columns) float64; in memory as such, not as text."""
    numbers, width, known = array.array("d"), 0, False
    for line, row in enumerate(csv.reader(lines), 1):
        if not row:
            continue
        if not known and not any(map(_is_number, row)):
            known = True
            continue  # the header
        known, width = True, width or len(row)
        if len(row) != width or width < 2:
            raise InputError(
                f"{where}: line {line}: {len(row):,} cells where {max(width, 2):,} are due"
            )
        for cell in row:
            if not _is_number(cell):
                raise InputError(f"{where}: line {line}: {cell[:40]!r} is not a finite number")
        numbers.extend(map(float, row))
        if len(numbers) > MOST_NUMBERS:
            raise InputError(f"{where}: more than {MOST_NUMBERS:,} numbers; use an npz file")
    if not width:
        raise InputError(f"{where}: no rows")
    return np.array(numbers).reshape(-1, width)


def _is_number(cell: str) -> bool:
    try:  # not as Python's source may have it, 1_0, nor in the digits of other scripts
        return math.isfinite(float(cell)) and cell.isascii() and "_" not in cell
    except ValueError:
        return False


ARRAYS = (
    "an npz archive of the arrays x (samples, features) and y (samples,), and for a test part of "
    "its own x_test and y_test"
)


def _npz(data: Data) -> Raw:
    if data.path is None:
        raise InputError(f"data.path: npz data needs a file: --set data.path=FILE, {ARRAYS}")
    where = f"data.path: {data.path}"
    parts = archives.read(data.path, ("x", "y", "x_test", "y_test"), MOST_FILED, where)
    if "x" not in parts or "y" not in parts or ("x_test" in parts) != ("y_test" in parts):
        raise InputError(f"{where}: needs x and y, and x_test with y_test or neither")
    raw = _checked(where, parts["x"], parts["y"])
    if "x_test" not in parts:
        return raw
    test = _checked(where, parts["x_test"], parts["y_test"])
    same = test.x.shape[1] == raw.x.shape[1] and test.y.shape[1:] == raw.y.shape[1:]
    if not same or (raw.is_classes and test.y.max() > raw.y.max()):
        raise InputError(f"{where}: x_test, y_test do not match x, y in width or classes")
    return Raw(raw.x, raw.y, (test.x, test.y))


def _checked(where: str, x: object, y: object) -> Raw:
    """Arrays as given by a person: x (samples, features); y integer labels (samples,), or
    real targets (samples,) or (samples, outputs)."""
    try:
        x, y = np.asarray(x), np.asarray(y)
    except (ValueError, OverflowError):
        raise InputError(f"{where}: ragged rows, or numbers beyond all range") from None
    if x.dtype.kind not in "fiu" or y.dtype.kind not in "fiu":
        raise InputError(f"{where}: must hold numbers")
    if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y) or 0 in x.shape + y.shape:
        raise InputError(
            f"{where}: x must be (samples, features) and y (samples,) or (samples, outputs), "
            f"not {x.shape} and {y.shape}"
        )
    classes = y.ndim == 1 and y.dtype.kind != "f"
    with np.errstate(over="ignore"):
        x = x.astype(np.float64, copy=False)
        y = y if classes else y.astype(np.float64, copy=False).reshape(len(x), -1)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(f"{where}: must hold finite numbers")
    if not classes:
        return Raw(x, y)
    if y.min() < 0:
        raise InputError(f"{where}: class labels must not be negative")
    if y.max() >= MOST_CLASSES:  # before they are made what they may not fit into
        raise InputError(f"{where}: class labels go up to {MOST_CLASSES - 1} at most")
    return Raw(x, y.astype(np.int64))


FILES: dict[str, Callable[[Data], Raw]] = {"csv": _csv, "npz": _npz}


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


def digest(dataset: Dataset) -> str:
    """A checksum of the samples as used, to tell whether a file has changed since."""
    import hashlib

    total = hashlib.sha256()
    for part in (dataset.x, dataset.y, dataset.x_test, dataset.y_test):
        total.update(repr((part.shape, part.dtype.str)).encode())
        total.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))
    return total.hexdigest()
