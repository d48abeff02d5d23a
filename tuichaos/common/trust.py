"""Whose code may run: an experiment may name code, ``package.module:factory``, and a file that
names some must not run it by being opened.

Code runs once its name was said in this process: on the command line (``--set
system.name=mymaps:Tent`` or ``--trust mymaps:Tent``), or in Python by who gave a table to
``tuichaos.resolve``, or by ``tuichaos.trust``. What only a file says, an experiment or a run
folder, is not enough. (Workers of a sweep do what the process that asked them had checked.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tuichaos.common.errors import InputError
from tuichaos.common.text import clean

CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
PLACES = ("system.name", "data.name", "network.kind", "optimizer.name", "loss.name")

_trusted: set[str] = set()


def trust(name: str) -> None:
    """Let code of this name run in this process, whatever experiment names it.

    Parameters
    ----------
    name : str
        ``package.module:factory``.

    Raises
    ------
    InputError
        It is no such name.

    Examples
    --------
    >>> import tuichaos
    >>> tuichaos.trust("mymaps:Tent")
    """
    if not isinstance(name, str) or not CODE.fullmatch(name):
        raise InputError(f"--trust {name}: must be a name such as package.module:factory")
    _trusted.add(name)


def trust_named(table: Mapping[str, Any]) -> None:
    """Let all code run that a table of an experiment, nested or by dotted keys, names."""
    _trusted.update(name for _, name in _named(table))


def is_trusted(name: str) -> bool:
    """Whether code of this name was said in this process."""
    return name in _trusted


def check_trusted(experiment: object) -> None:
    """Raise InputError, saying what to add, for an experiment that names code nobody said."""
    for place, name in _named(experiment):
        if name not in _trusted:
            raise InputError(
                f"{place}: a file names the code {clean(name, 200)}, which runs only if you say "
                f"its name too: --trust {clean(name, 200)}"
            )


def _named(thing: object) -> Iterator[tuple[str, str]]:
    """The keys of an experiment, or of a table of one, that name code, and the code."""
    for place in PLACES:
        first, _, last = place.partition(".")
        for name in (_inside(_inside(thing, first), last), _inside(thing, place)):
            if isinstance(name, str) and CODE.fullmatch(name):
                yield place, name


def _inside(thing: object, name: str) -> object:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
