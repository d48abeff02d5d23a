"""A signal is heard from the first line of the program on, whatever loses its exception."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from waiting import MAX_SECONDS, wait_for

CODES = {
    signal.SIGINT: 130,
    signal.SIGTERM: 143,
    signal.SIGHUP: 129,
    signal.SIGUSR1: 138,
    signal.SIGXCPU: 152,
}
SAID = "tuichaos: error: interrupted\n"


def called(*arguments, **options):
    call = [sys.executable, "-m", "tuichaos", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(call, **options)


# --- lost on the way -----------------------------------------------------------------------

MODULE = """
import os, signal, tuichaos

def swallow():
    try:
        os.kill(os.getpid(), {number})
        for _ in range(1_000_000):  # a moment in which it is answered
            pass
    except BaseException:
        pass

if {while_imported}:
    swallow()

class Map(tuichaos.System):
    dimension = 1

    def __init__(self, r):
        if not {while_imported}:
            swallow()

    def step(self, x):
        return 3.9 * x * (1 - x)
"""


@pytest.mark.sampled(10)
@pytest.mark.parametrize("while_imported", [True, False], ids=["import", "call"])
@pytest.mark.parametrize("number", CODES)
def test_a_signal_that_a_library_swallows_ends_the_run_before_it_begins(
    number, while_imported, tmp_path
):
    (tmp_path / "swallowing.py").write_text(
        MODULE.format(number=int(number), while_imported=while_imported)
    )
    out = tmp_path / "run"
    how = ["--set", "system.name=swallowing:Map", "--set", "steps=20000000", "--out", out]
    process = called("run", "--preset", "logistic", *how, "--quiet", cwd=tmp_path)
    try:
        said = process.communicate(timeout=MAX_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, *said) == (CODES[number], "", SAID)
    assert not out.exists()


@pytest.mark.parametrize("place", ["group.say", "streams.settle"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_behind_the_last_line_adds_none(place, number):
    """While that line is said, and later, until the program has ended."""
    program = textwrap.dedent(f"""
        import os, sys
        from tuichaos.cli import group, streams
        before = {place}

        def heard(*arguments, **options):
            found = before(*arguments, **options)
            os.kill(os.getpid(), {int(number)})
            for _ in range(100_000):  # a moment in which it is answered
                pass
            return found

        {place} = heard
        sys.argv = ["tuichaos", "run", "--preset", "nothing"]
        from tuichaos.cli.main import main
        main()
        """)
    call = [sys.executable, "-c", program]
    done = subprocess.run(call, capture_output=True, text=True, timeout=MAX_SECONDS, check=False)
    assert done.stderr.startswith("tuichaos: error: preset 'nothing'"), done.stderr
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_no_exception_is_raised_inside_an_import(tmp_path):
    """C code that is loaded there may end the process by one; it comes when the import has
    ended."""
    (tmp_path / "loading.py").write_text(
        textwrap.dedent("""
        import os, signal, time
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            print("whole", flush=True)
        except BaseException as error:
            print("torn", flush=True)
        """)
    )
    program = textwrap.dedent("""
        import sys, time
        from tuichaos.common import signals as interruptions
        interruptions.listen()
        try:
            import loading
            while True:
                time.sleep(0.01)
        except interruptions.Stopped as error:
            print(error.code, flush=True)
        """)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
    )
    assert done.stdout == "whole\n130\n", done.stderr


def test_a_second_ctrl_c_ends_an_import_that_takes_long(tmp_path):
    (tmp_path / "loading.py").write_text(
        textwrap.dedent("""
        import os, signal, time
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        while True:
            time.sleep(0.01)
        """)
    )
    listen = "from tuichaos.common import signals; signals.listen()"
    program = f"{listen}; import loading"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
    )
    assert (done.returncode, done.stderr) == (130, SAID)


@pytest.mark.parametrize("number", CODES)
def test_a_signal_before_a_run_begins_is_one_line(number):
    program = textwrap.dedent(f"""
        import os, sys
        from tuichaos.cli import main as cli
        from tuichaos.cli import run as making
        making._experiment = lambda *_: os.kill(os.getpid(), {int(number)})
        sys.argv = ["tuichaos", "run", "--preset", "quick"]
        cli.main()
        """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=MAX_SECONDS
    )
    assert (done.returncode, done.stdout, done.stderr) == (CODES[number], "", SAID)


def test_a_signal_is_said_once_whoever_answers_it(tmp_path):
    """One that came within an import is still being looked for when a run begins, and others
    come before the end."""
    program = textwrap.dedent("""
        import os, signal, sys, time
        from tuichaos.cli import main as cli
        from tuichaos.common import signals as interruptions
        from tuichaos.cli import group

        def run():
            interruptions._importing = lambda frame: True
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                interruptions.raise_missed()
            except interruptions.Stopped:
                interruptions._importing = lambda frame: False
                group._complain("interrupted", 143)
                interruptions.said()
                time.sleep(5 * interruptions.LOOK_SECONDS)
                sys.stderr.write("waited, ")
                os.kill(os.getpid(), signal.SIGINT)

        group.run = run
        cli.main()
        """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=MAX_SECONDS
    )
    assert (done.returncode, done.stderr) == (143, SAID + "waited, ")


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU])
def test_what_is_ignored_stays_ignored(ignored):
    """As by nohup, or by a batch system's shell."""
    program = textwrap.dedent(f"""
        import os, signal
        from tuichaos.common import signals as interruptions
        signal.signal({int(ignored)}, signal.SIG_IGN)
        interruptions.listen()
        os.kill(os.getpid(), {int(ignored)})
        print(interruptions.lost())
        """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "None\n")


