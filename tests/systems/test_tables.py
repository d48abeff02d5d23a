"""Tables as people have them: each is read as it was meant, or refused, and each guess is told."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine

from tuichaos import InputError, resolve
from tuichaos.config.training_tables import Data
from tuichaos.execution import runner
from tuichaos.systems import table_cells, tables
from tuichaos.systems.datasets import load

IRIS, WINE = load_iris(), load_wine()


def written(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def whole(path, loss="", **keys):
    """All samples of a table in the order of the file."""
    found = load(Data(name="csv", path=path, train=count(path), **keys), 0, loss)
    assert not len(found.x_test)
    return found


def count(path):
    return len(load(Data(name="csv", path=path, train=1), 0).x_test) + 1


def read(tmp_path, text, **keys):
    path = written(tmp_path, text)
    part = load(Data(name="csv", path=path, **keys), 0)
    return load(Data(name="csv", path=path, **keys, train=len(part.x) + len(part.x_test)), 0)


def rows(columns, cut=",", head=None, comma=False):
    """A table's text, of columns of cells."""
    lines = [cut.join(map(str, row)) for row in zip(*columns, strict=True)]
    lines = [line.replace(".", ",") for line in lines] if comma else lines
    return "\n".join([*([head] if head is not None else []), *lines]) + "\n"


A = [0.5, 1.25, -3, 2, 7.5, 0.25]
B = [4, 5.5, 1, 0, 2.5, 3]
NUMBERS = [0, 1, 0, 1, 2, 2]
WORDS = ["b", "a", "b", "a", "c", "c"]
OF_WORDS = [1, 0, 1, 0, 2, 2]

