"""Hours of use in one process: runs, maps and screens come and go, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from pathlib import Path

import pytest

from tuichaos.config import Config
from tuichaos.presets import preset
from tuichaos.runs import delete, list_runs
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.atlas import Atlas
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.runs import Runs

SECONDS = float(os.environ.get("TUICHAOS_SOAK", "120"))
SETTLED = 0.3  # of the time, until caches are filled and libraries loaded
MOST_GROWTH = 50e6  # bytes
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


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


async def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def press(app, *keys):
    """Keys, without Pilot's waiting for a process that is never idle."""
    for key in keys:
        app.simulate_key(key)
        await asyncio.sleep(0.05)


async def back(app):
    """To the first screen; an escape that comes too early is for something else."""
    end = time.monotonic() + 60
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


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
async def test_nothing_is_left_behind(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = Explorer(preset("quick", SMALL), Config())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(0.2)
        start, number, before = time.monotonic(), 0, None
        while (spent := time.monotonic() - start) < SECONDS:
            await one_round(app, number)
            number += 1
            if before is None and spent > SETTLED * SECONDS:
                gc.collect()
                before = memory(), {t.name for t in threading.enumerate()}, handles()
        await asyncio.sleep(1)
        gc.collect()
        after = memory(), {t.name for t in threading.enumerate()}, handles()
    print(
        f"{number} rounds; memory {before[0] / 1e6:.0f} → {after[0] / 1e6:.0f} MB, "
        f"handles {before[2]} → {after[2]}, threads {sorted(after[1])}"
    )
    assert after[0] - before[0] < MOST_GROWTH
    assert len(after[1]) <= len(before[1]), after[1] - before[1]
    assert after[2] <= before[2]
