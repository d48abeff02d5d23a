"""What is to be learnt: classes from labels, or numbers; each guess about it told.

Labels are whole numbers or words. Nobody means hundreds of classes of two samples each: such a
target is another column, or numbers, and is refused with both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from tuichaos.common.errors import InputError
from tuichaos.common.text import clean

Task = Literal["classes", "regression"]
FEW_SAMPLES = 3  # a class, in the mean: with fewer, and MANY classes, it is no set of classes
MANY = 20
WARNED = 10  # classes from which one warns, with fewer samples a class than this times two
MAX_SHOWN = 8
MAX_LABEL = 200  # characters of a label in an array
MAX_TEXTS = 2_000_000  # in an array of labels: as Python has them they are 60 bytes each
NO_CLASS = ("", "?", "na", "nan", "n/a", "null")
REGRESSION = "data.task = 'regression' (with loss.name = 'mse') takes it as numbers"


@dataclass(frozen=True)
class Targets:
    """``y``: labels (samples,) int64 from 0, or numbers (samples, outputs) float64.

    ``told``: guesses in words; ``labels``: what the classes are called, in order; empty where
    they are numbers from 0 that stand for themselves.
    """

    y: np.ndarray
    told: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def of_column(
    where: str, found: np.ndarray | Sequence[str], task: Task | None, others: str
) -> Targets:
    """Targets from a column of a table: numbers (samples,), or words. ``others``: what to say
    where the column is likely not the one. InputError, beginning with ``where``."""
    if not isinstance(found, np.ndarray):
        return _of_words(where, found, task, others)
    if task == "regression":
        return Targets(found[:, None], ["numbers to be predicted (data.task = 'regression')"])
    if (found % 1 != 0).any():
        if task == "classes":
            raise InputError(f"{where}: the target must hold classes (whole numbers or words)")
        raise InputError(
            f"{where}: the target must hold classes (whole numbers or words), and has fractions; "
            f"{REGRESSION}{others}"
        )
    names, y = np.unique(found, return_inverse=True)
    labels = [f"{name:.0f}" for name in names.tolist()]
    check_few(where, len(labels), len(y), task, others)
    return _classes(y, labels)


def _of_words(where: str, found: Sequence[str], task: Task | None, others: str) -> Targets:
    odd = clean(next(word for word in found if not _is_finite(word)), 40)
    if task == "regression":
        raise InputError(
            f"{where}: data.task = 'regression' needs numbers, and the target holds {odd!r}"
        )
    if _is_finite(odd.replace("\u2212", "-")) and task != "classes":
        raise InputError(
            f"{where}: the target holds {odd!r}, whose minus is the character U+2212: write "
            f"{odd.replace(chr(0x2212), '-')}"
        )
    if _is_number(odd):
        raise InputError(f"{where}: the target holds {odd!r}, which is not a finite number")
    if any(map(_is_finite, found)) and task != "classes":
        raise InputError(
            f"{where}: the target holds numbers, and {odd!r}, which is not a finite number; "
            "data.task = 'classes' takes all of it as words"
        )
    labels = sorted(set(found))
    check_few(where, len(labels), len(found), task, others, words=True)
    place = {label: k for k, label in enumerate(labels)}
    return _classes(np.array([place[word] for word in found]), labels)


def _is_finite(word: str) -> bool:
    return _is_number(word) and math.isfinite(float(word))


def _is_number(word: str) -> bool:
    try:
        float(word)
        return word.isascii() and "_" not in word
    except ValueError:
        return False


def _classes(y: np.ndarray, labels: list[str]) -> Targets:
    """Labels from 0 on, in the order of numbers, or of the alphabet."""
    shown = [clean(label, 30) for label in labels[:MAX_SHOWN]]
    more = ", …" if len(labels) > MAX_SHOWN else ""
    told = f"{len(labels)} classes: {', '.join(shown)}{more}"
    if labels != [str(k) for k in range(len(labels))]:
        told += " (outputs 0, 1, … in this order)"
    folded = {}
    for label in labels:
        folded.setdefault(label.casefold(), []).append(clean(label, 30))
    alike = [names for names in folded.values() if len(names) > 1]
    warnings = [f"classes {' and '.join(alike[0])} differ by case alone"] if alike else []
    return Targets(y.astype(np.int64), [told], warnings, labels)


def check_few(
    where: str, classes: int, samples: int, task: Task | None, others: str, words: bool = False
) -> None:
    """Raise InputError for so many classes of so few samples that they are none; ``words``
    cannot be predicted as numbers."""
    if task is None and classes > MANY and classes * FEW_SAMPLES > samples:
        numbers = "" if words else f"{REGRESSION}, "
        raise InputError(
            f"{where}: {classes} different targets in {samples} samples are hardly classes; "
            f"{numbers}data.task = 'classes' insists{others}"
        )


def many(classes: int, samples: int, words: bool = False) -> list[str]:
    """A warning of many classes for few samples."""
    if classes <= WARNED or samples >= 2 * WARNED * classes:
        return []
    found = f"{classes} classes for {samples} samples, {samples / classes:.3g} a class"
    return [found if words else f"{found}: if they are numbers to be predicted, {REGRESSION}"]


def are_words(labels: Sequence[str]) -> bool:
    """Whether what classes are called is not all numbers."""
    return not all(map(_is_finite, labels))


@dataclass(frozen=True)
class Named:
    """Labels of an array that are texts: ``targets``, and the place of each label in them."""

    targets: Targets
    numeric: bool

    def of(self, where: str, name: str, y: np.ndarray) -> np.ndarray:
        """Another array of such texts as the labels are numbered, or as the numbers they are."""
        words = _texts(where, name, y)
        if self.targets.y.ndim == 2:
            return _finite(where, name, words)
        labels = [f"{_number(word):.0f}" for word in words] if self.numeric else words
        place = {label: k for k, label in enumerate(self.targets.labels)}
        other = next(
            (word for word, label in zip(words, labels, strict=True) if label not in place), None
        )
        if other is not None:
            raise InputError(f"{where}: {name} holds {clean(other, 40)!r}, which y does not")
        return np.array([place[label] for label in labels], dtype=np.int64)


def of_texts(where: str, y: np.ndarray, task: Task | None) -> Named:
    """Targets from an array of texts, as from a column of a table: words are classes, and
    texts of numbers what they are as numbers."""
    words = _texts(where, "y", y)
    numeric = all(map(_is_finite, words))
    found = _finite(where, "y", words) if numeric else words
    targets = of_column(f"{where}: y", found, task, "")
    told = [f"y holds texts; {targets.told[0]}", *targets.told[1:]]
    return Named(replace(targets, told=told), numeric)


def _texts(where: str, name: str, y: np.ndarray) -> list[str]:
    """The texts of an array (samples,) or (samples, 1), without blanks around; none is empty."""
    if y.ndim not in (1, 2) or y.size != len(y):
        raise InputError(f"{where}: {name} holds texts, and must be (samples,), not {y.shape}")
    if len(y) > MAX_TEXTS:
        raise InputError(f"{where}: {name} holds {len(y):,} texts; at most {MAX_TEXTS:,}")
    if y.dtype.itemsize > MAX_LABEL * np.dtype("U1").itemsize:
        raise InputError(f"{where}: {name} holds texts of more than {MAX_LABEL} characters")
    words = [word.strip() for word in y.reshape(-1).tolist()]
    for at, word in enumerate(words):
        if word.lower() in NO_CLASS:
            raise InputError(f"{where}: {name}[{at}] has no value: {word!r}")
    return words


def _finite(where: str, name: str, words: Sequence[str]) -> np.ndarray:
    odd = next((word for word in words if not _is_finite(word)), None)
    if odd is not None:
        raise InputError(f"{where}: {name} holds {clean(odd, 40)!r}, which is not a finite number")
    return np.array(list(map(float, words)))


def _number(word: str) -> float:
    return float(word) if _is_finite(word) else math.nan


def of_array(where: str, y: np.ndarray, task: Task | None, loss: str) -> Targets:
    """Targets from an array as a person gives it: integer labels (samples,), or real targets
    (samples,) or (samples, outputs), finite. With cross-entropy, which takes nothing else,
    labels may be written as floats, as a column, or one-hot. InputError as ``of_column``."""
    if task == "regression":
        return Targets(y.reshape(len(y), -1).astype(np.float64, copy=False))
    if y.ndim == 1 and y.dtype.kind != "f":
        check_few(where, len(np.unique(y)), len(y), task, "")
        return Targets(y)
    wanted = task == "classes" or loss == "cross-entropy"
    column = y.ndim == 1 or y.shape[1] == 1
    if wanted and column and (y % 1 == 0).all():
        form = "floats" if y.ndim == 1 else f"a column, of shape {y.shape}"
        check_few(where, len(np.unique(y)), len(y), task, "")
        return Targets(y.reshape(-1), [f"y are whole numbers, written as {form}: taken as classes"])
    one_hot = not column and _is_one_hot(y)
    if wanted and one_hot:
        return Targets(y.argmax(1), [f"y has a single 1 in each row of {y.shape[1]}: classes"])
    if task == "classes":
        raise InputError(f"{where}: y must hold classes (whole numbers), as data.task says")
    told = []
    if one_hot:
        told = [
            f"y has a single 1 in each row of {y.shape[1]}, taken as numbers; data.task = "
            "'classes' takes it as labels"
        ]
    if column and (y % 1 == 0).all() and len(np.unique(y)) <= MANY and len(y) > MANY:
        told = ["y are whole numbers, taken as numbers; data.task = 'classes' takes them as labels"]
    return Targets(y.astype(np.float64, copy=False).reshape(len(y), -1), told)


def _is_one_hot(y: np.ndarray) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())
