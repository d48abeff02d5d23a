"""What people paste and write, and what they are told: paths, numbers, hints, help, `last`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import warnings

import pytest

import tuichaos
from tuichaos import InputError, resolve
from tuichaos.cli import streams
from tuichaos.common.errors import nearest
from tuichaos.common.paths import home, pasted, resolved, runs_home
from tuichaos.config.data_sets import data_names
from tuichaos.config.explorer_settings import config_path, read_config
from tuichaos.config.loading import load, parse_override
from tuichaos.execution import runner
from tuichaos.storage import run_order
from tuichaos.storage.run_folders import find

# --- settings ----------------------------------------------------------------------------


def test_a_setting_of_another_kind_is_told_in_usual_words(monkeypatch):
    monkeypatch.setenv("TUICHAOS_FPS", "many")
    with pytest.raises(InputError, match=r"^TUICHAOS_FPS: must be a number, not 'many'"):
        read_config()


def test_settings_may_begin_with_a_mark():
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_bytes(b"\xef\xbb\xbffps = 2\n")
    assert read_config().fps == 2.0


@pytest.mark.parametrize("value", ["x", "0", "1000", "nan"])
def test_variables_are_named_as_they_are_written(value, monkeypatch):
    monkeypatch.setenv("TUICHAOS_FPS", value)
    with pytest.raises(InputError, match=r"^TUICHAOS_FPS: must"):
        read_config()
    monkeypatch.delenv("TUICHAOS_FPS")
    monkeypatch.setenv("TUICHAOS_ASCII", "perhaps")
    with pytest.raises(InputError, match=r"^TUICHAOS_ASCII: must"):
        read_config()
    monkeypatch.delenv("TUICHAOS_ASCII")
    with pytest.raises(InputError, match=r"^--fps: must"):
        read_config({"fps": "x", "ascii": True})


# --- paths -------------------------------------------------------------------------------

FORMS = ["{}", " {} ", "'{}'", '"{}"', ' "{}"', "file://{}", "file://localhost{}", "'file://{}'"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a.csv", "my data.csv", "größe.csv"])
def test_pasted_paths(form, name, tmp_path):
    path = tmp_path / name
    path.write_text("1,2,0\n3,4,1\n")
    assert resolved(form.format(path), "data.path") == path
    assert resolved("file://" + str(path).replace(" ", "%20"), "x") == path
    assert resolved(str(path).replace(" ", "\\ "), "x") == path
    key, value = parse_override(f"data.path={form.format(path)}")
    made = resolve({}, {"data.name": "csv", key: value})
    assert made.data.path == str(path)


def test_what_is_there_as_it_is_written_is_meant(tmp_path):
    for name in ("'a'", " a ", "b\\ c"):
        (tmp_path / name).write_text("")
        assert pasted(tmp_path / name) == str(tmp_path / name)
        assert pasted(name, tmp_path) == name
    with pytest.raises(InputError, match="is not a path"):
        resolved("  ", "x")


def test_pasted_experiments_and_runs(tmp_path, command):
    file = tmp_path / "my e.toml"
    file.write_text("steps = 7\n[ensemble]\nreferences = 2\ntwins = 1\n")
    assert load(f"'{file}'").steps == 7
    code, _, err = command("run", f"file://{tmp_path}/my%20e.toml", "--out", tmp_path / "r")
    assert (code, "error" in err) == (0, False)
    assert command("plot", f' "{tmp_path / "r"}" ', "--what", "loss")[0] == 0


# --- numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".5", 0.5), ("-.5", -0.5), ("5.", 5), ("1e4", 10000), ("+.5", 0.5), ("5.e-1", 0.5),
        ("1E3", 1000), ("1e-3", 0.001), (" .25 ", 0.25), ("1e300", 1e300), ("0.5", 0.5),
        ("[.5, 1., 2]", [0.5, 1.0, 2]), ("{noise=.5, samples=10}", {"noise": 0.5, "samples": 10}),
        ("5", 5), ("true", True), ("a.csv", "a.csv"), ("./a", "./a"), ("1.2.3", "1.2.3"),
        ("v1.", "v1."), (".", "."), ("[a.]", "[a.]"), ('"5."', "5."),
        ('["5.", ".5"]', ["5.", ".5"]),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text, value):
    _, found = parse_override(f"key={text}")
    assert found == value
    assert type(found) is type(value)


def test_such_numbers_serve_where_whole_ones_are_due():
    overrides = dict(map(parse_override, ["steps=1e3", "optimizer.learning_rate=.5", "seed=5."]))
    made = resolve({}, overrides)
    assert (made.steps, made.optimizer.learning_rate, made.seed) == (1000, 0.5, 5)
    with pytest.raises(InputError, match=r"steps: must be an integer"):
        resolve({}, dict([parse_override("steps=.5")]))


# --- hints -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["optimizer.amsgrad", "optimizer.maximize", "data.samples"])
def test_keys_that_are_far_from_all_get_no_hint(key):
    with pytest.raises(InputError) as caught:
        resolve({}, {key: 1})
    assert "did you mean" not in str(caught.value)
    assert " has " in str(caught.value)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("mnist", None), ("cifar10", None), ("california", None), ("boston", None),
        ("irs", "iris"), ("mons", "moons"), ("Digits", "digits"), ("wien", "wine"),
        ("breast_cancer", "breast-cancer"), ("cheby", "chebyshev"), ("circle", "circles"),
    ],
)  # fmt: skip
def test_hints_are_near(word, hint):
    words = nearest(word, data_names())
    assert words == f"did you mean {hint!r}?" if hint else words.startswith("choose from iris,")


# --- help and warnings -------------------------------------------------------------------

COMMANDS = ("run", "resume", "presets", "plot", "runs", "export", "verify", "paths", "bench")


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", ["", *COMMANDS, "selftest"])
def test_help_does_not_need_docstrings(name):
    code = f"import sys; sys.argv = ['tuichaos', *{name.split()}, '--help']; "
    code += "from tuichaos.cli.main import main; main()"
    said = [
        subprocess.run(
            [sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for flags in ([], ["-OO"])
    ]
    assert said[0] == said[1]
    assert len(said[0].split("Options:")[0].split("\n\n")[1].split()) > 4


@pytest.mark.parametrize("kind", [RuntimeWarning, UserWarning])
def test_warnings_of_a_fit_are_hushed_whatever_kind_they_are(kind, monkeypatch):
    """NumPy has made them RuntimeWarnings in its second version."""
    monkeypatch.setattr(sys, "warnoptions", [])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        streams.hush()
        warnings.warn("Polyfit may be poorly conditioned", kind, stacklevel=1)
        warnings.warn("something else", kind, stacklevel=1)
    assert [str(one.message) for one in caught] == ["something else"]


# --- last --------------------------------------------------------------------------------

SMALL = {"steps": 40, "system": {"name": "henon"}, "ensemble": {"references": 1, "twins": 0}}


def backwards(monkeypatch):
    """A clock that is an hour earlier each time it is asked."""
    hours = iter(range(23, -1, -1))

    def now():
        return f"2030-01-01T{next(hours):02}:00:00.000+00:00"

    monkeypatch.setattr("tuichaos.execution.manifest.now", now)
    monkeypatch.setattr("tuichaos.execution.manifest.ended", lambda started: started)
    monkeypatch.setattr("tuichaos.execution.recording.ended", lambda started: started)
    monkeypatch.setattr("tuichaos.sweeps.sweep_writer.ended", lambda started: started)


def test_last_is_what_began_last_whatever_the_clock_says(monkeypatch, tmp_path):
    backwards(monkeypatch)
    made = []
    for k in range(3):
        made.append(runner.run(resolve({**SMALL, "name": f"r{k}"})))
        assert find("last").path == made[-1].path
    swept = tuichaos.sweep(resolve({**SMALL, "name": "s", "sweep": {"seed": [1, 2]}}))
    assert find("last").path == swept.path
    elsewhere = runner.run(resolve(SMALL), out=tmp_path / "elsewhere")
    assert elsewhere.manifest["number"] is None
    assert [run.path for run in tuichaos.list_runs()] == [
        swept.path, *(run.path for run in reversed(made)),
    ]  # fmt: skip
    started = [run.manifest["started"] for run in tuichaos.list_runs()]
    assert started == sorted(started)  # the clock went back


def test_a_run_that_goes_on_is_no_newer(monkeypatch):
    stop = threading.Event()
    stop.set()
    first = runner.run(resolve({**SMALL, "name": "a"}), stop=stop)
    second = runner.run(resolve({**SMALL, "name": "b"}))
    assert first.status == "interrupted"
    tuichaos.resume(first)
    assert find("last").path == second.path


@pytest.mark.parametrize("content", [None, b"", b"x", b"-3", b"9" * 17 + b"x"])
def test_the_count_is_made_again_from_the_runs(content):
    old = runner.run(resolve({**SMALL, "name": "old"}))
    told = json.loads((old.path / "manifest.json").read_text())
    del told["number"]  # of an earlier version
    (old.path / "manifest.json").write_text(json.dumps({**told, "started": "2999"}))
    for k in range(2):
        newest = runner.run(resolve({**SMALL, "name": f"r{k}"}))
    place = home() / run_order.NAME
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    newest = runner.run(resolve({**SMALL, "name": "newest"}))
    assert find("last").path == newest.path
    assert [run.path.name.split("-")[0] for run in tuichaos.list_runs()] == [
        "newest", "r1", "r0", "old",
    ]  # fmt: skip


def test_numbers_differ_where_several_begin_at_a_time():
    folder = runs_home() / "x"
    folder.mkdir(parents=True)
    found = []

    def count():
        found.extend(run_order.number(folder) for _ in range(50))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 201))
