"""Clusters of tests: in this process, or in one of their own that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

PROGRAM = """
import sys
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
