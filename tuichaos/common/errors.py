"""The two ways a request can end badly, and the hint that goes with them."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable

from tuichaos.common.signals import Stopped
from tuichaos.common.text import clean

__all__ = ["InputError", "RunFailed", "Stopped", "SystemFault", "is_fault", "nearest", "some"]

MAX_COMPARED = 100  # characters: the time to compare two words grows with their product
MAX_NAMED = 8  # of many choices
MAX_CHOICES = 3_000  # a network of 1 000 layers has 2 000 columns


class InputError(ValueError):
    """What was asked cannot be done (exit code 2): a bad key, value, file or device.

    Parameters
    ----------
    message : object
        One line that names the key or the file. It may quote what a stranger wrote, so line
        ends become spaces, and characters that are not printed are shown by their number.
    """

    def __init__(self, message: object) -> None:
        super().__init__(clean(" ".join(str(message).splitlines())))


class NoSuchColumn(InputError, KeyError):
    """A column that is not there was asked for; also a KeyError.

    Parameters
    ----------
    message : object
        One line that names the column and those most like it.
    """

    def __str__(self) -> str:  # else that of KeyError, in quotes
        return str(self.args[0])


class OtherState(InputError):
    """A checkpoint of a version whose instruments keep other things: nothing goes on from it."""


class RunFailed(RuntimeError):
    """A run that had started could not go on (exit code 1).

    Parameters
    ----------
    message : object
        One line on why, as clean as that of an InputError.
    """

    def __init__(self, message: object) -> None:
        super().__init__(clean(" ".join(str(message).splitlines())))


class OtherData(RunFailed):
    """The data are not those that a sweep was begun with: its rows would be of both."""


class SystemFault(RuntimeError):
    """What a user's own system raised, in one line: ``package.module:factory.step: …``."""

    def __init__(self, message: object) -> None:
        super().__init__(clean(" ".join(str(message).splitlines())))


def is_fault(error: BaseException) -> bool:
    """Whether something went wrong, in whatever a user's system may raise, and it is not a
    person who ends it."""
    return not isinstance(error, KeyboardInterrupt | GeneratorExit)


def is_near(word: str, name: str) -> bool:
    """Whether a word is a name with a slip in it: by at most a third of its letters, three at
    most, left out, added, or others; or cut short, or longer by as much as it is."""
    short, long = sorted((word.lower(), name.lower()), key=len)
    if len(short) >= 3 and long.startswith(short):
        return True
    most = min(3, max(1, len(short) // 3))
    return len(long) - len(short) <= most and _slips(short, long) <= most


def _slips(a: str, b: str) -> int:
    """How many letters have to be left out, added, changed, or swapped with the next one."""
    before, row = [], list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                least = min(least, last[j - 2] + 1)
            row.append(least)
    return row[-1]


def some(word: object, choices: Iterable[str], where: str) -> str:
    """As ``nearest``, for many choices: at most MAX_NAMED of them, the most alike ones, and
    ``where`` all are."""
    names = [str(choice)[:MAX_COMPARED] for choice in itertools.islice(choices, MAX_CHOICES)]
    if len(names) <= MAX_NAMED or nearest(word, names).startswith("did"):
        return nearest(word, names)
    word = str(word).lower()[:MAX_COMPARED]
    alike = difflib.get_close_matches(word, names, n=MAX_NAMED, cutoff=0.0)
    return f"choose from {', '.join(alike)} or another of {len(names)}: {where}"


def nearest(word: object, choices: Iterable[str]) -> str:
    """``did you mean …?`` for a word close to a choice, else the list of choices."""
    names = [str(choice)[:MAX_COMPARED] for choice in itertools.islice(choices, MAX_CHOICES)]
    word = str(word).lower()[:MAX_COMPARED]
    for name in difflib.get_close_matches(word, names, n=3, cutoff=0.5):
        if is_near(word, name):
            return f"did you mean {name!r}?"
    return f"choose from {', '.join(names)}" if names else "there is none"
