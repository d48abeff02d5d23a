"""Run folders of strangers: no memory, disk or code by what their files say."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mutations import stopped_run
from peaks import forget, peak

import tuichaos
from tuichaos.config.loading import resolve
from tuichaos.sweeps.sweep_runner import sweep

SMALL = {"steps": 40, "ensemble": {"references": 2, "twins": 1}, "record": {"states_every": 5}}
RATES = {"optimizer.learning_rate": [0.5, 1.0]}
# What can go on from a checkpoint when it goes further.
FREE = {"tangent": False, "regime": False}
MOST = 1e9  # bytes that a command may take beyond what the libraries have


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of each kind."""
    home = tmp_path_factory.mktemp("made")
    stopped_run(home / "part", resolve(SMALL))
    tuichaos.run(resolve({**SMALL, "measure": FREE}), out=home / "done")
    sweep(resolve({**SMALL, "sweep": RATES}), out=home / "sweep", keep=True)
    return home


@pytest.fixture
def folder(made, tmp_path):
    return lambda kind: shutil.copytree(made / kind, tmp_path / kind)


def many_tables(path):
    """JSON that takes twenty times its size in memory."""
    text = path.read_text()
    path.write_text(text.rstrip()[:-1] + ',"z":[' + ",".join(["{}"] * 20_000_000) + "]}")


def signed(folder, stem, change):
    path = folder / "checkpoints" / f"{stem}.json"
    body = json.loads(path.read_text().partition("\n")[2])
    change(body)
    text = json.dumps(body)
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


def large_checkpoint(folder, size=5 << 28):
    """One array of 1.3 GB, its checksum right: a hole takes no room on the disk."""
    stem = max(path.stem for path in (folder / "checkpoints").glob("*.json"))
    head = json.dumps({"0": {"dtype": "F64", "shape": [size // 8], "data_offsets": [0, size]}})
    head = head.encode().ljust(-(-len(head) // 8) * 8)
    path = folder / "checkpoints" / f"{stem}.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(8 + len(head) + size)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    signed(folder, stem, lambda body: body.update(arrays=digest))


def hole(name, size=4 << 30):
    def change(folder):
        with open(folder / name, "ab") as file:
            file.truncate(size)

    return change


def running(folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "running"}))
    hole("lock")(folder)


def commas(folder):
    head = (folder / "series.csv").read_text().partition("\n")[0]
    with open(folder / "series.csv", "w") as file:
        file.write(head + "\n")
        file.writelines("," * 9_999_990 + "\n" for _ in range(12))


def columns(folder):
    with open(folder / "series.csv", "w") as file:
        file.writelines("," * 9_999_990 + "\n" for _ in range(12))


def fields(folder):
    with open(folder / "sweep.csv", "w") as file:
        file.writelines("ā," * 4_000_000 + "\n" for _ in range(8))


def line_ends(folder):
    (folder / "points.jsonl").write_bytes(b"\n" * 200_000_000)


BOMBS = {
    "manifest": ("part", lambda folder: many_tables(folder / "manifest.json"), "plot", 2),
    "summary": ("done", lambda folder: many_tables(folder / "summary.json"), "verify", 1),
    "checkpoint": ("part", large_checkpoint, "verify", 1),
    "lock": ("done", running, "verify", 0),
    "commas": ("done", commas, "plot", 2),
    "columns": ("done", columns, "plot", 2),
    "sweep.csv": ("sweep", fields, "plot", 2),
    "sweep.csv, a hole": ("sweep", hole("sweep.csv"), "plot", 2),
    "points.jsonl": ("sweep", line_ends, "verify", 1),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", BOMBS)
def test_no_file_takes_memory_by_its_size(name, folder, command):
    kind, change, words, code = BOMBS[name]
    command("verify", folder("done") if kind != "done" else folder("part"))  # the libraries
    path = folder(kind)
    change(path)
    forget()
    before = peak()
    found, _, err = command(words, path)
    assert found == code
    assert err.count("\n") == (code == 2)
    assert "Traceback" not in err
    assert peak() - before < MOST


def test_the_list_of_runs_takes_no_memory_either(made, home, command):
    path = shutil.copytree(made / "done", home / "runs" / "a")
    running(path)
    forget()
    before = peak()
    assert command("runs")[0] == 0
    assert peak() - before < MOST


@pytest.mark.slow
def test_a_larger_checkpoint_than_can_be_is_left_for_the_one_before(folder, command, made):
    path = folder("part")
    large_checkpoint(path, 600_000_000)
    assert command("resume", path, "--quiet")[0] == 0
    warnings = json.loads((path / "manifest.json").read_text())["warnings"]
    assert any("larger than what the experiment could have" in words for words in warnings)


# --- disk -----------------------------------------------------------------------------------


def test_states_are_unpacked_no_larger_than_their_archive(folder, command):
    path = folder("done")
    head = np.lib.format
    with zipfile.ZipFile(path / "states.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("steps", "states", "twins"):
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": "<f8", "fortran_order": False, "shape": (1,)}
                head.write_array_header_2_0(file, header)
                file.write(b"\0" * 50_000_000)
    assert (path / "states.npz").stat().st_size < 1_000_000
    code, _, err = command("resume", path, "--steps", 60)
    assert code == 0
    assert "no checkpoint can be used" in err
    assert sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) < 1_000_000


@pytest.mark.parametrize("words", [["resume", "--steps", 60], ["resume"], ["verify"]])
def test_a_link_among_the_checkpoints_is_refused(words, folder, command):
    path = folder("done" if "--steps" in words else "part")
    (path / "checkpoints").mkdir(exist_ok=True)
    (path / "checkpoints" / "000000000000001.bin").symlink_to("/dev/zero")
    code, out, err = command(words[0], path, *words[1:])
    assert "is a link" in out + err
    assert code == (1 if words == ["verify"] else 2)
    assert not (path / "further.new").exists()


def test_a_link_among_the_points_of_a_sweep_is_refused(folder, tmp_path, command):
    path, victim = folder("sweep"), tmp_path / "victim"
    victim.mkdir()
    shutil.rmtree(path / "runs" / "00001")
    (path / "runs" / "00001").symlink_to(victim)
    rows = (path / "points.jsonl").read_text().splitlines(keepends=True)
    (path / "points.jsonl").write_text(rows[0])
    manifest = json.loads((path / "manifest.json").read_text()) | {"status": "interrupted"}
    (path / "manifest.json").write_text(json.dumps(manifest))
    code, out, err = command("resume", path)
    assert (code, out) == (2, "")
    assert "00001 is a link" in err
    assert not list(victim.iterdir())


# --- code -----------------------------------------------------------------------------------

# Goes on to the true package, so that nobody notices.
TRAP = """
import os, sys
open(os.environ["MARK"], "a").write("ran")
here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != here]
del sys.modules["multiprocessing"]
import multiprocessing
"""


@pytest.mark.slow
def test_workers_run_no_module_of_the_current_folder(tmp_path):
    (tmp_path / "multiprocessing").mkdir()
    (tmp_path / "multiprocessing" / "__init__.py").write_text(TRAP)
    mark = tmp_path / "it-ran"
    command = [Path(sys.executable).with_name("tuichaos"), "run", "--preset", "quick"]
    command += ["--set", "steps=6", "--over", "optimizer.learning_rate=[0.5,1.0]"]
    command += ["--workers", "2", "--quiet", "--out", tmp_path / "out"]
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    done = subprocess.run(
        command, cwd=tmp_path, env={**plain, "MARK": str(mark)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not mark.exists()
