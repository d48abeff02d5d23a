"""The two ways a request can end badly, and the hint that goes with them."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable

from tuichaos.cleaning import clean
from tuichaos.interruptions import Stopped

__all__ = ["InputError", "RunFailed", "Stopped", "SystemFault", "is_fault", "nearest"]

MOST_COMPARED = 100  # characters: the time to compare two words grows with their product
MOST_CHOICES = 3_000  # a network of 1 000 layers has 2 000 columns


class InputError(ValueError):
    """What was asked cannot be done (exit code 2): a bad key, value, file or device.

    The message is one line that names the key or the file. It may quote what a stranger
    wrote, so it is clean from the start.
    """

    def __init__(self, message: object) -> None:
        super().__init__(clean(" ".join(str(message).splitlines())))


class RunFailed(RuntimeError):
    """A run that had started could not go on (exit code 1); its message is as clean."""

    def __init__(self, message: object) -> None:
        super().__init__(clean(" ".join(str(message).splitlines())))


class SystemFault(RuntimeError):
    """What a user's own system raised, in one line: ``package.module:factory.step: …``."""

    def __init__(self, message: object) -> None:
        super().__init__(clean(" ".join(str(message).splitlines())))


def is_fault(error: BaseException) -> bool:
    """Whether something went wrong, in whatever a user's system may raise, and it is not a
    person who ends it."""
    return not isinstance(error, KeyboardInterrupt | GeneratorExit)


def nearest(word: object, choices: Iterable[str]) -> str:
    """``did you mean …?`` for a word close to a choice, else the list of choices."""
    names = [str(choice)[:MOST_COMPARED] for choice in itertools.islice(choices, MOST_CHOICES)]
    word = str(word).lower()[:MOST_COMPARED]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose from {', '.join(names)}" if names else "there is none"
