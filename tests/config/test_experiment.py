"""Experiments: defaults, overrides, TOML both ways, and refusals that name the key."""

from __future__ import annotations

import math
import re
import tomllib

import pytest

from tuichaos import InputError
from tuichaos.config import experiment, presets
from tuichaos.config.fault_text import describe_keys
from tuichaos.config.loading import load, parse_override, resolve
from tuichaos.manual import pages
from tuichaos.sweeps import points
from tuichaos.tui import zoom


def test_defaults_are_the_papers():
    found = resolve({})
    assert (found.steps, found.seed, found.dtype) == (200, 0, "float64")
    assert (found.ensemble.references, found.ensemble.twins) == (500, 5)
    assert found.optimizer.learning_rate == 1.0
    assert found.network.hidden == [10]


@pytest.mark.parametrize("name", presets.names())
def test_presets_are_valid_told_apart_and_come_back_from_toml(name):
    found = presets.preset(name)
    assert found.name == name
    assert found.title
    assert found.about
    assert resolve(tomllib.loads(found.to_toml())) == found


def test_the_presets_of_the_contract():
    wanted = {"eos", "eos-orbits", "low", "low-long", "post-learning", "large", "logistic"}
    assert wanted | {"two-layer-scalar", "quick"} <= set(presets.names())
    eos = presets.preset("eos")
    assert (eos.ensemble.references, eos.ensemble.twins, eos.steps) == (500, 5, 200)
    large = presets.preset("large")
    assert sorted(large.data.class_counts) == [39, 40, 41]


