"""Text from files of others: what may reach a terminal, a spreadsheet and a JSON reader.

A name, a title or a reason may hold escape sequences that move the cursor, retitle the window
or write into what is typed next, and marks that turn the direction of writing, so that a line
reads as another one. Every door to a terminal goes through ``clean``.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_SHOWN = 2000  # characters of one line: what is longer floods the screen and tells no more

# Where a spreadsheet may cut a cell: at semicolons, as where the comma is that of decimals, at
# tabs, and at line ends, where quotes mean nothing to it. What it does not show, or trims,
# may stand before a formula; the signs that begin one are also there in full width.
CUTS = ";\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029"
WIDE = "＝＋－＠﹦﹢﹣﹫"
UNSEEN = rf"[^\w!-~{CUTS}{WIDE}]*"
NUMBER = r"[+-]?(?:(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|nan|inf)"
FORMULA = re.compile(
    rf"^(?=[\t\n\r])|(?:^|(?<=[{CUTS}]))(?={UNSEEN}[-=+@{WIDE}])"
    rf"(?!{UNSEEN}{NUMBER}(?:[{CUTS}]|\Z))"
)


def clean(text: object, most: int = MAX_SHOWN) -> str:
    """Text in which every character is one that is printed: others are shown by their number,
    as Python writes them (``\\x1b``), and what is longer than ``most`` ends in an ellipsis."""
    text = str(text)
    if len(text) > most:
        text = text[: most - 1] + "…"
    return text if text.isprintable() else "".join(map(_shown, text))


def clean_lines(text: str) -> str:
    """The same of several lines."""
    return "\n".join(clean(line) for line in text.split("\n"))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def cleaned(value: Any) -> Any:
    """A tree of plain data with every text of it clean, names of its entries too."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): cleaned(item) for key, item in value.items()}
    return [cleaned(item) for item in value] if isinstance(value, list) else value


def is_clean(text: str) -> bool:
    """Whether JSON holds nothing that ``cleaned`` would change: no text in it is longer than
    one that is shown, and without an escape all of its characters are there to be seen."""
    if "\\" in text or not text.replace("\n", "").isprintable():
        return False
    return len(text) <= MAX_SHOWN or max(map(len, text.split('"'))) <= MAX_SHOWN


def json_text(value: Any, only_ascii: bool = False) -> str:
    """JSON for a terminal or a pipe: nothing is lost, and what is not printed is escaped;
    ``only_ascii``: as well what is not ASCII."""
    text = json.dumps(value, indent=2, ensure_ascii=only_ascii)
    return text if text.replace("\n", "").isprintable() else _escaped(text)


def _escaped(text: str) -> str:
    """Every character that is not printed as ``\\uXXXX``; outside of texts JSON has none but
    line ends, and within them those are escaped already."""
    return "".join(
        c if c == "\n" or c.isprintable() else json.dumps(c, ensure_ascii=True)[1:-1] for c in text
    )


def cell(text: str) -> str:
    """A text as a cell of a table that no spreadsheet takes for a formula: what begins like
    one, and is no number, gets an apostrophe before it."""
    return FORMULA.sub("'", text)
