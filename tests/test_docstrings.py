"""The public interface tells its parameters, shapes, units, errors and sources, and its
examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re

import docstrings
import pytest

import tuichaos
from tuichaos.cli.group import cli
from tuichaos.common import trust
from tuichaos.config.instrument_spec import loaded
from tuichaos.config.instruments import SPECS
from tuichaos.instruments.base import Instrument

# What the names of ``tuichaos`` lead to: what a user is given, and what an own instrument
# is made of.
FURTHER = {
    "tuichaos.api": ("verify",),
    "tuichaos.common.errors": ("NoSuchColumn",),
    "tuichaos.common.signals": ("Stopped",),
    "tuichaos.config.optimizer": ("Change",),
    "tuichaos.config.field_types": ("options",),
    "tuichaos.config.instrument_spec": ("Spec", "Entry", "ChartSpec", "Asked"),
    "tuichaos.instruments.base": ("Instrument", "RunContext", "Findings"),
    "tuichaos.plots.figure": ("Picture", "Curve", "Role"),
    "tuichaos.simulation.frames": ("BlockOrbit", "Frame"),
    "tuichaos.storage.column_reader": ("Columns",),
    "tuichaos.sweeps.points": ("Point",),
    "tuichaos.sweeps.result": ("SweepPoint",),
    "tuichaos.sweeps.sweep_writer": ("SweepProgress",),
    "tuichaos.systems.base": ("HiddenLayer",),
}


def interface():
    """Everything public, by name: functions, classes, their methods and properties."""
    found = {name: getattr(tuichaos, name) for name in tuichaos.__all__}
    for module, names in FURTHER.items():
        found |= {name: getattr(importlib.import_module(module), name) for name in names}
    for kind in [thing for thing in found.values() if isinstance(thing, type)]:
        found |= {f"{kind.__name__}.{name}": member for name, member in docstrings.members(kind)}
    return found


PUBLIC = interface()
EXAMPLES = [
    name for name, thing in PUBLIC.items() if ">>>" in (docstrings.function_of(thing).__doc__ or "")
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_docstring_tells_what_there_is(name):
    assert docstrings.faults(PUBLIC[name]) == []


def test_every_function_has_an_example():
    functions = {name for name in tuichaos.__all__ if inspect.isfunction(PUBLIC[name])}
    # An instrument is registered in the example of Instrument, which is then run.
    assert functions - {"register_instrument"} <= set(EXAMPLES)
    assert "register_instrument(" in Instrument.__doc__


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of its own, and nothing that an example trusts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trust, "_trusted", set())


@pytest.mark.usefixtures("place", "registered")
@pytest.mark.parametrize("name", EXAMPLES)
def test_its_examples_run(name):
    text = inspect.cleandoc(docstrings.function_of(PUBLIC[name]).__doc__)
    examples = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    said = []
    result = doctest.DocTestRunner().run(examples, out=said.append)
    assert result.attempted > 0
    assert not result.failed, "".join(said)


SOURCE = re.compile(r"arXiv|\b1[89]\d\d\b|\b20[012]\d\b")  # a paper, or a year


def measuring(spec):
    """The class of an instrument, also where a function makes it."""
    made = loaded(spec.make)
    if isinstance(made, type):
        return made
    module = inspect.getmodule(made)
    own = [kind for kind in vars(module).values() if inspect.isclass(kind)]
    return next(k for k in own if issubclass(k, Instrument) and k.key == spec.key)


@pytest.mark.parametrize("spec", [s for s in SPECS if s.make], ids=lambda spec: spec.key)
def test_an_instrument_names_its_source_and_unit(spec):
    kind = measuring(spec)
    above, text = inspect.getmodule(kind).__doc__, kind.__doc__
    if SOURCE.search(above):
        assert SOURCE.search("".join(docstrings.parsed(text).sections["References"].values()))
    if docstrings.IN_NATS.search(above + text):
        assert "nats" in above + text


def commands():
    return {"cli": cli, **cli.commands}


@pytest.mark.parametrize("name", commands())
def test_a_command_has_a_docstring(name):
    assert commands()[name].callback.__doc__


WHOLE = '''"""Scale an array.

    Parameters
    ----------
    x : ndarray
        (n, m).
    factor : float
        At least 0.

    Returns
    -------
    ndarray
        (n, m).

    Raises
    ------
    InputError
        It is negative.
    """
'''


CODE = """
def scaled(x: ndarray, factor: float = 1) -> ndarray:
    {docstring}
    if factor < 0:
        raise InputError("factor: is negative")
    return x * factor
"""


def scaled(file, docstring):
    """A function with this docstring, of a file that can be looked at."""
    head = "from __future__ import annotations\n"
    file.write_text(head + CODE.format(docstring=docstring), encoding="utf-8")
    found = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), found)
    return found["scaled"]


@pytest.mark.parametrize(
    ("left_out", "instead", "fault"),
    [
        ("factor : float\n        At least 0.", "", "factor: not in Parameters"),
        ("factor : float", "other : float", "other: in Parameters, not there"),
        ("Returns\n    -------\n    ndarray\n        (n, m).", "", "sections [] for what it"),
        (
            "InputError\n        It is negative.",
            "ValueError\n        So.",
            "InputError: not in Raises",
        ),
        (
            "x : ndarray\n        (n, m).",
            "x : ndarray\n        It.",
            "x: an array without its shape",
        ),
        ("Scale an array.", "Scale an array", "its summary is not one line"),
        ("Scale an array.", "Scale an array by its exponent.", "exponents or growth without nats"),
    ],
)
def test_what_is_missing_is_found(left_out, instead, fault, tmp_path):
    assert left_out in WHOLE
    assert docstrings.faults(scaled(tmp_path / "whole.py", WHOLE)) == []
    broken = scaled(tmp_path / "broken.py", WHOLE.replace(left_out, instead))
    assert any(words.startswith(fault) for words in docstrings.faults(broken))
