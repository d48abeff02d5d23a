"""Hours of use in one process: runs, maps and screens come and go, and nothing is left behind.

TUICHAOS_SOAK=3600 pytest -n 0 -s -m soak tests/tui/test_explorer_soak.py > soak.log 2>&1 &
takes an hour, and tells each minute how much memory there is.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import theilslopes
from waiting import MAX_SECONDS, until

from tuichaos.config.explorer_settings import Config
from tuichaos.config.presets import preset
from tuichaos.storage.run_folders import delete
from tuichaos.sweeps.result import list_runs
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.atlas import Atlas
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.runs import Runs

SECONDS = float(os.environ.get("TUICHAOS_SOAK", "120"))
SETTLED = 0.3  # of the time, until caches are filled and libraries loaded
MAX_SETTLING = 600.0  # seconds; caches are not to take longer
ALL_SEEN = 12  # rounds, after which each tab was seen twice, the map three times
WATCHED = 24  # rounds at least after that, be the machine as busy as it may
MAX_GROWTH = 50e6  # bytes: of what is in memory while it is looked at, of what is used an hour
BLOCK = 100  # bytes of a Python object, roughly: they are 90 on average here
TELL = 60.0  # seconds
SMALL = {"ensemble.references": 40, "steps": 4000}
MAP = {
    "steps": 40,
    "plane.value": "exponent",
    "ensemble.references": 1,
    "ensemble.twins": 0,
    "sweep": {
        "optimizer.learning_rate": {"log": [0.1, 10.0, 24]},
        "network.init_scale": {"log": [0.1, 3.0, 24]},
    },
}


class Used(ctypes.Structure):
    """struct mallinfo2 of malloc.h."""

    _fields_ = [(f"_{k}", ctypes.c_size_t) for k in range(10)]


def mallinfo():
    """The GNU C library's account of what is used; None elsewhere."""
    try:
        found = ctypes.CDLL("libc.so.6").mallinfo2
    except (OSError, AttributeError):
        return None
    found.restype = Used
    return found


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def used() -> int:
    """Bytes that somebody holds: without what is free but kept, which comes and goes."""
    found = mallinfo()()
    in_arenas, mapped = found._7, found._4
    return in_arenas + mapped + BLOCK * sys.getallocatedblocks()


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> set[str]:
    """Names of threads, without those that the event loop keeps for all that is put aside."""
    return {t.name for t in threading.enumerate() if not t.name.startswith("asyncio_")}


def others() -> int:
    """Threads of libraries, which Python does not know."""
    return len(os.listdir("/proc/self/task")) - threading.active_count()


def children() -> int:
    tasks = Path("/proc/self/task").glob("*/children")
    return sum(len(task.read_text().split()) for task in tasks)


def at_rest() -> bool:
    """Whether nothing of the runs is left."""
    return not any(name.startswith("tuichaos") for name in threads()) and not children()


async def press(app, *keys):
    """Keys, without Pilot's waiting for a process that is never idle."""
    for key in keys:
        app.simulate_key(key)
        await asyncio.sleep(0.05)


async def back(app):
    """To the first screen; an escape that comes too early is for something else."""
    end = time.monotonic() + MAX_SECONDS
    while not isinstance(app.screen, Explore):
        assert time.monotonic() < end
        await press(app, "escape")
        await asyncio.sleep(0.2)


async def one_round(app, number):
    """A run that is watched, paused and stopped; its tabs; the runs; a map that is left."""
    await press(app, "space")
    await until(lambda: app.state.live.latest is not None or app.state.ended)
    await asyncio.sleep(0.3)
    await press(app, str(1 + number % 6))
    await press(app, "space", "n", "space", "x")
    await until(app.state.join)
    await press(app, "r", "1", "o")
    await until(lambda: isinstance(app.screen, Runs))
    await back(app)
    if number % 4 == 0:
        app.travel(preset("quick", MAP))
        await until(lambda: isinstance(app.screen, Atlas))
        await asyncio.sleep(0.5)
        await back(app)
    for run in list_runs()[3:]:
        delete(run)
    await until(at_rest)


def settled(rounds, spent):
    """Time alone does not do: on a busy machine, 36 seconds were five rounds."""
    return rounds >= ALL_SEEN and spent > min(SETTLED * SECONDS, MAX_SETTLING)


def growth(seconds, amounts):
    """What an hour adds, and the least it may be (a limit of 95 %): Theil and Sen's slope,
    which single rounds do not sway."""
    slope, _, least, _ = theilslopes(amounts, seconds)
    return 3600 * slope, 3600 * least


@pytest.mark.soak
@pytest.mark.skipif(mallinfo() is None, reason="needs the GNU C library 2.33")
async def test_nothing_is_left_behind(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = Explorer(preset("quick", SMALL), Config())
    seen = []  # seconds, memory, used, handles, threads of libraries
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        start, number, told, first, names = time.monotonic(), 0, TELL, None, set()
        while (
            (spent := time.monotonic() - start) < SECONDS
            or first is None
            or number - first < WATCHED
        ):
            await one_round(app, number)
            number += 1
            gc.collect()
            seen.append((time.monotonic() - start, memory(), used(), handles(), others()))
            if first is None and settled(number, spent):
                first, names = len(seen) - 1, threads()
            if spent > told:
                told += TELL
                say(number, seen[-1])
        left = threads() - names
    say(number, seen[-1])
    seconds, in_memory, held, opened, foreign = np.array(seen[first:]).T
    hourly, least = growth(seconds, held)
    most = in_memory.max() - in_memory[0]
    print(
        f"since round {first}: memory {in_memory[0] / 1e6:.0f} → {in_memory[-1] / 1e6:.0f} MB, "
        f"at most {most / 1e6:+.0f}; used {hourly / 1e6:+.1f} MB an hour (≥ {least / 1e6:+.1f})"
    )
    assert len(held) >= WATCHED
    assert most < MAX_GROWTH
    assert least < MAX_GROWTH
    assert not left
    assert opened[-1] <= opened[0]
    assert foreign[-1] <= foreign[0]


def say(number, found):
    seconds, in_memory, held, opened, foreign = found
    print(
        f"{seconds / 60:.1f} min, {number} rounds: memory {in_memory / 1e6:.0f} MB, "
        f"used {held / 1e6:.1f} MB, {opened} handles, {foreign} threads of libraries, "
        f"others {sorted(t.name for t in threading.enumerate())}",
        flush=True,
    )
