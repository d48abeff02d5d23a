"""The current folder was deleted: what computes says so in one line, what can be told is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from waiting import MAX_SECONDS

PROGRAM = "import sys; sys.argv[0] = 'tuichaos'; from tuichaos.cli.main import main; main()"
GONE = "tuichaos: error: the current folder was deleted, or cannot be entered any more: "
SMALL = ["--set", "steps=20", "--set", "ensemble.references=2"]
REFUSED = {
    "run": ["run", "--preset", "quick", *SMALL, "--quiet", "--out", "KEPT/new"],
    "relative": ["run", "--preset", "quick", *SMALL, "--quiet", "--out", "new"],
    "sweep": ["run", "--preset", "quick", *SMALL, "--over", "seed=[1,2]", "--workers", "2"],
    "data": ["run", "--preset", "quick", "--set", "data.path=a.npz", "--set", "data.name=npz"],
    "dry run": ["run", "--preset", "quick", "--dry-run"],
    "system": ["run", "--preset", "quick", "--set", "system.name=maps:Duck"],
    "selftest": ["selftest"],
    "bench": ["bench"],
    "export": ["export", "KEPT/run"],
}
DONE = {
    "paths": ["paths"],
    "presets": ["presets", "quick"],
    "runs": ["runs"],
    "plot": ["plot", "KEPT/run", "--what", "loss"],
    "export": ["export", "KEPT/run", "--out", "KEPT/a.csv"],
    "help": ["run", "--help"],
}


@pytest.fixture
def in_deleted(tmp_path, simulate):
    """What a command says in a folder that was deleted; run1 is there."""
    done = simulate({"steps": 20, "ensemble.references": 2}).path
    (tmp_path / "run").symlink_to(done)
    folder = tmp_path / "folder"
    folder.mkdir()

    def go(arguments):
        call = [one.replace("KEPT/run", str(done)) for one in arguments]
        call = [one.replace("KEPT", str(tmp_path)) for one in call]
        script = 'cd "$0" && rmdir "$0" && exec "$@"'
        shell = ["sh", "-c", script, str(folder), sys.executable, "-c", PROGRAM, *call]
        found = subprocess.run(
            shell, capture_output=True, text=True, check=False, timeout=MAX_SECONDS
        )
        return found.returncode, found.stdout, found.stderr

    return go


@pytest.mark.sampled(3)
@pytest.mark.parametrize("what", REFUSED)
def test_what_needs_it_is_refused_in_one_line(what, in_deleted, tmp_path):
    before = sorted(os.listdir(tmp_path))
    code, _, err = in_deleted(REFUSED[what])
    assert code == 2, err
    assert err.startswith(GONE)
    assert err.count("\n") == 1
    before.remove("folder")
    assert sorted(os.listdir(tmp_path)) == before  # nothing is left behind


@pytest.mark.sampled(3)
@pytest.mark.parametrize("what", DONE)
def test_what_does_not_need_it_just_works(what, in_deleted):
    code, out, err = in_deleted(DONE[what])
    assert (code, err.replace("no runs yet in", "")[:9]) in ((0, ""), (0, err[14:23])), err
    assert out or what == "runs"
