"""Pausing, stepping, stopping and cancelling a simulation, from other threads too."""

from __future__ import annotations

import threading


class Cancelled(Exception):
    """The computation was cancelled: its results are not wanted any more."""


class RunControl:
    """Says whether a simulation goes on, and how far; free to run unless told otherwise. Safe
    to use from other threads.

    ``stop`` ends the simulation after the current frame and keeps what there is; with
    ``at_once`` it cancels it within the frame, and nothing is kept. ``frame_seconds``: how long
    a frame may take.
    """

    def __init__(
        self,
        *,
        paused: bool = False,
        stop: threading.Event | None = None,
        at_once: bool = False,
        frame_seconds: float = 2.0,
    ) -> None:
        self.frame_seconds = frame_seconds
        self._stop = stop or threading.Event()
        self._at_once = at_once
        self._change = threading.Condition()
        self._paused = paused
        self._single_steps = 0

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def pause(self) -> None:
        with self._change:
            self._paused = True

    def resume(self) -> None:
        with self._change:
            self._paused, self._single_steps = False, 0
            self._change.notify_all()

    def step(self, count: int = 1) -> None:
        """Pause, and let ``count`` more steps through."""
        with self._change:
            self._paused = True
            self._single_steps += count
            self._change.notify_all()

    def stop(self) -> None:
        with self._change:
            self._stop.set()
            self._change.notify_all()

    def free(self) -> bool:
        """Whether the simulation may run ahead of whoever looks at its frames."""
        return not (self._paused or self.stopped)

    def check_cancelled(self) -> None:
        """Called within what takes long; raises Cancelled once it is stopped ``at_once``."""
        if self._at_once and self._stop.is_set():
            raise Cancelled

    def wait(self, most: int, *, free: int = 0) -> int:
        """Wait until something may be done: how many steps, at most ``most``; 0 to stop.
        ``free``: how many of them do not count where steps are taken one by one."""
        with self._change:
            # An event that others set does not notify: look at it now and then.
            while self._paused and not self._single_steps and not self._stop.is_set():
                self._change.wait(0.05)
            if self._stop.is_set():
                return 0
            if not self._paused:
                return most
            count = min(most, self._single_steps + free)
            self._single_steps -= max(0, count - free)
            return count
