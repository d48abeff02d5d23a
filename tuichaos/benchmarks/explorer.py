"""How fast the explorer answers while it trains: ``tuichaos bench ui``.

The explorer runs in a pseudo-terminal of its own, as under SSH; keys are written there and
what it draws is read and counted. Beside it the same run headless, before and after.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import random
import select
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from textual import events

from tuichaos.config.experiment import Experiment
from tuichaos.config.explorer_settings import Config
from tuichaos.config.presets import preset
from tuichaos.tui.app import Explorer, show

WIDTH, HEIGHT = 120, 36
STEPS = 1_000_000
LAG_SECONDS = 0.02
WARM_SECONDS = 3.0
START_LIMIT = 60.0
FIRST_WORDS = b"Press space"
# Cursor, zoom, pan, smoothing, the whole again: what one does while watching.
KEYS = (b"\x1b[1;2C", b"+", b"-", b"\x1b[C", b"\x1b[D", b"w", b"0")
PROGRAM = "from tuichaos.benchmarks.explorer import child; child()"


def experiment() -> Experiment:
    """The preset eos, 3 000 replicas, without an end."""
    return preset("eos", {"steps": STEPS, "device": "cpu"})


# --- in the explorer's process -----------------------------------------------------------


class Measured(Explorer):
    """The explorer, with a clock: how late its event loop is, when keys were answered."""

    def __init__(self, report: Path) -> None:
        super().__init__(experiment(), Config())
        self.report = report
        self.lags: list[float] = []
        self.answers: list[float] = []
        self.rates: list[tuple[float, int]] = []
        self.latest_key = 0.0
        self.torch_first = "torch" in sys.modules

    def on_mount(self) -> None:  # the explorer's own is called too
        self.watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while self.state.live.latest is None:
            await asyncio.sleep(0.05)
        await asyncio.sleep(WARM_SECONDS)
        while not self.state.ended:
            before = time.perf_counter()
            await asyncio.sleep(LAG_SECONDS)
            self.lags.append(time.perf_counter() - before - LAG_SECONDS)
            latest = self.state.live.latest
            if latest is not None:
                self.rates.append((latest.seconds, latest.replica_steps))

    async def on_event(self, event: events.Event) -> None:
        await super().on_event(event)
        if not isinstance(event, events.Key) or event.key in ("space", "q"):
            return
        if event.time != self.latest_key:  # it comes again when nobody below wanted it
            self.latest_key = event.time
            self.screen.call_after_refresh(self._answered)

    def _answered(self) -> None:
        self.answers.append(time.monotonic())

    async def action_quit(self) -> None:
        self.write_report()
        await super().action_quit()

    def write_report(self) -> None:
        first, last = self.rates[0], self.rates[-1]
        rate = (last[1] - first[1]) / (last[0] - first[0])
        found = {
            "lags": self.lags,
            "answers": self.answers,
            "rate": rate,
            "torch_first": self.torch_first,
            "folder": str(self.state.path),
        }
        self.report.write_text(json.dumps(found), encoding="utf-8")


def child() -> None:
    """Run the measured explorer; the report's path comes by the environment."""
    show(Measured(Path(os.environ["TUICHAOS_BENCH_REPORT"])))


# --- outside -----------------------------------------------------------------------------


