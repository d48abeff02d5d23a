"""The scripts for Slurm in the manual, as far as they run without it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import MAX_SECONDS, wait_for

import tuichaos
from tuichaos.storage.run_reader import open_run

PAGE = Path(tuichaos.__file__).parent / "manual" / "clusters.md"
GATED = {"system.parameters.r": {"linear": [3.0, 3.9, 12]}}
BASE = {"steps": 30, "ensemble.references": 1, "ensemble.twins": 1, "system.name": "gated:make"}
TUICHAOS = f"""#!{sys.executable}
from tuichaos.cli.main import main

if __name__ == "__main__":
    main()
"""


def block(language, word):
    """The code of the page that has a word in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [text for text in blocks if word in text]
    return found


@pytest.fixture
def batch(tmp_path):
    """Start the script as Slurm does, with an ``scontrol`` that notes what it is asked."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    tools = {"tuichaos": TUICHAOS, "scontrol": f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'}
    for name, text in tools.items():
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    text = block("sh", "#SBATCH").replace("--preset eta-sweep", f"{tmp_path}/e.toml")
    text = text.replace("--workers 8", "--workers 1 --trust gated:make")
    (tmp_path / "job.sh").write_text(text)
    started = []

    def go():
        env = {
            **os.environ,
            "HOME": str(tmp_path),
            "SLURM_JOB_ID": "77",
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        }
        started.append(
            subprocess.Popen(["bash", tmp_path / "job.sh"], env=env, start_new_session=True)
        )
        return started[-1]

    yield go
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
def test_a_job_whose_time_is_over_is_queued_again_and_goes_on(batch, tmp_path):
    made = {**BASE, "system.parameters.gate": str(tmp_path / "gate")}
    (tmp_path / "e.toml").write_text(tuichaos.resolve({"sweep": GATED}, made).to_toml())
    out = tmp_path / "sweeps" / "eta"
    job = batch()
    journal = out / "points.jsonl"
    wait_for(lambda: journal.exists() and journal.read_text().count("\n") >= 2, job)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(MAX_SECONDS) == 138
    assert (tmp_path / "asked").read_text() == "requeue 77\n"
    part = open_run(out)
    assert part.status == "interrupted"
    assert 2 <= part.manifest["points"]["done"] < 12
    (tmp_path / "gate").touch()
    assert batch().wait(MAX_SECONDS) == 0
    assert (tmp_path / "asked").read_text() == "requeue 77\n"  # and not once more
    whole = tuichaos.sweep(tuichaos.resolve({"sweep": GATED}, BASE), out=tmp_path / "whole")
    assert (out / "sweep.csv").read_bytes() == (whole.path / "sweep.csv").read_bytes()


def test_the_recipe_for_many_nodes_asks_for_workers_that_leave_in_time():
    made = {}

    class Cluster:
        scheduler_address = "tcp://h:1"

        def __init__(self, **named):
            made.update(named)

        def adapt(self, **named):
            made.update(named)

    text = block("python", "SLURMCluster")
    text = text.replace("from dask_jobqueue import SLURMCluster", "").replace(
        "import subprocess", ""
    )
    ran = []
    subprocess_like = type("subprocess", (), {"run": staticmethod(ran.append)})
    exec(text, {"SLURMCluster": Cluster, "subprocess": subprocess_like})
    _, lifetime, _, stagger = made["worker_extra_args"]
    hours, minutes, _ = map(int, made["walltime"].split(":"))
    assert int(lifetime[:-1]) + int(stagger[:-1]) <= 60 * hours + minutes - 10
    assert 1 <= made["minimum_jobs"] == made["maximum_jobs"]
    assert ran == [
        ["tuichaos", "run", "--preset", "eta-sweep", "--scheduler", Cluster.scheduler_address]
    ]