# Text, keys, and what it is: the classes in order of the file (features are always A and B).
MEANT = {
    "no header": (rows([A, B, NUMBERS]), {}, NUMBERS, "no header line"),
    "header": (rows([A, B, NUMBERS], head="a,b,class"), {}, NUMBERS, "first line is a header"),
    "words": (rows([A, B, WORDS], head="a,b,kind"), {}, OF_WORDS, "3 classes: a, b, c (outputs"),
    "words, no header": (rows([A, B, WORDS]), {}, OF_WORDS, "no header line"),
    "quoted words": (rows([A, B, [f'"{w}"' for w in WORDS]], head='"a","b","k"'), {}, OF_WORDS,
                     "('k'), the last one"),
    "words with the separator": (rows([A, B, [f'"x, {w}"' for w in WORDS]]), {}, OF_WORDS, "x, a"),
    "semicolons": (rows([A, B, NUMBERS], ";", "a;b;c"), {}, NUMBERS, "separator semicolon"),
    "tabs": (rows([A, B, WORDS], "\t", "a\tb\tc"), {}, OF_WORDS, "separator tab"),
    "decimal commas": (rows([A, B, NUMBERS], ";", "a;b;c", True), {}, NUMBERS, "decimal commas"),
    "decimal commas, tabs": (rows([A, B, WORDS], "\t", None, True), {}, OF_WORDS, "decimal commas"),
    "sep=": ("sep=;\n" + rows([A, B, NUMBERS], ";", "a;b;c"), {}, NUMBERS, "semicolon"),
    "class first": (rows([NUMBERS, A, B]), {"target": 0}, NUMBERS, "target column 0, as asked"),
    "class in the middle": (rows([A, WORDS, B], head="a,kind,b"), {"target": "kind"}, OF_WORDS,
                            "target column 1 ('kind'), as asked"),
    "class from the end": (rows([A, NUMBERS, B]), {"target": -2}, NUMBERS, "target column 1"),
    "pandas' index": (rows([range(6), A, B, NUMBERS], head=",a,b,c"), {}, NUMBERS,
                      "column 0 has no name and counts 0, 1, 2, …: pandas' index, left out"),
    "Unnamed: 0": (rows([range(6), A, B, NUMBERS], head="Unnamed: 0,a,b,c"), {}, NUMBERS,
                   "pandas' index, left out"),
    "a shuffled index": (rows([[3, 1, 0, 5, 4, 2], A, B, NUMBERS], head=",a,b,c"), {}, NUMBERS,
                         "an index in another order, left out"),
    "R's write.csv": (rows([[f'"{k + 1}"' for k in range(6)], A, B, NUMBERS],
                           head='"","a","b","c"'),
                      {}, NUMBERS, "counts 1, 2, 3, …: R's row names, left out"),
    "names of rows": (rows([["Mazda", "Fiat", "Ford", "VW", "Opel", "BMW"], A, B, NUMBERS],
                           head=",a,b,c"), {}, NUMBERS, "row names, left out"),
    "pandas without names": (rows([range(6), A, B, NUMBERS], head=",0,1,2"), {}, NUMBERS,
                             "first line is a header"),
    "its column by its name": (rows([range(6), A, NUMBERS, B], head=",0,1,2"), {"target": 1},
                               NUMBERS, "target column 2 ('1'), as asked"),
    "a header that counts": (rows([A, B, NUMBERS], head="0,1,2").replace(",4,", ",4.0,"), {}, None,
                             "no header line"),
    "numbers among names": (rows([A, B, NUMBERS], head="1990,1991,class"), {}, NUMBERS, "header"),
    "sklearn's": (rows([A, B, NUMBERS], head="6,2,setosa"), {}, NUMBERS, "a header"),
    "CR LF": (rows([A, B, NUMBERS], head="a,b,c").replace("\n", "\r\n"), {}, NUMBERS, "header"),
    "empty lines": (rows([A, B, NUMBERS]).replace("\n", "\n\n"), {}, NUMBERS, "no header"),
    "no last line end": (rows([A, B, NUMBERS]).rstrip("\n"), {}, NUMBERS, "no header"),
    "blanks": (rows([A, B, NUMBERS], " , "), {}, NUMBERS, "separator comma"),
    "signs and exponents": ("+.5,4.,0\n125e-2,5.5,1\n-3,+1,0\n2,0,1\n7.5,25E-1,2\n.25,3,2\n", {},
                            NUMBERS, "no header"),
    "separators at the ends": (rows([A, B, NUMBERS, [""] * 6], head="a,b,c,"), {}, NUMBERS,
                               "column 3 is empty: a separator ends each line, left out"),
    "a mark": ("\ufeff" + rows([A, B, WORDS], head="a,b,c"), {}, OF_WORDS, "header"),
    "UTF-16": (rows([A, B, WORDS], head="a,b,ü").encode("utf-16"), {}, OF_WORDS, "UTF-16"),
    "Latin-1": (rows([A, B, WORDS], head="a,b,größe").encode("latin-1"), {}, OF_WORDS, "Latin-1"),
    "gzip": (gzip.compress(rows([A, B, WORDS]).encode()), {}, OF_WORDS, "gzip"),
    "labels from 10": (rows([A, B, [10 * k for k in NUMBERS]]), {}, NUMBERS, "0, 10, 20 (outputs"),
    "negative labels": (rows([A, B, [k - 1 for k in NUMBERS]]), {}, NUMBERS, "-1, 0, 1 (outputs"),
    "labels as floats": (rows([A, B, [f"{k}.0" for k in NUMBERS]]), {}, NUMBERS, "0, 1, 2"),
    "numbers and a word as names": (rows([A, B, WORDS], head="0,1,species"), {}, OF_WORDS,
                                    "line 1 is taken as a header: its target, 'species', occurs "
                                    "nowhere else"),
    "fractions and a word as names": (rows([A, B, WORDS], head="400.5,1,species"), {}, OF_WORDS,
                                      "line 1 is taken as a header"),
    "named by such a header": (rows([A, B, WORDS], head="0,1,kind"), {"target": "kind"}, OF_WORDS,
                               "line 1 is taken as a header: its target, 'kind'"),
    "years above classes": (rows([A, B, NUMBERS], head="2020,2021,2022"), {}, NUMBERS,
                            "line 1 is taken as a header: its target, '2022', occurs"),
    "a header without numbers' separator": ("a;b;cls\n0,5;4,0;b\n1,25;5,5;a\n-3;1;b\n2;0;a\n"
                                            "7,5;2,5;c\n0,25;3,0;c\n", {}, OF_WORDS,
                                            "separator semicolon"),
    "mixed, asked for": (rows([A, B, ["1", "x", "1", "x", "2", "2"]]), {"task": "classes"},
                         [0, 2, 0, 2, 1, 1], "1, 2, x"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEANT)
def test_tables_are_read_as_they_are_meant(kind, tmp_path):
    text, keys, classes, told = MEANT[kind]
    found = read(tmp_path, text, **keys)
    assert told in found.told
    assert found.told.startswith("t.csv: ")
    if classes is not None:
        assert found.y.tolist() == classes
        assert found.x.tolist() == [list(row) for row in zip(A, B, strict=True)]


# Text, keys, and the words of the refusal.
REFUSED = {
    "R's write.table": ('"a","b","k"\n"1",1.5,2.5,0\n"2",3,4,1\n',
                        "line 2: 4 cells where the header has 3: likely row names"),
    "R's, named rows": ('"a","b","k"\n"Fiat",1.5,2.5,0\n"Ford",3,4,1\n', "likely row names"),
    "thousands": ("a,b,k\n5,763.77,2.5,0\n2,449.49,4,1\n",
                  "line 2: 4 cells where the header has 3: likely a thousands separator"),
    "both": ("a,b,k\n1,763.77,2.5,0\n2,449.49,4,1\n", "either a thousands separator.*or row names"),
    "either": ("a,b,k\n7,63.77,2.5,0\n9,49.49,4,1\n", "either a thousands separator.*or row names"),
    "one longer": ("a,b,k\n1,2,0\n3,4,1\n5,6,7,0\n", "line 4: 4 cells where the header has 3"),
    "one shorter": ("a,b,k\n1,2,0\n\n3,0\n5,6,1\n", "line 4: 2 cells where the header has 3"),
    "a separator at an end": ("a,b,k\n1,2,0,\n3,4,1,\n", "a separator ends the line"),
    "quoted thousands": ('a,b,k\n"1,763.77",2,0\n3,4,1\n', "thousands without a separator"),
    "quoted decimal commas": ('a,b,k\n"1,5",2,0\n3,4,1\n', "needs another separator"),
    "points and commas": ("1,5;2,5;0\n1.5;2,5;1\n", "line 2: '1.5'.*this one a point"),
    "no separator": ("1\n2\n", "1 cell where 2 are due: there is no comma, semicolon or tab"),
    "blanks as separators": ("1 2 0\n3 4 1\n", "columns apart by blanks are not read"),
    "a missing value": ("a,b,k\n1,2,0\n3,,1\n", "line 3: '' in column 1 .'b'.*is missing"),
    "NA": ("a,b,k\n1,2,0\nNA,4,1\n", "line 3: 'NA' in column 0.*is missing"),
    "a missing label": ("a,b,k\n1,2,x\n3,4,\n5,6,y\n", "line 3: column 2, the target, has no"),
    "words in features": ("a,sex,k\n1,m,0\n2,f,1\n", "if it is the class: data.target = 'sex'|"
                          "If it is the class: data.target = 'sex'"),
    "class first, in words": ("x,1,2\ny,3,4\nz,5,6\n", "If it is the class: data.target = 0"),
    "a typo": ("a,b,k\n1,2,0\n3,4o,1\n5,6,1\n", "line 3: '4o' in column 1 .'b'. is not a finite"),
    "a label of another kind": ("1,2,0\n3,4,1\n5,6,x\n", "numbers, and 'x'"),
    "an infinite label": ("1,2,0\n3,4,1e400\n", "'1e400', which is not a finite number"),
    "fractions": ("1,2,0.5\n3,4,1\n", "data.task = 'regression'.*takes it as numbers"),
    "two of a name": ("a,a,k\n1,2,0\n3,4,1\n", "two columns are named 'a'"),
    "points and decimal commas": ("a;b;cls\n1.234,56;0,70;beta\n2.234,56;0,80;alpha\n",
                                  "line 2: '1.234,56' in column 0 .'a'. is not a finite number; "
                                  "its points separate thousands: write 1234,56"),
    "a comment": ("# made today\na,b,k\n1,2,0\n3,4,1\n", "line 1 begins with #: leave comments"),
    "a comment of as many cells": ("# a, b, c\na,b,k\n1,2,0\n3,4,1\n", "line 2: 'a'.*"
                                   "line 1 begins with #"),
    "a typesetter's minus": ("a,b,k\n1,\u22122.5,0\n3,4,1\n", "line 2: .*U\\+2212: write -2.5"),
    "such a minus in line 1": ("\u22121.5,2,x\n3,4,y\n3,4,x\n", "line 1: .*U\\+2212: write -1.5"),
    "such a minus in the target": ("a,b,k\n1,2,\u22121\n3,4,1\n", "target.*U\\+2212: write -1"),
    "xlsx": (b"PK\x03\x04xx[Content_Types].xml", "a spreadsheet's workbook: save it as CSV"),
    "npz": (b"PK\x03\x04xxx.npy", "an npz archive: set data.name = npz"),
    "zip": (b"PK\x03\x04t.csv", "a zip archive: unpack it"),
    "bz2": (b"BZh91AY", "packed by bzip2"),
    "parquet": (b"PAR1....", "a Parquet file"),
    "gzip cut": (gzip.compress(b"1,2,0\n" * 99)[:-20], "damaged or cut short"),
    "UTF-16 cut": ("1,2,0\n".encode("utf-16")[:-1], "begins as UTF-16, and is not"),
    "UTF-16 without a mark": ("1,2,0\n".encode("utf-16-le"), "UTF-16 without its mark"),
    "nothing": ("\n\n", "is empty"),
    "one class": ("1,2,a\n3,4,a\n", "one class only"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_tables_that_are_refused(kind, tmp_path):
    text, words = REFUSED[kind]
    keys = {"target": "a"} if kind == "two of a name" else {}
    with pytest.raises(InputError, match=words) as caught:
        load(Data(name="csv", path=written(tmp_path, text), **keys), 0)
    assert "t.csv" in str(caught.value)
    assert "codec" not in str(caught.value)


def wine_as_the_archive_has_it():
    """Without a header, the class from 1 in the first column, whole numbers in the last."""
    return rows([WINE.target + 1, *WINE.data.T.tolist()[:-1], WINE.data[:, -1].astype(int)])


def test_a_class_in_the_first_column(tmp_path):
    path = written(tmp_path, wine_as_the_archive_has_it())
    words = "121 different targets in 178 samples.*'regression'.*column 0 holds 3 .*data.target = 0"
    with pytest.raises(InputError, match=words):
        load(Data(name="csv", path=path), 0)
    found = load(Data(name="csv", path=path, target=0), 0)
    assert (found.classes, found.x.shape) == (3, (142, 13))
    insisted = load(Data(name="csv", path=path, task="classes"), 0)
    assert insisted.classes == 121
    assert any("121 classes for 178 samples, 1.47 a class" in words for words in insisted.warnings)


def test_iris_as_pandas_writes_it(tmp_path):
    columns = [*IRIS.data.T.tolist(), IRIS.target.tolist()]
    plain = read(tmp_path, rows(columns))
    index = read(tmp_path, rows([range(150), *columns], head=",a,b,c,d,target"))
    counted = read(tmp_path, rows(columns, head="0,1,2,3,4"))
    for found in (plain, index, counted):
        assert np.array_equal(found.x, IRIS.data)
        assert np.array_equal(found.y, IRIS.target)


def test_targets_that_are_numbers(tmp_path):
    text = rows([A, B, [151, 75, 141, 206, 135, 97]], head="a,b,progress")
    found = read(tmp_path, text, task="regression")
    assert found.classes is None
    assert found.y.tolist() == [[151], [75], [141], [206], [135], [97]]
    assert "numbers to be predicted" in found.told
    many = rows([np.linspace(0, 1, 90), np.arange(90) % 30], head="x,years")
    fewer = rows([np.linspace(0, 1, 60), np.arange(60) % 30], head="x,years")
    with pytest.raises(InputError, match=r"hardly classes; data\.task = 'regression'"):
        read(tmp_path, fewer)
    assert any("30 classes for 90 samples" in words for words in read(tmp_path, many).warnings)


@pytest.mark.parametrize(
    ("text", "keys", "warning"),
    [
        (rows([range(6), A, NUMBERS], head="id,a,c"), {}, "column 0 ('id') counts 0, 1, 2, …"),
        (rows([range(1, 7), A, NUMBERS]), {}, "column 0 counts 1, 2, 3, …"),
        (rows([A, NUMBERS, B], head="a,class,b").replace("5.5", "5").replace("2.5", "2"), {},
         "a feature is named 'class'; if it is the target: data.target = 'class'"),
        (rows([A, B, ["x", "X", "x", "X", "y", "y"]]), {}, "classes X and x differ by case"),
        (rows([A, [1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1]]), {},
         "columns 1 to 3 hold a single 1 in each row: if they are one-hot"),
        ("1,013;0,5;x\n".replace("0,5", "2") * 2 + "23,450;3;y\n" * 2, {},
         "all decimal commas are followed by three digits, as in '1,013'"),
    ],
)  # fmt: skip
def test_what_may_not_be_meant_is_a_warning(text, keys, warning, tmp_path):
    assert any(warning in words for words in read(tmp_path, text, **keys).warnings)


@pytest.mark.parametrize(
    "text",
    [
        "0,0,0\n0,1,1\n1,0,1\n1,1,1\n",  # a gate: its first row is a sample
        rows([[1, *A], [2.5, *B], [3, *NUMBERS]]),  # the only sample of a class
        rows([[1, *A], [2, *B], ["x", *WORDS[:5], "b"]]),  # another class has one sample as well
        rows([[1, *A, 1], [2, *B, 2], ["x", *WORDS, "x"]]),  # far below there is another one
        "1,013;0,5;x\n2,014;1,5;y\n" * 2,
        "0,013;3;x\n0,014;4;y\n" * 2,
        rows([A, [1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 1]]),
    ],
)
def test_what_is_clear_is_neither_a_header_nor_warned_of(text, tmp_path):
    found = read(tmp_path, text)
    assert "no header line" in found.told
    assert len(found.x) == text.count("\n")
    assert not any(w in " ".join(found.warnings) for w in ("thousands", "one-hot"))


def test_a_class_without_training_samples_is_a_warning(tmp_path):
    labels = ["a"] * 10 + ["b"] * 10 + ["rare"]
    text = rows([np.linspace(0, 1, 21), np.linspace(1, 2, 21), labels])
    path = written(tmp_path, text)
    said = set()
    for seed in range(20):
        found = load(Data(name="csv", path=path), seed)
        has = (found.y == 2).any()
        assert has != any("no training sample is of class rare" in w for w in found.warnings)
        said.add(bool(has))
    assert said == {True, False}


def npz(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return str(tmp_path / "a.npz")


FORMS = {
    "floats": (IRIS.target.astype(float), "written as floats: taken as classes"),
    "a column": (IRIS.target[:, None], "a column, of shape (150, 1): taken as classes"),
    "a column of floats": (IRIS.target[:, None] * 1.0, "taken as classes"),
    "one-hot": (np.eye(3)[IRIS.target], "a single 1 in each row of 3: classes"),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_in_other_forms_with_cross_entropy(form, tmp_path):
    y, told = FORMS[form]
    path = npz(tmp_path, x=IRIS.data, y=y)
    found = load(Data(name="npz", path=path, train=150), 0, "cross-entropy")
    assert found.classes == 3
    assert found.y.tolist() == IRIS.target.tolist()
    assert told in found.told
    numbers = load(Data(name="npz", path=path), 0, "mse")  # as they always were
    assert numbers.classes is None
    assert numbers.y.tolist() == y.reshape(150, -1).tolist()
    asked = load(Data(name="npz", path=path, task="classes"), 0, "mse")
    assert asked.classes == 3


def test_one_hot_targets_with_mse_are_told(tmp_path, simulate):
    path = npz(tmp_path, x=IRIS.data, y=np.eye(3)[IRIS.target])
    small = {"steps": 2, "ensemble.references": 1, "ensemble.twins": 0, "loss.name": "mse"}
    said = []
    run = simulate(small | {"data.name": "npz", "data.path": path}, tell=said.append)
    words = "y has a single 1 in each row of 3, taken as numbers; data.task = 'classes' takes it as"
    assert said[0].startswith(f"data: a.npz: {words}")
    assert words in run.manifest["data"]["read"]
    assert run.manifest["data"]["task"] == "regression"


@pytest.mark.parametrize("dtype", ["?", "U", "U9"])
def test_labels_that_are_texts_or_true_and_false(dtype, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 2)), rng.integers(0, 2, 40)
    names = np.array(["ant", "bee"]) if dtype != "?" else np.array([False, True])
    labels = names[y].astype(dtype)
    for form in (labels, labels[:, None]):
        path = npz(tmp_path, x=x, y=form, x_test=x[:5], y_test=form[:5])
        for loss in ("mse", "cross-entropy"):
            if dtype == "?" and form.ndim == 2 and loss == "mse":
                continue  # numbers, as any column of them
            found = load(Data(name="npz", path=path, task="classes"), 0, loss)
            assert found.classes == 2
            assert found.y.tolist() == y.tolist()
            assert found.y_test.tolist() == y[:5].tolist()
            said = "holds true and false, taken as" if dtype == "?" else "2 classes: ant, bee"
            assert said in found.told
    if dtype != "?":
        assert found.facts["labels"] == ["ant", "bee"]


def test_texts_of_numbers_are_what_they_are_in_a_table(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 2)), rng.integers(9, 12, 30)
    path = npz(tmp_path, x=x, y=y.astype(str), x_test=x[:3], y_test=(y[:3] * 1.0).astype(str))
    found = load(Data(name="npz", path=path), 0)
    assert found.facts["labels"] == ["9", "10", "11"]
    assert (found.y + 9).tolist() == y.tolist()
    assert (found.y_test + 9).tolist() == y[:3].tolist()
    path = npz(tmp_path, x=x, y=(y / 4).astype(str))
    assert load(Data(name="npz", path=path, task="regression"), 0).y[:, 0].tolist() == list(y / 4)
    with pytest.raises(InputError, match=r"a\.npz: y: the target must hold classes"):
        load(Data(name="npz", path=path), 0)


X, WORDS = np.zeros((40, 2)), np.array(["ant", "bee"] * 20)


@pytest.mark.parametrize(
    ("arrays", "task", "words"),
    [
        ({"x": X}, None, "has no array y; it needs x and y"),
        ({"y": WORDS}, None, "has no array x; it needs x and y"),
        ({"x": X, "y": WORDS, "x_test": X}, None, "has x_test and no y_test"),
        ({"x": X[:, 0], "y": WORDS}, None, r"x must be \(samples, features\), not \(40,\)"),
        ({"x": X, "y": np.zeros((40, 1, 1))}, None, r"y must be \(samples,\) or \(samples, outp"),
        ({"x": X, "y": WORDS[:3]}, None, "x has 40 samples, y 3"),
        ({"x": X[:0], "y": WORDS[:0]}, None, "x is empty"),
        ({"x": X.astype(str), "y": WORDS}, None, "x must hold numbers, and holds texts"),
        ({"x": X.astype(bool), "y": WORDS}, None, "x must hold numbers, and holds true and false"),
        ({"x": X + np.inf, "y": WORDS}, None, "x must hold finite numbers"),
        ({"x": X, "y": X + np.nan}, None, "y must hold finite numbers"),
        ({"x": X, "y": np.arange(40) - 1}, "classes", "y: class labels count from 0, these begin"),
        ({"x": X, "y": WORDS, "x_test": X, "y_test": X}, None, "y_test is not written as y is"),
        ({"x": X, "y": WORDS, "x_test": X[:, :1], "y_test": WORDS}, None, "x_test has 1 feat"),
        ({"x": X, "y": WORDS, "x_test": X[:2], "y_test": np.array(["ant", "cow"])}, None,
         "y_test holds 'cow', which y does not"),
        ({"x": X, "y": np.arange(40) % 2, "x_test": X, "y_test": np.arange(40) % 3}, None,
         "y_test has class 2, y goes up to 1"),
        ({"x": X, "y": np.array(["ant", " "] * 20)}, None, r"y\[1\] has no value"),
        ({"x": X, "y": np.array(["a" * 300, "b"] * 20)}, None, "y holds texts of more than 200"),
        ({"x": X, "y": WORDS.astype("S")}, None, r"y: must hold numbers; labels that are bytes"),
        ({"x": X, "y": WORDS.astype(object)}, None, r"y: must hold numbers; .* astype\(str\)"),
        ({"x": X, "y": WORDS}, "regression", "data.task = 'regression' needs numbers, and the"),
        ({"x": X, "y": np.arange(40).astype(str)}, None, "40 different targets in 40 samples"),
    ],
)  # fmt: skip
def test_an_npz_that_is_refused_names_the_array(arrays, task, words, tmp_path):
    with pytest.raises(InputError, match=rf"a\.npz: .*{words}") as caught:
        load(Data(name="npz", path=npz(tmp_path, **arrays), task=task), 0)
    assert "\n" not in str(caught.value)


def test_words_are_not_advised_to_be_numbers(tmp_path):
    text = "a,name\n" + "".join(f"{k * k},n{k % 25}\n" for k in range(50))
    path = written(tmp_path, text)
    with pytest.raises(InputError, match="25 different targets in 50 samples") as caught:
        load(Data(name="csv", path=path), 0)
    assert "regression" not in str(caught.value)
    assert "data.task = 'classes' insists; " in str(caught.value)
    found = load(Data(name="csv", path=path, task="classes"), 0)
    assert any("25 classes for 50 samples" in words for words in found.warnings)
    assert not any("regression" in words for words in found.warnings)
    path = npz(tmp_path, x=np.arange(50.0)[:, None], y=np.arange(50) % 25)
    found = load(Data(name="npz", path=path, task="classes"), 0)  # numbers may be
    assert any("regression" in words for words in found.warnings)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (1, "labels begin at 1: output 0 has no samples; subtract 1 from y"),
        (2, "labels begin at 2: outputs 0 and 1 have no samples; subtract 2 from y"),
        (5, "labels begin at 5: outputs 0 to 4 have no samples; subtract 5 from y"),
    ],
)
def test_outputs_without_samples_are_named(first, words, tmp_path):
    path = npz(tmp_path, x=IRIS.data, y=IRIS.target + first)
    assert any(words in said for said in load(Data(name="npz", path=path), 0).warnings)


def test_labels_from_1_leave_an_output_empty_which_is_told(tmp_path):
    found = load(Data(name="npz", path=npz(tmp_path, x=IRIS.data, y=IRIS.target + 1)), 0)
    assert found.classes == 4
    (words,) = found.warnings
    assert "labels begin at 1" in words
    assert "subtract 1 from y" in words


def test_tasks_of_arrays(tmp_path):
    path = npz(tmp_path, x=IRIS.data, y=IRIS.target)
    assert load(Data(name="npz", path=path, task="regression"), 0).classes is None
    path = npz(tmp_path, x=IRIS.data, y=IRIS.data[:, 0])
    with pytest.raises(InputError, match="must hold classes"):
        load(Data(name="npz", path=path, task="classes"), 0)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"data.target": 0}, "data.target: names a column of csv data"),
        ({"data.task": "classes"}, "data.task: is for csv, npz and inline data"),
        ({"data.task": "classs"}, "did you mean 'classes'"),
        ({"data.name": "csv", "data.path": "a", "data.target": 1.5}, "data.target: must be the"),
        ({"data.name": "csv", "data.path": "a", "data.target": True}, "data.target: must be the"),
    ],
)
def test_keys_that_do_not_fit(keys, words):
    with pytest.raises(InputError, match=words):
        resolve({}, keys)


