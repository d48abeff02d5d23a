"""What strangers may send: code, sizes, paths, formulas, escape sequences, other formats."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from effort import at_most
from mutations import stopped_run
from peaks import forget, peak

import tuichaos
from tuichaos.common import trust
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.text import cell, clean, json_text
from tuichaos.config.loading import load, parse_toml, resolve, valid
from tuichaos.plots import plotext_renderer
from tuichaos.plots.figure import Curve, Picture
from tuichaos.reports.export import export_steps, safe_lines
from tuichaos.storage.run_reader import open_run
from tuichaos.tui import zoom

SMALL = {"steps": 6, "ensemble": {"references": 2, "twins": 1}}
EVIL = """
from pathlib import Path
Path("{mark}").touch()
from tuichaos.systems.reference_registry import reference_system
def make(**parameters):
    Path("{mark}").touch()
    return reference_system("logistic", {{}})
"""


def refusal(command, *arguments):
    """The one line with which a command refuses, quickly."""
    with at_most(10):
        code, out, err = command(*arguments)
    assert (code, out) == (2, ""), (out, err)
    assert err.count("\n") == 1
    assert err.replace("\n", "").isprintable()
    return err


# --- code ---------------------------------------------------------------------------------------


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module beside an experiment that names it, and the mark that it has run."""
    mark = tmp_path / "it-ran"
    (tmp_path / "evil_one.py").write_text(EVIL.format(mark=mark))
    (tmp_path / "bad.toml").write_text(
        'steps = 6\n[system]\nname = "evil_one:make"\n[ensemble]\nreferences = 2\ntwins = 1\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trust, "_trusted", set())
    monkeypatch.setattr(sys, "path", [*sys.path])  # the folder of the user is put there
    monkeypatch.delitem(sys.modules, "evil_one", raising=False)
    yield mark
    sys.modules.pop("evil_one", None)


def test_a_file_runs_no_code_that_it_names(evil, command):
    for arguments in (["--dry-run"], ["--over", "seed=[1, 2]"], ["--seed", "1"]):
        line = refusal(command, "run", "bad.toml", *arguments)
        assert "system.name: a file names the code evil_one:make" in line
        assert "--trust evil_one:make" in line
    assert not evil.exists()
    with pytest.raises(InputError, match="--trust evil_one:make"):
        tuichaos.run(tuichaos.load("bad.toml"))
    assert not evil.exists()


@pytest.mark.parametrize(
    "how", [["--trust", "evil_one:make"], ["--set", "system.name=evil_one:make"]]
)
def test_code_that_is_named_runs(how, evil, command):
    assert command("run", "bad.toml", "--quiet", *how)[0] == 0
    assert evil.exists()


def test_trust_names_code_and_nothing_else(evil, command):
    line = refusal(command, "run", "bad.toml", "--trust", "yes")
    assert "package.module:factory" in line
    line = refusal(command, "run", "bad.toml", "--trust", "other:make")
    assert "--trust evil_one:make" in line


def test_a_run_folder_runs_no_code(evil, command, monkeypatch, tmp_path):
    experiment = resolve({**SMALL, "system": {"name": "evil_one:make"}, "steps": 300})
    done = tuichaos.run(experiment, out=tmp_path / "done").path
    part = stopped_run(tmp_path / "part", experiment)
    evil.unlink()
    monkeypatch.setattr(trust, "_trusted", set())
    assert "--trust" in refusal(command, "resume", part)
    assert "--trust" in refusal(command, "resume", done, "--steps", 320)
    assert not (done / "further").exists()
    assert command("plot", done)[0] == command("runs")[0] == 0
    code, out, _ = command("verify", done)
    assert code == 0
    assert "--trust evil_one:make" in out
    assert not evil.exists()
    code, out, _ = command("verify", done, "--trust", "evil_one:make")
    assert code == 0
    assert "are the same bytes" in out
    assert evil.exists()
    assert command("resume", part, "--quiet")[0] == 0


def test_no_window_of_a_map_runs_code(evil):
    ranges = {"optimizer.learning_rate": {"linear": [0.1, 1.0, 4]}, "seed": [1, 2, 3]}
    made = valid({**SMALL, "system": {"name": "evil_one:make"}, "sweep": ranges})
    for other in (
        zoom.valued(made, "exponent"),
        zoom.middle(made),
        zoom.zoomed(made, {"optimizer.learning_rate": (0.2, 0.3)}),
    ):
        with pytest.raises(InputError, match="--trust"):
            trust.check_trusted(other)
    assert not evil.exists()


def test_python_names_code_by_its_table_but_not_by_a_file(evil):
    assert tuichaos.run(resolve({**SMALL, "system": {"name": "evil_one:make"}})).status == "done"
    trust._trusted.clear()
    made = valid({**SMALL, "system": {"name": "evil_one:make"}})
    with pytest.raises(InputError, match="--trust"):
        tuichaos.run(made)


# --- sizes --------------------------------------------------------------------------------------

BILLION = 10**9
HUGE = {
    "network.hidden": ["network.hidden", f"[{BILLION}]"],
    "network.hidden of a million": ["network.hidden", "[1000000, 1000000]"],
    "layers": ["network.hidden", str([1] * 5000)],
    "references": ["ensemble.references", BILLION],
    "twins": ["ensemble.twins", BILLION],
    "steps": ["steps", 10**15],
    "more steps": ["steps", 10**30],
    "hexadecimal": ["steps", "0x" + "f" * 5000],
    "digits": ["steps", "1" * 5000],
    "infinite": ["optimizer.learning_rate", "1e400"],
    "states_every": ["record.states_every", 1, "steps", 10**9, "record.every", 10**9],
    "spectrum": ["measure.spectrum", True, "network.hidden", "[100000]"],
    "orbital": ["measure.orbital", f"{{ window = {10**12}, references = {BILLION} }}",
                "steps", 10**14, "record.every", 10**13],
    "sharpness": ["measure.sharpness", "{ every = 1 }", "steps", 10**12, "record.every", 10**11],
    "units": ["measure.units", "{ every = 1 }", "steps", 10**12, "record.every", 10**11],
    "autocorrelation": ["measure.autocorrelation", f"{{ references = {BILLION} }}",
                        "ensemble.references", 10**6, "ensemble.twins", 0],
    "recurrence": ["measure.recurrence", f"{{ points = {10**12} }}"],
    "projection": ["measure.projection", f"{{ points = {10**12} }}"],
    "convergence": ["measure.convergence", f"{{ last = {10**12} }}"],
    "samples": ["data.name", "blobs", "data.parameters", f"{{ samples = {10**12} }}"],
    "degree": ["data.name", "chebyshev", "data.parameters", f"{{ degree = {10**8}, points = 1 }}"],
    "deep": ["system.parameters", "[" * 300 + "]" * 300],
    "long key": ["a" * 100_000, 1],
    "dots": [".".join(["a"] * 20_000), 1],
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_sizes_are_refused_by_their_key(name, command):
    given = HUGE[name]
    sets = [f"--set={key}={value}" for key, value in zip(given[::2], given[1::2], strict=True)]
    forget()
    line = refusal(command, "run", "--preset", "eos", "--dry-run", *sets)
    assert given[0].partition(".")[0][:40] in line  # the key, or another one of its table
    assert peak() < 2e9


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--over", "optimizer.learning_rate=log:0.1:1:1000000000"], "1000000000"),
        (["--over", "seed=linear:0:999999:1000000", "--over", "steps=linear:1:1000000:1000000",
          "--yes"], "1,000,000,000,000 points"),
        (["--over", "optimizer.learning_rate=log:0.1:1:1000000", "--yes",
          "--set", "diagram.observable=loss", "--set", "diagram.last=200"], "diagram.last"),
    ],
)  # fmt: skip
def test_sizes_of_sweeps(arguments, named, command):
    assert named in refusal(command, "run", "--preset", "quick", "--dry-run", *arguments)


