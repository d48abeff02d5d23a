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
    """A preset as an Experiment, with dotted overrides: ``{"ensemble.references": 20}``, and
    keys that are swept besides: ``["seed=[1, 2]"]``."""
    return load(path(name), overrides, overs)
