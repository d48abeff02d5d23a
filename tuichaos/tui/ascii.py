"""The whole screen in ASCII, for terminals whose font has nothing else."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tuichaos.common.ascii_text import plain


class AsciiFilter(LineFilter):
    """Puts for every character one in ASCII, and keeps every line as wide as it was."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(plain(segment.text).ljust(cell_len(segment.text)), segment.style)
            for segment in segments
        ]