def test_rows_that_no_disk_can_take_name_the_stride_that_would_do(command):
    line = refusal(command, "run", "--preset", "eos", "--dry-run", "--set", "steps=1000000000000")
    every = line.rpartition("record.every = ")[2].split()[0]
    more = ["--set", "steps=1000000000000", "--set", f"record.every={every}"]
    assert command("run", "--preset", "eos", "--dry-run", *more)[0] == 0


def test_bombs_of_nesting():
    for text in ("a." * 200_000 + "a = 1", "a = " + "[" * 200_000, "a = " + "{b = " * 5000):
        with at_most(5), pytest.raises((ValueError, RecursionError)):
            parse_toml(text)
    with pytest.raises(InputError, match="tables within each other"):
        resolve(parse_toml("system.parameters.a = " + "{b = " * 40 + "1" + "}" * 40))


def test_endless_and_large_experiments(tmp_path, command):
    assert "not a plain file" in refusal(command, "run", "/dev/zero")
    path = tmp_path / "large.toml"
    path.write_text(f"steps = 3 # {'x' * 3_000_000}")
    assert "2 MB" in refusal(command, "run", path)


# --- data files ---------------------------------------------------------------------------------


def npy(shape, dtype="<f8", content=b""):
    """A member of an archive with a header that says what it likes."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)
    return file.getvalue() + content


def zipped(path, kind=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".npy", content)
    return path


ZEROS = b"\x00" * 200_000_000


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"x": npy((10**12, 4)), "y": npy((10**12,))}, "more than"),
        ({"x": npy((10**18, 0)), "y": npy((3,))}, "its size is not"),
        ({"x": npy((-5, 4)), "y": npy((3,))}, ""),
        ({"x": npy((4, 2), "|O", b"\x80\x04."), "y": npy((4,))}, "must hold numbers"),
        ({"x": npy((4, 2), "<f8", b"\x00" * 8), "y": npy((4,))}, "its size is not"),
        ({"x": b"\x93NUMPY\x09\x00", "y": npy((4,))}, "unknown version"),
        ({"x": b"", "y": b""}, "cannot be read"),
    ],
)
def test_npz_headers_are_not_believed(members, words, tmp_path, command):
    path = zipped(tmp_path / "a.npz", **members)
    sets = ["--set", "data.name=npz", "--set", f"data.path={path}"]
    assert words in refusal(command, "run", "--preset", "quick", "--dry-run", *sets)


def test_a_zip_bomb(tmp_path, command):
    path = zipped(tmp_path / "b.npz", zipfile.ZIP_DEFLATED, x=npy((4, 2)) + ZEROS, y=npy((4,)))
    assert path.stat().st_size < 1_000_000
    sets = ["--set", "data.name=npz", "--set", f"data.path={path}"]
    assert "its size is not" in refusal(command, "run", "--preset", "quick", "--dry-run", *sets)


def test_members_stay_in_their_archive(tmp_path, command):
    whole = tmp_path / "good.npz"
    np.savez(whole, x=np.random.default_rng(0).random((6, 2)), y=np.arange(6) % 2)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("../escaped.npy", npy((1,)))
        archive.writestr(str(tmp_path / "absolute.npy"), npy((1,)))
    sets = ["--set", "data.name=npz", "--set", f"data.path={whole}"]
    assert command("run", "--preset", "quick", "--dry-run", *sets)[0] == 0
    assert not (tmp_path.parent / "escaped.npy").exists()
    assert not (tmp_path / "absolute.npy").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1," * 10_000_000, "line 1 is longer"),
        (b"x" * 90_000_000, "line 1 is longer"),
        (b'"' + b"1\n" * 2_000_000, "cannot be read"),
        (b"1,2\n" * 2_600_000, "more than 5,000,000 numbers"),
        (b"0,1\n" * 30_000_000, "larger than 100 MB"),
        (b"\x1b[31m,1\n1,2\n", "is not a finite number"),
        (b"a,b\n1,1e400\n", "is not a finite number"),
    ],
    ids=["columns", "line", "quote", "numbers", "bytes", "escape", "infinite"],
)
def test_csv_files_of_any_shape(content, words, tmp_path, command):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    sets = ["--set", "data.name=csv", "--set", f"data.path={path}"]
    assert words in refusal(command, "run", "--preset", "quick", "--dry-run", *sets)


def test_data_that_is_no_file(tmp_path, command):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path):
        for kind in ("csv", "npz"):
            sets = ["--set", f"data.name={kind}", "--set", f"data.path={path}"]
            line = refusal(command, "run", "--preset", "quick", "--dry-run", *sets)
            assert "not a plain file" in line


def test_experiments_that_are_no_file(tmp_path, command):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path):
        assert "not a plain file" in refusal(command, "run", path, "--dry-run")
    assert "too long" in refusal(command, "run", "x" * 300 + ".toml", "--dry-run")


def test_an_experiment_may_come_from_a_pipe_and_begin_with_a_mark(tmp_path):
    """As ``tuichaos run <(…)`` and editors have it."""
    (tmp_path / "e.toml").write_bytes(b"\xef\xbb\xbfsteps = 7\n")
    read, write = os.pipe()
    os.write(write, (tmp_path / "e.toml").read_bytes())
    os.close(write)
    assert load(f"/dev/fd/{read}").steps == 7
    os.close(read)


@pytest.mark.slow
def test_a_large_archive_is_read_within_two_gigabytes(tmp_path):
    """In a process of its own, so that the peak is its own."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (60_000, 784), dtype=np.uint8)
    np.savez(tmp_path / "m.npz", x=x, y=np.arange(60_000) % 10)
    code = (
        "import sys, tuichaos; from peaks import peak; from tuichaos.execution.plan import plan;"
        "plan(tuichaos.resolve({}, {'data.name': 'npz', 'data.path': sys.argv[1],"
        "'data.scaling': 'standard', 'ensemble.references': 2, 'ensemble.twins': 0}));"
        "print(peak())"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.npz")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert float(made.stdout) < 2e9


# --- run folders --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A run that was stopped, with states, and one that is done."""
    folder = tmp_path_factory.mktemp("parts")
    experiment = resolve(SMALL, {"steps": 40, "record.states_every": 3})
    return stopped_run(folder / "part", experiment), tuichaos.run(
        experiment, out=folder / "done"
    ).path


@pytest.fixture
def part(parts, tmp_path):
    return shutil.copytree(parts[0], tmp_path / "part")


def test_what_was_amiss_is_said_once(part, command):
    (part / "lock").write_text("[]")
    text = (part / "series.csv").read_text()
    (part / "series.csv").write_text(text.replace("0,0,", "0,7,", 1))
    code, _, err = command("resume", part)
    assert code == 0
    assert err.count("warning: a lock that cannot be read was taken over") == 1
    assert err.count("does not begin as it did") >= 1
    code, _, err = command("resume", part)
    assert (code, "taken over" in err) == (2, False)


@pytest.fixture
def done(parts, tmp_path):
    return shutil.copytree(parts[1], tmp_path / "done")


def change_checkpoint(folder, change):
    """Change every checkpoint, its own checksum right again: whoever made it can."""
    for path in (folder / "checkpoints").glob("*.json"):
        body = json.loads(path.read_text().partition("\n")[2])
        change(body)
        text = json.dumps(body)
        path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


def entry(tree, name, kind=""):
    """What a tree of a checkpoint holds under a name, however deep; of a kind."""
    if (
        isinstance(tree, list)
        and len(tree) == 2
        and tree[0] == name
        and (not kind or kind in tree[1])
    ):
        return tree
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return next((found for item in inner if (found := entry(item, name, kind)) is not None), None)


def test_a_checkpoint_names_no_file_outside_its_folder(part, tmp_path, command):
    victim = tmp_path / "victim.part"
    victim.write_bytes(b"precious" * 1000)

    def change(body):
        states = entry(body["tree"], "parts", "dict")[1]["dict"]
        name = f"/../../{victim.name.removesuffix('.part')}"
        states.append([name, {"tuple": ["<f8", {"tuple": [1]}]}])

    change_checkpoint(part, change)
    line = refusal(command, "resume", part)
    assert "names files" in line
    assert victim.read_bytes() == b"precious" * 1000


def test_lengths_of_a_checkpoint_look_at_no_other_file(part, tmp_path, command):
    (tmp_path / "secret").write_bytes(b"x" * 10_000)
    change_checkpoint(part, lambda body: body["facts"]["lengths"].update({"../secret": 5}))
    assert command("resume", part, "--quiet")[0] == 0  # without its checkpoints
    assert "No such file" in " ".join(open_run(part).manifest["warnings"])


@pytest.mark.parametrize("name", ["series.csv", "lock.tmp", "experiment.tmp", "checkpoints"])
def test_a_link_in_a_run_folder_is_not_written_through(name, part, tmp_path, command):
    victim = tmp_path / "victim"
    victim.mkdir() if name == "checkpoints" else victim.write_text("precious")
    place = part / name
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(victim)
    for words in (["resume", part], ["plot", part], ["verify", part]):
        assert f"{name} is a link" in refusal(command, *words)
    assert list(victim.iterdir()) == [] if victim.is_dir() else victim.read_text() == "precious"


def test_nothing_that_an_instrument_makes_itself_is_taken_from_a_checkpoint(part, command):
    def change(body):
        for pair in entry(body["tree"], "instruments")[1]:
            state = pair[1]
            if isinstance(state, dict) and "dict" in state:
                state["dict"].append(["context", 5])

    change_checkpoint(part, change)
    assert "damaged" in refusal(command, "resume", part)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(step=10**30),
        lambda body: body.update(tree=[[]]),
        lambda body: body["facts"].update(lengths={"series.csv": -5}),
        lambda body: body["facts"].update(lengths={"series.csv": "x"}),
        lambda body: body["facts"].update(lengths={"series.csv": 1e300}),
        lambda body: body["facts"].update(lengths={"": 5}),
        lambda body: body["facts"].update(sums=[1]),
        lambda body: body.update(tree={"object": ["ResumePoint"], "state": 3}),
        lambda body: body.update(tree={"generator": {"dict": []}}),
        lambda body: body.update(format="new"),
    ],
)
def test_checkpoints_that_are_none(change, part, command):
    change_checkpoint(part, change)
    code, out, err = command("resume", part, "--quiet")
    assert (code, out) in ((0, ""), (2, ""))
    assert err.count("\n") == (code == 2)


