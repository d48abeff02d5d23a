"""Names of key bindings, by which config.toml gives them other keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _character_to_key

from tuichaos.common.errors import InputError, nearest

MODIFIERS = {"ctrl", "shift", "alt", "super", "meta", "hyper"}
BY_GROUP: dict[str, list[Binding]] = {}  # all bindings with a name, as the code has them


hidden = partial(Binding, show=False)  # of a key that the footer does not show


def identified(group: str, bindings: Iterable[Binding]) -> list[Binding]:
    """The bindings of a screen or widget, each with an id made of its description: "atlas.zoom",
    "explore.lr-down"."""
    found = [replace(binding, id=f"{group}.{_name(binding)}") for binding in bindings]
    BY_GROUP[group] = found
    return found


def _name(binding: Binding) -> str:
    words = binding.description.replace("−", " down").replace("+", " up")
    return re.sub(r"[^a-z0-9]+", "-", words.lower())


def checked(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys by the id of a binding, as Textual knows them: ``{"explore.run": "f5,p"}``.

    Raises
    ------
    InputError
        For an id or a key that does not exist, and where a key would mean two things in one
        place.
    """
    known = {str(b.id): b for group in BY_GROUP.values() for b in group}
    found = {}
    for name, text in keys.items():
        if name not in known:
            raise InputError(f"keys.{name}: there is no such key binding; {nearest(name, known)}")
        found[name] = ",".join(_key(name, part) for part in re.split(r",(?!$)", text))
    everywhere = BY_GROUP.get("app", [])
    for name, group in BY_GROUP.items():
        _distinct(group if name == "app" else [*everywhere, *group], found)
    return found


def _key(name: str, text: str) -> str:
    """A key as Textual calls it: "p", "f5", "ctrl+s", "[" as "left_square_bracket"."""
    *held, key = re.split(r"\+(?!$)", text.strip())
    if len(key) == 1:
        key = _character_to_key(key)
    elif key not in {each.value for each in Keys} | set(KEY_NAME_REPLACEMENTS.values()):
        raise InputError(f"keys.{name}: there is no key {text.strip()!r}")
    if unknown := set(held) - MODIFIERS:
        raise InputError(f"keys.{name}: there is no modifier {min(unknown)!r}; shift, ctrl or alt")
    return "+".join([*held, key])


def _distinct(group: Iterable[Binding], keys: Mapping[str, str]) -> None:
    taken: dict[str, str] = {}
    for binding in group:
        for key in keys.get(str(binding.id), binding.key).split(","):
            other = taken.setdefault(key, str(binding.id))
            if other != binding.id and {other, binding.id} & keys.keys():
                name = str(binding.id) if binding.id in keys else other
                raise InputError(
                    f"keys.{name}: {key} is the key of {other if name != other else binding.id}"
                )
