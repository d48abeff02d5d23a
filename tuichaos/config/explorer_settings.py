"""Settings of the explorer: flag, then environment, then file, then default."""

from __future__ import annotations

import contextlib
import locale
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from tuichaos.common.ascii_text import only_ascii
from tuichaos.common.errors import InputError, nearest

KINDS = {str: "a text", float: "a number", bool: "true or false", dict: "a table"}


@dataclass(frozen=True)
class Config:
    """``TUICHAOS_FPS`` and so on set them too; the file is config.toml (``tuichaos paths``).

    ``ascii`` is true by itself where the terminal has nothing else; saying false is heeded.
    ``keys``: other keys by the id of a binding; only in the file.
    """

    preset: str = "quick"
    fps: float = 4.0
    ascii: bool = False
    theme: str = "tuichaos-dark"
    keys: dict[str, str] = field(default_factory=dict)


def config_path() -> Path:
    """The file; ``TUICHAOS_CONFIG`` names another."""
    named = os.environ.get("TUICHAOS_CONFIG")
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_config_dir("tuichaos")) / "config.toml"


def read_config(flags: Mapping[str, Any] | None = None) -> Config:
    """The settings in force; None among ``flags`` means not given. Raises InputError."""
    config = _from_file(config_path(), Config(ascii=poor_terminal()))
    environment = {
        each.name: os.environ[f"TUICHAOS_{each.name.upper()}"]
        for each in fields(Config)
        if each.name != "keys" and os.environ.get(f"TUICHAOS_{each.name.upper()}")
    }
    config = _updated(config, environment, lambda key: f"TUICHAOS_{key.upper()}")
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    return _updated(config, given, lambda key: f"--{key}")


def keep_theme(theme: str) -> None:
    """Keep the theme for the next start, in the file and nothing else of what flags or the
    environment say; what cannot be written is let go."""
    import tomli_w

    path = config_path()
    with contextlib.suppress(OSError, InputError):
        kept = replace(_from_file(path, Config()), theme=theme)
        changed = {k: v for k, v in asdict(kept).items() if v != getattr(Config(), k)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(changed), encoding="utf-8")


def poor_terminal() -> bool:
    """Whether the terminal has little beyond ASCII: the Linux console, or no UTF-8."""
    encoding = locale.getpreferredencoding(False).lower().replace("-", "")
    poor = os.environ.get("TERM") in ("linux", "dumb", "vt100") or encoding != "utf8"
    return poor or any(map(only_ascii, (sys.stdout, sys.stderr)))


def _from_file(path: Path, config: Config) -> Config:
    if not path.exists():
        return config
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    return _updated(config, table, lambda key: f"{path}: {key}")


def _updated(config: Config, values: Mapping[str, Any], named: Callable[[str], str]) -> Config:
    """The settings with other values; ``named``: what a person calls each of them there."""
    known = {each.name: type(getattr(config, each.name)) for each in fields(Config)}
    for key, value in values.items():
        if key not in known:
            raise InputError(f"{named(key)}: unknown setting; {nearest(key, known)}")
        config = replace(config, **{key: _as(known[key], value, named(key))})
    if not 0.2 <= config.fps <= 60:
        raise InputError(f"{named('fps')}: must lie between 0.2 and 60, not {config.fps:g}")
    return config


def _as(kind: type, value: Any, where: str) -> Any:
    """A value of that kind, from a file or from text."""
    if kind is bool and isinstance(value, str):
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        value = words.get(value.lower(), value)
    if kind is float and not isinstance(value, bool):
        with contextlib.suppress(TypeError, ValueError):
            value = float(value)
    if not isinstance(value, kind):
        raise InputError(f"{where}: must be {KINDS[kind]}, not {value!r}")
    for name, key in value.items() if kind is dict else ():
        if not isinstance(key, str) or not key:
            raise InputError(f"{where}.{name}: must be a key such as 'p' or 'ctrl+s', not {key!r}")
    return value
