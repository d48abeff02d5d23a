"""Keys at random leave nothing behind: no thread, no descriptor, no run that goes on.

TUICHAOS_MONKEYS=10 pytest -n 0 -s -m soak tests/tui/test_monkey.py   plays so many seeds.
"""

from __future__ import annotations

import os

import monkeys
import pytest

SEEDS = int(os.environ.get("TUICHAOS_MONKEYS", "10"))
KEYS = 2000
MAX_GROWTH = 150e6  # bytes: pictures that are kept, libraries that are loaded later


async def played(seed, keys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, after = await monkeys.play(seed, keys)
    print(f"seed {seed}: {before} → {after}")
    assert after.threads <= before.threads + 1
    assert after.descriptors <= before.descriptors + 2
    assert after.memory <= before.memory + MAX_GROWTH
    assert monkeys.statuses() <= {"done", "interrupted", "failed"}


async def test_a_dozen_or_two_of_keys(tmp_path, monkeypatch):
    await played(0, 20, tmp_path, monkeypatch)


@pytest.mark.long
async def test_some_dozen_keys(tmp_path, monkeypatch):
    await played(0, 60, tmp_path, monkeypatch)


@pytest.mark.long
async def test_a_few_hundred_keys(tmp_path, monkeypatch):
    await played(0, 200, tmp_path, monkeypatch)


@pytest.mark.slow
async def test_some_hundred_keys(tmp_path, monkeypatch):
    await played(1, 700, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.long
async def test_two_thousand_keys(tmp_path, monkeypatch):
    await played(1, KEYS, tmp_path, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 2 + SEEDS))
async def test_many_seeds(seed, tmp_path, monkeypatch):
    await played(seed, KEYS, tmp_path, monkeypatch)
