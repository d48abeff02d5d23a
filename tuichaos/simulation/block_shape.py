"""How an ensemble is cut into blocks and a run into frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tuichaos.systems.base import System

CUDA_ROWS = 1024  # the one shape of a block on an accelerator
FRAME_WORK = 524_288  # replica-steps of a frame at most: some seconds
FIRST_WORK = 65_536  # of the first one, whose speed is not known yet: a quarter of a second
FRAME_STEPS = 256
FRAME_BYTES = 16_000_000  # of orbit a block


@dataclass(frozen=True)
class Shape:
    """References a block, rows of a block at most (one is the witness), steps of a frame at
    most."""

    references: int
    rows: int
    frame_steps: int


def shape(system: System, references: int, twins: int, steps: int, device: torch.device) -> Shape:
    """The shape of a run of ``references``, each with ``twins``, over ``steps``."""
    on_cpu, group = device.type == "cpu", 1 + twins
    count = max(1, (system.block_rows if on_cpu else CUDA_ROWS - 1) // group)
    if on_cpu and references * group >= 16:
        count = min(count, -(-references // 2))  # work for two threads
    rows = count * group + 1
    rows = rows if on_cpu else max(rows, CUDA_ROWS)
    by_work = max(8, FRAME_WORK // (references * group))
    by_memory = FRAME_BYTES // (8 * rows * system.dimension)
    return Shape(count, rows, int(max(1, min(FRAME_STEPS, by_work, by_memory, steps))))
