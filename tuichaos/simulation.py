"""The simulation: references, twins and tangents advanced together, frame by frame.

Replicas are advanced in blocks of fixed make-up — some references, each with its twins — on
one thread each; a frame is what the probes saw of all blocks over a stretch of steps.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tuichaos.devices import available_threads, repeatable
from tuichaos.ensemble import EnsembleDraws
from tuichaos.systems.base import System
from tuichaos.systems.stepping import Stepper

CUDA_ROWS = 1024  # the one shape of a block on an accelerator
FRAME_WORK = 65536  # replica-steps a frame: about a quarter of a second, stop latency
FRAME_STEPS = 256
FRAME_BYTES = 16_000_000  # of orbit a block
CHECK_STEPS = 16  # of the lone-orbit check at the start


@dataclass(frozen=True)
class BlockOrbit:
    """What a probe sees: the orbits of one block over T steps. Scratch memory: copy to keep.

    ``steps`` (T,); ``states`` (T, r, dimension) of the references; ``twins``
    (T, r, twins, dimension), or None while the twins are still the references themselves;
    ``growth`` (T, r): ln of the tangent's growth from each step to the next, NaN where the
    run ends; None without tangents. ``alive`` (T, r): the reference is still finite.
    """

    steps: np.ndarray
    states: Tensor
    twins: Tensor | None
    growth: Tensor | None
    alive: Tensor
    system: System
    stepper: Stepper

    def observe(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """The system's observables at some times (indices into ``steps``): (times, r)."""
        states = self.states[torch.from_numpy(times)]
        found = self.stepper.observe(self.system, states)
        return {name: values.cpu().numpy() for name, values in found.items()}


Probe = Callable[[BlockOrbit], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Frame:
    """What all probes saw over some steps: ``steps`` (T,) and arrays (T, references, …).

    An array with fewer times than ``steps`` belongs to those its probe chose.
    """

    steps: np.ndarray
    values: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]


@dataclass
class NoiseFloor:
    """The certificate: an unperturbed twin of reference 0, at the far end of the last block,
    must follow it bit for bit; ``lone``: so must the reference run in a block of its own."""

    largest: float = 0.0
    first_step: int | None = None
    steps: int = 0
    lone: bool = True

    @property
    def holds(self) -> bool:
        return self.first_step is None and self.lone

    def compare(self, start: int, reference: np.ndarray, witness: np.ndarray) -> None:
        """Take in the states (T, dimension) of both from step ``start`` on."""
        same = (reference == witness) | (np.isnan(reference) & np.isnan(witness))
        self.steps = start + len(reference) - 1
        if same.all():
            return
        wrong = ~same.all(axis=1)
        if self.first_step is None:
            self.first_step = start + int(np.argmax(wrong))
        distance = np.abs(reference - witness)[wrong].sum(axis=1)
        self.largest = max(self.largest, float(np.nan_to_num(distance, nan=np.inf).max()))


@dataclass
class Block:
    """Some references, ``first`` to ``first + count``, with all that belongs to them.

    Rows of ``x``: the references, the witness (last block only), the twins of the first
    reference, of the second, …. ``tangents`` (count, dimension) are unit vectors.
    """

    first: int
    count: int
    witness: bool
    x: Tensor
    tangents: Tensor | None
    system: System
    row_system: System = field(init=False)

    def __post_init__(self) -> None:
        self.index(0)

    @property
    def lead(self) -> int:
        """Rows before the first twin."""
        return self.count + self.witness

    def index(self, twins: int) -> None:
        """Let each row have the parameters of its reference."""
        own = torch.arange(self.first, self.first + self.count)
        order = [own, torch.zeros(int(self.witness), dtype=torch.int64)]
        order.append(own.repeat_interleave(twins))
        self.row_system = self.system.take(torch.cat(order).to(self.x.device))


