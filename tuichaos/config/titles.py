"""Titles that stay true: of an experiment whose keys were changed, one made of what it is now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from tuichaos.common.limits import shortened
from tuichaos.common.number_text import said
from tuichaos.config.experiment import Experiment
from tuichaos.config.reference_parameters import REFERENCE
from tuichaos.config.sweep_axes import axes

MAX_LISTED = 20  # entries of a list in a title
MAX_NUMBERS = 4  # of values
# What may differ from a published experiment while its figures still stand for comparison.
COMPARABLE = ("seed", "device", "ensemble.references", "record.", "measure.", "name", "about")
# What a title does not speak of, unless the number that was there stands in it.
APART = ("steps", "dtype", "ensemble.twins", "data.seed")
WORDS = {
    "logistic": "Logistic map",
    "henon": "Hénon map",
    "lorenz": "Lorenz flow",
    "cat": "Arnold's cat map",
    "quadratic": "Gradient descent on a quadratic",
    "quartic": "Gradient descent on (w² − 1)²/4",
    "product": "Gradient descent on ½(∏x − 1)²",
    "softmax-map": "Softmax map",
}
# What ``described`` tells; other changes stand behind it in brackets.
TOLD = ("system.name", "system.parameters", "sweep", "data.name", "data.path")
TOLD += ("network.hidden", "network.activation", "optimizer.learning_rate", "optimizer.name")
OF_TRAINING = ("data", "network", "loss", "optimizer")  # tables that no map has
PARAMETER = "system.parameters."
NUMBERS = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
CHANGES = re.compile(r" \[([\w.]+ = .*)\]$")
ORIGIN = re.compile(r" \(from (.+)\)$")


def retitled(
    made: Experiment,
    table: Mapping[str, Any],
    overrides: Mapping[str, Any],
    overs: Iterable[str] = (),
) -> Experiment:
    """An experiment that was made of a table with some keys changed and others swept (``overs``):
    without published figures that no longer compare, and with a title that is true of it."""
    changed = {k: v for k, v in overrides.items() if value_at(table, k) != v}
    changed = {
        k: v for k, v in changed.items() if not k.startswith((*COMPARABLE, "title", "paper"))
    }
    swept = [key for key in overs if not key.startswith((*COMPARABLE, *APART))]
    if not changed and not swept:
        return made
    update: dict[str, Any] = {"paper": {}} if changed and "paper" not in overrides else {}
    before = table.get("title")
    if isinstance(before, str) and before and "title" not in overrides:
        if swept or not all(_is_apart(key, table, before) for key in changed):
            update |= {"title": _anew(made, before, changed, str(table.get("name", "")))}
            update |= {} if "about" in overrides else {"about": ""}
        else:
            words = _listed({key: _short(value) for key, value in changed.items()})
            update["title"] = f"{before}{words}" if words.isprintable() else before
    return made.model_copy(update=update)


def title_of(experiment: Experiment) -> str:
    """The title, or what it is where it has none."""
    return experiment.title or described(experiment)


def without_ranges(experiment: Experiment) -> str:
    """The title, without the ranges where it was made of them: what a point of a sweep is."""
    whole = described(experiment)
    if not experiment.title.startswith(whole):
        return experiment.title
    alone = experiment.model_copy(update={"sweep": {}})
    return described(alone) + experiment.title.removeprefix(whole)


def described(experiment: Experiment) -> str:
    """What evolves, at which values, over which ranges."""
    swept = axes(experiment.sweep)
    keys = [axis.key for axis in swept]
    words = _training(experiment, keys) if _trains(experiment) else _map(experiment, keys)
    spans = [
        f"{axis.key.removeprefix(PARAMETER)} from {min(axis.values):g} to {max(axis.values):g}"
        for axis in swept
    ]
    words += f" over {' and '.join(spans)}" if spans else ""
    return words if words.isprintable() else experiment.called


def name_of(system: str) -> str:
    """What runs of a system are called: a map of the user's by its own name."""
    return system.rpartition(":")[2]


def value_at(table: Mapping[str, Any], key: str) -> Any:
    """What stands at a dotted key of a table; None for nothing."""
    found: Any = table
    for part in key.split("."):
        if isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _trains(experiment: Experiment) -> bool:
    return experiment.system.name == "training"


def _training(experiment: Experiment, swept: list[str]) -> str:
    data, network, rate = experiment.data, experiment.network, experiment.optimizer.learning_rate
    name = PurePath(data.path).name if data.path else data.name
    parts = [f"Training on {name}"]
    if "network.activation" not in swept and not any(k.startswith("network.hidden") for k in swept):
        widths = "-".join(map(str, network.hidden))
        parts.append(f"{widths} {network.activation} units" if widths else "no hidden layer")
    if not any(key.startswith("optimizer.learning_rate") for key in swept):
        rates = experiment.optimizer.learning_rates
        parts.append(f"η = {_number(rates or rate)}")
    if experiment.optimizer.name != "gd":
        parts.append(experiment.optimizer.name)
    return ", ".join(parts)


def _map(experiment: Experiment, swept: list[str]) -> str:
    name = experiment.system.name
    values = {**REFERENCE.get(name, {}), **experiment.system.parameters}
    values = {k: v for k, v in values.items() if PARAMETER + k not in swept}
    parts = [f"{key} = {_number(value)}" for key, value in values.items()]
    return WORDS.get(name, name) + (f" at {', '.join(parts)}" if parts else "")


def _is_apart(key: str, table: Mapping[str, Any], title: str) -> bool:
    """Whether a title that says nothing of a key stays true when it changes."""
    old = value_at(table, key)
    old = value_at(Experiment().model_dump(), key) if old is None else old
    numbers = [float(text) for text in re.findall(NUMBERS, CHANGES.sub("", title))]
    is_number = isinstance(old, int | float) and not isinstance(old, bool)
    return key.startswith(APART) and not (is_number and float(old) in numbers)


def _anew(made: Experiment, before: str, changed: Mapping[str, Any], name: str) -> str:
    """What the experiment is, where it is from, and what else was changed, now and before."""
    earlier: dict[str, str] = {}
    if found := CHANGES.search(before):
        before = before[: found.start()]
        pairs = re.split(r", (?=[\w.]+ = )", found[1])
        earlier = dict(pair.split(" = ", 1) for pair in pairs)
    origin = found[1] if (found := ORIGIN.search(before)) else name
    words = {key: _short(value) for key, value in changed.items()}
    rest = {
        key: text
        for key, text in {**earlier, **words}.items()
        if not key.startswith(TOLD)
        and (_trains(made) or not key.startswith(OF_TRAINING))
        and text.isprintable()
    }
    is_its_own = origin in ("", made.system.name, name_of(made.system.name))
    from_there = "" if is_its_own else f" (from {origin})"
    return described(made) + from_there + _listed(rest)


def _listed(words: Mapping[str, str]) -> str:
    text = ", ".join(f"{key} = {value}" for key, value in words.items())
    return f" [{text}]" if text else ""


def _number(value: Any) -> str:
    """A number, or a list of them, in few digits."""
    if isinstance(value, list) and value and all(isinstance(item, float) for item in value):
        many = len(value) > MAX_NUMBERS
        ends = f"{min(value):.6g} to {max(value):.6g}"
        return ends if many else f"[{', '.join(map(_number, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else _short(value)


def _short(value: Any) -> str:
    """A value in a title; a long list as how long it is."""
    return shortened(value) if isinstance(value, list) and len(value) > MAX_LISTED else said(value)