def test_a_program_keeps_its_own_answer_to_a_batch_systems_warning(simulate, monkeypatch):
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        done = simulate(
            {"steps": 60, "ensemble.references": 1},
            watch=lambda progress: os.kill(os.getpid(), signal.SIGUSR1),
        )
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard
    assert done.manifest["status"] == "done"


# --- to a run, and to all processes of a sweep -----------------------------------------------


@contextlib.contextmanager
def own_group(*arguments):
    """A command with a process group of its own, of which nothing is left."""
    with called(*arguments, start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGXCPU])
def test_a_batch_systems_warning_ends_a_run_that_can_go_on(number, tmp_path, command):
    out = tmp_path / "run"
    how = ["--set", "steps=3000", "--set", "ensemble.references=6", "--set", "ensemble.twins=1"]
    with own_group("run", "--preset", "quick", *how, "--out", out, "--quiet") as process:
        series = out / "series.csv"
        wait_for(lambda: series.exists() and series.stat().st_size > 2_000, process)
        process.send_signal(number)
        _, err = process.communicate(timeout=MAX_SECONDS)
    assert (process.returncode, err.count("\n")) == (CODES[number], 1), err
    assert json.loads((out / "manifest.json").read_text())["status"] == "interrupted"
    assert command("resume", out, "--quiet") == (0, "", "")
    assert json.loads((out / "manifest.json").read_text())["status"] == "done"


QUICK = [(signal.SIGHUP, True, "rows"), (signal.SIGXCPU, True, "starting")]
ALL = [(n, group, when) for n in CODES for group in (True, False) for when in ("rows", "starting")]


