"""Where the output cannot carry the characters of charts all of them turn to ASCII: tables,
charts and maps, by one choice."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tomllib

import pytest
from waiting import MAX_SECONDS

import tuichaos
from tuichaos.cli.main import _run_cli
from tuichaos.common.ascii_text import ascii_toml, fitting, only_ascii, plain
from tuichaos.config import presets

PROGRAM = "from tuichaos.cli.main import main; main()"
SMALL = ["--set", "steps=80", "--set", "ensemble.references=3", "--out", "OUT"]
ASKED = {
    "a run": ["run", "--preset", "quick", *SMALL],
    "a sweep": ["run", "--preset", "quick", "--over", "seed=[1,2]", *SMALL],
    "a map": ["run", "--preset", "fractal-tanh", "--set", "steps=30", "--out", "OUT",
              "--over", "optimizer.learning_rates.0=log:0.1:10:6",
              "--over", "optimizer.learning_rates.1=log:0.1:10:6"],
    "a diagram": ["run", "--preset", "orbit-quartic", "--out", "OUT",
                  "--over", "system.parameters.a=linear:0.9:1.2:12"],
    "what would run": ["run", "--preset", "quick", "--dry-run"],
    "keys": ["presets", "--keys"],
}  # fmt: skip
ENCODINGS = ["ascii", "latin-1", "cp437", "koi8-r"]


def said(arguments, encoding, out):
    call = [str(out) if one == "OUT" else one for one in arguments]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *call],
        capture_output=True,
        check=False,
        timeout=MAX_SECONDS,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "100"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(encoding)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("asked", ASKED)
def test_nothing_turns_to_question_marks(asked, tmp_path):
    usual = said(ASKED[asked], "utf-8", tmp_path / "utf8")
    assert not usual.isascii()
    found = said(ASKED[asked], "cp437", tmp_path / "cp437")
    assert found.count("?") == usual.count("?")
    assert len(found.splitlines()) == len(usual.splitlines())
    assert not set(found) & set("┌│─┤█▄⣿")


@pytest.fixture(scope="module")
def charts(tmp_path_factory):
    """How a chart is asked for, what it is then, and what it is in ASCII."""
    small = tuichaos.resolve({}, {"steps": 60, "ensemble.references": 3, "ensemble.twins": 2})
    done = tuichaos.run(small, out=tmp_path_factory.mktemp("chart") / "run")
    how = ["plot", str(done.path), "--what", "distance"]
    return how, said(how, "utf-8", None), said([*how, "--ascii"], "utf-8", None)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_charts_are_those_that_were_asked_for_in_ascii(encoding, charts):
    how, chart, ascii_chart = charts
    assert said(how, encoding, None) == ascii_chart
    assert ascii_chart.isascii()
    assert chart != ascii_chart


@pytest.mark.parametrize(
    ("encoding", "poor"),
    [("utf-8", False), ("UTF-8", False), ("utf-16", False), *((one, True) for one in ENCODINGS)],
)
def test_the_choice_is_that_of_tables(encoding, poor):
    """Of the library that draws their frames."""
    from rich.console import Console

    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert only_ascii(stream) is poor
    assert Console(file=stream).options.ascii_only is poor


def test_a_text_that_fits_stays():
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert fitting("0.3 ± 0.1 × 2", latin) == "0.3 ± 0.1 × 2"
    assert fitting("η = 10⁻⁷ ± 0.1\nη", latin) == "n = 1e-7 ± 0.1\nn"
    assert fitting("blü η", latin) == "blü n"
    cyrillic = io.TextIOWrapper(io.BytesIO(), encoding="koi8-r")
    assert fitting("имя ü η", cyrillic) == "имя u n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_presets_are_toml_in_every_encoding(encoding, monkeypatch):
    for name in presets.names():
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "argv", ["tuichaos", "presets", name])
            assert _run_cli() == 0
        stream.flush()
        found = stream.buffer.getvalue()
        wanted = presets.path(name).read_text(encoding="utf-8")
        assert found.isascii()
        assert tomllib.loads(found.decode("utf-8")) == tomllib.loads(wanted)
        assert found.count(b"#") == wanted.count("#")
        assert "?" not in found.decode() or "?" in wanted


def test_toml_in_ascii():
    text = '''# η → 1, "ü"
"größe" = "λ \\"é\\" # no comment 🜁" # ε
'é' = 'C:\\é "q" #'
a = """é
"η" \\
"""
b = \'\'\'é
\\η\'\'\'
plain = "as it is"
'''
    found = ascii_toml(text)
    assert found.isascii()
    assert tomllib.loads(found) == tomllib.loads(text)
    assert found.startswith('# n > 1, "u"\n')
    assert "\\U0001f701" in found


def test_json_is_whole_in_every_encoding(monkeypatch):
    tuichaos.run(
        tuichaos.resolve({"name": "blü", "title": "η", "steps": 3}, {"ensemble.references": 1})
    )
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="replace")
    monkeypatch.setattr(sys, "argv", ["tuichaos", "runs", "--json"])
    monkeypatch.setattr(sys, "stdout", stream)
    assert _run_cli() == 0
    stream.flush()
    (found,) = json.loads(stream.buffer.getvalue().decode("utf-8"))
    assert (found["name"], found["title"]) == ("blü", "η")


def test_the_explorer_heeds_it_as_well(monkeypatch):
    from tuichaos.config import explorer_settings

    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert not explorer_settings.poor_terminal()
    for name in ("stdout", "stderr"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="cp437"))
            assert explorer_settings.poor_terminal()


def test_letters_of_the_field_have_a_likeness():
    """One character each, so that columns stay."""
    assert plain("Δδμµνβσπθλ Hénon √5 ′") == "Dduuvbsptl Henon V5 '".replace("l", "L", 1)
    assert plain("日") == "?"
