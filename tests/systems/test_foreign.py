"""A user's own system: named where it fails, and safe in several threads."""

from __future__ import annotations

import threading

import maps
import pytest
import torch

import tuichaos
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.systems.foreign import Foreign, uses_transforms
from tuichaos.systems.plugins import users_system

LATE = 130  # calls: after those of the check that it is a map, before a run ends
SMALL = {"steps": 60, "ensemble.references": 64, "ensemble.twins": 3}


def small(name, **parameters):
    return {**SMALL, "system.name": name, "system.parameters": parameters}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("where", ["step", "observe"])
def test_function_transforms_are_used_by_one_thread_at_a_time(where, simulate, monkeypatch):
    """Their levels are global in torch. The bits are those of one thread."""
    inside, most = [], []
    plain = maps.Functional.loss

    def watched(self, w):
        inside.append(threading.get_ident())
        most.append(len(set(inside)))
        try:
            return plain(self, w)
        finally:
            inside.remove(threading.get_ident())

    monkeypatch.setattr(maps.Functional, "loss", watched)
    torch.manual_seed(0)
    one = simulate(small("maps:Functional", where=where), threads=1)
    before = len(most)
    torch.manual_seed(0)
    four = simulate(small("maps:Functional", where=where), threads=4)
    assert len(most) > before
    assert set(most) == {1}
    assert (four.path / "series.csv").read_bytes() == (one.path / "series.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "alone"), [("Functional", True), ("SkewTent", False), ("Duck", False)]
)
def test_only_who_uses_transforms_waits_for_others(name, alone):
    found = users_system(f"maps:{name}", {})
    assert isinstance(found, Foreign)
    assert found.alone is alone
    again = found.take(torch.tensor([0, 0]))
    assert (again.alone, again.name) == (alone, f"maps:{name}")


def test_transforms_are_seen_at_any_depth():
    x = torch.ones(3)
    assert uses_transforms(lambda: torch.func.vmap(torch.sin)(x))
    assert uses_transforms(lambda: [torch.func.grad(lambda t: t.sin().sum())(x)])
    assert uses_transforms(lambda: torch.func.jvp(torch.sin, (x,), (x,)))
    assert not uses_transforms(lambda: (x.sin() @ x).exp())


@pytest.mark.parametrize("what", ["ValueError", "KeyError", "SystemExit", "OSError"])
@pytest.mark.parametrize("where", ["step", "observe"])
def test_a_failure_says_in_which_function_of_the_users_it_was(where, what, simulate):
    after = LATE if where == "step" else 7
    faulty = small("maps:Faulty", where=where, what=what, after=after)
    with pytest.raises(RunFailed) as caught:
        simulate({**faulty, "steps": 200}, threads=1)
    words = "'no more\\nof this'" if what == "KeyError" else "no more"
    assert str(caught.value).endswith(f": maps:Faulty.{where}: {what}: {words}")


@pytest.mark.parametrize("where", ["step", "observe", "start"])
def test_one_at_the_first_look_says_so_too(where):
    with pytest.raises(InputError) as caught:
        users_system("maps:Faulty", {"where": where, "after": 1})
    assert str(caught.value) == f"system.name: maps:Faulty.{where}: ValueError: no more"


def test_want_of_memory_is_said_as_such(simulate):
    with pytest.raises(RunFailed, match="out of memory on cpu"):
        simulate({**small("maps:Faulty", what="MemoryError", after=LATE), "steps": 200}, threads=1)


def test_a_failure_ends_a_point_of_a_sweep_by_its_name(tmp_path):
    made = tuichaos.resolve(
        {}, {**small("maps:Faulty", after=LATE), "steps": 200, "sweep": {"seed": [1]}}
    )
    done = tuichaos.sweep(made, out=tmp_path / "sweep", threads=1)
    (row,) = (done.path / "sweep.csv").read_text().splitlines()[1:]
    assert "maps:Faulty.step: ValueError: no more" in row


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BadLayout", "layout has 2 numbers, dimension is 3"),
        ("InPlace", "step changes the states it is given"),
        ("WrongTangent", "tangent is not the derivative of step"),
    ],
)
def test_a_system_that_would_give_wrong_numbers_is_refused_before(name, words, tmp_path, command):
    out = tmp_path / "r"
    named = f"system.name=maps:{name}"
    sets = ("--set", named, "--set", "system.parameters={}", "--set", "steps=600")
    code, _, err = command("run", "--preset", "logistic", *sets, "--out", out)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err
    assert not out.exists()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({}, r"torch's, not NumPy's"), ({"r": 4.0}, r"takes no arguments \(system.parameters.*: r\)")],
)
def test_what_is_wrong_is_said_in_the_words_of_the_experiment(parameters, words):
    with pytest.raises(InputError, match=words):
        users_system("maps:OfNumpy", parameters)
