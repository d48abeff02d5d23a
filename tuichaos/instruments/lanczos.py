"""The largest algebraic eigenvalues of a symmetric operator by Lanczos iteration.

Full reorthogonalisation, thick restarts (Wu and Simon 2000, SIAM J. Matrix Anal. Appl. 22,
602–616), one eigenvalue after the other: the vectors found are projected out, so a multiple
eigenvalue is found as often as it is there. A Ritz pair (θ, y) is taken once its residual
‖Hy − θy‖, which bounds the distance of θ from an eigenvalue (Parlett, The Symmetric Eigenvalue
Problem, theorem 4.5.1), is below TOLERANCE·|θ|, or as small as rounding lets it be.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

TOLERANCE = 1e-9  # of the eigenvalue: a tenth of what is promised
ROUNDING = 1e-13  # of the largest |θ| seen: a residual cannot be told from rounding below
BASIS = 96  # vectors at once; then it restarts from the best KEPT
KEPT = 12
CHECK = 4  # products between looks at the Ritz values
PRODUCTS = 3000  # for one eigenvalue at most

# Length of the random part of a start beside the old eigenvector of length 1. Lanczos from
# exactly an old eigenvector never leaves it, even where another has risen above it; the random
# part has a share of every direction, which is in the residual until that direction is found.
MIX = 0.1

Operator = Callable[[Tensor], Tensor]  # a vector (n,) → its image (n,)


def largest(operator: Operator, starts: Tensor, draws: Tensor) -> tuple[Tensor, Tensor, list[bool]]:
    """The k largest eigenvalues (k,), downwards, with unit vectors (k, n), of a symmetric
    operator on n numbers, and whether each met the tolerance.

    ``draws`` (k, n) are random vectors, ``starts`` (k, n) the eigenvectors of a nearby
    operator, or zeros.
    """
    values, vectors, met = [], starts[:0], []
    scale = 0.0
    for start, draw in zip(starts, draws, strict=True):
        q = start + (MIX if start.any() else 1.0) / torch.linalg.vector_norm(draw) * draw
        value, vector, converged, scale = _one(operator, _apart(q, vectors), vectors, scale)
        values.append(value)
        vectors = torch.cat([vectors, vector[None]])
        met.append(converged)
    order = sorted(range(len(values)), key=lambda i: -values[i])
    found = torch.tensor([values[i] for i in order], dtype=starts.dtype)
    return found, vectors[order], [met[i] for i in order]


def _one(
    operator: Operator, start: Tensor, known: Tensor, scale: float
) -> tuple[float, Tensor, bool, float]:
    """The largest eigenvalue on what is orthogonal to ``known`` (m, n), its vector, whether it
    met the tolerance, and the largest |θ| seen, ``scale`` before."""
    n = len(start)
    most = min(n - len(known), BASIS)
    basis = start.new_empty(most + 1, n)
    basis[0] = _unit(start)
    matrix = torch.zeros(most, most, dtype=start.dtype)  # the operator on the basis
    size = 0  # basis vectors that have their image in the matrix
    for count in range(1, PRODUCTS + 1):
        image = _apart(operator(basis[size]), known)
        overlaps = basis[: size + 1] @ image
        rest = image - overlaps @ basis[: size + 1]
        rest = rest - (basis[: size + 1] @ rest) @ basis[: size + 1]  # once more, for rounding
        rest = _apart(rest, known)
        matrix[: size + 1, size] = matrix[size, : size + 1] = overlaps.cpu()
        size += 1
        length = float(torch.linalg.vector_norm(rest))
        if not math.isfinite(length):
            return math.nan, torch.zeros_like(start), False, scale
        full = size == most
        if not (full or length == 0 or count % CHECK == 0 or count == PRODUCTS):
            basis[size] = rest / length
            continue
        ritz, shares = torch.linalg.eigh(matrix[:size, :size])
        scale = max(scale, float(ritz.abs().max()))
        residual = length * abs(float(shares[-1, -1]))
        enough = max(TOLERANCE * abs(float(ritz[-1])), ROUNDING * scale)
        whole = size == n - len(known)  # nothing is left outside the basis
        if (done := whole or residual <= enough) or count == PRODUCTS:
            vector = _unit(shares[:, -1].to(basis) @ basis[:size])
            return float(ritz[-1]), vector, done, scale
        if full:
            size = min(KEPT, size - 1)
            basis[:size] = shares[:, -size:].T.to(basis) @ basis[:most]
            matrix.zero_()
            matrix[:size, :size] = torch.diag(ritz[-size:])
        basis[size] = rest / length
    raise AssertionError("the last product returns")


def _apart(v: Tensor, known: Tensor) -> Tensor:
    """What of a vector (n,) is orthogonal to unit vectors (m, n)."""
    return v - (known @ v) @ known if len(known) else v


def _unit(v: Tensor) -> Tensor:
    return v / torch.linalg.vector_norm(v)
