"""When checkpoints of a run are written, and how a run goes on from one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tuichaos.common.errors import InputError
from tuichaos.storage.checkpoint_encoding import Decoder, Encoder
from tuichaos.storage.checkpoint_store import MALFORMED, Checkpoint, Store
from tuichaos.storage.fingerprint import prints
from tuichaos.storage.prefix_checksum import Prefix

if TYPE_CHECKING:
    from tuichaos.execution.plan import Plan
    from tuichaos.instruments.base import Instrument
    from tuichaos.instruments.saved_states import SavedStates
    from tuichaos.simulation.simulation import Simulation
    from tuichaos.storage.run_writer import RunWriter


class Recorded(Protocol):
    """A run that is being recorded, as far as its checkpoints need to know it."""

    plan: Plan
    simulation: Simulation
    instruments: Sequence[Instrument]
    states: SavedStates | None
    facts: dict[str, Any]
    step: int


@dataclass(frozen=True)
class ResumeFrom:
    """What a run goes on from: its last ``checkpoint`` (None: from the beginning), the ``facts``
    of it for manifest.json, and the fingerprints of what was ``planned`` (fingerprint.py)."""

    checkpoint: Checkpoint | None
    facts: dict[str, Any] = field(default_factory=dict)
    planned: Mapping[str, str] = field(default_factory=dict)


def named(instruments: Sequence[Instrument]) -> dict[str, Instrument]:
    """Instruments by what checkpoints call them: as they say, else by their class and, where
    another one has that name, by the key too. InputError where that tells them not apart."""
    names = [one.kept_as or type(one).__name__ for one in instruments]
    found: dict[str, Instrument] = {}
    for name, one in zip(names, instruments, strict=True):
        own = name if one.kept_as or names.count(name) == 1 else f"{name} of measure.{one.key}"
        if own in found:
            words = (
                "a checkpoint could not tell them apart: give each a key, or kept_as, of its own"
            )
            raise InputError(f"two instruments are called {own}: {words}")
        found[own] = one
    return found


class Checkpointer:
    """Writes the checkpoints of a run, one every ``seconds`` (0: only when it is told to), and
    restores the run from one.

    A run that can go further than planned, because nothing that is measured depends on the
    number of steps, has another one before its last frame, which is kept when it is done.
    """

    def __init__(self, path: Path, seconds: float, recording: Recorded) -> None:
        self.store = Store(path)
        self.seconds = seconds
        self.recording = recording
        self.named = named(recording.instruments)
        free = not any(one.depends_on_steps for one in recording.instruments)
        self.extends = bool(seconds) and free
        data = recording.facts["data"]
        self.prints = prints(recording.plan.experiment, data and data["sha256"], free)
        self.prefixes: dict[str, Prefix] = {}  # of the files that grow, by name
        self.written: int | None = None  # the step of the last one
        self._due = time.monotonic() + seconds

    def look(self, folder: RunWriter) -> None:
        """After each frame but the last: write one if it is time, and the simulation is
        settled. What is recorded at the end is the end's: who goes further has none of it."""
        if self.recording.step >= self.recording.plan.experiment.steps:
            return
        is_due = self.seconds and time.monotonic() >= self._due
        if not (is_due or (self.extends and self._is_near_end())):
            return
        if self.recording.simulation.settled:
            self.write(folder)
        else:
            self.recording.simulation.settle()

    def _is_near_end(self) -> bool:
        recording = self.recording
        steps = recording.plan.experiment.steps
        return recording.step < steps and recording.simulation.is_near_end

    def clear(self) -> None:
        """Let go of what a run that is done needs no more."""
        if self.extends:
            self.store.keep(1)
        else:
            self.store.clear()

    def write(self, folder: RunWriter) -> None:
        """Keep the run as it is after the frame that was recorded last."""
        recording = self.recording
        state = recording.simulation.state()
        if state["step"] == self.written or not state["blocks"]:
            return
        lengths = {"series.csv": folder.sync()}
        encoder = Encoder()
        instruments = [[name, one.state()] for name, one in self.named.items()]
        tree = encoder.encode({"simulation": state, "instruments": instruments})
        if recording.states:
            lengths |= recording.states.file.lengths()
        known = {"lengths": lengths, "sums": self._sums(lengths), "experiment": self.prints}
        self.store.write(state["step"], known, tree, encoder.arrays)
        self.written = state["step"]
        self._due = time.monotonic() + self.seconds

    def _sums(self, lengths: Mapping[str, int]) -> dict[str, int]:
        """Checksums of files as far as they are now on the disk."""
        path = self.store.path.parent
        return {
            name: self.prefixes.setdefault(name, Prefix(path / name)).upto(length)
            for name, length in lengths.items()
        }

    def restore(self, checkpoint: Checkpoint) -> int:
        """Let the recording be as it was; returns the length of series.csv in bytes."""
        recording = self.recording
        where = self.store.path / f"{checkpoint.step:015}.json"
        try:
            self.prefixes = dict(checkpoint.prefixes)
            decoder = Decoder(checkpoint.arrays, recording.simulation.device)
            found = decoder.decode(checkpoint.tree)
            states = dict(found["instruments"])  # in whatever order they were
            if not len(found["instruments"]) == len(states) or states.keys() != self.named.keys():
                raise InputError("is of other instruments than the experiment has")
            recording.simulation.restore(found["simulation"])
            for name, instrument in self.named.items():
                instrument.restore(states[name])
            length = int(checkpoint.facts["lengths"]["series.csv"])
            if not 0 <= found["simulation"]["step"] == checkpoint.step or length < 0:
                raise InputError("is damaged: its parts are of other steps")
            if checkpoint.step > recording.plan.experiment.steps:
                raise InputError("is of a step beyond the end")
        except InputError as error:
            self._let_go()
            raise type(error)(f"{where}: {error}") from None
        except MALFORMED as error:
            self._let_go()
            raise InputError(f"{where}: is damaged: {type(error).__name__}") from None
        recording.step = self.written = checkpoint.step
        return length

    def _let_go(self) -> None:
        """Close what was opened to go on."""
        if self.recording.states:
            self.recording.states.file.close()