class Simulation:
    """Advances an ensemble of a System and yields frames; the one engine of every run.

    ``threads`` spreads blocks over that many threads (default: all processors). ``stop`` is
    looked at between frames. ``noise_floor`` holds the certificate so far.
    """

    def __init__(
        self,
        system: System,
        ensemble: EnsembleDraws,
        steps: int,
        *,
        probes: Sequence[Probe] = (),
        tangents: bool = False,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float64,
        threads: int | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.dtype = dtype
        self.system = system.to(self.device, dtype)
        self.ensemble = ensemble
        self.steps = steps
        self.probes = tuple(probes)
        self.with_tangents = tangents
        self.threads = 1 if self.device.type != "cpu" else threads or available_threads()
        self.stop = stop or threading.Event()
        self.noise_floor = NoiseFloor()
        self.replicas = ensemble.references * (1 + ensemble.twins)
        self._block_references, self._rows = self._block_shape()
        self.frame_steps = self._frame_steps()
        self._steppers: queue.SimpleQueue[Stepper] = queue.SimpleQueue()

    # --- shapes ---

    def _block_shape(self) -> tuple[int, int]:
        """References a block, and rows a block at most (one is the witness)."""
        group = 1 + self.ensemble.twins
        target = self.system.block_rows if self.device.type == "cpu" else CUDA_ROWS - 1
        count = max(1, target // group)
        if self.device.type == "cpu" and self.replicas >= 16:
            count = min(count, -(-self.ensemble.references // 2))  # work for two threads
        rows = count * group + 1
        return count, rows if self.device.type == "cpu" else max(rows, CUDA_ROWS)

    def _frame_steps(self) -> int:
        by_work = max(8, FRAME_WORK // self.replicas)
        by_memory = FRAME_BYTES // (8 * self._rows * self.system.dimension)
        return int(max(1, min(FRAME_STEPS, by_work, by_memory, self.steps)))

    # --- running ---

    def frames(self) -> Iterator[Frame]:
        """Run all steps; each frame holds the states at its steps, the last one also the end.

        Ends early, after a whole frame, once ``stop`` is set.
        """
        with repeatable(self.device), self._pool() as pool:
            for _ in range(self.threads):
                self._steppers.put(self.system.stepper(self._rows, self.frame_steps, self.device))
            blocks = self._blocks()
            self.noise_floor.lone = self._lone_orbit_agrees(blocks[0])
            pending = self._submit(pool, blocks, 0)
            while pending:
                start, count, futures = pending
                parts = [future.result() for future in futures]
                # The next frame is computed while whoever asked looks at this one.
                pending = self._submit(pool, blocks, start + count)
                yield self._frame(start, count, parts)

    def _submit(
        self, pool: ThreadPoolExecutor, blocks: list[Block], start: int
    ) -> tuple[int, int, list[Future]] | None:
        """Set all blocks to work on the frame from ``start``; None at the end or on a stop."""
        if start == self.steps or self.stop.is_set():
            return None
        if start == self.ensemble.perturb_at and self.ensemble.twins:
            for block in blocks:
                self._perturb(block)
        count = self._stretch(start)
        return start, count, [pool.submit(self._advance, b, start, count) for b in blocks]

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(
            self.threads, "tuichaos", initializer=torch.set_num_threads, initargs=(1,)
        )

    def _stretch(self, start: int) -> int:
        """How many steps the frame from ``start`` takes: it ends where twins are perturbed."""
        end = min(start + self.frame_steps, self.steps)
        if self.ensemble.twins and start < self.ensemble.perturb_at:
            end = min(end, self.ensemble.perturb_at)
        return end - start

    def _tensor(self, rows: list[np.ndarray]) -> Tensor:
        return torch.tensor(np.array(rows), dtype=self.dtype, device=self.device)

    def _blocks(self) -> list[Block]:
        blocks = []
        total, size = self.ensemble.references, self._block_references
        for first in range(0, total, size):
            own = range(first, min(first + size, total))
            witness = own.stop == total
            rows = [self.ensemble.start(i) for i in own]
            rows += [self.ensemble.start(0)] * witness
            tangents = None
            if self.with_tangents:
                tangents = self._tensor([self.ensemble.tangent(i) for i in own])
            blocks.append(
                Block(first, len(own), witness, self._tensor(rows), tangents, self.system)
            )
        return blocks

    def _perturb(self, block: Block) -> None:
        own = range(block.first, block.first + block.count)
        moves = self._tensor([self.ensemble.displacements(i) for i in own])
        twins = block.x[: block.count, None] + moves
        block.x = torch.cat([block.x, twins.flatten(0, 1)])
        block.index(self.ensemble.twins)

    def _lone_orbit_agrees(self, block: Block) -> bool:
        """Whether reference 0 takes the same first steps alone and in its block."""
        stepper = self._steppers.get()
        steps = min(CHECK_STEPS, self.frame_steps)
        first = torch.zeros(1, dtype=torch.int64, device=self.device)
        alone = stepper.advance(self.system.take(first), block.x[:1], steps, None)
        alone = alone.orbit[:, 0].clone()
        among = stepper.advance(block.row_system, block.x, steps, None).orbit[:, 0]
        self._steppers.put(stepper)
        return torch.equal(alone.nan_to_num(), among.nan_to_num())

    def _advance(self, block: Block, start: int, count: int) -> dict[str, np.ndarray]:
        """Advance one block and let the probes look; runs in a worker thread."""
        stepper = self._steppers.get()
        try:
            stretch = stepper.advance(block.row_system, block.x, count, block.tangents)
            orbit = stretch.orbit
            alive = _put_to_rest(orbit)
            block.x = orbit[-1].clone()
            if stretch.tangents is not None:
                block.tangents = stretch.tangents.clone()
            return self._look(block, start, orbit, alive, stretch.growth, stepper)
        finally:
            self._steppers.put(stepper)

    def _look(
        self,
        block: Block,
        start: int,
        orbit: Tensor,
        alive: Tensor,
        growth: Tensor | None,
        stepper: Stepper,
    ) -> dict[str, np.ndarray]:
        times = len(orbit) if start + len(orbit) - 1 == self.steps else len(orbit) - 1
        references = orbit[:times, : block.count]
        twins = None
        if orbit.shape[1] > block.lead:
            twins = orbit[:times, block.lead :].unflatten(1, (block.count, -1))
        if growth is not None:
            growth = growth.masked_fill(~alive[:-1, : block.count], torch.nan)
            if times > len(growth):
                growth = torch.cat([growth, torch.full_like(growth[:1], torch.nan)])
        view = BlockOrbit(
            np.arange(start, start + times),
            references,
            twins,
            growth,
            alive[:times, : block.count],
            block.system.take(
                torch.arange(block.first, block.first + block.count, device=self.device)
            ),
            stepper,
        )
        found = {"alive": view.alive.cpu().numpy()}
        for probe in self.probes:
            found.update(probe(view))
        if block.first == 0:
            found["_first"] = orbit[:, 0].cpu().numpy().copy()
        if block.witness:
            found["_witness"] = orbit[:, block.count].cpu().numpy().copy()
        return found

    def _frame(self, start: int, count: int, parts: list[dict[str, np.ndarray]]) -> Frame:
        self.noise_floor.compare(start, parts[0].pop("_first"), parts[-1].pop("_witness"))
        times = count + (start + count == self.steps)
        values = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
        return Frame(np.arange(start, start + times), values)


def _put_to_rest(orbit: Tensor) -> Tensor:
    """Fill each replica's orbit (T + 1, rows, dimension) with NaN from the first non-finite
    state on; returns which states are alive (T + 1, rows)."""
    if torch.isfinite(orbit.sum()):  # no entry can be NaN or infinite
        return torch.ones(orbit.shape[:2], dtype=torch.bool, device=orbit.device)
    alive = torch.isfinite(orbit).all(-1).cummin(0).values
    orbit.masked_fill_(~alive[:, :, None], torch.nan)
    return alive
