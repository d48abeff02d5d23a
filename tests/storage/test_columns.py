"""Tables of numbers as columns: the same by either parser, read once, and on where they grow."""

from __future__ import annotations

import math
import os
import random

import numpy as np
import pytest

import tuichaos
from tuichaos import InputError
from tuichaos.plots import run_plots
from tuichaos.storage import column_reader
from tuichaos.storage.column_reader import read_table

ODD = ["", "0", "-0.0", "5e-324", "1.7976931348623157e308", "1e400", "-1e-400", "nan", "inf"]
ODD += ["-inf", "0.1", "3.0", "9007199254740993", "1e22", "123456789012345678901234567890"]


def cells(rng, count):
    for _ in range(count):
        yield (
            rng.choice(ODD)
            if rng.random() < 0.2
            else repr(rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30))
        )


def text(rng, rows, width=4):
    lines = (",".join(cells(rng, width)) for _ in range(rows))
    return "".join(f"{line}\n" for line in lines)


def alike(a, b):
    """Bit for bit, but for the bits of what is no number."""
    known = ~np.isnan(a)
    return (known == ~np.isnan(b)).all() and (
        a[known].view(np.int64) == b[known].view(np.int64)
    ).all()


@pytest.fixture(autouse=True)
def fresh():
    column_reader._tables.clear()


@pytest.mark.parametrize("seed", range(3))
def test_both_parsers_give_the_same_bits(seed):
    piece = text(random.Random(seed), 20_000).encode()
    assert len(piece) >= column_reader.SMALL
    names, wanted = list("abcd"), [0, 2, 3]
    quick, plain = (
        column_reader._numbers(piece, names, wanted),
        column_reader._of_lines(piece, 4, wanted),
    )
    assert all(alike(a, b) for a, b in zip(quick, plain, strict=True))


@pytest.mark.parametrize("line", ["1,2,3", "1,2,3,4,5", "1,2,x,4", '1,"2",3,4', "", "1,2,0x10,4"])
@pytest.mark.parametrize("small", [True, False])
def test_what_is_no_table_of_numbers_is_refused(line, small, tmp_path):
    path, rng = tmp_path / "t.csv", random.Random(0)
    rows = text(rng, 10 if small else 20_000)
    path.write_text(f"a,b,c,d\n{rows}{line}\n{rows}")
    with pytest.raises(InputError, match="is damaged: not a table of numbers"):
        read_table(path)
    if line.count(",") == 3 and '"' not in line:  # other columns can be read
        assert len(read_table(path, ["a"])["a"]) == 2 * rows.count("\n") + 1


def counted(monkeypatch):
    parsed, plain = [], column_reader._numbers
    monkeypatch.setattr(
        column_reader, "_numbers", lambda p, *a: parsed.append(len(p)) or plain(p, *a)
    )
    return parsed


def test_a_table_is_read_once_and_on_where_it_grows(tmp_path, monkeypatch):
    parsed, path, rng = counted(monkeypatch), tmp_path / "t.csv", random.Random(1)
    first, second = text(rng, 3000), text(rng, 2000)
    path.write_text("a,b,c,d\n" + first)
    one = read_table(path, ["b"])
    whole = read_table(path)
    assert sum(parsed) == len(first)
    with open(path, "a") as file:
        file.write(second + "1,2")
    both = read_table(path)
    assert sum(parsed) == len(first) + len(second)
    assert (len(one["b"]), len(whole["a"]), len(both["d"])) == (3000, 3000, 5000)
    column_reader._tables.clear()
    again = read_table(path)
    assert all(alike(both[name], again[name]) for name in "abcd")
    assert len(read_table(path, ["a"], most=7)["a"]) == 7


@pytest.mark.parametrize("how", ["cut", "another", "edited"])
def test_a_table_that_was_changed_is_read_anew(how, tmp_path):
    path, rng = tmp_path / "t.csv", random.Random(2)
    path.write_text("a,b,c,d\n" + text(rng, 100))
    read_table(path)
    other = "a,b,c,d\n" + text(rng, 50 if how == "cut" else 300)
    if how == "another":
        (tmp_path / "new").write_text(other)
        os.replace(tmp_path / "new", path)
    else:
        path.write_text(other)
    found = read_table(path)
    column_reader._tables.clear()
    assert all(alike(found[name], read_table(path)[name]) for name in "abcd")


def test_damage_that_comes_later_is_told_each_time(tmp_path):
    path, rng = tmp_path / "t.csv", random.Random(4)
    path.write_text("a,b,c,d\n" + text(rng, 50))
    read_table(path)
    with open(path, "a") as file:
        file.write("1,2,3\n" + text(rng, 5))
    for _ in range(2):
        with pytest.raises(InputError, match="is damaged: not a table of numbers"):
            read_table(path)


def test_a_table_of_which_nothing_was_asked_may_grow(tmp_path):
    path, rng = tmp_path / "t.csv", random.Random(5)
    path.write_text("a,b,c,d\n")
    assert read_table(path, ["x"]) == {}
    with open(path, "a") as file:
        file.write(text(rng, 20_000))
    assert len(read_table(path, ["a"])["a"]) == 20_000


def test_little_is_kept(tmp_path, monkeypatch):
    rng = random.Random(3)
    for k in range(8):
        (tmp_path / f"{k}.csv").write_text("a,b,c,d\n" + text(rng, 50))
        read_table(tmp_path / f"{k}.csv")
    assert len(column_reader._tables) == column_reader.MAX_TABLES
    parsed = counted(monkeypatch)
    monkeypatch.setattr(column_reader, "MAX_KEPT", 300)
    found = read_table(tmp_path / "0.csv", ["a"])  # alone, as all would be too many
    assert len(found["a"]) == 50
    assert not column_reader._tables
    assert len(parsed) == 1


def test_columns_are_read_only(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,\n2,3\n")
    found = read_table(tmp_path / "t.csv")
    assert found["a"].tolist() == [1, 2]
    assert math.isnan(found["b"][0])
    with pytest.raises(ValueError, match="read-only"):
        found["a"][0] = 5


def test_the_chart_of_a_large_table_is_one_pass(simulate, monkeypatch):
    run = simulate({"steps": 60, "ensemble.references": 4, "ensemble.twins": 1})
    size = (run.path / "series.csv").stat().st_size
    monkeypatch.setattr(column_reader, "MAX_ALONG", 0)
    for name in ("distance", "loss"):
        column_reader._tables.clear()
        with monkeypatch.context() as patch:
            parsed = counted(patch)
            run_plots.picture(tuichaos.open_run(run.path), name)
        assert [length for length in parsed if length > size / 2] == [max(parsed)], name