def test_a_checkpoint_of_a_newer_format_is_refused(part, command):
    change_checkpoint(part, lambda body: body.update(format=99))
    line = refusal(command, "resume", part)
    assert "of format 99, newer than" in line
    assert open_run(part).status == "interrupted"  # nothing was touched


ODD = {
    "step": [10**15, -1, "x", None, 1.5, [], float("inf")],
    "points": [5, [], {"total": "\x1b[31m"}],
    "status": [5, [], "\x1b[2J", "running"],
    "noise_floor": [5, [], {"holds": False}],
    "versions": [5, [], {"torch": []}],
    "files": [5, {"../../etc/passwd": "x", "series.csv": 5}],
    "warnings": [5, "x", {}],
    "kind": ["sweep", 5],
    "started": [5, "\u202e", []],
}


@pytest.mark.parametrize("key", ODD)
def test_manifests_of_any_content(key, done, command):
    manifest = json.loads((done / "manifest.json").read_text())
    for value in ODD[key]:
        (done / "manifest.json").write_text(json.dumps({**manifest, key: value}))
        for words in (["verify", done], ["plot", done], ["resume", done, "--quiet"]):
            code, out, err = command(*words)
            assert code in (0, 1, 2)
            assert (out + err).replace("\n", "").isprintable()
            assert err.count("\n") == (code == 2)


