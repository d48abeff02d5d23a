"""What commands have in common: options, and an end by ctrl-C."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import click

from tuichaos.common.number_text import whole_text


class Whole(click.types.IntParamType):
    """An integer, also one that is written as a float (``1e3``, ``5.0``)."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return super().convert(whole_text(value) if isinstance(value, str) else value, param, ctx)


class WholeRange(Whole, click.IntRange):
    """The same between two bounds."""


class NumberRange(click.FloatRange):
    """A number between two bounds."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            float(value)
        except ValueError:
            self.fail(f"must be a number, not {value!r}", param, ctx)
        return super().convert(value, param, ctx)


WHOLE = Whole()

CLUSTER = (
    "A Dask cluster does the sweep: tcp://HOST:PORT of its scheduler. It has workers of its own, "
    "so --workers is refused beside it; --keep needs a file system that they share."
)

TRUST = (
    "Let this code, package.module:factory, run where a file names it; else only --set makes "
    "an experiment run code that is not tuichaos's own."
)


def trusting(command: Any) -> Any:
    """Give a command the option --trust."""

    def heed(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> None:
        if names:
            from tuichaos.common.trust import trust

            for name in names:
                trust(name)

    return click.option(
        "--trust",
        multiple=True,
        metavar="CODE",
        callback=heed,
        expose_value=False,
        help=TRUST,
    )(command)


class Interrupted(Exception):
    """Ctrl-C, or another signal to end, with what there is to say of it; ``code``: to exit with."""

    code = 130


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let ctrl-C end with what there is to say of it: click would swallow that."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise interrupted(error, str(error)) from None


def interrupted(error: KeyboardInterrupt, words: str) -> Interrupted:
    """The same end in other words."""
    found = Interrupted(words)
    found.code = getattr(error, "code", Interrupted.code)
    return found
