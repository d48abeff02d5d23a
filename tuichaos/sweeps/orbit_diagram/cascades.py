"""Cascades of period doublings among the bifurcations of a diagram, and the words for both."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuichaos.sweeps.orbit_diagram.bifurcations import FEIGENBAUM, Bifurcation, Refined


@dataclass(frozen=True)
class Cascade:
    """Doublings of a cycle, of the one it doubles to, and so on, with the ratios of successive
    intervals, said to approach FEIGENBAUM."""

    periods: tuple[int, ...]
    parameters: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        gaps = [b - a for a, b in itertools.pairwise(self.parameters)]
        return tuple(a / b for a, b in itertools.pairwise(gaps))


def cascades(found: Sequence[Bifurcation]) -> list[Cascade]:
    """The cascades of three doublings or more among bifurcations, the longest first.

    The doubling of 2p that follows one of p is the nearest one, as long as it lies further on
    in the same direction, and nearer than the last one did.
    """
    doublings = [one for one in found if one.kind == "doubling"]
    chains = []
    for first in doublings:
        chain = [first]
        while (following := _following(chain, doublings)) is not None:
            chain.append(following)
        chains.append(chain)
    inner = {id(one) for chain in chains for one in chain[1:]}
    chains = [chain for chain in chains if len(chain) > 2 and id(chain[0]) not in inner]
    made = [Cascade(*zip(*((b.period, b.parameter) for b in c), strict=True)) for c in chains]
    return sorted(made, key=lambda cascade: (-len(cascade.periods), cascade.periods))


def _following(
    chain: Sequence[Bifurcation], doublings: Sequence[Bifurcation]
) -> Bifurcation | None:
    last = chain[-1]
    after = [one for one in doublings if one.period == 2 * last.period]
    nearest = min(after, key=lambda b: abs(b.parameter - last.parameter), default=None)
    if nearest is None or len(chain) == 1:
        return nearest
    before, gap = last.parameter - chain[-2].parameter, nearest.parameter - last.parameter
    return nearest if gap * before > 0 and abs(gap) < abs(before) else None


def summary_parts(found: Refined) -> dict[str, Any]:
    """The part of summary.json."""
    rows = [
        {
            "kind": one.kind,
            "period": one.period,
            "parameter": one.parameter,
            "multiplier": [one.multiplier.real, one.multiplier.imag],
            "residual": one.residual,
            "bracket": list(one.bracket),
        }
        for one in found.bifurcations
    ]
    chains = [
        {
            "periods": list(chain.periods),
            "parameters": list(chain.parameters),
            "ratios": list(chain.ratios),
            "said_to_approach": FEIGENBAUM,
        }
        for chain in cascades(found.bifurcations)
    ]
    part = {"count": len(rows), "found": rows, "not_refined": found.left, "reason": found.reason}
    return {"bifurcations": part, "cascades": chains}
