"""Checkpoints keep every bit, and faults around them end in a stated status."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_instrument
from effort import at_most
from test_resume import TRAINING, files, stopped

import tuichaos
import tuichaos.sweeps.orbit_diagram.end_of_orbit
from tuichaos.common.errors import InputError
from tuichaos.config.instrument_spec import Spec, loaded
from tuichaos.config.instruments import SPECS
from tuichaos.config.loading import resolve
from tuichaos.execution import manifest, resume, runner
from tuichaos.instruments import series_window
from tuichaos.instruments.base import Instrument
from tuichaos.storage import checkpoint_encoding, folder_lock
from tuichaos.storage.checkpoint_encoding import KEPT, Decoder, Encoder, kept
from tuichaos.storage.checkpoint_store import FOLDER, Store
from tuichaos.storage.run_reader import open_run

for spec in SPECS:  # they are marked as their modules are imported
    if spec.make:
        loaded(spec.make)

ODD = struct.unpack(">d", bytes.fromhex("fff80000deadbeef"))[0]  # a NaN with a sign and a load
VALUES = [ODD, float("nan"), float("inf"), -float("inf"), -0.0, 0.0, 5e-324]


def test_arrays_larger_than_an_experiment_has_are_not_read(tmp_path):
    store = Store(tmp_path)
    for step in (1, 2):
        store.write(step, {"lengths": {}}, {}, {"0": np.zeros(3)})
    with open(store.path / "000000000000002.safetensors", "r+b") as file:
        file.truncate(10**13)  # it takes no room: there is nothing in it
    with at_most(2):
        found, faults = store.newest(10**6)
    assert found.step == 1
    assert "larger than what the experiment" in faults[0]


def bits(value):
    return np.asarray(value).tobytes()


def there_and_back(value, tmp_path):
    encoder = Encoder()
    tree = encoder.encode({"value": value})
    Store(tmp_path).write(1, {"lengths": {}}, tree, encoder.arrays)
    found = Store(tmp_path).newest(10**6)[0]
    return Decoder(found.arrays, torch.device("cpu")).decode(found.tree)["value"]


@pytest.mark.parametrize("value", VALUES)
def test_a_number_keeps_its_bits(value, tmp_path):
    found = there_and_back(value, tmp_path)
    assert type(found) is float
    assert bits(found) == bits(value)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_a_number_of_numpy_keeps_its_type(dtype, tmp_path):
    with np.errstate(over="ignore", invalid="ignore"):
        values = [dtype(v) for v in (VALUES if np.issubdtype(dtype, np.floating) else (0, 1))]
    for number, value in enumerate(values):
        found = there_and_back(value, tmp_path / str(number)) if _made(tmp_path, number) else None
        assert type(found) is type(value)
        assert bits(found) == bits(value)


def _made(tmp_path, number):
    (tmp_path / str(number)).mkdir()
    return True


def test_arrays_and_tensors_keep_their_bits(tmp_path):
    array = np.array([VALUES, VALUES])
    for number, value in enumerate((array, torch.from_numpy(array), [array, array[:1]])):
        _made(tmp_path, number)
        found = there_and_back(value, tmp_path / str(number))
        pairs = zip(found, value, strict=True)
        assert all(bits(a) == bits(b) for a, b in pairs)


def test_an_object_is_kept_under_a_name_that_is_not_its_class(monkeypatch):
    """So that a class may be called otherwise, and checkpoints from before are read."""
    names = {"GrowthWindow", "Waiting", "SpanRecord", "Company", "Group"}
    assert names <= set(KEPT)  # of checkpoints that there are
    for registry in ("KEPT", "NAMES"):  # what is added here goes away with the test
        known = dict(getattr(checkpoint_encoding, registry))
        monkeypatch.setattr(checkpoint_encoding, registry, known)

    @kept("Counter of old")
    class Renamed:
        def __init__(self):
            self.count = 3

    encoder = Encoder()
    tree = encoder.encode(Renamed())
    assert tree["object"] == "Counter of old"
    found = Decoder(encoder.arrays, torch.device("cpu")).decode(tree)
    assert (type(found), found.count) == (Renamed, 3)


def test_a_diverged_run_goes_on_with_what_is_not_finite(tmp_path, monkeypatch):
    table = {"steps": 90, "system": {"name": "quartic", "parameters": {"a": [1.5, 2.4]}}}
    experiment = resolve({**table, "ensemble": {"references": 2, "twins": 1}})
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    part = stopped(experiment, tmp_path / "part", monkeypatch, 4)
    assert part.summary["diverged"] == 1  # before the checkpoint
    assert files(resume.resume(part).path) == whole


def test_a_clock_that_goes_backwards_leaves_no_time_below_zero(tmp_path, monkeypatch):
    clock = iter(f"2020-01-01T00:{60 - k:02}:00.000+00:00" for k in range(1, 60))
    monkeypatch.setattr(manifest, "now", lambda: next(clock))
    run = stopped(resolve(TRAINING), tmp_path / "part", monkeypatch, 2)
    assert run.manifest["finished"] >= run.manifest["started"]
    done = resume.resume(run)
    assert done.manifest["finished"] >= done.manifest["started"]
    assert done.manifest["seconds"] >= 0
    assert done.manifest["replica_steps_per_second"] > 0


def test_a_lock_of_the_future_is_taken_over_where_its_owner_is_gone(tmp_path, monkeypatch):
    import os
    import platform

    part = stopped(resolve(TRAINING), tmp_path / "part", monkeypatch, 2)
    owner = {"pid": os.getppid(), "host": platform.node(), "began": 1}
    (part.path / folder_lock.NAME).write_text(json.dumps(owner))
    year = time.time() + 365 * 86400
    os.utime(part.path / folder_lock.NAME, (year, year))
    assert resume.resume(part).status == "done"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("what", ["json", "safetensors"])
@pytest.mark.parametrize("how", ["cut", "empty", "gone"])
def test_checkpoints_that_cannot_be_read_give_way(what, how, tmp_path, monkeypatch):
    table = {**TRAINING, "measure": {}, "record": {"checkpoint": 1e-9}}
    whole = files(runner.run(resolve(table), out=tmp_path / "whole").path)
    part = stopped(resolve(table), tmp_path / "part", monkeypatch, 4)
    path = Store(part.path).path / f"{Store(part.path).stems()[-1]}.{what}"
    content = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes(content[: len(content) // 2] if how == "cut" else b"")
    done = resume.resume(part)
    assert done.manifest["resumed"][0]["step"] > 0
    assert files(done.path) == whole


def test_who_may_read_a_run_may_read_its_checkpoints(tmp_path):
    mask = os.umask(0o027)
    try:
        Store(tmp_path).write(3, {}, [], {"x": np.zeros(2)})
    finally:
        os.umask(mask)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / FOLDER).iterdir()}
    assert modes == {0o640}


def test_a_run_of_before_goes_on_from_its_checkpoint(tmp_path):
    """Kept as it was written once: several instruments have had their classes renamed since."""
    folder = shutil.copytree(Path(__file__).parents[1] / "kept_checkpoint", tmp_path / "kept")
    written = (folder / "series.csv").read_bytes()
    run = open_run(folder)
    run = resume.resume(run)
    assert (run.status, run.manifest["resumed"][0]["step"]) == ("done", 20)
    found = (run.path / "series.csv").read_bytes()
    assert found.startswith(written.rsplit(b"\n", 2)[0])
    whole = runner.run(run.experiment, out=tmp_path / "whole")
    for name in ("series.csv", "units.csv", "projection.csv", "exponents.csv", "orbit.csv"):
        # Bits may differ on another processor: nothing here makes differences grow.
        columns, others = whole.table(name), run.table(name)
        assert columns.keys() == others.keys()
        for key, column in columns.items():
            np.testing.assert_allclose(others[key], column, rtol=1e-4, atol=1e-12, err_msg=key)


NAMED = {"Divergence", "Reach", "SaturatedUnits", "Projection", "Orbit", "Observables"}
NAMED |= {"WeightNorm", "PaperExponent", "GrowthExponent", "TangentExponent", "Regime", "Moving"}
NAMED |= {"Spectrum", "Routes", "PerturbationSizes", "Autocorrelation", "RecurrencePlot"}
NAMED |= {"ExpansionRates", "ZeroOneTest", "Period", "OrbitalDistance", "Dimensions", "Signals"}
NAMED |= {"Sharpness", "Convergence", "Memory", "StateTail", "Survival", "SavedStates"}
NAMED |= {"LastValues", "KeptStates"}  # of orbit diagrams


def test_checkpoints_call_instruments_by_names_that_stay():
    own = [c for c in subclasses(Instrument) if c.__module__.startswith("tuichaos.")]
    names = [c.kept_as for c in own if c is not series_window.OfSeries]
    assert len(names) == len(set(names))
    assert set(names) == NAMED


def subclasses(cls):
    return [one for direct in cls.__subclasses__() for one in (direct, *subclasses(direct))]


def test_instruments_of_one_class_name_are_kept_apart(registered, tmp_path, monkeypatch):
    for key in ("mine", "yours"):
        made = type("Reach", (toy_instrument.Largest,), {"key": key})
        tuichaos.register_instrument(Spec(key, "a toy", make=made))
    measure = {"reach": True, "mine": True, "yours": True}
    experiment = resolve({**TRAINING, "measure": measure})
    whole = files(runner.run(experiment, out=tmp_path / "whole").path)
    part = stopped(experiment, tmp_path / "part", monkeypatch, 2)
    assert files(resume.resume(part).path) == whole


def test_instruments_that_cannot_be_told_apart_are_refused(registered, tmp_path):
    for key in ("mine", "yours"):
        tuichaos.register_instrument(Spec(key, "a toy", make=toy_instrument.Largest))
    experiment = resolve({**TRAINING, "measure": {"mine": True, "yours": True}})
    with pytest.raises(InputError, match=r"two instruments are called Largest of measure\.largest"):
        runner.run(experiment, out=tmp_path / "run")
