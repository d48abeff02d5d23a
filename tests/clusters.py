"""Clusters of tests: in this process, or in one of their own that can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from waiting import wait_for

PROGRAM = """
import sys
import time
from clusters import local
if __name__ == "__main__":
    with local(2) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def local(workers: int, threads: int = 1):
    """A cluster over loopback, its scheduler in this process: a context."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=False,
    )


@contextlib.contextmanager
def apart(tmp_path) -> Iterator[tuple[subprocess.Popen, str]]:
    """A cluster in a process group of its own, with the address of its scheduler."""
    script = tmp_path / "cluster.py"
    script.write_text(PROGRAM)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env=env,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


# Runs as a program: a command of Dask's with its arguments, that ends with who started it.
COMMAND = """
import os, sys, threading
sys.path[:0] = {path!r}
def watch():
    sys.stdin.read()
    os._exit(0)
if __name__ == "__main__":
    threading.Thread(target=watch, daemon=True).start()
    from distributed.cli import dask_{what}
    dask_{what}.main({arguments!r})
"""

# Preloaded, as Dask calls it, by a process in which tuichaos is not installed.
ABSENT = """
import sys
import time

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tuichaos":
            raise ModuleNotFoundError("No module named 'tuichaos'", name="tuichaos")

sys.meta_path.insert(0, Absent())
"""

# One in which an earlier tuichaos is, that cannot be asked.
EARLIER = """
import sys, types

PARTS = "tuichaos tuichaos.common tuichaos.common.version tuichaos.sweeps"
for name in (*PARTS.split(), "tuichaos.sweeps.cluster_worker"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
sys.modules["tuichaos.common.version"].VERSION = "0.0.9"
"""

# One that differs by its version alone.
RENUMBERED = """
import tuichaos.common.version

tuichaos.common.version.VERSION = "0.0.9"
"""

# One that finds another file at the path of the data.
ELSEWHERE = """
from tuichaos.systems import tables

def other(read):  # Dask loads this twice
    return lambda path, *rest: read(OTHER, *rest)

tables.read = other(tables.read)
"""

# One that leaves a file once it had too little memory for a point.
SHORT = """
import pathlib
from tuichaos.sweeps import cluster_worker

class Short(cluster_worker.TooLarge):
    def __init__(self, *numbers):
        super().__init__(*numbers)
        pathlib.Path({0!r}).touch()

cluster_worker.TooLarge = Short
"""

# One that answers what it can do only once there is a file.
LATE = """
import pathlib
import time
from tuichaos.sweeps import cluster_worker

def late(*question, asked=cluster_worker.asked):
    while not pathlib.Path({0!r}).exists():
        time.sleep(0.05)
    return asked(*question)

cluster_worker.asked = late
"""


class Parts:
    """A scheduler and workers as processes of Dask's own commands. A context: none outlives it."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.address = ""
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *ended: object) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.stdin.close()
            process.wait()

    def scheduler(self, preload: str = "") -> Parts:
        told = self.folder / f"scheduler{len(self.processes)}.json"
        arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
        process = self._start("scheduler", [*arguments, "--scheduler-file", str(told)], preload)
        wait_for(lambda: told.exists() and told.read_text().endswith("}"), process)
        self.address = json.loads(told.read_text())["address"]
        return self

    def worker(self, preload: str = "", memory: str = "0") -> subprocess.Popen:
        """One of one thread; with a nanny where its memory has a limit."""
        arguments = [self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        arguments += ["--memory-limit", memory]
        arguments += ["--nanny"] if memory != "0" else ["--no-nanny"]
        arguments += ["--local-directory", str(self.folder / "scratch")]
        return self._start("worker", arguments, preload)

    def wait_for_workers(self, count: int) -> None:
        """Until so many have come."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=300)

    def _start(self, what: str, arguments: list[str], preload: str):
        number = len(self.processes)
        if preload:
            file = self.folder / f"preload{number}.py"
            file.write_text(preload)
            arguments = [*arguments, "--preload", str(file)]
        script = self.folder / f"{what}{number}.py"
        path = [p for p in sys.path if p]
        script.write_text(COMMAND.format(what=what, arguments=arguments, path=path))
        with open(self.folder / f"{what}{number}.log", "w") as log:
            process = subprocess.Popen(
                [sys.executable, script],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
            )
        self.processes.append(process)
        return process
