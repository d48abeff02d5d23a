"""Losses and accuracies of many perceptrons: of given states, or on the way of a descent."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from tuichaos.systems.mlp.buffers import Inputs, New, PackedLayout, forward_buffers, in_parts
from tuichaos.systems.mlp.kernels import Scores, compiled, survey
from tuichaos.systems.stepper_protocol import Scored, padded
from tuichaos.systems.training import TrainingSystem


def scores(loss: str, inputs: Sequence[Inputs], scratch: Tensor, states: int) -> Scores:
    """Scores of ``states`` states on parts of samples, all 0."""
    known = inputs[0].labels is not None
    return Scores(
        loss,
        [part.targets for part in inputs],
        [part.weight for part in inputs],
        [part.labels if known else part.weight for part in inputs],
        scratch,
        known,
        scratch.new_zeros(states),
        scratch.new_zeros(states),
    )


def named(found: Scores, part: str, samples: int) -> dict[str, Tensor]:
    """Observables of a part of the data, "train" or "test"."""
    observables = {"loss" if part == "train" else "test_loss": found.losses}
    if found.with_hits:
        # A count of hits is exact; dividing it last gives the nearest fraction.
        observables[f"{part}_accuracy"] = found.hits / samples
    return observables


class Observer:
    """Loss and accuracies of many states, ``rows`` at a time through one forward pass."""

    def __init__(
        self, system: TrainingSystem, train: list[Inputs], packing: PackedLayout, rows: int
    ) -> None:
        self.loss = system.loss
        self.packing = packing
        self.parts = []
        network, new = system.network, train[0].x.new_empty
        tested = [] if system.test is None else in_parts(network, system.test)
        for name, inputs in (("train", train), ("test", tested)):
            if inputs:
                buffers = forward_buffers(network, inputs, rows, new)
                self.parts.append((name, inputs, buffers, new(*buffers[0].z[-1].shape)))
        self.survey = compiled(survey) if packing.positions.device.type == "cpu" else survey

    def observe(self, states: Tensor, known: Collection[str] = ()) -> dict[str, Tensor]:
        """States (count, dimension) → losses and accuracies, each (count,), but not of the
        train part where its loss is ``known``."""
        parts = self.parts["loss" in known :]
        if not parts:
            return {}
        count = len(states)
        packed = states.new_empty(max(2, count), self.packing.width)
        self.packing.pack(padded(states, len(packed)), packed)
        shapes = [(offset, *shape) for offset, shape in self.packing.matrices]
        found = {}
        for name, inputs, buffers, scratch in parts:
            seen = scores(self.loss, inputs, scratch, len(packed))
            self.survey(buffers, shapes, packed, seen)
            found |= named(seen, name, inputs[0].count)
        return {name: values[:count] for name, values in found.items()}


class Scoring:
    """Losses and accuracies on the train part, of states that are stepped anyway: their
    outputs are there. Not on an accelerator, whose products round by the number of rows."""

    def __init__(self, system: TrainingSystem, inputs: list[Inputs], rows: int, new: New) -> None:
        self.loss = system.loss
        self.inputs = inputs
        size, outputs = inputs[0].x.shape[1], system.network.widths[-1]
        self.gathered, self.scratch = (new(rows, outputs, size) for _ in range(2))
        self.offered = inputs[0].x.device.type == "cpu"

    def begin(self, scored: Scored | None, steps: int) -> tuple[Scores, list[bool], Tensor]:
        """What ``kernels.descend`` asks for: where scores go, the steps at which rows are
        scored, and a buffer of their outputs of as many times as it holds."""
        if scored is None or not self.offered:
            return scores(self.loss, self.inputs, self.scratch, 0), [False] * steps, self._room(0)
        rows, at = scored.references, scored.at[:steps].tolist()
        return scores(self.loss, self.inputs, self.scratch, rows * sum(at)), at, self._room(rows)

    def _room(self, rows: int) -> Tensor:
        times = len(self.gathered) // rows if rows and len(self.inputs) == 1 else 1
        return self.gathered[: times * rows].unflatten(0, (times, rows))

    def found(self, scored: Scored | None, seen: Scores) -> Scored | None:
        """``scored`` with its values; None where nothing was scored."""
        if scored is None or not self.offered:
            return None
        values = named(seen, "train", self.inputs[0].count)
        shaped = {name: v.view(-1, scored.references) for name, v in values.items()}
        return Scored(scored.references, scored.at, shaped)
