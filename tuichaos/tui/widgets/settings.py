"""The settings panel: fields of an experiment, checked as they are typed."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass

import tomli_w
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label, Select, Static

from tuichaos.common.errors import InputError
from tuichaos.common.trust import trust_named
from tuichaos.config import presets
from tuichaos.config.data_sets import data_names
from tuichaos.config.experiment import SYSTEMS, Experiment
from tuichaos.config.instruments import asked, specs
from tuichaos.config.loading import changed, parse_override
from tuichaos.config.reference_parameters import turned
from tuichaos.tui.keymap import identified

TRAINING, REFERENCE = "training", "reference"


@dataclass(frozen=True)
class Field:
    """One setting: its key in the experiment, its label, its choices if it has some, and the
    kind of system it is for (empty: any)."""

    key: str
    label: str
    choices: tuple[str, ...] = ()
    kind: str = ""

    @property
    def id(self) -> str:
        return "field-" + self.key.replace(".", "-").replace("_", "-")


def _choice(key: str, label: str) -> Field:
    """A field of training whose choices are those that the experiment itself has."""
    table, _, name = key.partition(".")
    field = Experiment.model_fields[table].annotation.model_fields[name]
    return Field(key, label, typing.get_args(field.annotation), TRAINING)


FIELDS = (
    Field("system.name", "System", SYSTEMS),
    Field("system.parameters", "Parameters", kind=REFERENCE),
    Field("data.name", "Data", tuple(d for d in data_names() if d != "inline"), kind=TRAINING),
    Field("data.path", "File", kind=TRAINING),
    Field("network.hidden", "Hidden", kind=TRAINING),
    _choice("network.activation", "Activation"),
    _choice("network.init", "Initial"),
    _choice("loss.name", "Loss"),
    _choice("optimizer.name", "Optimizer"),
    Field("optimizer.learning_rate", "Rate η", kind=TRAINING),
    Field("ensemble.references", "References"),
    Field("ensemble.twins", "Twins"),
    Field("ensemble.perturbation", "Perturb. ε"),
    Field("measure", "Measure"),
    Field("steps", "Steps"),
    Field("seed", "Seed"),
    Field("device", "Device"),
)
BY_KEY = {field.key: field for field in FIELDS}


def text_of(value: object) -> str:
    """A value as it is typed."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, dict):
        lines = tomli_w.dumps(value).splitlines()
        return f"{{{', '.join(lines)}}}" if lines else ""
    return value if isinstance(value, str) else json.dumps(value)


def extras(experiment: Experiment) -> list[str]:
    """The instruments that are off unless asked for, and are asked for."""
    off = (spec.key for spec in specs() if spec.default is False)
    return [key for key in off if getattr(experiment.measure, key) is not False]


def shown_value(experiment: Experiment, field: Field) -> str:
    """What a field holds of an experiment, as it is typed."""
    if field.key == "measure":
        return ", ".join(extras(experiment))
    return text_of(value_at(experiment, field.key))


class Entry(Input):
    """A field to type in; enter keeps what can be used, escape takes back what was typed since
    it was last of use, and leaves the fields when there is nothing to take back."""

    BINDINGS = identified(
        "settings",
        [
            Binding("enter", "keep", "Keep", tooltip="Keep it and go to the charts"),
            Binding("escape", "undo", "Undo"),
        ],
    )

    def __init__(self, value: str, **arguments) -> None:
        super().__init__(value, **arguments)
        self.before = value  # what escape brings back

    @property
    def _settings(self) -> Settings:
        return next(widget for widget in self.ancestors if isinstance(widget, Settings))

    def on_focus(self) -> None:
        self._remember()

    def on_blur(self) -> None:
        self._remember()

    def _remember(self) -> None:
        if self.is_attached and not self._settings.fault:
            self.before = self.value

    def action_keep(self) -> None:
        if self._settings.refused():
            return
        self.before = self.value
        self.screen.action_back()

    def action_undo(self) -> None:
        if not self.take_back():
            self.screen.action_back()

    def take_back(self) -> bool:
        """Undo what was typed; whether there was something."""
        typed = self.value != self.before
        self.value = self.before
        return typed


