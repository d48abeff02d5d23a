"""Images of sets whose dimension is known, as classes of the points of an n × n grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

KOCH = math.log(4) / math.log(3)


def snowflake(n: int, turn: float, fine: int = 4096) -> np.ndarray:
    """The inside of Koch's snowflake at the points of an n × n grid."""
    corner = [0.42 * np.exp(1j * (np.pi / 2 - 2 * np.pi * k / 3 + turn)) for k in range(4)]
    path = []
    for a, b in itertools.pairwise(corner):
        side = np.array([a, b])
        for _ in range(7):
            u, d = side[:-1], np.diff(side) / 3
            bump = u + d + d * np.exp(1j * np.pi / 3)
            side = np.append(np.stack([u, u + d, bump, u + 2 * d], 1).ravel(), b)
        path.append(side[:-1])
    picture = Image.new("1", (fine, fine))
    corners = [((z.real + 0.5) * fine, (z.imag + 0.5) * fine) for z in np.concatenate(path)]
    ImageDraw.Draw(picture).polygon(corners, fill=1)
    every = fine // n
    return np.array(picture).astype(int)[every // 2 :: every, every // 2 :: every]


def half_plane(n: int, slope: float, through: tuple[float, float] = (0.47, 0.55)) -> np.ndarray:
    y, x = np.mgrid[:n, :n] / n
    return (y - through[1] > slope * (x - through[0])).astype(int)


def disc(n: int, radius: float, middle: tuple[float, float] = (0.5, 0.48)) -> np.ndarray:
    y, x = np.mgrid[:n, :n] / n
    return ((x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2).astype(int)


def below(n: int, graph: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What lies below the graph of a function on [0, 1], which fills .8 of the height."""
    values = graph((np.arange(n) + 0.5) / n)
    values = 0.1 + 0.8 * (values - values.min()) / np.ptp(values)
    return (np.arange(n)[:, None] / n > values[None]).astype(int)


def sine(n: int, periods: int) -> np.ndarray:
    return below(n, lambda x: np.sin(2 * np.pi * (periods * x + 0.1)))


def weierstrass(n: int, dimension: float) -> np.ndarray:
    """Σ 2^(−(2 − D)k)·cos(2π·2^k·x): a graph of dimension D (Shen 2018)."""
    return below(
        n,
        lambda x: sum(
            2.0 ** ((dimension - 2) * k) * np.cos(2 * np.pi * 2**k * x) for k in range(14)
        ),
    )


def placed(cells: np.ndarray, n: int, offset: float) -> np.ndarray:
    """A square picture, each of its cells as many points as fit, at a place in the plane."""
    each = max(1, int(0.94 * n) // len(cells))
    large = cells.repeat(each, 0).repeat(each, 1)[:n, :n]
    found, first = np.zeros((n, n), int), int((n - len(large)) * offset)
    found[first : first + len(large), first : first + len(large)] = large
    return found


def triangle(n: int, offset: float = 0.3) -> np.ndarray:
    """Sierpinski's: Pascal's triangle modulo 2."""
    y, x = np.indices((256, 256))
    return placed((x & y) == 0, n, offset)


def carpet(n: int, offset: float = 0.3) -> np.ndarray:
    y, x = np.indices((243, 243))
    hole = [(x // 3**k % 3 == 1) & (y // 3**k % 3 == 1) for k in range(5)]
    return placed(~np.any(hole, axis=0), n, offset)


def points(n: int, scale: float, corners: tuple[tuple[float, float], ...], seed: int = 0):
    """400,000 points of the set that is a union of copies of itself, by the chaos game."""
    rng, moves = np.random.default_rng(seed), np.array(corners)
    x, found = rng.random((2000, 2)), np.zeros((n, n), int)
    for k in range(220):
        x = scale * x + moves[rng.integers(len(moves), size=2000)]
        if k >= 20:
            at = (0.9 * n * x + 0.05 * n).astype(int)
            found[at[:, 1], at[:, 0]] = 1
    return found


def dust(n: int, scale: float) -> np.ndarray:
    """The product of two Cantor sets."""
    far = 1 - scale
    return points(n, scale, ((0, 0), (far, 0), (0, far), (far, far)))


def dots(n: int, number: int) -> np.ndarray:
    rng, found = np.random.default_rng(0), np.zeros((n, n), int)
    found[rng.integers(0, n, number), rng.integers(0, n, number)] = 1
    return found


SIERPINSKI = math.log(3) / math.log(2)
Drawn = tuple[Callable[[int], np.ndarray], float]

# How each is drawn on n × n points, and its dimension.
IMAGES: dict[str, Drawn] = {
    "upright line": (lambda n: half_plane(n, 0), 1),
    "line": (lambda n: half_plane(n, 0.37), 1),
    "diagonal": (lambda n: half_plane(n, 1), 1),
    "circle": (lambda n: disc(n, 0.31), 1),
    "small circle": (lambda n: disc(n, 0.1, (0.3, 0.3)), 1),
    "filled square": (lambda n: np.indices((n, n)).sum(0) % 2, 2),
    "random": (lambda n: np.random.default_rng(0).integers(0, 2, (n, n)), 2),
    "Koch": (lambda n: snowflake(n, 0.0), KOCH),
    "Koch, turned": (lambda n: snowflake(n, 0.8), KOCH),
    "Sierpinski triangle": (triangle, SIERPINSKI),
    "the same of points": (
        lambda n: points(n, 0.5, ((0, 0), (0.5, 0), (0.25, 0.5))),
        SIERPINSKI,
    ),
    "Sierpinski carpet": (carpet, math.log(8) / math.log(3)),
    "dust of 1/3": (lambda n: dust(n, 1 / 3), math.log(4) / math.log(3)),
    "dust of 0.45": (lambda n: dust(n, 0.45), math.log(4) / math.log(1 / 0.45)),
    "sine of 3": (lambda n: sine(n, 3), 1),
    "sine of 5": (lambda n: sine(n, 5), 1),
    "sine of 10": (lambda n: sine(n, 10), 1),
    "sine of 20": (lambda n: sine(n, 20), 1),
    "sine of 40": (lambda n: sine(n, 40), 1),
    "Weierstrass 1.2": (lambda n: weierstrass(n, 1.2), 1.2),
    "Weierstrass 1.5": (lambda n: weierstrass(n, 1.5), 1.5),
    "Weierstrass 1.8": (lambda n: weierstrass(n, 1.8), 1.8),
    "10 dots": (lambda n: dots(n, 10), 0),
    "60 dots": (lambda n: dots(n, 60), 0),
    "300 dots": (lambda n: dots(n, 300), 0),
}
