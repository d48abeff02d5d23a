"""Text for terminals that have nothing but ASCII: every character has one that stands for it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TextIO

RAISED = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
GROUPS = {
    "+": "┌┐└┘┤├┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬╋",
    "-": "─━═╌╍┄┅╴╶▔−–—⎯⁻▀",
    "|": "│┃║╎╏┆┇▏▎▍▌▐▕╵╷‖▊▋▉⎸⎹",
    "_": "▁▂▄",
    "=": "▃≡",
    "#": "█▆▇▓▰▅",
    ".": "·…⋅▱░▒˙",
    "*": "●◉•✓⭘⭑",
    "v": "▼▾↓⌄ν",
    "b": "β",
    "d": "δ∂",
    "D": "Δ",
    "f": "φ",
    "p": "π",
    "s": "σΣ",
    "t": "θ",
    "u": "μ",
    "V": "√",
    " ": "⠀",
    "^": "▲▴↑",
    ">": "▶▸→≥»⇥⏵►",
    "<": "◀◂←≤«⏎⌫",
    "~": "±≈∼",
    "x": "×✕",
    "n": "η",
    "e": "ε",
    "L": "λΛ",
    "R": "ρ",
    "0": "₀⁰",
    "1": "₁¹",
    "2": "₂²½",
    "3": "₃³",
    "4": "₄⁴",
    "5": "₅⁵",
    "6": "₆⁶",
    "7": "₇⁷",
    "8": "₈⁸∞",
    "9": "₉⁹",
    "'": "’‘´′",
    '"': "“”",
}
TABLE = str.maketrans({char: plain for plain, group in GROUPS.items() for char in group})


def only_ascii(stream: TextIO) -> bool:
    """Whether what a stream writes to is given nothing but ASCII by charts, maps and frames of
    tables: its encoding is not one of all characters. Rich chooses so for its tables."""
    return not (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def fitting(text: str, stream: TextIO) -> str:
    """``text`` as it is where a stream has all its characters, else in ASCII."""
    if not only_ascii(stream):
        return text
    try:
        text.encode(stream.encoding)
    except UnicodeError:
        return "\n".join(map(plain, text.split("\n")))
    return text


@lru_cache(4096)
def plain(text: str) -> str:
    """``text`` in ASCII, as wide as it was: what has no likeness becomes ``?``."""
    for raised in RAISED:  # 10⁻⁷ as 1e-7
        text = text.replace("10" + raised, "1e" + raised)
    text = text.translate(TABLE)
    return text if text.isascii() else "".join(map(_letter, text))


def _letter(character: str) -> str:
    """A letter without its accent, or the one that another form is of."""
    found = unicodedata.normalize("NFKD", character)[:1].translate(TABLE)
    return found if found.isascii() else "?"
