"""A monkey at the keyboard of the explorer: keys in bursts, new sizes, the same for a seed."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import threading
from dataclasses import dataclass
from pathlib import Path

from waiting import until

import tuichaos
from tuichaos.config.explorer_settings import Config
from tuichaos.config.presets import preset
from tuichaos.tui.app import Explorer

SMALL = {"ensemble.references": 4, "ensemble.twins": 2}
STEPS = 200_000  # more than a monkey waits for: runs go on, and are left
NAMED = {"[": "left_square_bracket", "]": "right_square_bracket", "/": "slash"}
NAMED |= {"{": "left_curly_bracket", "}": "right_curly_bracket"}
KEYS = (
    *"nxr[]lmcdeovbtwui/gyfz",
    *"{}" * 4,
    *("space",) * 4,
    *("pageup", "pagedown", "home", "end") * 2,
    *("escape",) * 3,
    *("tab", "shift+tab", "enter", "up", "down", "left", "right", "shift+left", "shift+right"),
    *("plus", "minus", "0", *"123456", "backspace", "delete", "question_mark", "ctrl+p"),
)
LONGEST_BURST = 6
RESIZED = 0.03  # of the bursts are followed by another size


@dataclass(frozen=True)
class Amounts:
    """What the process has: threads that a run or a screen might leave, without those that the
    event loop keeps for what is put aside; open descriptors; bytes in memory."""

    threads: int
    descriptors: int
    memory: int


def amounts() -> Amounts:
    gc.collect()
    names = [one.name for one in threading.enumerate() if not one.name.startswith("asyncio_")]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    return Amounts(len(names), descriptors, pages * os.sysconf("SC_PAGE_SIZE"))


def all_dealt_with(app: Explorer) -> bool:
    return app._exit or not (app.message_queue_size or app.gate.busy)


async def at_rest(app: Explorer, others: set[threading.Thread]) -> None:
    """Nothing is computed any more, and every key has been dealt with. ``others``: threads of the
    tests before, which are none of this app's."""
    app.state.leave()
    if app.journey is not None:
        app.journey.halt()
    await until(app.state.join)
    await until(
        lambda: not any(t.name.startswith("tuichaos") for t in {*threading.enumerate()} - others)
    )


async def walk(pilot, rng: random.Random, keys: int) -> int:
    """Keys until so many were pressed, or the app was left by one; how many there were."""
    app, pressed = pilot.app, 0
    while pressed < keys and not app._exit:
        burst = [rng.choice(KEYS) for _ in range(rng.randint(1, LONGEST_BURST))]
        for key in burst:
            app.simulate_key(NAMED.get(key, key))
        pressed += len(burst)
        if rng.random() < RESIZED:
            await pilot.resize_terminal(rng.randrange(40, 200), rng.randrange(12, 60))
        if rng.random() < 0.5:  # else more keys come while these are at work
            await until(lambda: all_dealt_with(app))
        await asyncio.sleep(0)
    await until(lambda: all_dealt_with(app))
    return pressed


async def play(seed: int, keys: int) -> tuple[Amounts, Amounts]:
    """What there is before and after so many keys; the explorer is started again where a key
    has left it."""
    rng, pressed, before, after = random.Random(seed), 0, None, None
    others = set(threading.enumerate())
    tuichaos.run(preset("quick", {**SMALL, "steps": 40}))
    while pressed < keys:
        app = Explorer(preset("quick", {**SMALL, "steps": STEPS}), Config(fps=20))
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.pause()
            app.state.start()  # whatever is loaded once
            await until(lambda app=app: app.state.session.step > 100)
            await at_rest(app, others)
            before = before or amounts()
            pressed += await walk(pilot, rng, keys - pressed)
            await at_rest(app, others)
            after = amounts()
    return before, after


def statuses() -> set[str]:
    """What the manifests of all run folders say, those in the trash too."""
    found = Path(tuichaos.runs_home()).rglob("manifest.json")
    return {json.loads(path.read_text())["status"] for path in found}
