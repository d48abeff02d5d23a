"""Docstrings with numpydoc sections, taken apart and held against the code they are of."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import inspect
import re
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel

SHAPE = re.compile(r"\([^()]*,[^()]*\)")
ARRAY = re.compile(r"\b(ndarray|Tensor)\b")
IN_NATS = re.compile(r"\bexponents?\b(?!\.csv)|\bgrowth\b")
ERRORS = {"InputError", "RunFailed", "OtherState", "NoSuchColumn", "Stopped"}


@dataclasses.dataclass(frozen=True)
class Docstring:
    """``head``: what is above the sections; ``sections``: each by its entries and their text."""

    head: str
    sections: dict[str, dict[str, str]]

    @property
    def names(self) -> list[str]:
        return [*self.sections.get("Parameters", {}), *self.sections.get("Attributes", {})]

    def told(self, name: str) -> str:
        """What is said of a parameter or an attribute."""
        told = self.sections.get("Parameters", {}) | self.sections.get("Attributes", {})
        return told.get(name, "")


def parsed(text: str) -> Docstring:
    parts = re.split(r"^(\w[\w ]*)\n(-+)\n", inspect.cleandoc(text), flags=re.MULTILINE)
    titles = zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    found = {title: _entries(body) for title, line, body in titles if len(line) == len(title)}
    return Docstring(parts[0].strip(), found)


def _entries(body: str) -> dict[str, str]:
    """Lines that are not indented, each up to its " : ", with what is below them."""
    found = re.split(r"^(?=\S)", body.strip("\n"), flags=re.MULTILINE)
    return {re.split(r" : |\n", entry)[0].strip(): entry for entry in found if entry.strip()}


def function_of(thing: object) -> object:
    """What a property calls, or the function itself."""
    if isinstance(thing, property):
        return thing.fget
    return thing.func if isinstance(thing, functools.cached_property) else thing


def members(kind: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties that a class itself has."""
    told = fields(kind)  # a default of one may be a function
    for name, member in vars(kind).items():
        function = function_of(member)
        own = not name.startswith("_") and name not in told
        if own and inspect.isfunction(function):
            yield name, member


def faults(thing: object) -> list[str]:
    """What a docstring lacks, or says of what is not there."""
    text = function_of(thing).__doc__
    if not text:
        return ["no docstring"]
    told = parsed(text)
    found = [*_of_summary(told), *_of_units(text)]
    if isinstance(thing, type):
        return [*found, *_of_class(thing, told)]
    found += _of_errors(function_of(thing), told)
    if isinstance(thing, property | functools.cached_property):
        return [*found, *_of_shape("value", _returned(function_of(thing)), text)]
    return [*found, *_of_function(thing, told)]


def _of_summary(told: Docstring) -> list[str]:
    first, *rest = told.head.split("\n")
    whole = first.endswith(".") and not (rest and rest[0])
    return [] if whole else ["its summary is not one line that ends in a full stop"]


def _of_units(text: str) -> list[str]:
    wrong = IN_NATS.search(text) and "nats" not in text
    return ["exponents or growth without nats"] if wrong else []


def _of_shape(name: str, annotation: str, text: str) -> list[str]:
    wrong = ARRAY.search(annotation) and not SHAPE.search(text)
    return [f"{name}: an array without its shape"] if wrong else []


def _of_function(function: object, told: Docstring) -> list[str]:
    parameters = [p for name, p in inspect.signature(function).parameters.items() if name != "self"]
    expected = [str(p).partition(":")[0].partition("=")[0].strip() for p in parameters]
    found = _of_names(expected, told.names)
    for parameter in parameters:
        name = parameter.name
        found += _of_shape(name, str(parameter.annotation), told.told(name))
    return [*found, *_of_result(function, told)]


def _of_names(expected: list[str], named: list[str]) -> list[str]:
    found = [f"{name}: not in Parameters" for name in expected if name not in named]
    found += [f"{name}: in Parameters, not there" for name in named if name not in expected]
    return found or ([] if named == expected else ["Parameters in another order"])


def _returned(function: object) -> str:
    return str(inspect.signature(function).return_annotation)


def _of_result(function: object, told: Docstring) -> list[str]:
    annotation = _returned(function)
    title = "Yields" if inspect.isgeneratorfunction(function) else "Returns"
    expected = {title} if annotation not in ("None", "NoReturn") else set()
    found = {"Yields", "Returns"} & set(told.sections)
    if found != expected:
        return [f"sections {sorted(found)} for what it returns, not {sorted(expected)}"]
    return _of_shape(title, annotation, "".join(told.sections.get(title, {}).values()))


def _of_errors(function: object, told: Docstring) -> list[str]:
    missing = raised(function) - set(told.sections.get("Raises", {}))
    return [f"{name}: not in Raises" for name in sorted(missing)]


def raised(function: object) -> set[str]:
    """The errors that a function raises in its own body, not in functions within it."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    return {name for node in _own(tree) for name in _names_of(node)} & ERRORS


def _own(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            yield node
            yield from _own(node)


def _names_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Raise) and node.exc is not None:
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if isinstance(error, ast.Name):
            yield error.id


def _of_class(kind: type, told: Docstring) -> list[str]:
    types = fields(kind)
    named = told.names
    ordered = dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel)
    if not ordered:  # parameters stand before attributes, wherever the body has them
        named = [*(name for name in types if name in named), *(set(named) - set(types))]
    found = _of_names(list(types), named)
    for name, annotation in types.items():
        found += _of_shape(name, annotation, told.told(name))
    return found


def fields(kind: type) -> dict[str, str]:
    """What a class is made with, and what it has, with its annotations."""
    if dataclasses.is_dataclass(kind):
        return {field.name: str(field.type) for field in dataclasses.fields(kind)}
    if issubclass(kind, BaseModel):
        return {name: str(field.annotation) for name, field in kind.model_fields.items()}
    if issubclass(kind, enum.Enum):
        return dict.fromkeys(kind.__members__, "")
    return _of_body(kind)


def _of_body(kind: type) -> dict[str, str]:
    """Parameters of its ``__init__``, what its methods set, and the attributes of its body."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    made = inspect.isfunction(kind.__init__)  # else it is that of object
    parameters = inspect.signature(kind).parameters if made else {}
    found = {name: str(parameter.annotation) for name, parameter in parameters.items()}
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        found |= dict.fromkeys((t.id for t in targets if isinstance(t, ast.Name)), "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.attr, "")
    return {name: annotation for name, annotation in found.items() if not name.startswith("_")}
