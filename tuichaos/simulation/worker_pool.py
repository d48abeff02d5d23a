"""The engine: threads, and the steppers they take turns with."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from tuichaos.common.devices import repeatable
from tuichaos.systems.stepper_protocol import Stepper


class Engine:
    """A pool of ``threads`` threads with a stepper for each; a context.

    Several simulations may share one, if their systems differ in nothing that ``make`` gives
    a stepper to hold (data, network, loss) and their blocks and frames are of one size. Each
    block is then advanced as in a simulation of its own, so it keeps its bits.
    """

    def __init__(self, device: torch.device, threads: int, make: Callable[[], Stepper]) -> None:
        self._device = device
        self._threads = threads
        self._make = make
        self._steppers: queue.SimpleQueue[Stepper] = queue.SimpleQueue()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Engine:
        self._open.enter_context(repeatable(self._device))
        self._pool = self._open.enter_context(
            ThreadPoolExecutor(
                self._threads, "tuichaos", initializer=torch.set_num_threads, initargs=(1,)
            )
        )
        for _ in range(self._threads):
            self._steppers.put(self._make())
        return self

    def __exit__(self, *ended: Any) -> None:
        self._open.__exit__(*ended)

    @contextlib.contextmanager
    def stepper(self) -> Iterator[Stepper]:
        """A stepper of one's own for a while; waits until one is free."""
        stepper = self._steppers.get()
        try:
            yield stepper
        finally:
            self._steppers.put(stepper)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Have a thread call ``function``."""
        return self._pool.submit(function, *arguments)
