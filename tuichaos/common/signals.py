"""Signals that ask the program to end, from its first line on.

Until a run begins and answers them itself (``runner.interrupts``), a signal ends the program
by an exception. Libraries lose such exceptions: an import may catch anything, and C code drops
what it cannot pass on. So each signal is kept as well, no exception is raised inside an import,
and the beginning of a run and the end of the program look whether one was lost.

This is imported before anything else: it needs to be light.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # to load typing takes longer than all of this
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

# What asks to end: ctrl-C, kill, a terminal that closed, the warnings of a batch system (of its
# own choice, and of the limit of processor time).
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU)
WARNINGS = (signal.SIGUSR1, signal.SIGXCPU)
IMPORTING = "<frozen importlib._bootstrap>"
LOOK_SECONDS = 0.02  # between two looks whether an import has ended

_heard: list[int] = []
_said: list[bool] = []
_ending: list[int] = []  # the exit code, once the last line is about to be said


class Stopped(KeyboardInterrupt):
    """A signal ends the program, or has ended a run after a frame.

    The folder of the run is complete up to there.

    Parameters
    ----------
    words : str
        One line on what was kept.
    number : int
        Of the signal.

    Attributes
    ----------
    code : int
        The exit code that is the convention, 128 and the signal's number (ctrl-C: 130).
    """

    def __init__(self, words: str, number: int) -> None:
        super().__init__(words)
        self.code = 128 + number


def ours() -> list[int]:
    """The signals that are answered. Who has SIGTERM or SIGHUP ignored (nohup) goes on to
    ignore them; a program that has an answer of its own to SIGUSR1 or SIGXCPU keeps it."""
    found: list[int] = [signal.SIGINT]
    for number in SIGNALS[1:]:
        answer = signal.getsignal(number)
        free = answer in (signal.SIG_DFL, _hear)
        if free or (number not in WARNINGS and answer is not signal.SIG_IGN):
            found.append(number)
    return found


def listen() -> None:
    """Keep the signals that come from here on, and end the program by them."""
    _heard.clear()
    _said.clear()
    _ending.clear()
    for number in ours():
        signal.signal(number, _hear)


def lost() -> int | None:
    """The first signal that came and has not ended the program; None where none did."""
    return _heard[0] if _heard else None


def raise_missed() -> None:
    """Raise Stopped where a signal came before."""
    if _heard:
        signal.setitimer(signal.ITIMER_REAL, 0)  # nobody needs to look for it any more
        raise Stopped("interrupted", _heard[0])


def finish(code: int) -> None:
    """From here on a signal ends the program at once: all is said and written."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        os._exit(code)

    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in ours():
        signal.signal(number, leave)


def _hear(number: int, frame: FrameType | None) -> None:
    if _ending:
        if number == signal.SIGINT:
            os._exit(_ending[0])
        return
    if number == signal.SIGINT and number in _heard:  # again: it takes too long
        _leave(number)
    _heard.append(number)
    _end(frame)


def _end(frame: FrameType | None) -> None:
    """Raise Stopped; within an import, which may be anywhere in C code, once it has ended."""
    if not _importing(frame):
        raise_missed()
    signal.signal(signal.SIGALRM, lambda number, frame: _end(frame))
    signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING:
            return True
        frame = frame.f_back
    return False


def _leave(number: int) -> NoReturn:
    """End without asking any library."""
    say()
    os._exit(128 + number)


def said() -> None:
    """It has been said: another signal may come before the end."""
    _said.append(True)


class LastWord:
    """While the last line is said, with which the program ends by ``code``: a signal that comes
    in there, or later, does not add another one."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __enter__(self) -> None:
        if signal.getsignal(signal.SIGINT) is _hear:
            _ending.append(self.code)

    def __exit__(self, *error: object) -> None:
        said()
        if _ending:
            finish(self.code)


def say() -> None:
    """Say that the program was interrupted, where nothing may be ready to say it by; once."""
    if _said:
        return
    said()
    try:  # noqa: SIM105
        os.write(2, b"tuichaos: error: interrupted\n")
    except OSError:  # the terminal may be gone
        pass
