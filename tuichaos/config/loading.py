"""Experiments from files and overrides, and every refusal as one line that names the key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuichaos.common.errors import InputError
from tuichaos.common.limits import (
    DOTTED,
    MAX_DEPTH,
    MAX_EXPERIMENT,
    look_over,
    read_text,
)
from tuichaos.common.number_text import as_toml, number, number_fault
from tuichaos.common.paths import here, pasted, resolved
from tuichaos.common.trust import trust_named
from tuichaos.config.experiment import Experiment
from tuichaos.config.extension import look_for
from tuichaos.config.fault_text import explained
from tuichaos.config.optimizer import drop_arguments
from tuichaos.config.sweep_axes import parse_over, swept_keys
from tuichaos.config.titles import name_of, retitled, value_at


def load(
    path: str | Path, overrides: Mapping[str, Any] | None = None, overs: Iterable[str] = ()
) -> Experiment:
    """Read an experiment file.

    Code that the file names, ``package.module:factory``, runs only if ``overrides`` name it too,
    or ``tuichaos.trust`` does.

    Parameters
    ----------
    path : path
        A TOML file. A relative ``data.path`` in it is seen from its folder.
    overrides : Mapping of str to value, optional
        Dotted keys with values that take the place of those in the file.
    overs : iterable of str, optional
        Keys that are swept besides, as ``--over`` says it: ``"seed=[1, 2]"``.

    Returns
    -------
    Experiment
        Complete and valid; without a name it has that of the file.

    Raises
    ------
    InputError
        The file cannot be read or is no TOML, or a key or value is refused; the message names it.

    Examples
    --------
    >>> from pathlib import Path
    >>> import tuichaos
    >>> _ = Path("mine.toml").write_text("steps = 30")
    >>> experiment = tuichaos.load("mine.toml", {"ensemble.references": 2})
    >>> experiment.name, experiment.steps, experiment.ensemble.references
    ('mine', 30, 2)
    """
    path = Path(pasted(path))
    look_over(overrides or {})
    trust_named(overrides or {})
    table = read_toml(path)
    data = table.get("data")
    if isinstance(data, dict) and isinstance(data.get("path"), str):
        data["path"] = _absolute(data["path"], path.parent)
    is_named = "name" in table or "name" in (overrides or {})
    table.setdefault("name", path.stem)
    made = changed(table, overrides or {}, overs)
    system = made.system.name
    if is_named or system == (value_at(table, "system.name") or Experiment().system.name):
        return made
    return made.model_copy(update={"name": name_of(system)})  # the file is that of another map


def changed(
    table: Mapping[str, Any], overrides: Mapping[str, Any], overs: Iterable[str] = ()
) -> Experiment:
    """An experiment of a table with keys changed, and others swept, whose title says so and
    stays true; raises InputError."""
    overs = list(overs)
    made = valid(table, overrides, overs)
    return retitled(made, table, overrides, [parse_over(text)[0] for text in overs])


def located(experiment: Experiment, path: str | Path | None, run: str) -> Experiment:
    """The experiment of a run with the file of its data where it is now; None: where it was.
    InputError where there is none."""
    was = experiment.data.path
    if path is None:
        if was is not None and not os.path.exists(was):
            raise InputError(
                f"{run}: data.path: {was}: is not there; if the file moved: --data FILE"
            )
        return experiment
    if was is None:
        raise InputError(f"--data: {run} has no data from a file")
    there = resolved(path, "--data")
    if not there.exists():
        raise InputError(f"--data: {there}: No such file or directory")
    data = experiment.data.model_copy(update={"path": str(there)})
    return experiment.model_copy(update={"data": data})


def longer(experiment: Experiment, steps: int) -> Experiment:
    """The same experiment with so many steps, which its title says, once."""
    table = experiment.model_dump()
    said = re.compile(rf"(\[(?:[^\[]*, )?steps = ){experiment.steps}((?:,[^\[]*)?\])$")
    title, found = said.subn(rf"\g<1>{steps}\g<2>", table.pop("title"))
    table |= {"title": title} if title else {}  # none is made of an empty one
    if found:
        return valid({**table, "paper": {}}, {"steps": steps})
    return changed(table, {"steps": steps})


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; InputError names the file."""
    try:
        text = read_text(path, MAX_EXPERIMENT)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not TOML: {_not_utf8(error)}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}; more samples go in an npz file") from None
    try:
        return parse_toml(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number too long
        raise InputError(f"{path}: is not TOML: {_toml_fault(text, error)}") from None


def _not_utf8(error: UnicodeDecodeError) -> str:
    """Which byte is no UTF-8, and in which line."""
    line = 1 + error.object.count(b"\n", 0, error.start)
    return f"it is not written in UTF-8 (byte 0x{error.object[error.start]:02x} in line {line})"


def _toml_fault(text: str, error: Exception) -> str:
    """What is wrong with TOML, in one line: a number that others write so, or what the parser
    says."""
    words = str(error).splitlines()[0]
    place = re.search(r"\(at line (\d+), column (\d+)\)", words)
    fault = number_fault(text, int(place[1]), int(place[2])) if place else ""
    return fault or words


def parse_toml(text: str) -> dict[str, Any]:
    """The table in TOML; ValueError or RecursionError for what is none."""
    if DOTTED.search(text):
        raise ValueError(f"a key of more than {MAX_DEPTH} parts")
    return tomllib.loads(text)


def resolve(
    table: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    overs: Iterable[str] = (),
) -> Experiment:
    """Build an experiment from nested tables and dotted overrides.

    Code that they name is taken as named by you, so it may run.

    Parameters
    ----------
    table : Mapping
        Tables as in an experiment file; what is left out has its default.
    overrides : Mapping of str to value, optional
        Dotted keys with values that take the place of those in ``table``.
    overs : iterable of str, optional
        Keys that are swept besides, as ``--over`` says it: ``"seed=[1, 2]"``.

    Returns
    -------
    Experiment
        Complete and valid.

    Raises
    ------
    InputError
        A key or value is refused; the message names it.

    Examples
    --------
    >>> import tuichaos
    >>> experiment = tuichaos.resolve({"steps": 30}, {"ensemble.references": 2})
    >>> experiment.steps, experiment.ensemble.references, experiment.network.hidden
    (30, 2, [10])
    >>> tuichaos.resolve({"stepps": 30})
    Traceback (most recent call last):
        ...
    tuichaos.common.errors.InputError: stepps: unknown key; did you mean 'steps'?
    """
    measured = table.get("measure") if isinstance(table, Mapping) else None
    if isinstance(measured, Mapping):  # a table given here is said by you
        look_for(map(str, measured), {f"measure.{key}": True for key in measured})
    made = valid(table, overrides, overs)
    trust_named(made.model_dump(include={"system", "data", "network", "optimizer", "loss"}))
    return made


def valid(
    table: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    overs: Iterable[str] = (),
) -> Experiment:
    """The same of what a file says: code that it names is not thereby to be run."""
    if not isinstance(table, Mapping):
        raise InputError(f"an experiment is a table, not {type(table).__name__}")
    look_over(table)
    look_over(overrides or {})
    merged = _copied({str(key): value for key, value in table.items()})
    for key, value in (overrides or {}).items():
        if key == "data.path" and isinstance(value, str):
            value = _absolute(value, here())
        _put(merged, key, value)
    if "optimizer.name" in (overrides or {}):  # arguments of the one before go with it
        drop_arguments(merged["optimizer"], set(overrides))
    if ranges := dict(parse_over(text) for text in overs):
        merged["sweep"] = {**swept_keys(merged.get("sweep", {})), **ranges}
    if isinstance(merged.get("measure"), Mapping):
        look_for(map(str, merged["measure"]), overrides or {})
    try:
        return Experiment(**merged)
    except ValidationError as error:
        raise InputError(explained(error)) from None


def swept(experiment: Experiment, overs: Iterable[str]) -> Experiment:
    """The experiment with keys swept as ``--over`` says it, beside those of its ``[sweep]`` or
    in their place; raises InputError."""
    return changed(experiment.model_dump(), {}, overs)


def parse_override(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` split at the first ``=``; VALUE is TOML, else a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {text}: must be KEY=VALUE")
    if (found := number(value)) is not None:
        return key.strip(), found
    for form in dict.fromkeys((value, as_toml(value))):
        try:
            table = parse_toml(f"value = {form}")
        except (ValueError, RecursionError):
            continue
        return key.strip(), table["value"] if list(table) == ["value"] else value
    return key.strip(), value


def _absolute(path: str, folder: Path) -> str:
    return str(resolved(path, "data.path", folder))


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied(v) if isinstance(v, dict) else v for k, v in table.items()}


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a part that is a number is a place in a list, counted from 0."""
    parts = key.split(".")
    if len(parts) > MAX_DEPTH:
        raise InputError(f"{key[:60]}…: a key of more than {MAX_DEPTH} parts")
    found: Any = table
    for depth, part in enumerate(parts[:-1]):
        at = _place(found, part, key)
        if isinstance(found, dict) and part not in found:
            found[part] = _blank(parts[: depth + 1], parts[depth + 1])
        inner = found[at]
        if not isinstance(inner, dict | list):
            raise InputError(f"{key}: {part!r} is a value, not a table")
        # A copy: the list may be the table's that was given.
        found[at] = found = dict(inner) if isinstance(inner, dict) else list(inner)
    found[_place(found, parts[-1], key)] = value


def _place(found: dict | list, part: str, key: str) -> str | int:
    """A part of a key as what it is looked up by; InputError where a list has no such place."""
    if isinstance(found, dict):
        return part
    if not part.isdecimal() or int(part) >= len(found):
        count = f"{len(found)}, counted from 0" if found else "none"
        raise InputError(f"{key}: no entry {part!r}; the list has {count}")
    return int(part)


def _blank(path: list[str], inner: str) -> dict | list:
    """What a key that is not given begins as: its default, where that is a list with such a
    place, else an empty table."""
    default = value_at(Experiment().model_dump(), ".".join(path))
    return list(default) if isinstance(default, list) and inner.isdecimal() else {}
