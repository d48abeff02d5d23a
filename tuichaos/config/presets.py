"""The presets: experiments that come with the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError, nearest
from tuichaos.config.experiment import Experiment
from tuichaos.config.loading import load

PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Where the files are: inside an installed package, or beside it in a checkout."""
    inside = PACKAGE / "preset_files"
    return inside if inside.is_dir() else PACKAGE.parent / "presets"


def names() -> list[str]:
    """The names of all presets, in order of the alphabet."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def path(name: str) -> Path:
    """The file of a preset; InputError names the nearest one."""
    if name not in names():
        raise InputError(f"preset {name!r}: there is no such preset; {nearest(name, names())}")
    return folder() / f"{name}.toml"


def preset(
    name: str, overrides: Mapping[str, Any] | None = None, overs: Iterable[str] = ()
) -> Experiment:
    """Load a preset, one of the experiments that come with the package.

    Parameters
    ----------
    name : str
        As ``tuichaos presets`` lists it.
    overrides : Mapping of str to value, optional
        Dotted keys with values that take the place of the preset's.
    overs : iterable of str, optional
        Keys that are swept besides, as ``--over`` says it: ``"seed=[1, 2]"``.

    Returns
    -------
    Experiment
        Complete and valid.

    Raises
    ------
    InputError
        There is no such preset, or a key or value is refused; the message names it.

    Examples
    --------
    >>> import tuichaos
    >>> tuichaos.preset("quick", {"ensemble.references": 2}).ensemble.references
    2
    """
    return load(path(name), overrides, overs)
