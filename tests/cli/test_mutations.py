"""Mutated experiments and files through the commands: done or refused, whatever they hold."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import mutations
import pytest
from waiting import MAX_SECONDS

HERE = Path(__file__).parents[1]


def told(**counts):
    """What came of so many mutations of each mode, in one process of their own: the peak of
    its memory is theirs."""
    asked = [str(part) for pair in counts.items() for part in pair]
    made = subprocess.run(
        [sys.executable, HERE / "mutations.py", *asked], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return dict(zip(counts, map(json.loads, made.stdout.splitlines()), strict=True))


SOME = {"experiments": 200, "files": 24, "really": 3}
ALL = {"experiments": 2000, "files": 500, "really": 50}


@pytest.fixture(scope="module")
def some():
    return told(**SOME)


def check(report, least):
    """Nothing broke, and not all was refused: then nothing would have been tried."""
    assert report["broken"] == []
    assert report["slowest"] < mutations.SECONDS
    assert 0.01 < report["gigabytes"] < mutations.GIGABYTES
    done = sum(count for name, count in report["codes"].items() if name.endswith(" 0"))
    assert least < done < sum(report["codes"].values())


def check_really(report, count):
    assert report["broken"] == []
    assert report["codes"]["run 0"] >= count  # those that were accepted, at least


@pytest.mark.slow
def test_mutated_experiments(some):
    check(some["experiments"], least=10)


@pytest.mark.slow
def test_mutated_files(some):
    check(some["files"], least=10)


@pytest.mark.slow
def test_mutated_experiments_really_run(some):
    check_really(some["really"], SOME["really"])


@pytest.mark.soak
def test_all_mutations():
    report = told(**ALL)
    print(report)
    check(report["experiments"], least=100)
    check(report["files"], least=200)
    check_really(report["really"], ALL["really"])


def processor():
    """Seconds that processes begun here have computed: others may have the machine as well."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def through_the_command(tmp_path, numbers):
    """Mutated files through the command itself."""
    found = mutations.mutated(2000)
    code = "from tuichaos.cli.main import main; main()"
    for number in numbers:
        what, content = found[number]
        path = tmp_path / "mutated.toml"
        path.write_bytes(content)
        start = processor()
        made = subprocess.run(
            [sys.executable, "-c", code, "run", str(path), "--dry-run"],
            capture_output=True, text=True, check=False, timeout=MAX_SECONDS,
        )  # fmt: skip
        assert made.returncode in (0, 2), (what, made.stderr)
        assert "Traceback" not in made.stderr, (what, made.stderr)
        assert made.stderr.count("\n") == 1 or made.returncode == 0, (what, made.stderr)
        assert processor() - start < mutations.SECONDS, what


@pytest.mark.slow
def test_two_through_the_command(tmp_path):
    through_the_command(tmp_path, (5, 1005))


@pytest.mark.soak
def test_twenty_through_the_command(tmp_path):
    through_the_command(tmp_path, range(7, 2000, 100))
