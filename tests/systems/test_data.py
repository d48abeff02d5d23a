"""Every data set of the contract, its split, scaling and class counts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tuichaos
from tuichaos import InputError
from tuichaos.config import data_sets, training_tables
from tuichaos.config.applicability import numbers
from tuichaos.config.data_sets import DATA_SETS, DataSpec, data_names, data_spec
from tuichaos.config.instrument_spec import loaded
from tuichaos.config.loading import resolve
from tuichaos.systems import generated_data
from tuichaos.systems.data_sources import FILES
from tuichaos.systems.datasets import load


def data(seed=0, **keys):
    return load(training_tables.Data(**keys), seed)


SHAPES = {  # train, test, features, outputs
    "iris": (120, 30, 4, 3),
    "digits": (1437, 360, 64, 10),
    "wine": (142, 36, 13, 3),
    "breast-cancer": (455, 114, 30, 2),
    "moons": (160, 40, 2, 2),
    "circles": (160, 40, 2, 2),
    "blobs": (160, 40, 2, 3),
    "xor": (3, 1, 2, 2),
    "scalar": (1, 0, 1, 1),
    "chebyshev": (20, 0, 1, 1),
    "gaussian": (72, 0, 8, 1),
}


def test_the_names_of_the_contract_are_all_there():
    assert {spec.name for spec in DATA_SETS if not spec.make} == set(FILES) | {"inline"}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    found = data(name=name)
    assert (len(found.x), len(found.x_test), found.x.shape[1], found.outputs) == SHAPES[name]
    assert found.x.dtype == np.float64
    if found.classes:
        assert found.y.dtype == np.int64
        assert found.targets(found.y).sum(axis=1).tolist() == [1.0] * len(found.y)


@pytest.mark.parametrize("name", ["iris", "moons", "circles", "blobs", "gaussian"])
def test_everything_comes_from_the_seed(name):
    a, b, c = data(name=name), data(name=name), data(name=name, seed=1)
    assert np.array_equal(a.x, b.x)
    assert np.array_equal(a.y, b.y)
    assert a.x.shape != c.x.shape or not np.array_equal(a.x, c.x)


def test_split_takes_every_sample_once():
    found = data(name="iris")
    rows = np.concatenate([found.x, found.x_test])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, data(name="iris", train=150).x))


def test_class_counts():
    found = data(name="iris", class_counts=[41, 40, 39])
    assert np.bincount(found.y).tolist() == [41, 40, 39]
    assert np.bincount(found.y_test).tolist() == [9, 10, 11]


def test_scaling_is_fitted_on_the_train_part():
    standard = data(name="wine", scaling="standard")
    assert np.allclose(standard.x.mean(0), 0, atol=1e-12)
    assert np.allclose(standard.x.std(0), 1)
    assert not np.allclose(standard.x_test.mean(0), 0, atol=1e-3)
    unit = data(name="wine", scaling="minmax")
    assert unit.x.min(0).tolist() == [0] * 13
    assert np.allclose(unit.x.max(0), 1)
    constant = data(name="inline", x=[[1.0, 2.0], [1.0, 4.0]], y=[[0.0], [1.0]], scaling="standard")
    assert constant.x.tolist() == [[0.0, -1.0], [0.0, 1.0]]


def test_chebyshev_is_the_polynomial():
    found = data(name="chebyshev", parameters={"degree": 3, "points": 9})
    x = found.x[:, 0]
    assert x[0] == -1
    assert x[-1] == 1
    assert np.allclose(found.y[:, 0], 4 * x**3 - 3 * x)


def test_inline_labels_and_targets():
    labels = data(name="inline", x=[[0], [1], [2], [3], [4]], y=[0, 1, 0, 1, 1])
    assert labels.classes == 2
    assert (len(labels.x), len(labels.x_test)) == (4, 1)
    targets = data(name="inline", x=[[0], [1]], y=[[1], [2]])
    assert targets.classes is None
    assert targets.y.tolist() == [[1.0], [2.0]]


def test_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("width,height,class\n1,2,10\n3,4.5,20\n5,6,10\n7,8,20\n9,1,10\n")
    found = data(name="csv", path=str(path))
    assert found.classes == 2
    assert sorted(found.y.tolist() + found.y_test.tolist()) == [0, 0, 0, 1, 1]
    assert [3, 4.5] in found.x.tolist() + found.x_test.tolist()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2,0\n1,x,1\n", "line 2: 'x' is not a finite number"),
        ("1,2,0\n1,nan,1\n", "not a finite number"),
        ("1,2,0\n1,,1\n", "not a finite number"),
        ("1,2,0\n1,1_0,1\n", "line 2: '1_0' is not a finite number"),
        ("1,2,0\n1,٣,1\n", "line 2: '٣' is not a finite number"),
        ("1,2,0\n1,2\n", "line 2: 2 cells where 3 are due"),
        ("1\n2\n", "1 cell where 2 are due: there is no comma, semicolon or tab"),
        ("1,2,0\n1,3,0\n", "one class"),
        ("1,2,0.5\n1,3,1\n", "classes"),
        ("", "is empty"),
        ("a,b,class\n", "has a header but no rows"),
    ],
)
def test_csv_that_cannot_be_used(tmp_path, text, says):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        data(name="csv", path=str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_csv_data_without_a_path():
    with pytest.raises(InputError, match=r"data\.path: is missing: csv data need a file"):
        resolve({}, {"data.name": "csv"})


def npz(tmp_path, **arrays):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    return str(path)


def test_npz_with_its_own_test_part(tmp_path):
    rng = np.random.default_rng(0)
    path = npz(tmp_path, x=rng.random((6, 2)), y=[0, 1, 2, 0, 1, 2],
               x_test=rng.random((2, 2)), y_test=[1, 1])  # fmt: skip
    found = data(name="npz", path=path)
    assert (len(found.x), len(found.x_test), found.classes) == (6, 2, 3)
    path = npz(tmp_path, x=rng.random((10, 2)), y=rng.random(10))
    found = data(name="npz", path=path)
    assert (len(found.x), found.classes, found.y.shape) == (10, None, (10, 1))


class Bomb:
    """Would leave a trace if it were ever unpickled."""

    def __reduce__(self):
        return (print, ("unpickled",))


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.zeros((3, 2))},
        {"x": np.zeros((3, 2)), "y": np.zeros(4)},
        {"x": np.zeros(3), "y": np.zeros(3)},
        {"x": np.zeros((3, 2, 2)), "y": np.zeros(3)},
        {"x": np.zeros((0, 2)), "y": np.zeros(0)},
        {"x": np.zeros((3, 2)), "y": np.array(["a", "b", ""])},
        {"x": np.zeros((3, 2)), "y": np.array([0, -1, 1])},
        {"x": np.full((3, 2), np.inf), "y": np.array([0, 1, 1])},
        {"x": np.full((3, 2), np.longdouble("1e4000")), "y": np.array([0, 1, 1])},
        {"x": np.zeros((3, 2)), "y": np.array([0, 1, 2**62])},
        {"x": np.zeros((3, 2)), "y": np.array([0, 0, 0])},
        {"x": np.array([[Bomb()]]), "y": np.array([0])},
        {"x": np.zeros((3, 2)), "y": np.array([0, 1, 1]), "x_test": np.zeros((2, 2))},
        {"x": np.zeros((3, 2)), "y": np.array([0, 1, 1]),
         "x_test": np.zeros((2, 3)), "y_test": np.array([0, 1])},
    ],
)  # fmt: skip
def test_npz_that_cannot_be_used(tmp_path, arrays, capfd):
    with pytest.raises(InputError, match=r"a\.npz"):
        data(name="npz", path=npz(tmp_path, **arrays))
    assert "unpickled" not in capfd.readouterr().out


def test_files_that_are_not_what_they_say(tmp_path):
    path = tmp_path / "b.npz"
    for content in (b"", b"no archive", b"PK\x03\x04 broken"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            data(name="npz", path=str(path))
    np.save(tmp_path / "c.npy", np.zeros(3))
    with pytest.raises(InputError, match="not an npz"):
        data(name="npz", path=str(tmp_path / "c.npy"))
    with pytest.raises(InputError, match="No such file"):
        data(name="csv", path=str(tmp_path / "missing.csv"))
    with pytest.raises(InputError, match="cannot be read"):
        data(name="csv", path=str(tmp_path))
    (tmp_path / "bytes.csv").write_bytes(b"1,2,\x81\xe9\n")
    with pytest.raises(InputError, match="neither UTF-8 nor Latin-1"):
        data(name="csv", path=str(tmp_path / "bytes.csv"))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"name": "iris", "class_counts": [60, 30, 30]}, "class_counts"),
        ({"name": "iris", "class_counts": [40, 40]}, "class_counts"),
        ({"name": "iris", "class_counts": [40, 40, 40], "train": 100}, "class_counts"),
        ({"name": "scalar", "class_counts": [1]}, "class_counts"),
        ({"name": "iris", "train": 151}, "data.train"),
        ({"name": "moons", "parameters": {"nois": 0.1}}, "did you mean 'noise'"),
        ({"name": "moons", "parameters": {"samples": -3}}, "positive integer"),
        ({"name": "moons", "parameters": {"noise": "big"}}, "data.parameters.noise"),
        ({"name": "inline", "x": [[1.0], [2.0]]}, "needs both"),
        ({"name": "inline", "x": [[1.0], [2.0, 3.0]], "y": [0, 1]}, "ragged"),
        ({"name": "inline", "x": [["a"], ["b"]], "y": [0, 1]}, "numbers"),
        ({"name": "inline", "x": [[1.0], [2.0]], "y": [0, 0]}, "one class"),
    ],
)
def test_what_the_data_cannot_give(keys, says):
    with pytest.raises(InputError, match=says):
        data(**keys)


@pytest.mark.parametrize("largest", [10_000, 2**63 + 1, 2**64 - 1])
def test_labels_beyond_all_classes_are_refused_before_they_wrap(largest, tmp_path):
    labels = np.array([0, 1, 0, 1, largest], dtype=np.uint64)
    np.savez(tmp_path / "a.npz", x=np.arange(10.0).reshape(5, 2), y=labels)
    with pytest.raises(InputError, match="class labels go up to 9999"):
        data(name="npz", path=str(tmp_path / "a.npz"))


@pytest.mark.parametrize("how", ["standard", "minmax"])
def test_data_that_scaling_would_make_infinite_are_refused(how):
    x = [[1e308], [-1e308], [1e308], [1e308], [0.5]]
    with pytest.raises(InputError, match=r"data\.scaling"):
        data(name="inline", x=x, y=[0, 1, 0, 1, 1], scaling=how, train=5)


@pytest.mark.parametrize("bundled", [True, False])
@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("iris", "load_iris"),
        ("digits", "load_digits"),
        ("wine", "load_wine"),
        ("breast-cancer", "load_breast_cancer"),
    ],
)
def test_sets_of_scikit_learn_are_what_its_loaders_give(name, loader, bundled, monkeypatch):
    """Its tables are read without it; by the loader where another version has them elsewhere."""
    from sklearn import datasets

    if not bundled:
        monkeypatch.setattr(generated_data.importlib.util, "find_spec", lambda name: None)
    found = getattr(datasets, loader)()
    generated_data.of_sklearn.cache_clear()
    x, y = loaded(data_spec(name).make)(None)
    generated_data.of_sklearn.cache_clear()
    assert np.array_equal(x, found.data)
    assert np.array_equal(y, found.target)
    assert (x.dtype, y.dtype) == (np.float64, np.int64)


def test_a_data_set_of_somebody_else_is_trained_on(tmp_path):
    """One function and one entry: in files, in its parameters, in the offers of the explorer."""

    def rings(rng, samples, gap):
        y = np.arange(samples) % 2
        angle = rng.uniform(0, 6.3, samples)
        return (1 + gap * y)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), y

    tuichaos.register_data(DataSpec("rings", rings, {"samples": 60, "gap": 0.5}, 2))
    try:
        keys = {"data.name": "rings", "data.parameters": {"gap": 2.0}, "steps": 5}
        made = resolve({}, {**keys, "ensemble.references": 2, "ensemble.twins": 0})
        run = tuichaos.run(made, out=tmp_path / "run")
        assert run.manifest["data"]["train"] == 48
        assert "rings" in data_names()
        assert numbers(made) >= 2 * 10
        with pytest.raises(InputError, match=r"rings has no such parameter; .*'gap'"):
            data(name="rings", parameters={"gab": 1})
        with pytest.raises(InputError, match="there is a data set 'rings'"):
            tuichaos.register_data(DataSpec("rings", rings))
    finally:
        data_sets._REGISTRY.pop("rings")
    with pytest.raises(InputError, match=r"data\.name: unknown value 'rings'"):
        resolve({}, {"data.name": "rings"})


def test_features_of_arrays_that_may_be_none_are_told(tmp_path):
    rng = np.random.default_rng(0)
    x = np.column_stack([np.arange(30), rng.normal(size=30), np.sort(rng.choice(99, 30, False))])
    x = np.column_stack([x, np.full(30, 4.0)])
    said = data(name="npz", path=npz(tmp_path, x=x, y=np.arange(30) % 2)).warnings
    assert said[0].startswith("data: x[:, 0] counts 0, 1, 2, …: if it is an index")
    assert said[1].startswith("data: x[:, 2] rises by whole numbers from row to row")
    assert said[2].startswith("data: x[:, 3] has one value in all rows")
    assert len(said) == 3
