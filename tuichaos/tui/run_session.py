"""A run in a thread of its own, for a screen that watches and steers it."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.malloc import give_back
from tuichaos.config.experiment import Experiment
from tuichaos.execution.libraries import load_libraries
from tuichaos.execution.progress_event import Progress
from tuichaos.simulation.run_control import RunControl

if TYPE_CHECKING:
    from tuichaos.execution.preview import Preview
    from tuichaos.execution.recording import Recording
    from tuichaos.simulation.noise_floor import NoiseFloor
    from tuichaos.storage.run_reader import Run


class Status(enum.StrEnum):
    """Where a session is."""

    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


ENDED = (Status.DONE, Status.INTERRUPTED, Status.FAILED)


FRAME_SECONDS = 0.7  # that a frame may take; shorter ones cost a screen more redraws
WAIT_SECONDS = 0.02  # between looks whether it is still wanted


class Session:
    """One experiment from the moment it is asked for; starts at once, in its own thread.

    ``watch`` is called in that thread after each frame. ``goes_on``: the folder of a run that
    was stopped, which then goes on; ``watch`` is first told the rows it already has.
    ``after``: sessions that are to end before anything of this one is begun; until then it may
    be told to run something else.
    Everything here may be called from any thread; nothing waits but ``join``.
    """

    def __init__(
        self,
        experiment: Experiment,
        watch: Callable[[Progress], object],
        *,
        paused: bool = False,
        threads: int | None = None,
        out: str | Path | None = None,
        goes_on: Path | None = None,
        after: Sequence[Session] = (),
    ) -> None:
        self.asked = experiment  # as it came from the settings
        self.path = goes_on
        self.reason = ""
        self.told: list[str] | None = None  # what is said before a run, once it is known
        self._watch = watch
        self._threads = threads
        self._out = out
        self._control = RunControl(paused=paused, frame_seconds=FRAME_SECONDS)
        self._recording: Recording | None = None
        self._early: list[float] = []  # rates asked for before the run was ready
        self._rate: float | None = None  # the newest rate that was asked for
        self._ready = threading.Lock()
        self._after = tuple(after)
        self._begun = False
        self._ended: Status | None = None
        self._thread = threading.Thread(target=self._work, name="tuichaos-run", daemon=True)
        self._thread.start()

    @property
    def status(self) -> Status:
        if self._ended is not None:
            return self._ended
        if self._recording is None:
            return Status.PREPARING
        return Status.PAUSED if self._control.paused else Status.RUNNING

    @property
    def paused(self) -> bool:
        """Whether it waits, or will as soon as it is ready."""
        return self._control.paused

    @property
    def stopping(self) -> bool:
        """Whether it was told to end, and has not yet."""
        return self._control.stopped and self._ended is None

    @property
    def experiment(self) -> Experiment:
        """What runs, with what was changed while it ran."""
        return self._recording.experiment if self._recording else self.asked

    @property
    def step(self) -> int:
        return self._recording.step if self._recording else 0

    @property
    def noise_floor(self) -> NoiseFloor | None:
        """The certificate so far."""
        return self._recording.simulation.noise_floor if self._recording else None

    @property
    def device(self) -> str:
        """Where it is computed, once that is known: "cpu, 2 threads"."""
        if self._recording is None:
            return ""
        simulation = self._recording.simulation
        threads = f", {simulation.threads} threads" if simulation.threads > 1 else ""
        return str(simulation.device) + threads

    @property
    def preview(self) -> Preview | None:
        """The instruments' tables when they were last looked at, and at the end."""
        return self._recording.preview if self._recording else None

    def look(self) -> None:
        """Have the tables made anew after the frame it is at."""
        if self._recording is not None:
            self._recording.wanted.set()

    def run_instead(self, experiment: Experiment, watch: Callable[[Progress], object]) -> bool:
        """Run another experiment than was asked for; whether nothing was begun yet, so that
        it can."""
        with self._ready:
            if self._begun or self._control.stopped or self.path is not None:
                return False
            self.asked, self._watch = experiment, watch
            self._early.clear()
            self._rate = None
            return True

    def pause(self) -> None:
        self._control.pause()

    def resume(self) -> None:
        self._control.resume()

    def advance(self, steps: int = 1) -> None:
        """Pause, and take some more steps."""
        self._control.step(steps)

    def stop(self) -> None:
        """End after the frame it is at; the folder is then complete up to there."""
        self._control.stop()

    def change_learning_rate(self, rate: float) -> None:
        """Go on from here with another learning rate; recorded in experiment.toml once a step
        has it (see ``rate_to_come``)."""
        with self._ready:
            self._rate = rate
            if self._recording is None:
                self._early.append(rate)
            else:
                self._recording.simulation.request({"learning_rate": rate})

    def rate_at(self, step: int) -> float | list[float]:
        """The learning rate that the step from ``step`` on is run at, as far as is known."""
        if self._recording is None:
            return self.asked.optimizer.rate_at(step)
        changes = dict(self._recording.simulation.changes)  # the run's thread adds to them
        past = [at for at in changes if at <= step]
        if not past:
            return self.experiment.optimizer.learning_rate
        return changes[max(past)]["learning_rate"]

    @property
    def rate_to_come(self) -> float | None:
        """A learning rate that was asked for, while no step is known to have had it; after the
        end: one that came too late."""
        with self._ready:
            if self._rate is None or self._recording is None:
                return self._rate
            taken = self.rate_taken_at
            return self._rate if taken is None or taken > self.step else None

    @property
    def rate_taken_at(self) -> int | None:
        """The step from which on the newest rate that was asked for holds; None while it
        waits."""
        if self._recording is None or self._recording.simulation.is_asked:
            return None
        return self._recording.simulation.taken_at

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            if not self._turn():
                self._ended = Status.INTERRUPTED
                return
            # Here, not above: they load torch, and a screen must not wait for that.
            load_libraries()
            with self._prepared() as recording:
                with self._ready:
                    for rate in self._early:
                        recording.simulation.request({"learning_rate": rate})
                    self._recording = recording
                recording.run(self._watch)
            finished = self._recording.step == self.experiment.steps
            self._ended = Status.DONE if finished else Status.INTERRUPTED
        except (InputError, RunFailed) as error:
            self.reason, self._ended = str(error), Status.FAILED
        except Exception as error:  # the screen must live, and say what happened
            self.reason, self._ended = f"{type(error).__name__}: {error}", Status.FAILED
        finally:
            give_back()

    def _turn(self) -> bool:
        """Wait until those before it have ended; whether it is still wanted then."""
        for other in self._after:
            while not other.join(WAIT_SECONDS):
                if self._control.stopped:
                    return False
        with self._ready:
            self._after, self._begun = (), True  # what has ended is let go
        return not self._control.stopped

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[Recording]:
        """The recording, in a folder that is locked as long."""
        from tuichaos.execution.plan import plan
        from tuichaos.execution.recording import prepare
        from tuichaos.execution.restore import going_on, rows_before
        from tuichaos.execution.runner import lines_of
        from tuichaos.storage.folder_lock import locked
        from tuichaos.storage.run_writer import checked_folder, new_folder

        if self.path is not None:
            with going_on(self.path, self._threads, self._control) as recording:
                if (before := rows_before(recording)) is not None:
                    self._watch(before)
                yield recording
            return
        ready = plan(self.asked, self._threads)
        self.told = lines_of(ready)
        ready.check_room(checked_folder(self._out))
        with new_folder(ready.experiment, self._out) as self.path, locked(self.path):
            yield prepare(ready, self.path, self._control)


class SweepSession:
    """A stopped sweep that goes on in a thread of its own; whoever watches reads its folder."""

    def __init__(self, run: Run, *, threads: int | None = None) -> None:
        self.reason = ""
        self._run = run
        self._threads = threads
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tuichaos-sweep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End soon; the folder is then complete up to there."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            load_libraries("tuichaos.sweeps.sweep_runner")
            from tuichaos.sweeps.sweep_runner import resume

            resume(self._run, threads=self._threads, stop=self._stop)
        except (InputError, RunFailed) as error:
            self.reason = str(error)
        except Exception as error:  # the screen must live, and say what happened
            self.reason = f"{type(error).__name__}: {error}"
        finally:
            give_back()
