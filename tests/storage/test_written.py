"""Numbers and values as people write them: on the command line, in TOML, in titles."""

from __future__ import annotations

import pytest

import tuichaos
from tuichaos import InputError, resolve
from tuichaos.common import errors
from tuichaos.common.number_text import said
from tuichaos.config.loading import load
from tuichaos.config.presets import preset
from tuichaos.config.sweep_axes import axes, parse_over
from tuichaos.plots.run_comparison import differences

TINY = ["--preset", "logistic", "--set", "ensemble.references=2", "--set", "steps=40"]
TINY += ["--set", "measure.discard=0"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("optimizer.learning_rate=[.5, 5., 1e4]", (0.5, 5.0, 1e4)),
        ("optimizer.learning_rate=linear:.5:5.:3", (0.5, 2.75, 5.0)),
        ("optimizer.learning_rate=log:.1:10.:3.", (0.1, 1.0, 10.0)),
        ("optimizer.learning_rate=linear:.5:5:1e1", None),
    ],
)
def test_a_range_takes_numbers_as_set_does(text, values):
    (axis,) = axes(resolve({}, None, [text]).sweep)
    assert len(axis.values) == 10 if values is None else axis.values == values


def test_a_range_of_what_is_no_number_is_still_refused():
    for text in ("seed=[a]", "seed=[1.2.3]", "seed=linear:a:2:3"):
        with pytest.raises(InputError, match="is not a list of numbers"):
            parse_over(text)
    with pytest.raises(InputError, match=r"number of points must be an integer, not 2\.5"):
        resolve({}, None, ["seed=linear:1:2:2.5"])


WHOLE = [
    ("seed", 1e3, 1000), ("steps", 50.0, 50), ("data.seed", 1e3, 1000), ("data.train", 100.0, 100),
    ("network.hidden", [5.0, 3], [5, 3]), ("data.class_counts", [40.0, 40, 40], [40, 40, 40]),
    ("measure.windows", [0.0, 50.0], [0, 50]), ("record.every", 2.0, 2),
    ("measure.spectrum", {"count": 3.0}, {"count": 3}),
    ("measure.loss", {"every": 5.0}, {"every": 5}),
    ("measure.reach", {"every": 2.0, "accuracy": 1.0}, {"every": 2, "accuracy": 1.0}),
    ("optimizer.changes", [{"step": 5.0, "learning_rate": 2}], None),
    ("diagram.last", 20.0, 20),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "wanted"), WHOLE, ids=[key for key, _, _ in WHOLE])
def test_whole_numbers_written_as_floats_are_taken(key, value, wanted):
    found = resolve({}, {key: value}).model_dump()
    for part in key.split("."):
        found = found[part]
    if wanted is None:
        found, wanted = found[0]["step"], 5
    assert found == wanted
    assert repr(found) == repr(wanted)


@pytest.mark.parametrize("value", [5.5, 1e300, float("nan"), float("inf"), "5.0", True])
def test_other_numbers_are_still_no_integers(value):
    for key in ("seed", "data.seed", "network.hidden"):
        with pytest.raises(InputError, match=rf"^{key}: must be an integer, not"):
            resolve({}, {key: [value] if key == "network.hidden" else value})


def test_a_column_and_parameters_that_are_whole():
    table = {"data": {"name": "csv", "path": "a.csv", "target": 1.0}}
    assert repr(resolve(table).data.target) == "1"
    assert resolve({}, {"system.name": "product", "system.parameters.factors": 2.0})
    moons = {"data.name": "moons", "data.parameters.samples": 1e2, "steps": 5}
    assert len(tuichaos.run(resolve({}, moons | {"ensemble.references": 1})).steps) == 6
    with pytest.raises(InputError, match="positive integer"):
        tuichaos.run(resolve({}, moons | {"data.parameters.samples": 10.5}))


