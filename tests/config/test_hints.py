"""The command that a line gives its reader finds the run, from where the line was read."""

from __future__ import annotations

import shlex

import pytest

import tuichaos
from tuichaos.common import number_text
from tuichaos.common.errors import Stopped
from tuichaos.common.paths import as_argument, runs_home
from tuichaos.execution.runner import unless_interrupted
from tuichaos.storage.run_folders import find
from tuichaos.sweeps import batch

FAST = {"steps": 4, "ensemble.references": 1, "ensemble.twins": 0, "network.hidden": [3]}


@pytest.mark.parametrize("out", ["x", "sub/x", "sub/with blank", "../beside", "-x", "~x"])
def test_a_run_folder_as_a_command_line_takes_it(out, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    run = tuichaos.run(
        tuichaos.resolve({}, FAST), out=str(tmp_path / "work" / "~x") if out == "~x" else out
    )
    (words,) = shlex.split(as_argument(run.path))
    assert find(words).path == run.path
    assert words in (out, f"./{out}") or out in ("../beside", "~x")
    (kept,) = shlex.split(as_argument(run.path, anywhere=True))
    monkeypatch.chdir(tmp_path)
    assert find(kept).path == run.path


def test_a_kept_run_goes_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tuichaos.run(tuichaos.resolve({}, {"name": "own", **FAST}))
    assert as_argument(run.path) == as_argument(run.path, anywhere=True) == run.path.name
    (tmp_path / run.path.name).mkdir()  # something else of that name is nearer
    assert find(as_argument(run.path)).path == run.path
    monkeypatch.chdir(runs_home())
    assert find(as_argument(run.path)).path == run.path


def test_lines_that_say_how_to_go_on(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    run = tuichaos.run(tuichaos.resolve({}, FAST), out="sub/run")
    run.manifest["status"] = "interrupted"
    with pytest.raises(Stopped, match=r"; tuichaos resume sub/run goes on$"):
        unless_interrupted(run, [2])

    def failing(ready, *rest):
        raise tuichaos.RunFailed("no luck")

    monkeypatch.setattr(batch, "prepare", failing)
    over = ("--over", "optimizer.learning_rate=[1.0]")
    code, _, err = command("run", "--preset", "quick", *over, "--out", "sub/s", "--quiet")
    assert code == 1
    assert "; tuichaos resume sub/s tries them again" in " ".join(err.split())
    monkeypatch.undo()


def test_a_fault_in_a_long_line_is_told_as_soon_as_in_a_short_one(tmp_path):
    """Counted: what stands before a token is looked at for those at the place alone."""
    looked = []

    class Line(str):
        def __getitem__(self, part):
            looked.append(part)
            return str(self)[part]

    line = Line('x = "' + '{"a":' * 1000)
    assert list(number_text._tokens_at(line, len(line))) == []
    assert len(looked) <= 2