@pytest.mark.parametrize(
    "row", ["1e300,0", "nan,0", "-1,0", "0,1e300", "0,nan", "0.5,0", "x,0", f"0,{10**400}"]
)
def test_rows_that_are_none(row, done, command):
    head, *rows = (done / "series.csv").read_text().splitlines()
    rows[0] = row + rows[0][3:]
    (done / "series.csv").write_text("\n".join([head, *rows]) + "\n")
    assert "damaged" in refusal(command, "plot", done)
    assert command("verify", done)[0] == 1


def test_a_line_without_an_end(done, command):
    with open(done / "series.csv", "ab") as file:
        for _ in range(30):
            file.write(b"1," * 1_000_000)
    assert "a line of more than" in refusal(command, "plot", done)
    code, out, _ = command("verify", done)
    assert code == 1
    assert "a line of more than" in out


def test_a_bad_experiment_of_a_folder_is_told_with_its_file(done, command):
    file = done / "experiment.toml"
    for text in ('steps = "\\u001b[31m"\n', "steps = "):
        file.write_text(text)
        err = refusal(command, "plot", done)
        assert err.startswith(f"tuichaos: error: {file}: ")
        assert err.count(str(file)) == 1


# --- formats ------------------------------------------------------------------------------------


def test_a_folder_of_the_future_is_refused_by_every_command(done, command, home):
    kept = shutil.copytree(done, home / "runs" / "later")
    for folder in (done, kept):
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    commands = [["plot", done], ["verify", done], ["resume", done], ["export", done]]
    commands += [["run", done / "experiment.toml", "--dry-run"], ["plot", "later"]]
    for words in commands:
        assert "has format 99, of a newer tuichaos" in refusal(command, *words)
    code, out, err = command("runs")
    assert (code, out) == (0, "")
    assert "has format 99" in err


