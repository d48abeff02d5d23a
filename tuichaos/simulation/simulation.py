"""The simulation: references, twins and tangents advanced together, frame by frame.

Replicas are advanced in blocks of fixed make-up — some references, each with its twins — on
one thread each; a frame is what the probes saw of all blocks over a stretch of steps.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuichaos.common.devices import available_threads
from tuichaos.common.errors import InputError
from tuichaos.simulation.block import FIRST, WITNESS, Block, nowhere
from tuichaos.simulation.block_shape import FIRST_WORK, shape
from tuichaos.simulation.ensemble import EnsembleDraws
from tuichaos.simulation.frames import Frame, Observed, Probe
from tuichaos.simulation.noise_floor import NoiseFloor
from tuichaos.simulation.run_control import RunControl
from tuichaos.simulation.worker_pool import Engine
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.base import System

CHECK_STEPS = 16  # of the lone-orbit check at the start


@dataclass(frozen=True)
class Work:
    """A frame that is being computed: a future for each block."""

    start: int
    steps: int
    futures: list[Future]

    def drop(self) -> None:
        """Let go of what is not yet begun."""
        for future in self.futures:
            future.cancel()


@dataclass(frozen=True)
class ResumePoint:
    """The state from which the orbits of a simulation go on, at the start of a frame.

    ``blocks``: states (rows, dimension), tangents and number of twins of each block.
    """

    step: int
    blocks: list[tuple[Tensor, Tensor | None, int]]


class Simulation:
    """Advances an ensemble of a System and yields frames; the one engine of every run.

    ``threads`` spreads blocks over that many threads (default: all processors). ``control`` is
    looked at between frames. ``changes``: parameters of the system that change at a step,
    {step: {name: value}}; ``request`` adds one while it runs. ``noise_floor`` holds the
    certificate so far. ``carries``: a probe carries something along from frame to frame; it
    is at the end of the frame that was yielded, and not ahead of it, only once ``settle`` was
    called before. ``observed``: the steps at which probes look at the observables.
    """

    def __init__(
        self,
        system: System,
        ensemble: EnsembleDraws,
        steps: int,
        *,
        probes: Sequence[Probe] = (),
        observed: Observed = nowhere,
        tangents: bool = False,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float64,
        threads: int | None = None,
        changes: Mapping[int, Mapping[str, Any]] | None = None,
        control: RunControl | None = None,
        carries: bool = False,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.dtype = dtype
        self.system = system.to(self.device, dtype)
        self.ensemble = ensemble
        self.steps = steps
        self.probes = tuple(probes)
        self.observed = observed
        self.with_tangents = tangents
        self.threads = 1 if self.device.type != "cpu" else threads or available_threads()
        self.changes = dict(changes or {})
        self.control = control or RunControl()
        self.noise_floor = NoiseFloor()
        self.replicas = ensemble.references * (1 + ensemble.twins)
        self._shape = shape(
            self.system, ensemble.references, ensemble.twins, self.steps, self.device
        )
        self.frame_steps = self._shape.frame_steps
        self._most = min(self.frame_steps, max(8, FIRST_WORK // self.replicas))
        self._spent: list[float] = []  # seconds of the blocks of a frame
        self._requests: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self.taken_at: int | None = None  # the step the newest request holds from
        self._blocks: list[Block] = []
        self._ahead: Work | None = None  # a frame that is being computed
        self._begun = False
        self._carries = carries
        self._settle = False  # the next frame may not be followed by one that runs ahead
        self._resume_point = ResumePoint(0, [])

    @property
    def block_references(self) -> int:
        """References a block."""
        return self._shape.references

    # --- running ---

    def request(self, parameters: Mapping[str, Any]) -> None:
        """Change parameters at the next frame that is not yet begun; ``changes`` then tells
        its step. May be called from any thread."""
        self._requests.put(parameters)

    @property
    def is_asked(self) -> bool:
        """Whether a request waits for a frame; one that does so at the end came too late."""
        return not self._requests.empty()

    def settle(self) -> None:
        """Let nothing run ahead of the next frame that is yielded, if a probe carries things
        along: ``state`` and the instruments are then at one step."""
        self._settle = self._carries

    @property
    def settled(self) -> bool:
        """Whether state and instruments are at one step while a frame is looked at."""
        return not self._carries or self._ahead is None

    @property
    def is_near_end(self) -> bool:
        """Whether, while a frame is looked at, nothing but the last one may be to come; where
        probes carry things along, whether it may be so at the next one."""
        if self._ahead is None:
            return self._resume_point.step + self._most >= self.steps
        end = self._ahead.start + self._ahead.steps
        return end + self._most >= self.steps if self._carries else end == self.steps

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs to go on from the end of the frame that was yielded last."""
        point = self._resume_point if self._ahead is not None else self._now()
        floor = vars(self.noise_floor)
        return {"step": point.step, "blocks": point.blocks, "noise_floor": dict(floor)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Begin from a state that a simulation of the same make had; InputError where it does
        not fit."""
        for step in sorted(step for step in self.changes if step < state["step"]):
            self.system = self.system.changed(self.changes[step])
        blocks = self._made_blocks()
        if len(blocks) != len(state["blocks"]):
            raise InputError("is of another simulation: its blocks are not of this one")
        for block, (x, tangents, twins) in zip(blocks, state["blocks"], strict=True):
            block.go_on(x, tangents, twins)
        self.noise_floor = NoiseFloor(**state["noise_floor"])
        self._resume_point = ResumePoint(state["step"], [])
        self._blocks = blocks

    def _now(self, step: int | None = None) -> ResumePoint:
        blocks = [(block.x, block.tangents, block.twins) for block in self._blocks]
        return ResumePoint(self._resume_point.step if step is None else step, blocks)

    def engine(self) -> Engine:
        """What can advance this simulation, and others of its make (see Engine)."""
        return Engine(
            self.device,
            self.threads,
            lambda: stepper_for(self.system, self._shape.rows, self.frame_steps, self.device),
        )

    def begin(self, engine: Engine) -> None:
        """Set the first frame to work, so that ``frames`` need not wait for all of it."""
        if not self._blocks:
            self._blocks = self._made_blocks()
            with engine.stepper() as stepper:
                steps = min(CHECK_STEPS, self.frame_steps)
                self.noise_floor.lone = self._blocks[0].lone_orbit_agrees(stepper, steps)
        self._begun = True
        self._ahead = self._submit(engine, self._resume_point.step)

    def frames(self, engine: Engine | None = None) -> Iterator[Frame]:
        """Run all steps; each frame holds the states at its steps, the last one also the end.

        Ends early, after a whole frame, once ``control`` is stopped; the one that was begun ahead
        is dropped. ``engine``: one that others share, else one of its own.
        """
        with contextlib.ExitStack() as stack:
            if engine is None or not self._begun:
                engine = engine or stack.enter_context(self.engine())
                self.begin(engine)
            start = self._resume_point.step
            while start < self.steps:
                work = self._ahead or self._submit(engine, start)
                if work is None:
                    return
                parts = [future.result() for future in work.futures]
                start = work.start + work.steps
                self._adapt(work.steps)
                self._ahead, self._resume_point = None, ResumePoint(start, [])
                # The next frame is computed while whoever asked looks at this one.
                if start < self.steps and self.control.free() and not self._settle:
                    self._ahead = self._submit(engine, start)
                self._settle = False
                yield self._frame(work, parts)
                if self._ahead is not None and self.control.stopped and not self._carries:
                    self._ahead.drop()
                    return

    def _adapt(self, steps: int) -> None:
        """Frames that take as long as they may: longer ones cost less, and in shorter ones a
        stop is answered sooner. Orbits and measures do not depend on where frames end."""
        seconds, self._spent = sum(self._spent) / self.threads, []
        fit = steps * self.control.frame_seconds / max(seconds, 1e-9)
        if fit < steps:
            self._most = max(1, int(fit))
        else:
            longer = int(min(0.9 * fit, 4 * steps))
            self._most = min(self.frame_steps, max(self._most, longer))

    def _submit(self, engine: Engine, start: int) -> Work | None:
        """Set all blocks to work on the frame from ``start``; None when it is not to be."""
        # What is told of step 0 is the start: who takes one step is told of step 1 as well.
        most = self.control.wait(self._end(start, self._most) - start, free=int(start == 0))
        if most == 0:
            return None
        self._resume_point = self._now(start)
        self._change(start)
        if start == self.ensemble.perturb_at and self.ensemble.twins:
            for block in self._blocks:
                own = range(block.first, block.first + block.count)
                block.perturb(self._tensor([self.ensemble.displacements(i) for i in own]))
        steps = self._end(start, most) - start
        share = [engine.submit(self._advance, engine, b, start, steps) for b in self._blocks]
        return Work(start, steps, share)

    def _change(self, start: int) -> None:
        """Let requested and planned changes of parameters take effect."""
        while not self._requests.empty():
            self.taken_at = start  # first: who looks meanwhile finds it waiting or taken
            self.changes[start] = {**self.changes.get(start, {}), **self._requests.get()}
        if start in self.changes:
            self.system = self.system.changed(self.changes[start])
            for block in self._blocks:
                block.use(self.system)

    def _end(self, start: int, most: int) -> int:
        """Where the frame from ``start`` ends: at the latest where something changes."""
        edges = [step for step in self.changes if step > start]
        if self.ensemble.twins and start < self.ensemble.perturb_at:
            edges.append(self.ensemble.perturb_at)
        return min(start + most, self.steps, *edges)

    def _tensor(self, rows: list[np.ndarray]) -> Tensor:
        return torch.tensor(np.array(rows), dtype=self.dtype, device=self.device)

    def _made_blocks(self) -> list[Block]:
        blocks = []
        total, size = self.ensemble.references, self._shape.references
        for first in range(0, total, size):
            own = range(first, min(first + size, total))
            witness = own.stop == total
            rows = [self.ensemble.start(i) for i in own] + [self.ensemble.start(0)] * witness
            tangents = None
            if self.with_tangents:
                tangents = self._tensor([self.ensemble.tangent(i) for i in own])
            x = self._tensor(rows)
            blocks.append(Block(first, len(own), witness, x, tangents, self.system))
        return blocks

    def _advance(
        self, engine: Engine, block: Block, start: int, steps: int
    ) -> dict[str, np.ndarray]:
        """One block's share of a frame; runs in a worker thread."""
        with engine.stepper() as stepper:
            self.control.check_cancelled()
            began = time.perf_counter()
            try:
                is_last = start + steps == self.steps
                return block.advance(stepper, start, steps, is_last, self.probes, self.observed)
            finally:
                self._spent.append(time.perf_counter() - began)

    def _frame(self, work: Work, parts: list[dict[str, np.ndarray]]) -> Frame:
        self.noise_floor.compare(work.start, parts[0].pop(FIRST), parts[-1].pop(WITNESS))
        times = work.steps + (work.start + work.steps == self.steps)
        values = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
        return Frame(np.arange(work.start, work.start + times), values)
