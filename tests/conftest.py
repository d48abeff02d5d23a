"""Shared helpers: every test keeps its runs in a folder of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Tests fork (see killing.py). In some children the search of MKL's memory manager for what a thread
# holds did not end (mm_account_ptr_by_tid): without it, memory comes from the C library.
os.environ.setdefault("MKL_DISABLE_FAST_MM", "1")
# Threads of one operation that wait for the next sleep: two processes on two cores would else
# spend most of their time in waiting for each other.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import leftovers
import pytest

import tuichaos
from tuichaos.cli.main import _run_cli
from tuichaos.config import data_sets, extension, instruments, measure
from tuichaos.plots.series_views import VIEWS
from tuichaos.storage.run_reader import Run


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """Runs go below the test's own folder, never to the user's."""
    monkeypatch.setenv("TUICHAOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUICHAOS_CONFIG", str(tmp_path / "config" / "config.toml"))
    return tmp_path / "home"


leftovers.adopt()


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is ``sampled`` leave every so many parameters, from the first on; its others
    are slow, and long."""
    seen: dict[str, int] = {}
    for item in items:
        name = item.nodeid.partition("[")[0]
        seen[name] = seen.get(name, -1) + 1
        sampled = item.get_closest_marker("sampled")
        left_out = sampled is not None and seen[name] % sampled.args[0] > 0
        if left_out or item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.long)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A process that a test started ends with it, also when it fails: which is then told, after
    what failed. What a fixture of a module started before is its own to end."""
    before = set(leftovers.children())
    yield
    if request.node.get_closest_marker("revives"):
        return
    left = leftovers.end(before)
    assert not left, f"left behind: {left}"


@pytest.fixture
def registered() -> Iterator[None]:
    """Instruments, data sets and charts that a test registers are gone after it."""
    before, data, views = set(extension._ADDED), dict(data_sets._REGISTRY), dict(VIEWS)
    yield
    for registry, former in ((data_sets._REGISTRY, data), (VIEWS, views)):
        registry.clear()
        registry.update(former)
    for key in extension._ADDED - before:
        instruments._REGISTRY.pop(key)
        extension._ADDED.discard(key)
        del measure.Measure.model_fields[key]
    for model in (measure.Measure, extension.Experiment):
        model.model_rebuild(force=True)


@pytest.fixture
def simulate(tmp_path) -> Callable[..., Run]:
    """Run an experiment of dotted overrides, in a numbered folder."""
    made = []

    def go(overrides: dict | None = None, *, preset: str | None = None, **arguments) -> Run:
        made.append(None)
        experiment = (
            tuichaos.preset(preset, overrides) if preset else tuichaos.resolve({}, overrides)
        )
        return tuichaos.run(experiment, out=tmp_path / f"run{len(made)}", **arguments)

    return go


@pytest.fixture
def command(monkeypatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process: (exit code, stdout, stderr)."""

    def go(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tuichaos", *map(str, arguments)])
        capfd.readouterr()
        code = _run_cli()
        out, err = capfd.readouterr()
        return code, out, err

    return go
