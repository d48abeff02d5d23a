"""The entry of the command line. Signals are heard from its first line on; the commands, with
the libraries they need, are loaded after that."""

from __future__ import annotations

import sys

from tuichaos.common import signals


def main() -> None:
    """Do what the command line says, and end with its exit code."""
    signals.listen()
    try:
        from tuichaos.cli import group

        code = group.run()
    except BaseException:
        if signals.lost() is None:
            raise
        code = _say_interrupted()
    else:
        if code < 128 and signals.lost() is not None:  # lost on its way
            code = _say_interrupted()
    signals.finish(code)
    sys.exit(code)


def _say_interrupted() -> int:
    """Of a signal that came before the commands were there, or that a library lost."""
    signals.say()
    return 128 + (signals.lost() or 0)


def __getattr__(name: str) -> object:
    """``cli``, the group of all commands, and what else is in its module."""
    if name.startswith("__"):  # an import asks for __path__, before signals are heard
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tuichaos.cli import group

    try:
        return getattr(group, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
