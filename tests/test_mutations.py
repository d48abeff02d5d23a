"""Mutated experiments and files through the commands: done or refused, whatever they hold."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import mutations
import pytest

HERE = Path(__file__).parent


def told(mode, count):
    """What came of so many mutations, in one process of their own: the peak of its memory is
    theirs."""
    script = HERE / "mutations.py"
    made = subprocess.run(
        [sys.executable, script, mode, str(count)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return json.loads(made.stdout.splitlines()[-1])


def check(report, least):
    """Nothing broke, and not all was refused: then nothing would have been tried."""
    assert report["broken"] == []
    assert report["slowest"] < mutations.SECONDS
    assert 0.01 < report["gigabytes"] < mutations.GIGABYTES
    done = sum(count for name, count in report["codes"].items() if name.endswith(" 0"))
    assert least < done < sum(report["codes"].values())


def test_mutated_experiments():
    check(told("experiments", 200), least=10)


def test_mutated_files():
    check(told("files", 50), least=20)


def test_mutated_experiments_really_run():
    report = told("really", 5)
    assert report["broken"] == []
    assert report["codes"]["run 0"] >= 5  # those that were accepted, at least


@pytest.mark.soak
def test_all_mutated_experiments():
    check(told("experiments", 2000), least=100)


@pytest.mark.soak
def test_all_mutated_files():
    check(told("files", 500), least=200)


@pytest.mark.soak
def test_fifty_really_run():
    report = told("really", 50)
    assert report["broken"] == []
    assert report["codes"]["run 0"] >= 50


def through_the_command(tmp_path, numbers):
    """Mutated files through the command itself."""
    found = mutations.mutated(2000)
    code = "from tuichaos.cli import main; main()"
    for number in numbers:
        what, content = found[number]
        path = tmp_path / "mutated.toml"
        path.write_bytes(content)
        start = time.perf_counter()
        made = subprocess.run(
            [sys.executable, "-c", code, "run", str(path), "--dry-run"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode in (0, 2), (what, made.stderr)
        assert "Traceback" not in made.stderr, (what, made.stderr)
        assert made.stderr.count("\n") == 1 or made.returncode == 0, (what, made.stderr)
        assert time.perf_counter() - start < mutations.SECONDS, what


def test_two_through_the_command(tmp_path):
    through_the_command(tmp_path, (5, 1005))


@pytest.mark.soak
def test_twenty_through_the_command(tmp_path):
    through_the_command(tmp_path, range(7, 2000, 100))
