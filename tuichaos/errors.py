"""The two ways a request can end badly, and the hint that goes with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What was asked cannot be done (exit code 2): a bad key, value, file or device.

    The message is one line that names the key or the file.
    """


class RunFailed(RuntimeError):
    """A run that had started could not go on (exit code 1)."""


class Stopped(KeyboardInterrupt):
    """A signal ended a run after a frame, with its folder complete up to there. ``code``: the
    exit code that is the convention, 128 and the signal's number (ctrl-C: 130)."""

    def __init__(self, words: str, number: int) -> None:
        super().__init__(words)
        self.code = 128 + number


def nearest(word: object, choices: Iterable[str]) -> str:
    """``did you mean …?`` for a word close to a choice, else the list of choices."""
    names = [str(choice) for choice in choices]
    close = difflib.get_close_matches(str(word).lower(), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose from {', '.join(names)}" if names else "there is none"
