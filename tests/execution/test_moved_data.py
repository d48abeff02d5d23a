"""A file of data that was moved is the same data: runs and sweeps go on with it."""

from __future__ import annotations

import gzip
import json
import threading

import numpy as np
import pytest
from test_resume import NONE_KEPT, TRAINING, stopped

import tuichaos
from tuichaos import InputError, resolve
from tuichaos.execution import resume, runner
from tuichaos.storage.fingerprint import earlier_digest
from tuichaos.storage.run_reader import open_run

ROWS = "".join(f"{k / 7},{k * k / 50},{k % 2}\n" for k in range(40))


def table(data, base=TRAINING):
    return {**base, "measure": {}, "data": {"name": "csv", "path": str(data)}}


def files(path):
    """What an undisturbed run has as well, but for where the data lie."""
    kept = ("series.csv", "exponents.csv", "rates.csv", "summary.json")
    return {name: (path / name).read_bytes() for name in kept}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(ROWS)
    return path


@pytest.mark.sampled(3)
@pytest.mark.parametrize("base", [TRAINING, NONE_KEPT], ids=["checkpoint", "none"])
@pytest.mark.parametrize("how", ["moved", "packed", "npz", "edited"])
def test_a_run_goes_on_with_data_that_moved(how, base, data, tmp_path, monkeypatch):
    whole = runner.run(resolve(table(data, base)), out=tmp_path / "whole")
    part = stopped(resolve(table(data, base)), tmp_path / "part", monkeypatch, 3)
    there = tmp_path / "elsewhere.csv"
    there.write_bytes(gzip.compress(ROWS.encode()) if how == "packed" else ROWS.encode())
    data.unlink()
    with pytest.raises(InputError, match="is not there; if the file moved: --data FILE"):
        resume.resume(open_run(part.path))
    if how == "edited":
        toml = part.path / "experiment.toml"
        toml.write_text(toml.read_text().replace(str(data), str(there)))
    named = None if how == "edited" else there
    if how == "npz":
        numbers = np.loadtxt(ROWS.splitlines(), delimiter=",")
        named = tmp_path / "no.npz"
        np.savez(named, x=numbers[:, :2], y=numbers[:, 2].astype(int))
        with pytest.raises(InputError, match="is an npz archive"):
            resume.resume(open_run(part.path), data=named)
        named = there
    done = resume.resume(open_run(part.path), data=named)
    assert done.status == "done"
    assert files(done.path) == files(whole.path)
    assert done.experiment.data.path == str(there)
    assert "elsewhere.csv" in done.manifest["data"]["read"]


def test_other_data_are_refused_wherever_they_lie(data, tmp_path, monkeypatch, command):
    part = stopped(resolve(table(data)), tmp_path / "part", monkeypatch, 3)
    other = tmp_path / "other.csv"
    other.write_text(ROWS + "5,5,1\n")
    before = {p.name: p.read_bytes() for p in part.path.iterdir() if p.is_file()}
    for name, words in ((other, "data of the experiment changed"), (tmp_path / "no", "No such")):
        code, _, err = command("resume", part.path, "--data", name)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err
    assert {p.name: p.read_bytes() for p in part.path.iterdir() if p.is_file()} == before
    plain = stopped(resolve({**TRAINING, "measure": {}}), tmp_path / "plain", monkeypatch, 3)
    with pytest.raises(InputError, match="--data: plain has no data from a file"):
        resume.resume(plain, data=data)


def test_a_longer_run_with_data_that_moved(data, tmp_path):
    longer = runner.run(resolve({**table(data), "steps": 150}), out=tmp_path / "longer")
    short = runner.run(resolve(table(data)), out=tmp_path / "short")
    there = data.rename(tmp_path / "elsewhere.csv")
    done = resume.resume(short, steps=150, data=there)
    assert (done.path / "series.csv").read_bytes() == (longer.path / "series.csv").read_bytes()


SWEEP = {"steps": 40, "measure": {"regime": False}, "ensemble": {"references": 2, "twins": 1}}
SWEEP |= {"sweep": {"seed": [1, 2, 3, 4]}}


def swept(data, folder):
    stop = threading.Event()
    return tuichaos.sweep(
        resolve(table(data, SWEEP)), out=folder, stop=stop, watch=lambda p: p.done and stop.set()
    )


def test_a_sweep_goes_on_with_data_that_moved(data, tmp_path, command):
    whole = tuichaos.sweep(resolve(table(data, SWEEP)), out=tmp_path / "whole")
    part = swept(data, tmp_path / "part")
    assert part.status == "interrupted"
    there = data.rename(tmp_path / "elsewhere.csv")
    code, _, err = command("resume", part.path, "--quiet")
    assert (code, "--data FILE" in err) == (2, True)
    there.write_text(ROWS + "5,5,1\n")
    code, _, err = command("resume", part.path, "--quiet", "--data", there)
    assert (code, "its data changed" in err) == (2, True)
    there.write_text(ROWS)
    assert command("resume", part.path, "--quiet", "--data", there)[0] == 0
    assert (part.path / "sweep.csv").read_bytes() == (whole.path / "sweep.csv").read_bytes()
    assert open_run(part.path).experiment.data.path == str(there)


def test_a_sweep_of_an_earlier_version_goes_on(data, tmp_path):
    """Whose digest holds the place of its data, and none of the keys that came later."""
    part = swept(data, tmp_path / "part")
    path = part.path / "manifest.json"
    manifest = json.loads(path.read_text())
    earlier = earlier_digest(part.experiment, manifest["data"]["sha256"])
    assert earlier != manifest["planned"]
    path.write_text(json.dumps({**manifest, "planned": earlier}))
    assert tuichaos.resume(open_run(part.path)).status == "done"
