"""What is to be learnt: classes from labels, or numbers; each guess about it told.

Labels are whole numbers or words. Nobody means hundreds of classes of two samples each: such a
target is another column, or numbers, and is refused with both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tuichaos.cleaning import clean
from tuichaos.errors import InputError

Task = Literal["classes", "regression"]
FEW_SAMPLES = 3  # a class, in the mean: with fewer, and MANY classes, it is no set of classes
MANY = 20
WARNED = 10  # classes from which one warns, with fewer samples a class than this times two
MOST_SHOWN = 8
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
        return _of_words(where, found, task)
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


def _of_words(where: str, found: Sequence[str], task: Task | None) -> Targets:
    odd = clean(next(word for word in found if not _is_finite(word)), 40)
    if task == "regression":
        raise InputError(f"{where}: the target holds {odd!r}, and data.task = 'regression'")
    if _is_number(odd):
        raise InputError(f"{where}: the target holds {odd!r}, which is not a finite number")
    if any(map(_is_finite, found)) and task != "classes":
        raise InputError(
            f"{where}: the target holds numbers, and {odd!r}, which is not a finite number; "
            "data.task = 'classes' takes all of it as words"
        )
    labels = sorted(set(found))
    check_few(where, len(labels), len(found), task, "")
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
    shown = [clean(label, 30) for label in labels[:MOST_SHOWN]]
    more = ", …" if len(labels) > MOST_SHOWN else ""
    told = f"{len(labels)} classes: {', '.join(shown)}{more}"
    if labels != [str(k) for k in range(len(labels))]:
        told += " (outputs 0, 1, … in this order)"
    folded = {}
    for label in labels:
        folded.setdefault(label.casefold(), []).append(clean(label, 30))
    alike = [names for names in folded.values() if len(names) > 1]
    warnings = [f"classes {' and '.join(alike[0])} differ by case alone"] if alike else []
    return Targets(y.astype(np.int64), [told], warnings, labels)


def check_few(where: str, classes: int, samples: int, task: Task | None, others: str) -> None:
    """Raise InputError for so many classes of so few samples that they are none."""
    if task is None and classes > MANY and classes * FEW_SAMPLES > samples:
        raise InputError(
            f"{where}: {classes} different targets in {samples} samples are hardly classes; "
            f"{REGRESSION}, data.task = 'classes' insists{others}"
        )


def many(classes: int, samples: int) -> list[str]:
    """A warning of many classes for few samples."""
    if classes <= WARNED or samples >= 2 * WARNED * classes:
        return []
    return [
        f"{classes} classes for {samples} samples, {samples / classes:.3g} a class: if they are "
        f"numbers to be predicted, {REGRESSION}"
    ]


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
    if wanted and not column and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all():
        return Targets(y.argmax(1), [f"y has a single 1 in each row of {y.shape[1]}: classes"])
    if task == "classes":
        raise InputError(f"{where}: y must hold classes (whole numbers), as data.task says")
    told = []
    if column and (y % 1 == 0).all() and len(np.unique(y)) <= MANY and len(y) > MANY:
        told = ["y are whole numbers, taken as numbers; data.task = 'classes' takes them as labels"]
    return Targets(y.astype(np.float64, copy=False).reshape(len(y), -1), told)
