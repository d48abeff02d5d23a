"""Text for terminals that have nothing but ASCII: every character has one that stands for it."""

from __future__ import annotations

import re
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
    """``text`` with ASCII in the place of what a stream's encoding does not have."""
    if not only_ascii(stream) or _fits(text, stream.encoding):
        return text
    return "\n".join(_carried(line, stream.encoding) for line in text.split("\n"))


@lru_cache(4096)
def _carried(text: str, encoding: str) -> str:
    for raised in RAISED:
        if not _fits(raised, encoding):  # 10⁻⁷ as 1e-7
            text = text.replace("10" + raised, "1e" + raised)
    return "".join(c if _fits(c, encoding) else plain(c) for c in text)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return True


# Texts of TOML, and comments, each as a whole.
TOML = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*',
    re.DOTALL,
)


def ascii_toml(text: str) -> str:
    """The same TOML in ASCII: texts with escapes, which are read back as they were; comments
    as people read them."""
    return TOML.sub(_ascii_token, text)


def _ascii_token(found: re.Match[str]) -> str:
    token = found[0]
    if token.isascii():
        return token
    if token.startswith("#"):
        return plain(token)
    if token.startswith("'"):  # there are no escapes in it: as a text that has some
        marks = 3 if token.startswith("'''") else 1
        inner = token[marks:-marks].replace("\\", "\\\\").replace('"', '\\"')
        token = '"' * marks + inner + '"' * marks
    return "".join(c if c.isascii() else _escape(c) for c in token)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


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