@pytest.mark.parametrize("version", ["1", None, 0, -3, 1.0, True, []])
def test_formats_that_are_none(version, done, command):
    manifest = json.loads((done / "manifest.json").read_text())
    (done / "manifest.json").write_text(json.dumps({**manifest, "format": version}))
    assert "has no format" in refusal(command, "plot", done)


# --- the terminal -------------------------------------------------------------------------------

ATTACKS = ["\x1b[31mred", "\x1b]0;title\x07", "\u202eturned", "\x9b2J", "a\rb", "x\x00y", "\u2028"]


@pytest.mark.parametrize("text", [*ATTACKS, "\udc80", "x" * 100_000])
def test_cleaning(text):
    assert clean(text).isprintable()
    assert len(clean(text)) <= 12_000
    assert str(InputError(text)).isprintable()
    assert str(RunFailed(text)).isprintable()


@pytest.mark.parametrize("text", ["", "η = 0.1 · λ₁", "日本語", "a – b … c", "é" * 50])
def test_what_is_printed_stays(text):
    assert clean(text) == text


def test_json_for_the_terminal_loses_nothing():
    value = {"a\x1b": [*ATTACKS, 1.5, None, "η", "\U000e0001"], "b": {"c": "\n\t\\"}}
    text = json_text(value)
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == value
    assert "η" in text


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_door_lets_escapes_through(attack, done, home, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an export goes to where one is
    name = attack.replace("\x00", "").replace("/", "")
    folder = shutil.copytree(done, home / "runs" / f"k{name}")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"title": attack, "started": attack, "status": attack, "reason": attack}
    manifest |= {"replicas": attack, "name": attack, "files": {attack: attack}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "note.txt").write_text(attack)
    head, rest = (folder / "series.csv").read_text().split("\n", 1)
    column = f"q{attack}".replace("\n", "").replace("\r", "")
    (folder / "series.csv").write_text(f"{head.replace('weight_norm', column)}\n{rest}")
    for words in (
        ["runs"],
        ["runs", "--json"],
        ["plot", folder, "--ascii"],
        ["verify", folder],
        ["plot", folder, "--what", column],
        ["plot", folder, "--what", "nothing"],
        ["plot", attack.replace("\x00", "")],
        ["run", f"{name}.toml"],
        ["run", "--preset", attack],
        ["resume", folder],
        ["export", folder],
        ["run", "--preset", "eos", "--dry-run", "--set", f"{attack}=1"],
        ["run", "--preset", "eos", "--dry-run", "--set", f"data.name={attack}"],
        ["run", "--preset", "eos", "--set", f"paper={{ a = '{name}' }}", "--dry-run"],
    ):
        if any("\x00" in str(word) for word in words):
            continue  # no command line can hold it
        _, out, err = command(*words)
        shown = (out + err).replace("\n", "")
        assert shown.isprintable(), (words, shown)