def end_a_sweep(number, group, when, tmp_path):
    out = tmp_path / "sweep"
    over = ["--over", "optimizer.learning_rate=linear:0.1:4:4000", "--set", "steps=300"]
    small = ["--set", "ensemble.references=4", "--workers", 2, "--quiet", "--out", out]
    with own_group("run", "--preset", "quick", *over, *small) as process:
        awaited = out / ("points.jsonl" if when == "rows" else "manifest.json")
        wait_for(lambda: awaited.exists() and awaited.read_text().count("\n") > 1, process)
        (os.killpg if group else os.kill)(process.pid, number)
        _, err = process.communicate(timeout=MAX_SECONDS)
    assert process.returncode == CODES[number], err
    assert err.count("\n") == 1, err
    assert err.startswith("tuichaos: error: interrupted at point")
    assert json.loads((out / "manifest.json").read_text())["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "group", "when"), QUICK)
def test_workers_have_nothing_to_say_of_a_signal(number, group, when, tmp_path):
    end_a_sweep(number, group, when, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize(("number", "group", "when"), [one for one in ALL if one not in QUICK])
def test_workers_have_nothing_to_say_of_any_signal(number, group, when, tmp_path):
    end_a_sweep(number, group, when, tmp_path)


# --- starts under load -----------------------------------------------------------------------

AT_ONCE = 4  # starts that go on beside each other, which is a load as well
BURNERS = 2
SEED = 20_240
SIGTERM_BIT = 1 << (signal.SIGTERM - 1)  # Python by itself answers only SIGINT


def listens(pid):
    """Whether a process hears signals by an answer of its own, as the program does from its
    first line on."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) & SIGTERM_BIT)
    return False


@contextlib.contextmanager
def load():
    """Processes that keep the processors busy."""
    burn = [sys.executable, "-S", "-c", "while True: pass"]
    burners = [subprocess.Popen(burn) for _ in range(BURNERS)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@contextlib.contextmanager
def heeding():
    """Let children heed SIGINT, also where these tests were begun in the background of a shell,
    which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def start(out):
    """A run that goes on for as long as it is let."""
    how = ["--set", "steps=100000000", "--set", "ensemble.references=2", "--quiet", "--out", out]
    return called("run", "--preset", "low", *how)


def seconds_of_a_start(out):
    """Until the first rows are there."""
    began = time.monotonic()
    with start(out) as process:
        try:
            series = out / "series.csv"
            wait_for(lambda: series.exists() and series.stat().st_size > 0, process)
        finally:
            process.kill()
    return time.monotonic() - began


def interrupted_start(out, seconds):
    """A start that is interrupted after so many seconds: whether it had come to its first line,
    its exit code, and what it said."""
    with start(out) as process:
        try:
            time.sleep(seconds)
            heard = listens(process.pid)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=MAX_SECONDS)
        except subprocess.TimeoutExpired:
            err = "went on"
        finally:
            process.kill()
    return heard, process.returncode, err


def interrupt_starts(count, folder):
    """The starts that were heard, and how those before the first line ended, by exit code."""
    rng = random.Random(SEED)
    with heeding(), load(), concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        # As many at once as later on.
        tries = [pool.submit(seconds_of_a_start, folder / f"try{k}") for k in range(AT_ONCE)]
        longest = max(one.result() for one in tries)
        found = [
            pool.submit(interrupted_start, folder / f"run{k}", rng.uniform(0, 1.2 * longest))
            for k in range(count)
        ]
        ends = [one.result() for one in found]
    early = collections.Counter(code for heard, code, _ in ends if not heard)
    later = collections.Counter(code for heard, code, _ in ends if heard)
    began = sum((folder / f"run{k}").exists() for k in range(count))
    print(f"\n{count} starts, of up to {longest:.1f} s; exit codes, and how many:")
    print(f"before the first line {dict(early)}, from there on {dict(later)}, {began} had begun")
    return [(k, *end) for k, end in enumerate(ends)], early


def check_starts(count, folder):
    ends, early = interrupt_starts(count, folder)
    for k, heard, code, err in ends:
        out = folder / f"run{k}"
        if out.exists():
            assert json.loads((out / "manifest.json").read_text())["status"] == "interrupted"
        if heard:
            assert (code, err.count("\n")) == (130, 1), err
            assert err.startswith(SAID.rstrip())
    # Before that it is Python that answers: by the signal itself, mostly.
    assert early.total() < count / 4
    assert sum(heard for _, heard, _, _ in ends) > count / 2


@pytest.mark.long
@pytest.mark.slow
def test_starts_under_load_end_when_interrupted(tmp_path):
    check_starts(12, tmp_path)


@pytest.mark.soak
def test_many_starts_under_load_end_when_interrupted(tmp_path):
    check_starts(int(os.environ.get("TUICHAOS_STARTS", "200")), tmp_path)
