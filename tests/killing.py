"""Child processes that are killed: at a time, or at a place in the code."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from waiting import MAX_SECONDS


@functools.cache
def warm() -> None:
    """Load, and let torch compile, what runs need: once here instead of in each child."""
    import tuichaos.cli.main  # noqa: F401
    from tuichaos.config.loading import resolve
    from tuichaos.execution import runner
    from tuichaos.sweeps import sweep_runner  # noqa: F401

    tiny = {"steps": 20, "ensemble": {"references": 2, "twins": 1}}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("training", "logistic"):
            runner.run(resolve({**tiny, "system": {"name": name}}), out=Path(folder) / name)


def forked(act: Callable[[], object], said: Path | None = None) -> int:
    """Begin something in a process of its own; its number. A fork, since a new interpreter
    would need seconds to load torch. It exits with 0, with 1 after an exception, or with the
    code of SystemExit; ``said``: where its words go."""
    warm()
    _forget_buffers()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if said is not None:
                _redirect(said)
            _alone()
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests may run under nohup
            act()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    return child


def _forget_buffers() -> None:
    """Let MKL give back what threads that have ended held. In some children its search for what
    a thread holds did not end (mm_account_ptr_by_tid, among entries of the parent's threads)."""
    free = getattr(_libtorch(), "mkl_serv_free_buffers", None)
    if free is not None:
        free()


@functools.cache
def _libtorch() -> object:
    import torch

    path = Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"
    return ctypes.CDLL(str(path)) if path.exists() else object()


def _alone() -> None:
    """Of the threads that torch had for a single operation none is here: it would wait for them
    for ever."""
    import torch

    torch.set_num_threads(1)


def _redirect(said: Path) -> None:
    """Whatever a test has put in the place of the streams."""
    file = open(said, "w", encoding="utf-8", buffering=1)  # noqa: SIM115
    for number in (1, 2):
        os.dup2(file.fileno(), number)
    sys.stdout = sys.stderr = file


def ended(child: int, seconds: float = MAX_SECONDS) -> int:
    """How a child ends: its code, or less than 0, the signal that ended it."""
    end = time.monotonic() + seconds
    while (found := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"a process did not end within {seconds:g} s")
        time.sleep(0.002)
    return os.waitstatus_to_exitcode(found[1])


@contextlib.contextmanager
def running(act: Callable[[], object], said: Path | None = None) -> Iterator[int]:
    """The same, of which nothing is left at the end; yields its number."""
    child = forked(act, said)
    try:
        yield child
    finally:
        with contextlib.suppress(ChildProcessError):  # it has ended, and was waited for
            if os.waitpid(child, os.WNOHANG)[0] == 0:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def in_child(act: Callable[[], object], said: Path | None = None) -> int:
    """Do something in a process of its own; how it ended."""
    return ended(forked(act, said))


def by_command(*arguments: object) -> Callable[[], None]:
    """What a command line does, for a child."""

    def act() -> None:
        from tuichaos.cli.main import _run_cli

        sys.argv = ["tuichaos", *map(str, arguments)]
        raise SystemExit(_run_cli())

    return act


def die() -> None:
    """What SIGKILL does, here and now."""
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def counting_calls(places: list[tuple[object, str]], kill_at: int, among: Callable[..., bool]):
    """Die just before the ``kill_at``-th call of any of some functions, of those calls that
    ``among`` accepts."""
    before = [getattr(owner, name) for owner, name in places]
    seen = []

    def counted(original):
        def call(*arguments, **named):
            if among(*arguments):
                seen.append(arguments)
                if len(seen) == kill_at:
                    die()
            return original(*arguments, **named)

        return call

    for (owner, name), original in zip(places, before, strict=True):
        setattr(owner, name, counted(original))
    try:
        yield seen
    finally:
        for (owner, name), original in zip(places, before, strict=True):
            setattr(owner, name, original)