def test_options_take_them_as_well(command, tmp_path):
    code, _, err = command(
        "run", *TINY, "--seed", "1e3", "--threads", "1.", "--out", tmp_path / "a"
    )
    assert (code, tuichaos.open_run(tmp_path / "a").experiment.seed) == (0, 1000), err
    code, _, err = command("resume", tmp_path / "a", "--steps", "5.e1", "--quiet")
    assert (code, err) == (0, "")
    assert tuichaos.open_run(tmp_path / "a").experiment.steps == 50
    assert command("plot", tmp_path / "a", "--what", "x0", "--height", "12.0")[0] == 0
    for option in ("--seed", "--threads"):
        code, _, err = command("run", *TINY, option, "5.5")
        assert (code, "'5.5' is not a valid integer" in err) == (2, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps = 50.\n", "line 1: 50.: a digit must follow the point"),
        ("seed = 1\nsteps = 5.e1 # x\n", "line 2: 5.e1: a digit must follow the point"),
        ("[optimizer]\nlearning_rate = .5\n", "line 2: .5: a digit must stand before the point"),
        ("[network]\nhidden = [3, 5.]\n", "line 2: 5.: a digit must follow the point"),
        ("[network]\nhidden = [5.,3]\n", "line 2: 5.: a digit must follow the point"),
        ("[optimizer]\nlearning_rate = 0,5\n", "line 2: 0,5: decimals follow a point, not a comma"),
        ("seed = 007\n", "line 1: 007: no number begins with 0"),
        ("steps = 1e\n", "line 1: 1e: digits must follow the e"),
    ],
)
def test_a_number_that_is_none_of_toml_is_named_with_its_line(text, says, tmp_path):
    path = tmp_path / "e.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(path)
    assert f"e.toml: is not TOML: {says}" in str(caught.value)


def test_other_faults_are_told_as_the_parser_tells_them(tmp_path):
    path = tmp_path / "e.toml"
    for text in ("steps = yes\n", "[a\n", 'title = "5.\n', "steps = \n"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"is not TOML: [A-Z].* \(at"):
            load(path)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", "optimizer.learning_rate"), ("optimizer.lr", "optimizer.learning_rate"),
        ("optimizer.eta", "optimizer.learning_rate"), ("epochs", "steps"),
    ],
)  # fmt: skip
def test_names_that_others_have_for_a_key(key, meant):
    with pytest.raises(InputError, match=rf"unknown key; did you mean '{meant}'\?"):
        resolve({}, {key: 1})


def test_titles_and_tables_have_the_words_of_toml(simulate):
    changed = {"network.bias": False, "system.parameters": {"a": True}, "data.seed": None}
    assert preset("quick", {"network.bias": False}).title.endswith("[network.bias = false]")
    assert said(changed["system.parameters"]) == "{a = true}"
    assert said([True, None, 0.5, "a"]) == "[true, none, 0.5, 'a']"
    small = {"steps": 5, "ensemble.references": 1, "measure.regime": False}
    runs = [simulate(small), simulate(small | {"network.bias": False, "data.seed": 3})]
    rows = dict(differences(runs))
    assert rows["network.bias"] == ["true", "false"]
    assert rows["data.seed"] == ["none", "3"]


def test_another_map_than_that_of_a_preset_is_headed_and_listed_by_its_name(command, tmp_path):
    own = [*TINY, "--set", "system.name=maps:SkewTent", "--set", "system.parameters={}"]
    _, out, err = command("run", *own, "--out", tmp_path / "a")
    assert out.lstrip().startswith("maps:SkewTent "), err
    assert "\nSkewTent: distance of twins" in out
    assert command("run", *own, "--dry-run")[1].startswith("SkewTent: maps:SkewTent (from log")
    assert command("run", *own)[0] == 0
    assert command("runs")[1].splitlines()[1].startswith("SkewTent-")
    made = load(tmp_path / "a" / "experiment.toml")
    assert made.name == "SkewTent"
    assert resolve({"system": {"name": "maps:SkewTent"}}).called == "maps:SkewTent"  # untitled
    _, out, _ = command(
        "run",
        *TINY,
        "--set",
        "system.name=henon",
        "--set",
        "system.parameters={}",
        "--out",
        tmp_path / "b",
    )
    assert out.lstrip().startswith("Hénon map at a = 1.4, b = 0.3 ")
    assert resolve({"name": "mine"}).heading == "mine"
    assert resolve({"name": "mine", "system": {"name": "henon"}}).heading == "mine"


def test_a_number_that_is_none_is_said_to_have_to_be_one(command):
    for words in (["--fps", "abc"], ["bench", "--seconds", "abc"]):
        code, out, err = command(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.endswith(f"'{words[-2]}': must be a number, not 'abc'\n")


def test_of_many_choices_the_most_alike_are_named():
    names = [f"rates.{k}.mean" for k in range(90)]
    assert errors.some("regims", [*names, "regime"], "there") == "did you mean 'regime'?"
    words = errors.some("nope", names, "the first line of x.csv")
    assert words.count("rates.") == 8
    assert words.endswith(" or another of 90: the first line of x.csv")
    assert errors.some("nope", ["a", "b"], "there") == "choose from a, b"