@pytest.mark.parametrize("target", ["z", 3, -4])
def test_a_target_that_is_not_there(target, tmp_path):
    path = written(tmp_path, rows([A, B, NUMBERS], head="a,b,c"))
    with pytest.raises(InputError, match=r"data\.target: (no column 'z'; |there is no column )"):
        load(Data(name="csv", path=path, target=target), 0)
    path = written(tmp_path, rows([A, B, NUMBERS]))
    with pytest.raises(InputError, match=r"no header line|there is no column"):
        load(Data(name="csv", path=path, target=target), 0)


SMALL = {"ensemble.references": 2, "ensemble.twins": 1, "steps": 64, "data.name": "csv"}


def test_guesses_are_told_at_the_start_and_kept_and_the_experiment_repeats_them(tmp_path):
    columns = [*IRIS.data.T.tolist(), IRIS.target_names[IRIS.target].tolist()]
    path = written(tmp_path, rows([range(150), *columns], ";", ";a;b;c;d;kind", comma=True))
    said = []
    made = resolve({}, {**SMALL, "data.path": path})
    run = runner.run(made, out=tmp_path / "run", tell=said.append)
    (line,) = said
    guesses = ["separator semicolon", "a header", "decimal commas", "pandas' index, left out"]
    guesses += ["target column 5 ('kind')", "3 classes: setosa, versicolor, virginica"]
    assert all(words in line for words in guesses)
    data = run.manifest["data"]
    assert line == f"data: {data['read']}"
    assert data["labels"] == ["setosa", "versicolor", "virginica"]
    assert (data["separator"], data["decimal"], data["header"]) == (";", ",", True)
    assert (data["left_out"], data["target"], data["task"]) == ([0], 5, "classes")
    again = runner.run(run.experiment, out=tmp_path / "again")
    assert (again.path / "series.csv").read_bytes() == (run.path / "series.csv").read_bytes()
    plain = resolve({}, {**SMALL, "data.name": "iris"})
    assert "read" not in runner.run(plain, out=tmp_path / "plain").manifest["data"]