class Settings(VerticalScroll):
    """Edits an Experiment; what cannot be used is said below the fields, in the words of the
    command line."""

    class Changed(Message):
        """The experiment that the fields describe has changed (and is valid)."""

        def __init__(self, experiment: Experiment) -> None:
            self.experiment = experiment
            super().__init__()

    class Swept(Message):
        """A preset was chosen that goes over many points."""

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
            kind = f"-for-{field.kind}" if field.kind else ""
            with Horizontal(classes=f"field {kind}"):
                yield Label(field.label, classes="field-label")
                yield self._widget(field)
        yield Static("", id="fault", markup=False)

    def _widget(self, field: Field) -> Input | Select:
        value = shown_value(self.base, field)
        if not field.choices:
            return Entry(value, id=field.id, compact=True)
        return Select(
            _choices(field, value), value=value, id=field.id, compact=True, allow_blank=False
        )

    def on_mount(self) -> None:
        self._show_kind()

    def load(self, experiment: Experiment) -> None:
        """Show another experiment in the fields."""
        self.base = self.experiment = experiment
        self.edited, self.fault = {}, ""
        with self.prevent(Input.Changed, Select.Changed):
            for field in FIELDS:
                widget, value = self.query_one(f"#{field.id}"), shown_value(experiment, field)
                if isinstance(widget, Select):
                    widget.set_options(_choices(field, value))
                widget.value = value
                if isinstance(widget, Entry):
                    widget.before = value
        self._name_preset()
        self._show_kind()
        self._say("")

    def refused(self) -> bool:
        """Whether something cannot be used; then that is said, and its field has the keys."""
        if not self.fault:
            return False
        self.notify(self.fault, severity="error", markup=False)
        self.focus_fault()
        return True

    def focus_fault(self) -> bool:
        """Give the keys to the field whose value cannot be used; whether there is one."""
        fields = [field for field in self.query(".-faulty") if field.focusable]
        if fields:
            fields[0].focus()
        return bool(fields)

    def take_back(self) -> bool:
        """Undo what was typed and cannot be used; whether there was something. Where the fault
        is of no field here, all that was typed since there was none."""
        if not self.fault:
            return False
        found = list(self.query(".-faulty")) or list(self.query(Entry))
        taken = [entry.take_back() for entry in found if isinstance(entry, Entry)]
        return any(taken)

    def set_learning_rate(self, rate: float) -> None:
        """Put a rate into its field, as if typed."""
        self._put("optimizer.learning_rate", f"{rate:.6g}")

    def turn(self, factor: float) -> tuple[str, float] | None:
        """Multiply the parameter of a reference system that is there to be turned; what it is
        now, None where there is none."""
        found = turned(self.experiment.system.name, self.experiment.system.parameters)
        if found is None or self.fault:
            return None
        key, value = found[0], float(f"{found[1] * factor:.6g}")
        parameters = {**self.experiment.system.parameters, key: value}
        self._put("system.parameters", text_of(parameters))
        return key, value

    def _put(self, key: str, text: str) -> None:
        """Put a text into a field, as if typed, and heed it at once: a message of the field's
        would come later."""
        entry = self._entry(key)
        with self.prevent(Input.Changed):
            entry.value = text
        self._edit(entry.id or "", text)

    def _entry(self, key: str) -> Input:
        return self.query_one(f"#{BY_KEY[key].id}", Input)

    def _show_kind(self) -> None:
        """Only the fields that the system has."""
        training = self.experiment.system.name == "training"
        for kind in (TRAINING, REFERENCE):
            for row in self.query(f".-for-{kind}"):
                row.display = (kind == TRAINING) == training
        # Where each layer has its own rate there is not one to type.
        if self.experiment.optimizer.learning_rates:
            self._entry("optimizer.learning_rate").parent.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._edit(event.input.id or "", event.value)

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        if event.select.id == "preset":
            if event.value is not Select.NULL and event.value != self.base.name:
                self._choose_preset(presets.preset(str(event.value)))
            return
        self._edit(event.select.id or "", str(event.value))

    def _choose_preset(self, experiment: Experiment) -> None:
        """Load a preset; one of many points is not for these fields."""
        if experiment.sweep:
            self._name_preset()
            self.post_message(self.Swept(experiment))
            return
        self.load(experiment)
        self.post_message(self.Changed(self.experiment))

    def _name_preset(self) -> None:
        """Let the first field say which preset the others came from, if from one."""
        known = self.base.name in presets.names()
        with self.prevent(Select.Changed):
            self.query_one("#preset", Select).value = self.base.name if known else Select.NULL

    def _edit(self, widget: str, text: str) -> None:
        field = next((field for field in FIELDS if field.id == widget), None)
        if field is None:
            return
        if field.key == "measure":
            self._choose(text)
        elif text == shown_value(self.base, field):
            self.edited.pop(field.key, None)
        else:
            self.edited[field.key] = self._parsed(field, text)
        if field.key == "system.name":
            self._forget_parameters(text)
        self._check()
        self._show_kind()

    def _choose(self, text: str) -> None:
        """Switch instruments on by their names; those that were on and are not named, off."""
        names = re.findall(r"[^\s,]+", text)
        before = extras(self.base)
        for key in [key for key in self.edited if key.startswith("measure.")]:
            del self.edited[key]
        for name in names:
            if name not in before:
                self.edited[f"measure.{name}"] = asked(name, self.experiment)
        for name in before:
            if name not in names:
                self.edited[f"measure.{name}"] = False

    def measure(self, names: Sequence[str]) -> bool:
        """Switch more instruments on, as if typed, or off where all of them are on; whether
        they are on now."""
        before = extras(self.experiment)
        on = not set(names) <= set(before)
        rest = [name for name in before if name not in names]
        self._entry("measure").value = ", ".join([*rest, *names] if on else rest)
        return on

    def _forget_parameters(self, system: str) -> None:
        """Another system has other parameters: its defaults."""
        own = system == self.base.system.name
        parameters = self.base.system.parameters if own else {}
        with self.prevent(Input.Changed):
            self._entry("system.parameters").value = text_of(parameters)
        self.edited.pop("system.parameters", None)
        if not own:
            self.edited["system.parameters"] = {}

    @staticmethod
    def _parsed(field: Field, text: str) -> object:
        if field.key == "data.path":
            return text or None
        if field.key == "system.parameters" and not text.strip():
            return {}
        return parse_override(f"{field.key}={text}")[1]

    def _check(self) -> None:
        try:
            table = self.base.model_dump()
            self.experiment = changed(table, self.edited)
            trust_named(self.edited)
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
            self.query_one(f"#{field.id}").set_class(wrong, "-faulty")


def _choices(field: Field, value: str) -> list[tuple[str, str]]:
    """What can be chosen, and what is there: a system of the user's own is none of the names."""
    return [(choice, choice) for choice in dict.fromkeys([*field.choices, value])]


def value_at(experiment: Experiment, key: str) -> object:
    """The value of a dotted key."""
    found: object = experiment
    for part in key.split("."):
        found = getattr(found, part)
    return found