@dataclass
class Terminal:
    """The explorer in a pseudo-terminal, and what was seen of it."""

    home: Path
    text: bytes = b""
    bytes_read: int = 0
    sent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        self.process, self.file = pty.fork()
        if self.process == 0:
            os.environ |= {
                "TERM": "xterm-256color",
                "TUICHAOS_HOME": str(self.home),
                "TUICHAOS_CONFIG": str(self.home / "config.toml"),
                "TUICHAOS_BENCH_REPORT": str(self.report),
            }
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
        size = struct.pack("HHHH", HEIGHT, WIDTH, 0, 0)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, size)

    @property
    def report(self) -> Path:
        return self.home / "report.json"

    def read(self, seconds: float) -> bool:
        """Take what it draws for some time; whether it is still there."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.file], [], [], min(left, 0.05))[0]:
                try:
                    piece = os.read(self.file, 65536)
                except OSError:
                    return False
                self.bytes_read += len(piece)
                self.text = (self.text + piece)[-65536:]
        return True

    def wait_for(self, words: bytes) -> float:
        """Seconds from the start until ``words`` are drawn."""
        while words not in self.text:
            if time.monotonic() - self.started > START_LIMIT or not self.read(0.01):
                raise RuntimeError("the explorer did not come up in its terminal")
        return time.monotonic() - self.started

    def press(self, key: bytes) -> None:
        self.sent.append(time.monotonic())
        os.write(self.file, key)

    def quit(self) -> float:
        """Press q; seconds until the process is gone."""
        start = time.monotonic()
        os.write(self.file, b"q")
        while os.waitpid(self.process, os.WNOHANG)[0] == 0:
            self.read(0.005)
            if time.monotonic() - start > START_LIMIT:
                os.kill(self.process, signal.SIGKILL)
        return time.monotonic() - start


@dataclass(frozen=True)
class Found:
    """What was measured; seconds, bytes a second, replica-steps a second."""

    first_paint: float
    traffic: float
    quit: float
    keys: np.ndarray
    lags: np.ndarray
    rate: float
    torch_first: bool
    complete: bool


def measure(seconds: float, home: Path) -> Found:
    """The explorer while it trains: ``seconds`` untouched, then as long with keys."""
    terminal = Terminal(home)
    first_paint = terminal.wait_for(FIRST_WORDS)
    terminal.read(1.0)
    os.write(terminal.file, b" ")
    started = time.monotonic()
    while not any(home.glob("runs/*/series.csv")) and time.monotonic() - started < START_LIMIT:
        terminal.read(0.1)
    terminal.read(WARM_SECONDS)
    before, start = terminal.bytes_read, time.monotonic()
    terminal.read(seconds)
    traffic = (terminal.bytes_read - before) / (time.monotonic() - start)
    rng = random.Random(0)
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        terminal.press(rng.choice(KEYS))
        terminal.read(rng.uniform(0.25, 0.6))
    terminal.read(1.0)
    quit_seconds = terminal.quit()
    found = json.loads(terminal.report.read_text(encoding="utf-8"))
    pairs = zip(terminal.sent, found["answers"], strict=True)
    keys = np.array([answered - sent for sent, answered in pairs])
    manifest = json.loads((Path(found["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    return Found(
        first_paint,
        traffic,
        quit_seconds,
        keys,
        np.array(found["lags"]),
        found["rate"],
        found["torch_first"],
        manifest["status"] == "interrupted",
    )


def headless(seconds: float, out: Path) -> float:
    """Replica-steps a second of the same run without a screen."""
    from tuichaos.execution.runner import run

    stop, seen = threading.Event(), []

    def watch(progress) -> None:
        seen.append((progress.seconds, progress.replica_steps))
        if progress.seconds > seconds + WARM_SECONDS:
            stop.set()

    run(experiment(), out=out, watch=watch, stop=stop)
    warm = next(at for at in seen if at[0] > WARM_SECONDS)
    return (seen[-1][1] - warm[1]) / (seen[-1][0] - warm[0])


def table(seconds: float) -> Iterator[str]:
    """The lines of ``tuichaos bench ui``."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        before = headless(seconds, home / "before")
        found = measure(seconds, home)
        after = headless(seconds, home / "after")
    alone = (before + after) / 2
    p50, p99, most = 1e3 * np.quantile(found.lags, [0.5, 0.99, 1.0])
    median, p95 = 1e3 * np.quantile(found.keys, [0.5, 0.95])
    yield f"explorer in a terminal of {WIDTH} × {HEIGHT}, 4 repaints a second, 3 000 replicas (eos)"
    order = "after" if not found.torch_first else "before"
    yield f"first paint          {found.first_paint:.2f} s (torch is loaded {order} it)"
    yield f"event-loop lag       median {p50:.1f} ms, p99 {p99:.1f} ms, largest {most:.0f} ms"
    yield f"key answered         median {median:.0f} ms, p95 {p95:.0f} ms ({len(found.keys)} keys)"
    yield f"terminal traffic     {found.traffic / 1024:.1f} KiB/s"
    yield f"training             {found.rate:,.0f} replica-steps/s"
    yield f"headless             {before:,.0f} before, {after:,.0f} after"
    yield f"training / headless  {found.rate / alone:.0%}"
    folder = "complete" if found.complete else "NOT complete"
    yield f"quit while training  {found.quit:.2f} s, run folder {folder}"