def test_overrides_go_from_left_to_right(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("steps = 10\n[optimizer]\nlearning_rate = 2\n")
    found = load(path, {"steps": 20, "ensemble.references": 3})
    assert (found.name, found.steps, found.ensemble.references) == ("mine", 20, 3)
    assert found.optimizer.learning_rate == 2.0
    assert isinstance(found.optimizer.learning_rate, float)


def test_paths_are_seen_from_the_file_or_from_here(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "e.toml"
    path.write_text('[data]\nname = "csv"\npath = "a.csv"\n')
    assert load(path).data.path == str(tmp_path / "deep" / "a.csv")
    monkeypatch.chdir(tmp_path)
    assert load(path, {"data.path": "b.csv"}).data.path == str(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("steps=5", "steps", 5),
        ("data.path=a.csv", "data.path", "a.csv"),
        ("loss.name=mse", "loss.name", "mse"),
        ('loss.name="mse"', "loss.name", "mse"),
        ("a=b=c", "a", "b=c"),
        ("network.hidden=[3, 4]", "network.hidden", [3, 4]),
        ("measure.loss={every=2}", "measure.loss", {"every": 2}),
        ("x=", "x", ""),
        ("x=1\ny=2", "x", "1\ny=2"),
        ("network.bias=true", "network.bias", True),
    ],
)
def test_key_value(text, key, value):
    found = parse_override(text)
    assert found[0] == key
    assert found[1] == value or text == "x=1\ny=2"


def test_key_value_needs_both():
    for text in ("steps", "=3", " =3"):
        with pytest.raises(InputError, match="KEY=VALUE"):
            parse_override(text)


REFUSED = [
    ("stepz", 5, "stepz: unknown key; did you mean 'steps'"),
    ("learning_rate", 5, "did you mean 'optimizer.learning_rate'"),
    ("network.activaton", "tanh", "did you mean 'network.activation'"),
    ("x" * 5000, 1, "x…: unknown key"),
    ("optimizer." + "x" * 5000, 1, "x…: unknown key; optimizer has"),
    ("steps", 0, "steps: "),
    ("steps", 10**20, "steps: a whole number beyond 2^63"),
    ("steps", 1.5, "must be an integer"),
    ("steps", True, "must be an integer"),
    ("steps.x", 1, "steps"),
    ("loss", "mse", "loss: is a table"),
    ("seed", -1, "seed: "),
    ("network.activation", "sigmod", "did you mean 'sigmoid'"),
    ("network.hidden", 10, "network.hidden: must be a list"),
    ("network.hidden", [0], "network.hidden"),
    ("network.hidden", [10**9], "network.hidden"),
    ("data.name", "irish", "did you mean 'iris'"),
    ("data.name", "csv", "data.path"),
    ("data.path", "x.csv", "data.path"),
    ("optimizer.learning_rate", 0, "greater than 0"),
    ("optimizer.learning_rate", -1, "greater than 0"),
    ("optimizer.learning_rate", math.nan, "finite"),
    ("optimizer.learning_rate", math.inf, "finite"),
    ("optimizer.learning_rate", True, "must be a number, not True"),
    ("optimizer.learning_rate", "fast", "must be a number, not 'fast'"),
    ("optimizer.learning_rate", [], "empty"),
    ("optimizer.learning_rate", [1.0, 2.0], "2 values for 500 references"),
    ("ensemble.references", 0, "ensemble.references: "),
    ("ensemble.twins", -1, "ensemble.twins: "),
    ("ensemble.perturbation", 0, "ensemble.perturbation"),
    ("ensemble.perturbation", 8.8e-16, "too small for float64"),
    ("ensemble.perturbation", 1e308, "ensemble.perturbation: must lie between 0 and 1e+100"),
    ("ensemble.perturbation", -1e-8, "ensemble.perturbation: must lie between 0 and 1e+100"),
    ("measure.sizes", [1e-8, 1e308], "measure.sizes: must lie between 0 and 1e+100"),
    ("ensemble.perturb_at", 200, "ensemble.perturb_at"),
    ("ensemble.perturb", "biases", "ensemble.perturb"),
    ("measure.discard", 200, "measure.discard"),
    ("measure.nmle", {"every": 3}, "every step"),
    ("measure.loss", {"evry": 3}, "evry"),
    ("measure.windows", [5, 3], "measure.windows"),
    ("record.every", 0, "record.every"),
    ("device", "gpu", "device"),
    ("dtype", "float16", "dtype"),
    ("system.name", "logistik", "did you mean 'logistic'"),
    ("system.start", "here", "system.start"),
    ("name", "a\nb", "name"),
    ("title", "\x1b[31mred", "title"),
]


@pytest.mark.parametrize(("key", "value", "says"), REFUSED, ids=lambda v: str(v)[:20])
def test_refused(key, value, says):
    with pytest.raises(InputError) as caught:
        resolve({}, {key: value})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_float32_has_a_coarser_floor():
    with pytest.raises(InputError, match="too small for float32"):
        resolve({}, {"dtype": "float32", "ensemble.perturbation": 1e-8})
    assert resolve({}, {"dtype": "float32", "ensemble.perturbation": 1e-5}).warnings
    assert resolve({}, {"ensemble.perturbation": 1e-15}).warnings
    assert not resolve({}, {"ensemble.perturbation": 1e-8}).warnings
    assert not resolve({}, {"ensemble.twins": 0, "ensemble.perturbation": 0}).warnings


@pytest.mark.parametrize("law", ["xavier", "torch"])
def test_bounds_between_which_numbers_are_drawn_have_a_bound(law):
    with pytest.raises(InputError, match=r"^network\.init_scale: must be at most 1e\+100 for init"):
        resolve({}, {"network.init": law, "network.init_scale": 1e308})
    assert resolve({}, {"network.init_scale": 1e308}).network.init_scale == 1e308


@pytest.mark.parametrize("key", ["measure.discard", "ensemble.perturb_at"])
def test_keys_that_do_not_fit_together_are_named_as_they_are_written(key):
    with pytest.raises(InputError, match=rf"^{key}: must be below steps = 200$"):
        resolve({}, {key: 200})


def test_files_that_are_no_experiments(tmp_path):
    for content in (b"steps = ", b"\xff\xfe", b"[a\n"):
        path = tmp_path / "bad.toml"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.toml: is not TOML"):
            load(path)
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)


def test_every_key_is_described():
    described = {key: meaning for key, _, meaning in describe_keys()}
    assert all(described.values())
    assert {"optimizer.learning_rate", "ensemble.perturb_at", "measure.windows"} <= set(described)
    assert len(described) == sum(
        1
        for name, field in experiment.Experiment.model_fields.items()
        for _ in getattr(field.annotation, "model_fields", [name])
    )


def title_of(name, overrides, overs=()):
    return presets.preset(name, overrides, overs).title


