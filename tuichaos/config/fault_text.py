"""What is wrong with an experiment, in one line that names the key or the nearest one."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from tuichaos.common.errors import MAX_COMPARED, is_near, nearest
from tuichaos.common.limits import (
    shortened,
)
from tuichaos.common.text import clean
from tuichaos.config.experiment import Experiment, Table

MAX_SAID = 600  # characters of a message: a value may be a list of a million
LIKE = 0.6  # of a key's letters that are its neighbour's, so that it is meant (as difflib has it)
MAX_KEY = 60  # characters of a part of a key in a message
KINDS = {"boolean": " true or false", "string": " text", "dictionary": " a table"}


def explained(error: ValidationError) -> str:
    """The first fault as one line that names the key."""
    faults = error.errors(include_url=False)
    fault = faults[0]
    if fault["type"] == "missing":  # a key of the same table with a slip in it tells more
        fault = next((f for f in faults if _is_unknown_beside(f, fault)), fault)
    return clean(fault_line(fault), MAX_SAID)


def _is_unknown_beside(fault: Mapping[str, Any], missing: Mapping[str, Any]) -> bool:
    return fault["type"] == "extra_forbidden" and fault["loc"][:-1] == missing["loc"][:-1]


def fault_line(fault: Mapping[str, Any]) -> str:
    where = [str(part) for part in fault["loc"] if not _is_inner(part)]
    where = where or [str(part) for part in fault["loc"]]
    where = [clean(part, MAX_KEY) for part in where]
    if fault["type"] == "extra_forbidden" and "." in where[-1]:
        return f"{'.'.join(where)}: unknown key; a dotted key must not be quoted"
    if fault["type"] == "extra_forbidden":
        return f"{'.'.join(where)}: unknown key; {_nearest_key(where)}"
    if fault["type"] == "missing":
        return f"{'.'.join(where[:-1])}: {where[-1]} is missing"
    if fault["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        hint = nearest(fault["input"], choices)
        return f"{'.'.join(where)}: unknown value {shortened(fault['input'])}; {hint}"
    if fault["type"] == "model_type":
        return f"{'.'.join(where)}: is a table, not a value such as {shortened(fault['input'])}"
    message = re.sub(r"^Value error, |^Input should be( a valid)?", "", fault["msg"])
    if fault["type"] != "value_error":
        message = f"must be{KINDS.get(message.strip(), message)}, not {shortened(fault['input'])}"
    if fault["type"] == "value_error" and re.match(r"[\w.]+: ", message):
        return ".".join([*where, message])
    return f"{'.'.join(where) or 'experiment'}: {message}".replace("\n", " ")


# What others call a key, and its letters do not tell.
ALIASES = {
    "optimizer.learning_rate": ("lr", "eta", "step_size", "stepsize"),
    "steps": ("epochs", "iterations", "iters", "n_steps"),
    "ensemble.perturbation": ("epsilon",),
}


def _nearest_key(where: list[str]) -> str:
    """``did you mean …?`` for the known dotted key most like an unknown one, by its own name and
    as a whole; if none is like it, what there is in its place."""
    if (own := _keys_of_entry(where[:-1])) is not None:
        aliases = (name for name in own if where[-1].lower() in _aliases_of(name))
        return nearest(next(aliases, where[-1]), own)
    for key, others in ALIASES.items():
        if where[-1].lower() in others and len(where) <= 2:
            return f"did you mean {key!r}?"
    keys = [key for key, _, _ in describe_keys()]
    last, whole = where[-1][:MAX_COMPARED], ".".join(where)[:MAX_COMPARED]

    def likeness(key: str) -> tuple[float, float]:
        pairs = ((last, key.split(".")[-1]), (whole, key))
        return tuple(difflib.SequenceMatcher(None, a, b).ratio() for a, b in pairs)

    best, table = max(keys, key=lambda key: sum(likeness(key))), ".".join(where[:-1])
    _, whole = likeness(best)
    # A table in common makes any two alike.
    if is_near(last, best.split(".")[-1]) or (whole >= LIKE and not table and is_near(last, best)):
        return f"did you mean {best!r}?"
    own = [key.removeprefix(f"{table}.") for key in keys if table and key.startswith(f"{table}.")]
    tables = dict.fromkeys(key.partition(".")[0] for key in keys if "." in key)
    return f"{table} has {', '.join(own)}" if own else f"the tables are {', '.join(tables)}"


def _keys_of_entry(table: list[str]) -> list[str] | None:
    """The keys of an entry of a list of tables, ``optimizer.changes.0``; None for another place."""
    if not table or not table[-1].isdecimal():
        return None
    kind: Any = Experiment
    for part in table[:-1]:
        kind = kind.model_fields[part].annotation
    (entry,) = typing.get_args(kind)
    return list(entry.model_fields)


def _aliases_of(name: str) -> tuple[str, ...]:
    return next((others for key, others in ALIASES.items() if key.endswith(f".{name}")), ())


def _is_inner(part: object) -> bool:
    """Whether a part of an error's place is pydantic's own (a branch of a union)."""
    return isinstance(part, str) and ("[" in part or part in ("int", "none"))


def describe_keys() -> Iterator[tuple[str, Any, str]]:
    """Every key of an experiment with its default and meaning."""
    yield from _describe(Experiment, "")


def _describe(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Table):
            yield from _describe(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.default, _meaning(field)


def _meaning(field: Any) -> str:
    choices = typing.get_args(field.annotation)
    if typing.get_origin(field.annotation) is Literal:
        return f"{field.description}: {', '.join(map(str, choices))}"
    return field.description or ""
