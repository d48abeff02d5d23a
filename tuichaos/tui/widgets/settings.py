"""The settings panel: fields of an experiment, checked as they are typed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label, Select, Static

from tuichaos import presets
from tuichaos.errors import InputError
from tuichaos.experiment import DATA, Experiment
from tuichaos.reading import parse_override, resolve


@dataclass(frozen=True)
class Field:
    """One setting: its key in the experiment, its label, and its choices if it has some."""

    key: str
    label: str
    choices: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return "field-" + self.key.replace(".", "-").replace("_", "-")


FIELDS = (
    Field("data.name", "Data", tuple(d for d in DATA if d != "inline")),
    Field("data.path", "File"),
    Field("network.hidden", "Hidden"),
    Field(
        "network.activation",
        "Activation",
        ("sigmoid", "tanh", "relu", "gelu", "softplus", "linear"),
    ),
    Field("network.init", "Initial", ("normal", "xavier", "torch")),
    Field("loss.name", "Loss", ("cross-entropy", "mse")),
    Field("optimizer.name", "Optimizer", ("gd",)),
    Field("optimizer.learning_rate", "η"),
    Field("ensemble.references", "References"),
    Field("ensemble.twins", "Twins"),
    Field("ensemble.perturbation", "ε"),
    Field("steps", "Steps"),
    Field("seed", "Seed"),
    Field("device", "Device"),
)


def text_of(value: object) -> str:
    """A value as it is typed."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return value if isinstance(value, str) else json.dumps(value)


class Settings(VerticalScroll):
    """Edits an Experiment; what cannot be used is said below the fields, in the words of the
    command line."""

    class Changed(Message):
        """The experiment that the fields describe has changed (and is valid)."""

        def __init__(self, experiment: Experiment) -> None:
            self.experiment = experiment
            super().__init__()

    def __init__(self, experiment: Experiment, **arguments) -> None:
        super().__init__(**arguments)
        self.base = experiment
        self.experiment = experiment
        self.edited: dict[str, object] = {}
        self.fault = ""

    def compose(self) -> ComposeResult:
        names = [(name, name) for name in presets.names()]
        known = self.base.name in presets.names()
        with Horizontal(classes="field"):
            yield Label("Preset", classes="field-label")
            value = self.base.name if known else Select.NULL
            yield Select(names, value=value, id="preset", compact=True, prompt="(own)")
        for field in FIELDS:
            with Horizontal(classes="field"):
                yield Label(field.label, classes="field-label")
                value = text_of(value_at(self.base, field.key))
                if field.choices:
                    choices = [(choice, choice) for choice in field.choices]
                    yield Select(choices, value=value, id=field.id, compact=True, allow_blank=False)
                else:
                    yield Input(value, id=field.id, compact=True)
        yield Static("", id="fault")

    def load(self, experiment: Experiment) -> None:
        """Show another experiment in the fields."""
        self.base = self.experiment = experiment
        self.edited, self.fault = {}, ""
        with self.prevent(Input.Changed, Select.Changed):
            for field in FIELDS:
                widget = self.query_one(f"#{field.id}")
                widget.value = text_of(value_at(experiment, field.key))
        self._say("")

    def set_learning_rate(self, rate: float) -> None:
        """Put a rate into its field, as if typed."""
        field = next(f for f in FIELDS if f.key == "optimizer.learning_rate")
        self.query_one(f"#{field.id}", Input).value = f"{rate:.6g}"

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._edit(event.input.id or "", event.value)

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        if event.select.id == "preset":
            if event.value is not Select.NULL and event.value != self.base.name:
                self.load(presets.preset(str(event.value)))
                self.post_message(self.Changed(self.experiment))
            return
        self._edit(event.select.id or "", str(event.value))

    def _edit(self, widget: str, text: str) -> None:
        field = next((field for field in FIELDS if field.id == widget), None)
        if field is None or text == text_of(value_at(self.base, field.key)):
            self.edited.pop(field.key if field else "", None)
        else:
            self.edited[field.key] = self._parsed(field, text)
        self._check()

    @staticmethod
    def _parsed(field: Field, text: str) -> object:
        if field.key == "data.path":
            return text or None
        return parse_override(f"{field.key}={text}")[1]

    def _check(self) -> None:
        try:
            table = self.base.model_dump()
            self.experiment = resolve(table, self.edited)
        except InputError as error:
            self._say(str(error))
            return
        self._say("")
        self.post_message(self.Changed(self.experiment))

    def _say(self, fault: str) -> None:
        self.fault = fault
        self.query_one("#fault", Static).update(fault)
        for field in FIELDS:
            wrong = bool(fault) and fault.startswith(field.key)
            self.query_one(f"#{field.id}").set_class(wrong, "-invalid")


def value_at(experiment: Experiment, key: str) -> object:
    """The value of a dotted key."""
    found: object = experiment
    for part in key.split("."):
        found = getattr(found, part)
    return found
