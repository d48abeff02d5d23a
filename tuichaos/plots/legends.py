"""Names side by side on as few lines as hold them, whatever they are made of."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 2  # columns between two of them


def flow(widths: Sequence[int], room: int, most: int | None = None) -> tuple[list[list[int]], int]:
    """Which of some names stand on each line of ``room`` columns, ``most`` lines at most, and how
    many have no place: ``more`` of so many then fits behind the last one."""
    lines: list[list[int]] = [[]]
    for number in range(len(widths)):
        if lines[-1] and _width(widths, [*lines[-1], number]) > room:
            lines.append([])
        lines[-1].append(number)
    left = sum(map(len, lines[most:])) if most is not None else 0
    lines = lines[:most]
    while left and len(lines[-1]) > 1:
        if _width(widths, lines[-1]) + GAP + len(more(left)) <= room:
            break
        lines[-1].pop()
        left += 1
    return lines, left


def more(count: int) -> str:
    """What stands for names that have no room."""
    return f"… {count} more"


def _width(widths: Sequence[int], line: Sequence[int]) -> int:
    return sum(widths[k] for k in line) + GAP * (len(line) - 1)
