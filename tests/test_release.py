"""What is not needed any more is let go of: keys that are not shown, memory of ended threads."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import weakref

import pytest
from textual.widgets._footer import FooterKey
from waiting import until

from tuichaos.config.explorer_settings import Config
from tuichaos.config.presets import preset
from tuichaos.tui.app import Explorer
from tuichaos.tui.screens.runs import Runs

TIMES = 10
ARENAS = """
import ctypes, sys, tempfile, threading
from tuichaos.common.malloc import few_arenas

few_arenas(2)
libc, together = ctypes.CDLL("libc.so.6"), threading.Barrier(9)
libc.malloc.restype = ctypes.c_void_p
def take():
    together.wait()
    libc.malloc(ctypes.c_size_t(5000))
    together.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait()
together.wait()
with tempfile.TemporaryFile() as file:
    libc.fdopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.fdopen(file.fileno(), b"w"))
    libc.malloc_info(0, stream)
    libc.fflush(stream)
    file.seek(0)
    print(file.read().count(b"<heap nr="))
"""


def has_gnu_library():
    try:
        return hasattr(ctypes.CDLL("libc.so.6"), "malloc_info")
    except OSError:
        return False


@pytest.mark.sampled(2)
@pytest.mark.parametrize("other", [False, True])
async def test_keys_that_are_not_shown_any_more_are_let_go(other):
    app = Explorer(preset("quick"), Config())
    alive, made = weakref.WeakSet(), 0
    async with app.run_test(size=(120, 36)) as pilot:
        await app.workers.wait_for_complete()
        if other:
            app.push_screen(Runs())
        for _ in range(TIMES):
            app.screen.refresh_bindings()
            await pilot.pause()
            made += sum(key not in alive for key in app.screen.query(FooterKey))
            alive.update(app.screen.query(FooterKey))
        shown = len(app.screen.query(FooterKey))
        assert shown > 3
        assert made > 2 * shown  # they are made anew

        def only_those_shown():  # those that go need a moment
            alive.update(app.screen.query(FooterKey))
            gc.collect()
            return len(alive) == len(app.screen.query(FooterKey))

        await until(only_those_shown)


@pytest.mark.skipif(not has_gnu_library(), reason="needs the GNU C library")
@pytest.mark.parametrize(("asked", "found"), [(None, "4"), ("3", "3")])
def test_threads_that_come_and_go_share_arenas(asked, found):
    environment = {k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"}
    environment |= {"MALLOC_ARENA_MAX": asked} if asked else {}
    done = subprocess.run(
        [sys.executable, "-c", ARENAS], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found