def test_the_command_tells_on_stderr(tmp_path, command):
    path = written(tmp_path, rows([*IRIS.data.T.tolist(), IRIS.target.tolist()]))
    sets = [f"{key}={value}" for key, value in {**SMALL, "data.path": path}.items()]
    arguments = ["run", "--preset", "quick", "--json", "--out", tmp_path / "r"]
    for each in sets:
        arguments += ["--set", each]
    code, out, err = command(*arguments)
    assert code == 0
    assert err.splitlines()[0].startswith("tuichaos: data: t.csv: separator comma; no header line")
    json.loads(out)
    code, out, err = command(*arguments[:3], "--dry-run", *arguments[6:])
    assert "read         t.csv: separator comma" in out


def test_numbers_have_the_bits_of_python(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((500, 3)) * 10.0 ** rng.integers(-300, 300, (500, 3))
    text = "".join(
        ",".join(map(repr, row)) + f",{k % 2}\n" for k, row in enumerate(values.tolist())
    )
    assert np.array_equal(read(tmp_path, text).x, values)


def test_a_refusal_waits_for_the_thread_that_reads_ahead(tmp_path, monkeypatch):
    """Else the library aborts a program that ends meanwhile, once in some tens of times."""
    import pyarrow

    settled = []
    monkeypatch.setattr(table_cells, "settled", lambda: settled.append(pyarrow.io_thread_count()))
    for text in ("# mine\na,b\n1,2\n3,4\n", "a,b\n1,2\nx,4\n1,2\n", "a,b\n1,2\n3\n"):
        path = tmp_path / "t.csv"
        path.write_text(text)
        with pytest.raises(InputError):
            tables.read(str(path), "data.path", None)
    assert settled == [1, 1, 1]


def test_columns_that_tell_nothing_are_told(tmp_path):
    """An id, a constant and two of one name, each in one line; a real-valued one that rises is
    a feature as any other."""
    rows = [f"{k / 7},{101 + 2 * k},5,{k % 4},{k % 3},{'ab'[k % 2]}" for k in range(12)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["time,id,still,x,x,kind", *rows]) + "\n")
    said = tables.read(str(path), "data.path", None).warnings
    assert len(said) == 3
    assert "column 1 ('id') rises by whole numbers" in said[0]
    assert "column 2 ('still') has one value in all rows" in said[1]
    assert "several columns are called 'x'" in said[2]
    rows = [",".join(["0"] * 9 + [str(k % 3 + 0.5), "ab"[k % 2]]) for k in range(12)]
    path.write_text("\n".join(rows) + "\n")
    (line,) = [w for w in tables.read(str(path), "data.path", None).warnings if "one value" in w]
    assert "column 0 and 8 other columns" in line
