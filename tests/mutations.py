"""Mutated experiments, data files and run folders, put through the commands in one process.

    python mutations.py experiments 200 files 50

prints a line of JSON for each: how many were done and refused, what broke, the largest memory
of the process so far and the longest time.
The seed is fixed, so the n-th mutation is the same everywhere.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path

import tomli_w
from peaks import peak

SEED = 20_240_405
SECONDS = 10.0  # of processor time, in which each must be answered
GIGABYTES = 2.0  # that the process may have at most
LIMIT = 8 * 2**30  # bytes: a bomb ends this process and not the machine

RICH = {
    "everything": {
        "steps": 60,
        "network": {"hidden": [4, 3], "activation": "tanh", "init": "xavier"},
        "data": {"name": "wine", "train": 90, "scaling": "standard", "class_counts": [30, 30, 30]},
        "optimizer": {"learning_rate": 0.5, "changes": [{"step": 30, "learning_rate": 0.1}]},
        "ensemble": {"references": 3, "twins": 2, "perturb_at": 10},
        "measure": {
            "spectrum": {"count": 3, "references": 2},
            "moving": {"width": 20, "every": 5},
            "routes": {"references": 2, "twins": 2},
            "sizes": [1e-10, 1e-6],
            "sharpness": {"every": 4, "count": 2, "references": 2},
            "orbital": {"window": 10, "references": 2},
            "autocorrelation": {"lags": 5},
            "recurrence": {"points": 50},
            "expansion": True,
            "zero_one": True,
            "period": {"references": 2},
            "dimensions": True,
            "units": {"every": 3},
            "projection": {"components": 3, "points": 20},
            "convergence": {"last": 5},
            "reach": {"accuracy": 0.5, "every": 2},
            "windows": [0, 10, 20],
        },
        "record": {"every": 2, "states_every": 7},
    },
    "inline": {
        "steps": 30,
        "data": {"name": "inline", "x": [[0.0, 1.0], [1.0, 0.5], [2.0, 0.1]], "y": [0, 1, 1]},
        "network": {"hidden": [], "bias": False, "multipliers": [2.0]},
        "loss": {"name": "mse"},
        "ensemble": {"references": 2, "twins": 1, "perturb": "all"},
    },
    "layers": {
        "steps": 20,
        "data": {"name": "gaussian", "parameters": {"samples": 20, "features": 3, "outputs": 2}},
        "loss": {"name": "mse"},
        "optimizer": {"learning_rates": [0.1, [0.1, 0.2]]},
        "ensemble": {"references": 2, "twins": 1},
    },
    "sweep": {
        "steps": 20,
        "system": {"name": "henon", "parameters": {"a": 1.2}},
        "ensemble": {"references": 2, "twins": 1},
        "sweep": {
            "system.parameters.a": {"linear": [1.0, 1.4, 5]},
            "system.parameters.b": {"values": [0.2, 0.3]},
        },
    },
    "code": {"steps": 20, "system": {"name": "subprocess:Popen", "parameters": {"args": ["id"]}}},
}

ESCAPE, TURNED = "\x1b[31m\x1b]0;title\x07", "\u202e\u2066"
WORDS = [ESCAPE, TURNED, "=1+1", "@x", "-cmd|x", "\t", "", "a" * 5000, "../../../etc/passwd"]
WORDS += ["\x00", "🜁é", "None", "nan", "/dev/zero", "os:system", "training", "../x.npz", "~"]
NUMBERS = [0, -1, 1, 2, 10**9, 10**12, 10**15, 10**18, 2**63 - 1, 2**63, 10**30, 10**400]
NUMBERS += [-(10**18), 1e-300, 1e300, -1e300, float("inf"), float("nan"), 0.5, 1e9, -0.0]
KINDS = [True, False, [], {}, [[]], [1, 2, 3], [1e308, -1e308], {"every": 10**12}, {"a": {"b": 1}}]
KINDS += [{"references": 10**9}, {"count": 10**7}, {"window": 10**9}, [0.1] * 1000, [1_000_000] * 5]
KINDS += [{"log": [1e-3, 10, 10**9]}, {"linear": [0, 1, 10**6]}, {"points": 10**9, "lags": 10**9}]
KEYS = ["sharpness", ESCAPE, "=x", "every", "", "a.b", "hidden", "name", "learning_rate", "samples"]


class Late(BaseException):
    """It took longer than it may."""


# --- mutations of text and tables ---------------------------------------------------------------


def leaves(table, path=()):
    """Every place within nested tables and lists."""
    items = table.items() if isinstance(table, dict) else enumerate(table)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))


def value_of(rng: random.Random, old: object) -> object:
    """Another value in the place of one."""
    kind = rng.randrange(5)
    if kind == 0 and isinstance(old, int | float) and not isinstance(old, bool):
        return old * rng.choice([-1, 0, 10, 1e3, 10**6, 10**12, 1e-6])
    if kind == 1 and isinstance(old, str):
        at = rng.randrange(len(old) + 1)
        return old[:at] + rng.choice(WORDS) + old[at:]
    return copy.deepcopy(rng.choice(rng.choice([WORDS, NUMBERS, KINDS])))  # it may be changed


def mutate_table(rng: random.Random, table):
    """A table, or a list, in which a place or two is deleted, renamed, doubled or changed."""
    table = json.loads(json.dumps(table))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = list(leaves(table))
        if not places:
            return table
        *path, last = rng.choice(places)
        inner = table
        for part in path:
            inner = inner[part]
        how = rng.randrange(8)
        if how == 0:
            del inner[last]
        elif how == 1 and isinstance(inner, dict):
            inner[rng.choice(KEYS)] = inner.pop(last)
        elif how == 2 and isinstance(inner, list):
            inner.append(value_of(rng, inner[last]))
        elif how == 3 and isinstance(inner, dict):
            inner[rng.choice(KEYS)] = value_of(rng, inner[last])
        else:
            inner[last] = value_of(rng, inner[last])
    return table


def mutate_bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes that are cut, flipped, doubled, or have others put into them."""
    at = rng.randrange(len(content) + 1)
    how = rng.randrange(7)
    if how == 0:
        return content[:at]
    if how == 1:
        return content[:at] + rng.randbytes(rng.choice([1, 4, 100])) + content[at:]
    if how == 2:
        found = bytearray(content)
        for _ in range(rng.choice([1, 3, 30])):
            if found:
                found[rng.randrange(len(found))] = rng.randrange(256)
        return bytes(found)
    if how == 3:
        end = rng.randrange(at, len(content) + 1)
        return content[:end] + content[at:end] * rng.choice([1, 3, 1000]) + content[end:]
    if how == 4:
        word = rng.choice([*WORDS, *map(str, NUMBERS)]).encode("utf-8", "replace")
        return content[:at] + word + content[at:]
    if how == 5:
        bomb = rng.choice([b"[", b"{", b'{"a":', b"a.", b",", b"\n", b"9", b"\x00", b"a={"])
        return content[:at] + bomb * rng.choice([50, 5000, 200_000]) + content[at:]
    numbers = list(re.finditer(rb"\d+(\.\d+)?", content))
    if not numbers:
        return content[:at]
    one = rng.choice(numbers)
    number = rng.choice(NUMBERS)
    word = str(number) if not isinstance(number, int) or number < 10**30 else f"1{'0' * 400}"
    return content[: one.start()] + word.encode() + content[one.end() :]