def test_pictures_are_clean_whatever_names_they_get():
    x = np.arange(5.0)
    picture = Picture(ATTACKS[0], [Curve(ATTACKS[1], x, x)], x_label=ATTACKS[2],
                      levels=[(ATTACKS[3], 1.0)], marks=[(ATTACKS[4], 2.0)])  # fmt: skip
    drawn = plotext_renderer.draw(picture, 60, 20, colour=False, ascii_only=False)
    assert drawn.replace("\n", "").isprintable()


async def test_the_runs_screen_shows_and_does_not_obey(done, home, tmp_path):
    from textual.widgets import DataTable, Static

    from tuichaos.config.presets import preset
    from tuichaos.tui.app import Explorer
    from tuichaos.tui.screens.runs import Runs

    for k, attack in enumerate(ATTACKS[:4]):
        folder = shutil.copytree(done, home / "runs" / f"k{k}{attack.replace(chr(0), '')}")
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest |= {"title": attack, "status": attack, "started": attack, "replicas": [attack]}
        (folder / "manifest.json").write_text(json.dumps({**manifest, "points": attack}))
        (folder / "note.txt").write_text(attack)
    later = shutil.copytree(done, home / "runs" / "later")
    manifest = json.loads((later / "manifest.json").read_text())
    (later / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    app = Explorer(preset("quick"))
    async with app.run_test(size=(120, 36)) as pilot:
        await app.push_screen(Runs())
        await pilot.pause()
        table = app.screen.query_one(DataTable)
        assert table.row_count == 4
        for row in range(4):
            cells = [str(cell) for cell in table.get_row_at(row)]
            assert all(cell.isprintable() for cell in cells), cells
        assert "has format 99" in str(app.screen.query_one("#empty", Static).content)
        app.notify("\x1b[31m\u202e")
        await pilot.pause()
        assert all(note.message.isprintable() for note in app._notifications)


# --- spreadsheets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(1)", "-", "\tx", "\ufeff=1", "\xa0=1", " =1",
     "\u200b\u3000@A1", "＝1+1", "＋a", "－a", "＠a", "\ufeff\ufeff＝1"],
)  # fmt: skip
def test_cells_that_would_be_formulas(text):
    assert cell(text) == "'" + text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("0;=1+1", "0;'=1+1"),
        ("a; \xa0+cmd;-2;-", "a;' \xa0+cmd;-2;'-"),
        ("\t=1", "'\t'=1"),
        ("a\r\n=1", "a\r\n'=1"),
        ("a\x0b=1\u2028@b", "a\x0b'=1\u2028'@b"),
    ],
)
def test_formulas_within_a_cell_that_a_spreadsheet_may_cut(text, safe):
    assert cell(text) == safe


