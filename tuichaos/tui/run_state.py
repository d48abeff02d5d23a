"""What the screens know of the run at hand: its session, its live series, words for both."""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tuichaos.common.memory import held
from tuichaos.config.experiment import Experiment
from tuichaos.reports import progress
from tuichaos.reports.export import export, export_steps, free_name
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.tui.live_series import LiveSeries
from tuichaos.tui.run_session import ENDED, Session, Status, SweepSession
from tuichaos.tui.status_sentence import Said, fitted, sentence_parts, verdict


class RunState:
    """The run of the app: one at a time. Whatever is started waits until what was there before
    has ended; of several that wait only the newest is ever begun."""

    def __init__(self, experiment: Experiment, threads: int | None = None) -> None:
        self.experiment = experiment
        self.threads = threads
        self.session: Session | None = None
        self.leaving: list[Session] = []  # stopped, not yet ended
        self.sweeps: list[SweepSession] = []  # that go on in their folders
        self.clear()

    def clear(self) -> None:
        self.live = LiveSeries(self.experiment.ensemble.references)
        self._first = 0  # the step it goes on from, until that is known better

    @property
    def rate(self) -> float | list[float]:
        """The learning rate that is in force, or was asked for and will be in a moment."""
        to_come = None if self.ending else self.session.rate_to_come
        return self.rate_in_force if to_come is None else to_come

    @property
    def rate_in_force(self) -> float | list[float]:
        """The learning rate that the run at hand is run at, or ran at last."""
        if self.session is None:
            return self.experiment.optimizer.learning_rate
        known = self.session.status != "preparing"
        return self.session.rate_at(self.session.step if known else self._first)

    @property
    def shown(self) -> Experiment:
        """The experiment of the charts: the one that runs or ran, else that of the settings."""
        return self.session.experiment if self.session is not None else self.experiment

    @property
    def path(self) -> Path | None:
        """The folder of the run at hand."""
        return self.session.path if self.session is not None else None

    # --- steering ---

    @property
    def ended(self) -> bool:
        """Whether nothing runs."""
        return self.session is None or self.session.status in ENDED

    @property
    def ending(self) -> bool:
        """Whether nothing runs, or what runs was told to end: another run may be asked for."""
        return self.ended or self.session.stopping

    def start(self, *, paused: bool = False) -> None:
        """Start the experiment of the settings, on fresh charts; a run that goes on ends."""
        self.clear()
        session = self.session
        if session is not None and session.run_instead(self.experiment, self.live.add):
            (session.pause if paused else session.resume)()
            return
        self._begin(paused=paused)

    def _begin(self, **how: Any) -> None:
        """A session of the experiment of the settings, which waits for those before it."""
        self._leave()
        self.session = Session(
            self.experiment, self.live.add, threads=self.threads, after=self.leaving, **how
        )

    def _leave(self) -> None:
        """Stop what runs, and keep it in mind until it has ended."""
        self.stop()
        sessions = [*self.leaving, *([self.session] if self.session else [])]
        self.leaving = [session for session in sessions if not session.join(0)]
        self.session = None

    def toggle(self) -> None:
        if self.ending:
            self.start()
        elif self.session.paused:
            self.session.resume()
        else:
            self.session.pause()

    def step(self) -> None:
        if self.ending:
            self.start(paused=True)
        self.session.advance(1)

    def stop(self) -> None:
        if self.session is not None:
            self.session.stop()

    def go_on(self, run: Run) -> None:
        """Let a run that was stopped go on in its folder."""
        self.reset()
        self.experiment = run.experiment
        self.clear()
        self._first = run.last_step or 0
        self._begin(goes_on=run.path)

    def go_on_with_sweep(self, run: Run) -> None:
        """Let a sweep that was stopped go on in its folder."""
        self.sweeps = [sweep for sweep in self.sweeps if not sweep.join(0)]
        self.sweeps.append(SweepSession(run, threads=self.threads))

    def leave(self) -> None:
        """Stop everything."""
        self.stop()
        for sweep in self.sweeps:
            sweep.stop()

    def join(self, timeout: float | None = 0) -> bool:
        """Whether every run that was begun here has ended, its folder complete."""
        sessions = [*self.leaving, *([self.session] if self.session else []), *self.sweeps]
        return all(session.join(timeout) for session in sessions)

    def reset(self) -> None:
        self._leave()
        self.clear()

    def nudge(self, factor: float) -> float | None:
        """The learning rate times ``factor``, from here on; None where there is not just one
        (a list, or a system that has none)."""
        running = self.experiment if self.ending else self.session.experiment
        rate = self.experiment.optimizer.learning_rate if self.ending else self.rate
        found = nudged(running, rate, factor)
        if found is not None and not self.ending:
            self.session.change_learning_rate(found)
        if found is not None and nudged(self.experiment, 1.0, found) is not None:
            optimizer = self.experiment.optimizer.model_copy(update={"learning_rate": found})
            self.experiment = self.experiment.model_copy(update={"optimizer": optimizer})
        return found

    def export(self, window: tuple[float, float] | None = None) -> Path | None:
        """Copy the series of this run, or its steps within ``window``, beside where the
        explorer was started; None before there is a run. Raises InputError."""
        if self.path is None:
            return None
        run = open_run(self.path)
        if window is None:
            return export(run, "csv", free_name(self.path.name))
        low, high = math.ceil(window[0]), math.floor(window[1])
        return export_steps(run, low, high, free_name(f"{self.path.name}-steps-{low}-{high}"))

    # --- words ---

    def headline(self, width: int = 1000, *, faulty: bool = False) -> str:
        """What is shown; without its title where settings that were changed leave no room.
        ``faulty``: what is in their fields cannot be run."""
        experiment = self.shown
        name = f"tuichaos ─ {experiment.called}"
        title = f" · {experiment.title}" if experiment.title else ""
        changed = ""
        if self.session is not None and self._edited():
            how = "space" if self.ended else "r, then space,"
            changed = " — settings changed" + ("" if faulty else f": {how} runs them")
        whole = name + title + changed
        return whole if len(whole) <= width or not changed else name + changed

    def _edited(self) -> bool:
        """Whether the settings are no longer what runs or ran; a rate that was nudged is."""
        ran = self.session.asked.model_dump()
        now = self.experiment.model_dump()
        nudged = now["optimizer"]["learning_rate"] == self.rate
        for table in (ran, now):
            if nudged:
                table["optimizer"].pop("learning_rate")
            table["optimizer"].pop("changes")
            for key in ("name", "title", "about", "paper"):
                table.pop(key)
        return ran != now

    def sentence(self, width: int = 1000, lines: int = 1000) -> str:
        """What goes on, as far as ``lines`` of ``width`` characters hold it; never cut."""
        return fitted([Said(self._too_late()), *self._told()], width, lines)

    def _too_late(self) -> str:
        """Of a learning rate that was asked for when no step was left that could have it."""
        session = self.session
        if session is None or session.status not in (Status.DONE, Status.INTERRUPTED):
            return ""
        if (rate := session.rate_to_come) is None:
            return ""
        if (at := session.rate_taken_at) is not None:  # kept in its optimizer.changes
            return f"The run ended before lr {rate:g}: if it goes on, that holds from step {at}."
        return f"The run ended before a step had lr {rate:g}: it is kept for the next run."

    def _told(self) -> list[Said]:
        session = self.session
        if session is None:
            return [Said("Press space to start.")]
        if session.status == "failed":
            kept = f" What was written before is in {session.path}." if session.path else ""
            return [Said(f"The run failed: {session.reason}.".replace("..", ".") + kept)]
        if session.status == "preparing":
            return [Said("Getting ready: loading the libraries and the data …")]
        if self.live.latest is None:
            if self.ended:
                return [Said("Nothing was computed.")]
            first = "Measuring" if session.step else "Computing"
            return [Said(f"{first} the first steps …")]
        known = self.ended and session.preview is not None
        found = verdict(session.preview.summary) if known else ""
        return [Said(found), *sentence_parts(self.live.still(), self.shown, judged=bool(found))]

    def noise_floor(self) -> str:
        """What is certified so far."""
        floor = self.session.noise_floor if self.session is not None else None
        if floor is None or not floor.steps:
            return ""
        if floor.holds:
            return f"noise floor: 0 (certified to step {floor.steps})"
        return f"noise floor: {floor.largest:.2g}, from step {floor.first_step}"

    def status_line(self, width: int = 1000) -> str:
        """How far, at which learning rate, how fast, on what; less of it where it would not
        fit: what stands first goes last."""
        parts = self._status(short=False)
        if len(" · ".join(parts)) > width:
            parts = self._status(short=True)
        while len(parts) > 1 and len(" · ".join(parts)) > width:
            parts.pop()
        return " · ".join(parts)

    def _status(self, short: bool) -> list[str]:
        trains = self.shown.system.name == "training"
        if self.session is None:
            return ["ready", *([self._rate_words()] if trains else []), self.experiment.device]
        latest = self.live.latest
        status = "stopping" if self.session.stopping else str(self.session.status)
        parts = [status, f"step {self.session.step}/{self.shown.steps}"]
        parts += [self._rate_words()] if trains else []
        if self.path is not None and self.ended:
            parts.append(self.path.name)
        if latest is not None and latest.seconds > 0:
            if not (short and self.ended):  # how long it took is in its folder
                parts.append(progress.duration(latest.seconds))
            waits = not self.ended and self.session.paused
            if not (self.ended or waits):
                parts.append(f"{progress.left(latest)} left")
            if not waits:  # while it waits it has no rate
                parts.append(progress.short_rate(latest) if short else progress.rate(latest))
        device = self.session.device or self.shown.device
        parts.append(device.split(",")[0] if short else device)
        parts.append(f"memory {memory_megabytes():.0f} MB")
        return parts

    def _rate_words(self) -> str:
        """The learning rate of the run, the one that was asked for while none of its steps has
        it, and that of the settings where the next run will have another one."""
        now, asked = self.rate_in_force, self.rate
        if isinstance(now, list):
            return "lr by reference"
        if self.shown.optimizer.learning_rates:
            return "lr by layer"
        words = f"lr {now:g}" + (f", then {asked:g}" if asked != now else "")
        other = nudged(self.experiment, self.experiment.optimizer.learning_rate, 1.0)
        return words if other in (None, asked) else f"{words}, next run {other:g}"

    @property
    def observable(self) -> str:
        """What is seen at a glance: the loss, or the first coordinate of a map without one."""
        columns = self.live.latest.columns if self.live.latest is not None else {}
        return "x0" if "x0" in columns and "loss" not in columns else "loss"

    def glance(self) -> str:
        if self.live.latest is None:
            return ""
        parts = [f"{self.live.last(self.observable):.4g}"]
        accuracy = self.live.last("train_accuracy")
        if np.isfinite(accuracy):
            parts.append(f"train acc {accuracy:.2f}")
        count = self.live.references
        parts.append(f"median of {count}" if count > 1 else "1 reference")
        return " ".join(parts)


def nudged(experiment: Experiment, rate: float | list[float], factor: float) -> float | None:
    """A learning rate times ``factor``; None where the experiment has not just one."""
    alone = experiment.system.name == "training" and not experiment.optimizer.learning_rates
    return float(f"{rate * factor:.6g}") if alone and not isinstance(rate, list) else None


def memory_megabytes() -> float:
    """The memory that this process has now; the largest it has had where that is not told."""
    if (now := held()) is not None:
        return now / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
