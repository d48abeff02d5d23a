"""Devices: which one to use, and the settings under which its bits can be trusted."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from tuichaos.common.errors import InputError


def resolve_device(name: str) -> torch.device:
    """``auto`` (cuda where there is one), ``cpu``, ``cuda`` or ``cuda:N`` as a device."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if count else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    index = int(name.partition(":")[2] or 0)
    if index >= count:
        have = f"cpu, {', '.join(f'cuda:{k}' for k in range(count))}" if count else "cpu"
        raise InputError(f"device: {name} is not on this machine; choose from {have}")
    return torch.device("cuda", index)


def available_threads() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """One intra-op thread, deterministic algorithms, no TF32; the old settings come back.

    More threads inside an operation split its sums differently with the batch, and change
    results by a few units in the last place.
    """
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        tf32 = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = tf32
            torch.use_deterministic_algorithms(deterministic)


def describe(device: torch.device) -> str:
    """The device in words, for the manifest."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor()


@functools.cache
def processor() -> str:
    """The processor and the widest instructions that torch uses of it: sums are rounded in
    other orders by others. Two of one host name may differ (a machine moved to another)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    model = next(named, "") or platform.processor() or platform.machine()
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}"
