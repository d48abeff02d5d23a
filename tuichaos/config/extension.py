"""Instruments of others: registered in Python, or named by an installed package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

from pydantic.fields import FieldInfo

from tuichaos.common.errors import InputError
from tuichaos.common.trust import is_trusted, trust_named
from tuichaos.config.data_sets import is_registered
from tuichaos.config.experiment import Experiment
from tuichaos.config.instrument_spec import Spec, loaded
from tuichaos.config.instruments import add
from tuichaos.config.measure import AVERAGES, Measure, field_of

GROUP = "tuichaos.instruments"


def register_instrument(spec: Spec) -> None:
    """Add an instrument, from now on a key of ``[measure]`` as those of tuichaos are.

    Parameters
    ----------
    spec : Spec
        What it tells of itself; one of the same key takes the place of the one before.

    Raises
    ------
    InputError
        ``spec`` is no Spec, or its key is one of tuichaos's own, or no word.

    See Also
    --------
    tuichaos.instruments.base.Instrument : what it is made of, with an example.
    """
    if not isinstance(spec, Spec):
        raise InputError(f"an instrument is registered by a Spec, not {type(spec).__name__}")
    own = spec.key in Measure.model_fields and spec.key not in _ADDED
    if not spec.key.isidentifier() or own or spec.key in AVERAGES:
        fault = "is a key of tuichaos" if own or spec.key in AVERAGES else "must be a word"
        raise InputError(f"measure.{spec.key}: {fault}")
    _ADDED.add(spec.key)
    _UNNAMED.discard(spec.key)
    add(spec)
    annotation, default = field_of(spec)
    Measure.model_fields[spec.key] = FieldInfo.from_annotated_attribute(annotation, default)
    for model in (Measure, Experiment):
        model.model_rebuild(force=True)


_ADDED: set[str] = set()
_UNNAMED: set[str] = set()  # of these, whose code was not said to run, or is not here
_OF_PACKAGES: set[str] = set()  # of these, which another process finds as well


def trust_job(table: Mapping[str, Any]) -> None:
    """Let all code run that the table of a sweep names: who asked for it had it checked."""
    trust_named(table)
    keys = [key for key, value in table.get("measure", {}).items() if value]
    look_for(keys, {f"measure.{key}": True for key in keys})


def known_here_alone(experiment: Experiment) -> str:
    """The first key that asks for what was registered in this process, and which others do not
    know; empty where there is none."""
    if is_registered(experiment.data.name) and experiment.system.name == "training":
        return f"data.name: {experiment.data.name}"
    own = sorted(_ADDED - _OF_PACKAGES)
    return next((f"measure.{key}" for key in own if getattr(experiment.measure, key)), "")


def stand_in(keys: Iterable[str]) -> bool:
    """Let a kept run be read whose instruments are not here: their keys are known, and refuse to
    run. Whether there was one."""
    missing = [key for key in keys if key not in Measure.model_fields and key.isidentifier()]
    for key in missing:
        register_instrument(Spec(key, "not here", options=Any, make=_absent(key)))
        _UNNAMED.add(key)
    return bool(missing)


def _absent(key: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise InputError(
            f"measure.{key}: this instrument is not here: register it "
            "(tuichaos.register_instrument), or install the package that brings it"
        )

    return refuse


def look_for(keys: Iterable[str], named: Mapping[str, Any]) -> None:
    """Load the instruments of installed packages that an experiment asks for.

    Parameters
    ----------
    keys : iterable of str
        Keys of ``[measure]``.
    named : Mapping
        Dotted keys that the user said, on the command line or in Python: what only a file names
        is not run.

    Notes
    -----
    One that only a file names has its key, so that the file can be read, and refuses to run.
    """
    missing = {key for key in keys if key not in Measure.model_fields or key in _UNNAMED}
    for point in entry_points(group=GROUP) if missing else ():
        if point.name in missing:
            place = f"measure.{point.name}"
            _load(point, any(key == place or key.startswith(f"{place}.") for key in named))


def _unnamed(point: EntryPoint) -> Spec:
    """An instrument whose code nobody said may run."""

    def refuse(*_: object) -> None:
        raise InputError(
            f"measure.{point.name}: a file asks for the code {point.value}, which runs only if "
            f"you say its name too: --trust {point.value}"
        )

    return Spec(point.name, f"of {point.value}", options=Any, make=refuse)


def _load(point: EntryPoint, said: bool) -> None:
    if not said and not is_trusted(point.value):
        register_instrument(_unnamed(point))
        _UNNAMED.add(point.name)
        return
    try:
        spec = loaded(point.value)
    except Exception as error:  # it is anyone's code
        raise InputError(
            f"measure.{point.name}: {point.value}: {type(error).__name__}: {error}"
        ) from None
    register_instrument(spec)
    _OF_PACKAGES.add(spec.key)