def mutate_lines(rng: random.Random, content: bytes) -> bytes:
    """Lines that are deleted, doubled, or in another order."""
    lines = content.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(3)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(other, lines[at])
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"\n".join(lines)


def toml_of(rng: random.Random, content: bytes) -> bytes:
    """A mutated experiment file."""
    if rng.random() < 0.6:
        table = mutate_table(rng, tomllib.loads(content.decode()))
        with contextlib.suppress(TypeError, ValueError):
            return tomli_w.dumps(table).encode("utf-8", "replace")
    return rng.choice([mutate_bytes, mutate_lines])(rng, content)


# --- the commands in this process ---------------------------------------------------------------


class Report:
    """What came of all of them."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.broken: list[str] = []
        self.slowest, self.where = 0.0, ""
        self.messages: set[str] = set()

    def ask(self, what: str, *arguments: object, allowed: tuple[int, ...] = (0, 2)) -> int | None:
        """Run a command; note its exit code, and anything that should not be."""
        out, err = io.StringIO(), io.StringIO()
        start = time.process_time()
        code = None
        try:
            code = answered(list(map(str, arguments)), out, err)
        except Late:
            self.broken.append(f"{what}: {arguments}: took longer than {SECONDS:g} s")
        except BaseException:
            self.broken.append(f"{what}: {arguments}: {traceback.format_exc()[-1500:]}")
        seconds = time.process_time() - start
        if seconds > self.slowest:
            self.slowest, self.where = seconds, what
        name = f"{arguments[0]} {code}"
        self.codes[name] = self.codes.get(name, 0) + 1
        if code is None:
            return None
        if code not in allowed:
            self.broken.append(f"{what}: {arguments}: exit code {code}: {err.getvalue()[-500:]}")
        if code == 2 and err.getvalue().count("\n") != 1:
            self.broken.append(f"{what}: {arguments}: not one line: {err.getvalue()[-500:]}")
        shown = out.getvalue() + err.getvalue()
        if not shown.replace("\n", "").isprintable():
            self.broken.append(f"{what}: {arguments}: printed {shown[:300]!r}")
        return code

    def told(self) -> dict:
        return {
            "codes": self.codes,
            "broken": self.broken,
            "slowest": round(self.slowest, 2),
            "where": self.where,
            "gigabytes": round(peak() / 1e9, 3),
        }


def answered(arguments: list[str], out: io.StringIO, err: io.StringIO) -> int:
    """The exit code of a command line in this process."""
    from tuichaos.cli.main import _run_cli

    def late(*_: object) -> None:
        raise Late

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    sys.argv = ["tuichaos", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            return _run_cli()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def sources() -> dict[str, bytes]:
    """The experiments that are mutated: all presets and some rich ones."""
    from tuichaos.config import presets

    found = {name: presets.path(name).read_bytes() for name in presets.names()}
    return found | {name: tomli_w.dumps(table).encode() for name, table in RICH.items()}


def mutated(count: int) -> list[tuple[str, bytes]]:
    """So many experiment files, each with the name of what it was made of."""
    rng, texts = random.Random(SEED), sources()
    names = list(texts)
    found = []
    for number in range(count):
        name = names[number % len(names)]
        found.append((f"{name} {number}", toml_of(rng, texts[name])))
    return found


def experiments(folder: Path, count: int, report: Report) -> None:
    """Mutated experiment files through --dry-run."""
    path = folder / "mutated.toml"
    for what, content in mutated(count):
        path.write_bytes(content)
        report.ask(what, "run", path, "--dry-run")


SMALL = {"steps": 20, "ensemble.references": 2, "ensemble.twins": 1, "record.states_every": 0}


def really(folder: Path, count: int, report: Report) -> None:
    """Mutated experiments that are accepted, cut to a few steps, run for good."""
    path, done = folder / "mutated.toml", 0
    for what, content in mutated(40 * count)[3:]:
        if done == count:
            return
        path.write_bytes(content)
        sets = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
        if report.ask(what, "run", path, "--dry-run", *sets) != 0:
            continue
        if "points" in what or b"[sweep" in content or "hidden = [" + "1_000" in what:
            continue
        done += 1
        out = folder / f"run{done}"
        report.ask(what, "run", path, "--quiet", "--out", out, *sets, allowed=(0, 1, 2))
        shutil.rmtree(out, ignore_errors=True)


# --- files ------------------------------------------------------------------------------------

TRAINED = {**RICH["everything"], "steps": 40, "name": "trained"}
TRAINED["optimizer"] = {"learning_rate": 0.5}
MAP = {
    "steps": 40,
    "name": "map",
    "system": {"name": "quartic"},
    "ensemble": {"references": 1, "twins": 0},
    "plane": {"value": "exponent"},
    "sweep": {"system.parameters.a": {"linear": [0.5, 1.5, 6]}},
}
DIAGRAM = {**MAP, "name": "diagram", "diagram": {"observable": "x0", "last": 10}}
del DIAGRAM["plane"]


def stopped_run(folder: Path, experiment) -> Path:
    """A run that was stopped, with its checkpoints."""
    from tuichaos.execution import runner
    from tuichaos.simulation import block_shape

    stop, before = threading.Event(), block_shape.FRAME_STEPS
    block_shape.FRAME_STEPS = 8
    try:
        return runner.run(
            experiment,
            out=folder,
            stop=stop,
            watch=lambda p: stop.set() if p.step >= 15 else None,
        ).path
    finally:
        block_shape.FRAME_STEPS = before


def folders(home: Path) -> dict[str, Path]:
    """Folders of every kind."""
    import numpy as np

    from tuichaos.config.loading import resolve
    from tuichaos.execution import runner
    from tuichaos.sweeps import sweep_runner

    found = {
        "run": runner.run(resolve(TRAINED), out=home / "run").path,
        "stopped": stopped_run(home / "stopped", resolve(TRAINED)),
        "sweep": sweep_runner.sweep(
            resolve({**RICH["sweep"], "name": "sw"}), out=home / "sweep"
        ).path,
        "map": sweep_runner.sweep(resolve(MAP), out=home / "map").path,
        "diagram": sweep_runner.sweep(resolve(DIAGRAM), out=home / "diagram").path,
    }
    data = home / "data"
    data.mkdir()
    rows = [f"{k / 7},{k % 3 - 1.5},{k % 2}" for k in range(30)]
    (data / "a.csv").write_text("first,second,class\n" + "\n".join(rows) + "\n")
    rng = np.random.default_rng(0)
    arrays = {"x": rng.random((20, 3)), "y": np.arange(20) % 3, "x_test": rng.random((6, 3))}
    np.savez(data / "b.npz", **arrays, y_test=np.arange(6) % 3)
    np.savez_compressed(data / "c.npz", **arrays, y_test=np.arange(6) % 3)
    return found | {"data": data}


def write_checkpoint(rng: random.Random, path: Path) -> str:
    """Mutate a checkpoint, and let its checksums be right again: whoever made it can."""
    _, _, text = path.read_text().partition("\n")
    body = json.loads(text)
    arrays = path.with_suffix(".safetensors")
    if rng.random() < 0.5:
        body = mutate_table(rng, body)
    else:
        arrays.write_bytes(mutate_bytes(rng, arrays.read_bytes()))
        body["arrays"] = hashlib.sha256(arrays.read_bytes()).hexdigest()
    text = json.dumps(body)
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    return path.name


CHARTS = ("loss", "distance", "exponent", "layers", "spectrum", "sharpness", "units", "lyapunov")


def files(folder: Path, count: int, report: Report) -> None:
    """Mutated data files and run folders through the commands that read them."""
    rng = random.Random(SEED + 1)
    with contextlib.redirect_stdout(io.StringIO()):
        kept = folders(folder / "kept")
    os.environ["TUICHAOS_HOME"] = str(folder / "home")
    here = folder / "home" / "runs" / "here"
    for number in range(count):
        kind = list(kept)[number % len(kept)]
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(kept[kind], here)
        what = f"{kind} {number} {spoil(rng, kind, here)}"
        if kind == "data":
            of_data(rng, report, what, here)
            continue
        for command in commands(rng, kind, here):
            report.ask(what, *command, allowed=(0, 1, 2))


def spoil(rng: random.Random, kind: str, folder: Path) -> str:
    """Mutate a file of a folder; returns its name."""
    checkpoints = sorted(folder.glob("checkpoints/*.json"))
    if checkpoints and rng.random() < 0.7:
        return write_checkpoint(rng, rng.choice(checkpoints))
    whole = [p for p in sorted(folder.iterdir()) if p.is_file()]
    path = rng.choice(whole)
    content = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.7:
        table = mutate_table(rng, json.loads(content))
        path.write_text(json.dumps(table), encoding="utf-8", errors="replace")
    elif path.suffix == ".toml":
        path.write_bytes(toml_of(rng, content))
    elif path.suffix == ".jsonl" and rng.random() < 0.6:
        lines = content.decode().splitlines()
        at = rng.randrange(len(lines))
        lines[at] = json.dumps(mutate_table(rng, json.loads(lines[at])))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    else:
        path.write_bytes(rng.choice([mutate_bytes, mutate_bytes, mutate_lines])(rng, content))
    return path.name


def of_data(rng: random.Random, report: Report, what: str, folder: Path) -> None:
    name = what.rpartition(" ")[2]
    arguments = ["--set", f"data.name={'csv' if name.endswith('csv') else 'npz'}"]
    arguments += ["--set", f"data.path={folder / name}"]
    report.ask(what, "run", "--preset", "quick", "--dry-run", *arguments)


def commands(rng: random.Random, kind: str, folder: Path) -> list[list[object]]:
    """Some commands that read a folder."""
    out = folder.parent.parent / "out.csv"
    out.unlink(missing_ok=True)
    found: list[list[object]] = [["plot", folder], ["runs"], ["verify", folder]]
    found.append(["plot", folder, "--ascii", "--what", rng.choice(CHARTS)])
    found.append(["export", folder, "--out", out])
    wanted = [rng.choice(found)]
    if kind == "stopped":
        return [*wanted, ["resume", folder, "--quiet"]]
    if kind in ("sweep", "map", "diagram"):
        return [*wanted, rng.choice([found[0], ["resume", folder, "--quiet"]])]
    return [*wanted, rng.choice(found), found[2]]


MODES: dict[str, Callable[[Path, int, Report], None]] = {
    "experiments": experiments,
    "files": files,
    "really": really,
}


def main(*asked: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    import torch

    torch.set_num_threads(1)
    for mode, count in zip(asked[::2], asked[1::2], strict=True):
        report = Report()
        with tempfile.TemporaryDirectory() as name:
            os.environ["TUICHAOS_HOME"] = f"{name}/home"
            MODES[mode](Path(name), int(count), report)
        print(json.dumps(report.told()))


if __name__ == "__main__":
    main(*sys.argv[1:])
