"""Numbers and other values as people write them, between a command line, TOML and a title."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Numbers that TOML does not have: .5, 5., and 1e4 where a whole one is due.
NUMBER = re.compile(r"[+-]?(?:\.\d+|\d+\.)(?:[eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+")
MAX_WHOLE = 2**53  # from here on floats have no fractions anyway


def whole(value: object) -> object:
    """A whole number that is written as a float (``1e3``, ``5.0``) as an integer; what is none
    stays as it is."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < MAX_WHOLE
    return int(value) if is_whole else value


def number(text: str) -> int | float | None:
    """What a text of the form of NUMBER stands for; None for any other."""
    text = text.strip()
    return whole(float(text)) if NUMBER.fullmatch(text) else None


def whole_text(text: str) -> str:
    """The digits of a whole number that is written as a float; another text as it is."""
    try:
        found = whole(float(text))
    except ValueError:
        return text
    return text if isinstance(found, float) or "_" in text else str(found)


def as_toml(text: str) -> str:
    """A list or a table with such numbers in it as TOML has them."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    text = re.sub(r"(?<![\w.\"'])([+-]?)\.(?=\d)", r"\g<1>0.", text)
    return re.sub(r"(?<![\w.])(\d+)\.(?![\w.])", r"\g<1>.0", text)


def number_fault(text: str, line: int, column: int) -> str:
    """Why what stands at a place of a TOML text, both counted from 1, is no number of TOML
    though it looks like one; empty where it does not."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return ""
    for token in _tokens_at(lines[line - 1], column):
        for form, why in FAULTS:
            if form.fullmatch(token):
                return f"line {line}: {token}: {why}"
    return ""


def _tokens_at(line: str, column: int) -> Iterator[str]:
    """What stands at a place of a line: with the commas in it, then without. Behind a quote
    it may be a text."""
    for form in (r"[^\s=\[\]{}#\"']+", r"[^\s=\[\]{}#\"',]+"):
        for found in re.finditer(form, line):
            if not found.start() < column <= found.end() + 1:  # of most; a line may be long
                continue
            if not set(line[: found.start()]) & set("\"'"):
                yield found[0].rstrip(",")


EXPONENT = r"(?:[eE][+-]?\d+)?"
FAULTS = (
    (re.compile(rf"[+-]?\d+\.{EXPONENT}"), "a digit must follow the point, as in 5.0"),
    (re.compile(rf"[+-]?\.\d+{EXPONENT}"), "a digit must stand before the point, as in 0.5"),
    (re.compile(rf"[+-]?\d+,\d+{EXPONENT}"), "decimals follow a point, not a comma"),
    (
        re.compile(rf"[+-]?0\d+(?:\.\d+)?{EXPONENT}"),
        "no number begins with 0 and another digit",
    ),
    (re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?"), "digits must follow the e, as in 1e-3"),
)


def said(value: Any) -> str:
    """A value in a title or a table: true and false as TOML has them, texts as they are."""
    return value if isinstance(value, str) else _inner(value)


def _inner(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_inner(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inner, value)) + "]"
    return repr(value) if isinstance(value, str | float) else str(value)