def test_long_cells_take_no_time():
    for text in ("\t" * 200_000, "\xa0" * 200_000, ";-" * 100_000, "-" + "1" * 200_000 + "x"):
        with at_most(2):
            cell(text)


@pytest.mark.parametrize(
    "text",
    ["", "-1.5", "+2e-05", "-inf", "1", "done", "a=b", ".5", "-.5e3", "a; b", "λ₁ − 1", " -1",
     "1;-2;+3.5"],
)  # fmt: skip
def test_cells_that_stay(text):
    assert cell(text) == text


def test_exported_tables_hold_no_formula(done, tmp_path):
    path = tmp_path / "s.csv"
    path.write_text('reference,=cmd(),"@x",-1.5\n0,-1.5,+3,"=HYPERLINK(""x"")"\n1,-2e-05,,3\n')
    lines = list(safe_lines(path))
    assert lines[0] == "reference,'=cmd(),'@x,-1.5\n"
    assert lines[1] == '0,-1.5,+3,"\'=HYPERLINK(""x"")"\n'
    assert lines[2] == "1,-2e-05,,3\n"
    whole = done / "series.csv"
    assert "".join(safe_lines(whole)) == whole.read_text()


def test_a_mark_before_the_first_cell_hides_no_formula(tmp_path):
    path = tmp_path / "s.csv"
    for head in ('=HYPERLINK("http://x")', '"=HYPERLINK(""x"",1)"', "\ufeff=1", "\xa0-x", "x;=1"):
        path.write_text(f"\ufeff{head},step,loss\n0,0,1\n0,1,x;=1\n0,2,-1", encoding="utf-8")
        text = "".join(safe_lines(path))
        rows = [row for cut in ",;" for row in csv.reader(io.StringIO(text), delimiter=cut)]
        assert all(not re.match(r"\W*[=+@-](?!\d+$)", c.split("'")[0]) for r in rows for c in r)
        assert text.endswith("0,1,x;'=1\n0,2,-1")


