"""Data sets that come with scikit-learn, or are generated: functions of a random generator and
their parameters that give x (samples, features) and y, labels or targets."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np

MAX_DEGREE = 1_000  # of a Chebyshev polynomial: a network of this size follows none of 10

Samples = tuple[np.ndarray, np.ndarray]

# Tables of scikit-learn by its loaders, and how many lines of a head they have.
TABLES = {
    "load_iris": ("iris.csv", 1),
    "load_digits": ("digits.csv.gz", 0),
    "load_wine": ("wine_data.csv", 1),
    "load_breast_cancer": ("breast_cancer.csv", 1),
}


def iris(rng: np.random.Generator) -> Samples:
    return of_sklearn("load_iris")


def digits(rng: np.random.Generator) -> Samples:
    return of_sklearn("load_digits")


def wine(rng: np.random.Generator) -> Samples:
    return of_sklearn("load_wine")


def breast_cancer(rng: np.random.Generator) -> Samples:
    return of_sklearn("load_breast_cancer")


@functools.cache
def of_sklearn(loader: str) -> Samples:
    """One of scikit-learn's data sets, read-only, from the table that its loader reads: to load
    the package takes longer than torch. By the loader where the table is not there."""
    table, heads = TABLES[loader]
    spec = importlib.util.find_spec("sklearn")
    places = (spec.submodule_search_locations if spec else None) or ()
    files = [Path(place) / "datasets" / "data" / table for place in places]
    if file := next((file for file in files if file.is_file()), None):
        numbers = np.loadtxt(file, delimiter=",", skiprows=heads)
        x, y = np.ascontiguousarray(numbers[:, :-1]), numbers[:, -1].astype(np.int64)
    else:
        x, y = loaded(loader)
    for array in (x, y):
        array.flags.writeable = False
    return x, y


def loaded(loader: str) -> Samples:
    """What a loader of scikit-learn gives: x (samples, features), y (samples,)."""
    from sklearn import datasets

    found = getattr(datasets, loader)()
    return found.data.astype(np.float64), found.target.astype(np.int64)


def _made(rng: np.random.Generator, maker: str, **arguments: float) -> Samples:
    from sklearn import datasets

    state = np.random.RandomState(int(rng.integers(2**32)))
    x, y = getattr(datasets, maker)(random_state=state, **arguments)
    return x, y.astype(np.int64)


def moons(rng: np.random.Generator, samples: int, noise: float) -> Samples:
    return _made(rng, "make_moons", n_samples=samples, noise=noise)


def circles(rng: np.random.Generator, samples: int, noise: float, factor: float) -> Samples:
    return _made(rng, "make_circles", n_samples=samples, noise=noise, factor=factor)


def blobs(
    rng: np.random.Generator, samples: int, features: int, centers: int, spread: float
) -> Samples:
    given = {"n_samples": samples, "n_features": features, "cluster_std": spread}
    return _made(rng, "make_blobs", centers=centers, **given)


def xor(rng: np.random.Generator) -> Samples:
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return x, np.array([0, 1, 1, 0])


def scalar(rng: np.random.Generator) -> Samples:
    return np.ones((1, 1)), np.ones((1, 1))


def chebyshev(rng: np.random.Generator, degree: int, points: int) -> Samples:
    """A Chebyshev polynomial on evenly spaced points."""
    if degree > MAX_DEGREE:
        raise ValueError(f"degree: at most {MAX_DEGREE:,}")
    x = np.linspace(-1, 1, points)
    return x[:, None], np.polynomial.Chebyshev.basis(degree)(x)[:, None]


def gaussian(rng: np.random.Generator, samples: int, features: int, outputs: int) -> Samples:
    """Standard normal inputs and targets."""
    x = rng.standard_normal((samples, features))
    return x, rng.standard_normal((samples, outputs))
