"""What was planned, key by key in short: whether an experiment is still the one that a
checkpoint is of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.storage.checkpoint_store import Checkpoint

# Words, where it is computed, how often it is kept, and what was changed while it ran; where a
# file of data lies: what is in it has a digest of its own.
FREE = {"name", "title", "about", "paper", "device", "record.checkpoint", "optimizer.changes"}
FREE |= {"data.path"}
# Keys of later versions, left out where they say nothing: folders of earlier ones have none.
ADDED: dict[str, Any] = {
    "data.seed": None,
    "data.target": None,
    "data.task": None,
    "system.allow_nondeterministic": False,
}
STEPS = "steps"  # free too where nothing that is measured depends on them
MAX_NAMED = 6
DIGITS = 16  # of the digests that are kept


def prints(experiment: Experiment, data: str | None, any_steps: bool) -> dict[str, str]:
    """Digests of all values by key ("network.hidden"), but for those that may change in
    between; ``data``: the digest of the data, which come from files at times."""
    free = FREE | ({STEPS} if any_steps else set())
    found = {
        key: _short(value)
        for key, value in _values("", experiment.model_dump(mode="json"))
        if key not in free and not (key in ADDED and value == ADDED[key])
    }
    return found if data is None else {**found, "data": data[:DIGITS]}


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Keys of other values than before. Keys that only one of the two has are of another
    version of tuichaos, or free in one of them."""
    return [key for key, value in now.items() if before.get(key, value) != value]


def check_planned(where: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """InputError where the experiment, or its data, is another one than when a run began: its
    rows would be of both, or of the other."""
    if keys := changed(before, now):
        names = ", ".join(keys[:MAX_NAMED]) + (", …" if len(keys) > MAX_NAMED else "")
        raise InputError(
            f"{where}: {names} of the experiment changed since it began: set back what was "
            "changed, or begin another run"
        )


def known(manifest: Mapping[str, Any], checkpoint: Checkpoint | None = None) -> dict[str, str]:
    """What a manifest, and a checkpoint, tell of what was planned; an older manifest tells of
    the data alone."""
    data = manifest.get("data")
    checksum = data.get("sha256") if isinstance(data, dict) else None
    found = {"data": checksum[:DIGITS]} if isinstance(checksum, str) else {}
    for told in (checkpoint and checkpoint.facts.get("experiment"), manifest.get("planned")):
        if isinstance(told, dict):
            found |= {key: value for key, value in told.items() if isinstance(value, str)}
    return found


def digest(experiment: Experiment, data: str | None) -> str:
    """All of it in one, of a sweep."""
    return _short(prints(experiment, data, any_steps=False))


def earlier_digest(experiment: Experiment, data: str | None) -> str:
    """The same as earlier versions made it, with the place of the data."""
    path = {"data.path": _short(experiment.data.path)}
    return _short(prints(experiment, data, any_steps=False) | path)


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _values(above: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values of a table and of those in it, by key; deeper tables are values."""
    for key, value in table.items():
        if isinstance(value, Mapping) and not above:
            yield from _values(f"{key}.", value)
        else:
            yield above + key, value