@pytest.mark.parametrize("kind", ["run", "steps", "sweep"])
def test_a_cell_of_several_lines_is_refused(kind, done, tmp_path, command):
    run, out = open_run(done), tmp_path / "out.csv"
    (done / "series.csv").write_text('reference,step,loss\n0,0,"a\n",=1+1\n')
    if kind == "sweep":
        manifest = json.loads((done / "manifest.json").read_text())
        (done / "manifest.json").write_text(json.dumps({**manifest, "kind": "sweep"}))
        shutil.move(done / "series.csv", done / "sweep.csv")
    if kind == "steps":
        with pytest.raises(InputError, match=r"series\.csv: cannot be read: line 2: "):
            export_steps(run, 0, 5, out)
    else:
        assert ".csv: cannot be read: line 2: " in refusal(command, "export", done, "--out", out)
    assert not out.exists()


def test_a_sweep_writes_no_formula(tmp_path):
    from tuichaos.sweeps import sweep_table
    from tuichaos.sweeps.journal import Row
    from tuichaos.sweeps.points import grid

    made = grid(resolve({**SMALL, "sweep": {"seed": [1, 2]}}))
    sweep_table.write(
        tmp_path, made, {0: Row(0, "failed", "=1+1"), 1: Row(1, "done", "", {"+x": "-y"})}
    )
    text = (tmp_path / "sweep.csv").read_text()
    assert text == "point,seed,status,reason,'+x\n0,1,failed,'=1+1,\n1,2,done,,'-y\n"


def test_a_run_of_format_1_is_read(tmp_path, command):
    """Kept as it was written once, elsewhere: whatever changes, it is still read."""
    folder = shutil.copytree(Path(__file__).parents[1] / "kept_format_1", tmp_path / "kept")
    run = open_run(folder)
    assert run.experiment.title == "A run of format 1"
    assert run.series["loss"].shape == (13, 2)
    assert run.exponents["lyapunov"].shape == (2,)
    for what in ("loss", "distance", "exponent", "layers"):
        assert command("plot", folder, "--what", what)[0] == 0
    code, out, _ = command("verify", folder)
    # Its first steps are computed again: their bits are those of the machine it is from.
    checks = [line for line in out.splitlines() if "steps again" not in line]
    assert code in (0, 1)
    assert len(checks) > 8
    assert all(line.startswith("ok") for line in checks), out