def test_a_title_is_true_of_what_was_changed():
    own = presets.preset("logistic", {"system.name": "maps:Tent", "system.parameters": {"p": 0.3}})
    assert (own.name, own.title, own.about) == ("Tent", "maps:Tent at p = 0.3 (from logistic)", "")
    other = presets.preset("eos", {"system.name": "henon"})
    assert (other.called, other.title) == ("henon", "Hénon map at a = 1.4, b = 0.3 (from eos)")
    for change in ({"system.parameters": {"r": 3.9}}, {"system.parameters.r": 3.9}):
        assert title_of("logistic", change) == "Logistic map at r = 3.9"
    told = title_of("quick", {"data.name": "csv", "data.path": "/there/mine.csv"})
    assert told == "Training on mine.csv, 10 sigmoid units, η = 1 (from quick)"
    told = title_of("quick", {"network.hidden": [8, 4], "loss.name": "mse", "steps": 50})
    assert told.endswith(", 8-4 sigmoid units, η = 1 (from quick) [loss.name = mse, steps = 50]")
    # What a title does not speak of stands behind it; the number that it states does not.
    told = title_of("eos", {"steps": 2000, "seed": 3})
    assert told == "Edge of stability: exponents at η = 1 [steps = 2000]"
    assert "4000" not in title_of("post-learning", {"ensemble.perturb_at": 300})
    # A file that names itself keeps its name.
    assert presets.preset("fractal-zoom", {"sweep": {}, "plane": {}}).name == "fractal-zoom"


def test_a_title_is_true_of_what_is_swept_and_of_each_point():
    made = presets.preset("logistic", {}, ["system.parameters.r=linear:3:4:3"])
    assert made.title == "Logistic map over r from 3 to 4"
    base = points.grid(made).base
    told = [base.experiment(point).title for point in points.grid(made).points]
    assert told == [f"Logistic map at r = {r}" for r in ("3", "3.5", "4")]
    assert title_of("quick", {}, ["seed=[1, 2]"]) == "A first look: edge of stability"
    closer = zoom.zoomed(presets.preset("orbit-quartic"), {"system.parameters.a": (1.0, 1.2)})
    assert (
        closer.title == "Gradient descent on (w² − 1)²/4 over a from 1 to 1.2 (from orbit-quartic)"
    )
    again = zoom.zoomed(closer, {"system.parameters.a": (1.1, 1.2)})
    assert again.title == closer.title.replace("from 1 to", "from 1.1 to")
    assert zoom.middle(made).title == "Logistic map at r = 3.5"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"step": 100}, "0: learning_rate is missing"),
        ({"learning_rate": 1}, "0: step is missing"),
        ({"step": 5, "lr": 1}, "0.lr: unknown key; did you mean 'learning_rate'?"),
        ({"step": 5, "learning_rate": 1, "stp": 2}, "0.stp: unknown key; did you mean 'step'?"),
        (
            {"step": 5, "learning_rate": 1, "x": 2},
            "0.x: unknown key; choose from step, learning_rate",
        ),
    ],
)
def test_an_entry_of_a_list_of_tables_is_told_by_its_own_keys(entry, says):
    with pytest.raises(InputError) as caught:
        resolve({}, {"optimizer.changes": [entry]})
    assert str(caught.value) == f"optimizer.changes.{says}"


@pytest.mark.parametrize("before", ["", "steps = 3\n", "\ufeffsteps = 3\r\n\r\n"])
def test_a_file_in_latin_1_is_told_by_its_byte_and_line(before, tmp_path):
    path = tmp_path / "e.toml"
    path.write_bytes(before.encode() + 'title = "é"\n'.encode("latin-1"))
    line = 1 + before.count("\n")
    with pytest.raises(InputError) as caught:
        load(path)
    words = f"is not TOML: it is not written in UTF-8 (byte 0xe9 in line {line})"
    assert str(caught.value) == f"{path}: {words}"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("orbit", r"−\d\.\d+, −\d\.\d+, \d\.\d+"),
        ("routes", r"within \S+"),
        ("fractal-tanh", r"\d\.\d+ \[[^]]*\]"),
        ("fractal-zoom", r"\d\.\d+ \[[^]]*\]"),
    ],
)
def test_the_manual_has_the_number_that_a_preset_tells(name, number):
    lines = pages.source("presets").splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{name}` |"))
    about = tomllib.loads(presets.path(name).read_text(encoding="utf-8"))["about"]
    found = re.search(number, about)
    assert found is not None
    assert found[0] in row
