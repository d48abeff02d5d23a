"""What the screens know of the run at hand: its session, its live series, words for both."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np

from tuichaos import progress
from tuichaos.experiment import Experiment
from tuichaos.live import LiveSeries
from tuichaos.narrative import narrate
from tuichaos.runs import export, open_run
from tuichaos.session import ENDED, Session


class RunState:
    """The run of the app: at most one at a time."""

    def __init__(self, experiment: Experiment, threads: int | None = None) -> None:
        self.experiment = experiment
        self.threads = threads
        self.session: Session | None = None
        self.clear()

    def clear(self) -> None:
        self.live = LiveSeries()
        self.references = self.experiment.ensemble.references
        self.rate = self.experiment.optimizer.learning_rate
        self.started = 0.0

    # --- steering ---

    @property
    def ended(self) -> bool:
        """Whether nothing runs."""
        return self.session is None or self.session.status in ENDED

    def start(self, *, paused: bool = False) -> None:
        """Start the experiment of the settings, on fresh charts."""
        self.clear()
        self.started = time.monotonic()
        self.session = Session(self.experiment, self.live.add, paused=paused, threads=self.threads)

    def toggle(self) -> None:
        if self.ended:
            self.start()
        elif self.session.status == "paused":
            self.session.resume()
        else:
            self.session.pause()

    def step(self) -> None:
        if self.ended:
            self.start(paused=True)
        self.session.advance(1)

    def stop(self) -> None:
        if self.session is not None:
            self.session.stop()

    def reset(self) -> None:
        self.stop()
        self.session = None
        self.clear()

    def restart(self) -> None:
        self.reset()
        self.start()

    def nudge(self, factor: float) -> float | None:
        """The learning rate times ``factor``, from here on; None where there is not just one
        (a list, or a system that has none)."""
        running = self.experiment if self.ended else self.session.experiment
        if running.system.name != "training":
            return None
        rate = self.rate if not self.ended else self.experiment.optimizer.learning_rate
        if isinstance(rate, list):
            return None
        rate = float(f"{rate * factor:.6g}")
        if not self.ended:
            self.session.change_learning_rate(rate)
        self.rate = rate
        return rate

    def export(self) -> Path | None:
        """Copy the series of this run beside where the explorer was started."""
        if self.session is None or self.session.path is None:
            return None
        path = self.session.path
        target = Path.cwd() / f"{path.name}.csv"
        for k in range(2, 1000):
            if not target.exists():
                break
            target = Path.cwd() / f"{path.name}-{k}.csv"
        return export(open_run(path), "csv", target)

    # --- words ---

    def headline(self) -> str:
        experiment = self.experiment
        title = f" · {experiment.title}" if experiment.title else ""
        return f"tuichaos ─ {experiment.name}{title}"

    def sentence(self) -> str:
        if self.session is not None and self.session.status == "failed":
            return f"The run failed: {self.session.reason}"
        if self.session is not None and self.session.status == "preparing":
            return "Getting ready: loading the libraries and the data …"
        return narrate(self.live, self.references)

    def status_line(self) -> str:
        if self.session is None:
            return "ready"
        steps = self.experiment.steps if self.live.latest is None else self.live.latest.total
        parts = [str(self.session.status), f"step {self.session.step}/{steps}"]
        latest = self.live.latest
        if latest is not None and latest.seconds > 0:
            parts.append(progress.rate(latest))
            if not self.ended:
                parts.append(f"{progress.left(latest)} left")
        parts.append(f"η {self.rate:g}" if not isinstance(self.rate, list) else "η by reference")
        parts.append(f"{self.experiment.device}, {memory_megabytes():.0f} MB")
        if self.session.path is not None and self.ended:
            parts.append(str(self.session.path.name))
        return " · ".join(parts)

    def glance(self) -> str:
        if self.live.latest is None:
            return ""
        parts = [f"{self.live.last('loss'):.4g}"]
        accuracy = self.live.last("train_accuracy")
        if np.isfinite(accuracy):
            parts.append(f"acc {accuracy:.2f}")
        parts.append(f"median of {self.references}")
        return " ".join(parts)


def memory_megabytes() -> float:
    """The largest memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
