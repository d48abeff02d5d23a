"""What holds of any experiment, table, picture and state: tried on drawn ones, always the same."""

from __future__ import annotations

import json
import math
import struct
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load, save

from tuichaos.common.text import cell, clean, json_text
from tuichaos.config import presets
from tuichaos.config.fault_text import describe_keys
from tuichaos.config.loading import parse_override, resolve
from tuichaos.config.reference_parameters import REFERENCE
from tuichaos.config.sweep_axes import Axis, axes
from tuichaos.plots import plotext_renderer, raster_renderer
from tuichaos.plots.figure import Curve, Picture, Role
from tuichaos.storage.checkpoint_encoding import Decoder, Encoder
from tuichaos.storage.column_reader import read_table
from tuichaos.storage.run_writer import write_table
from tuichaos.storage.series_text import series_head, series_lines

CPU = torch.device("cpu")


def drawn(count):
    """The same draws each time, so many, however long one takes."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(
        derandomize=True, deadline=None, max_examples=count, database=None,
        suppress_health_check=slow,
    )  # fmt: skip


# --- experiments --------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
positive = st.floats(1e-300, 1e300)
small = st.integers(1, 6)


def switch(**options):
    """A switch of [measure]: off, on, or some of its options."""
    return st.booleans() | st.fixed_dictionaries({}, optional=options)


MEASURE = st.fixed_dictionaries(
    {},
    optional={
        "loss": switch(every=small),
        "accuracy": switch(every=small),
        "distance": switch(every=small),
        "nmle": st.booleans(),
        "tangent": st.booleans(),
        "spectrum": switch(count=small, references=small),
        "moving": switch(width=small, every=small),
        "routes": switch(references=small, twins=small),
        "sizes": st.lists(st.floats(1e-300, 1e100), max_size=3),
        "sharpness": switch(every=small, count=small, references=small),
        "orbital": switch(window=small, references=small),
        "recurrence": switch(points=small, references=small),
        "projection": switch(components=small, points=small, references=small),
        "reach": st.booleans() | st.fixed_dictionaries({"accuracy": st.floats(0.01, 1)}),
        "discard": st.integers(0, 9),
        "windows": st.lists(st.integers(0, 10**9), min_size=1, unique=True).map(sorted),
    },
)


@st.composite
def tables(draw):
    """A valid experiment as a table, with some of its keys."""
    steps, references = draw(st.integers(10, 10**15)), draw(st.integers(1, 5))
    hidden = draw(st.lists(st.integers(1, 10**6), max_size=4))
    rate = positive | st.lists(positive, min_size=references, max_size=references)
    name = draw(st.sampled_from(["training", *REFERENCE]))
    found = {
        "name": draw(words),
        "title": draw(words),
        "steps": steps,
        "seed": draw(st.integers(0, 2**63 - 1)),
        "dtype": draw(st.sampled_from(["float64", "float32"])),
        "system": {"name": name},
        "network": {
            "hidden": hidden,
            "activation": draw(st.sampled_from(["sigmoid", "tanh", "relu", "gelu", "linear"])),
            "init_scale": draw(positive),
            "bias": draw(st.booleans()),
        },
        "ensemble": {
            "references": references,
            "twins": draw(st.integers(0, 5)),
            "perturbation": draw(st.floats(1e-5, 1e100)),
            "perturb_at": draw(st.integers(0, 9)),
        },
        "optimizer": {"learning_rate": draw(rate)},
        "measure": draw(MEASURE),
        "record": {"every": draw(st.integers(1, 10**15)), "checkpoint": draw(positive)},
        "paper": draw(st.dictionaries(words, words, max_size=2)),
    }
    if name == "training" and draw(st.booleans()):
        changed = draw(st.lists(st.integers(0, 9), max_size=3, unique=True).map(sorted))
        rates = [{"step": step, "learning_rate": draw(rate)} for step in changed]
        found["optimizer"]["changes"] = rates
    if name in ("henon", "quartic", "logistic"):
        key = next(iter(REFERENCE[name]))
        found["system"]["parameters"] = {key: draw(st.floats(-1e300, 1e300))}
        found["system"]["start"] = draw(st.none() | st.lists(st.floats(-9, 9), min_size=1))
        if draw(st.booleans()):
            found["sweep"] = {f"system.parameters.{key}": draw(ranges())}
    return found


@st.composite
def ranges(draw):
    """What ``[sweep]`` takes."""
    kind = draw(st.sampled_from(["log", "linear", "values"]))
    if kind == "values":
        several = st.lists(st.integers(-9, 9) | positive, min_size=1, max_size=9, unique=True)
        return {"values": draw(several)}
    least = 1e-300 if kind == "log" else -1e300
    low, high = sorted(draw(st.lists(st.floats(least, 1e300), min_size=2, max_size=2, unique=True)))
    return {kind: [low, high, draw(st.integers(2, 200))]}


@drawn(150)
@given(tables())
def test_an_experiment_is_itself_after_toml(table):
    experiment = resolve(table)
    again = resolve(tomllib.loads(experiment.to_toml()))
    assert again == experiment
    assert again.to_toml() == experiment.to_toml()


@drawn(60)
@given(tables(), st.sampled_from([key for key, _, _ in describe_keys()]))
def test_an_override_of_a_key_by_its_own_value_changes_nothing(table, key):
    experiment = resolve(table)
    value = experiment.model_dump()
    for part in key.split("."):
        value = value[part]
    if key != "sweep" and value is not None:
        assert resolve(table, {key: value}) == experiment


@drawn(100)
@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans())
def test_a_value_on_the_command_line_is_the_value(value):
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    assert parse_override(f"a.b={text}") == ("a.b", value)


@drawn(100)
@given(ranges())
def test_a_range_has_its_ends_in_order_and_its_number(spec):
    (axis,) = axes({"x": spec})
    ((kind, ends),) = spec.items()
    if kind == "values":
        assert list(axis.values) == ends
        return
    assert len(axis.values) == ends[2]
    assert (axis.values[0], axis.values[-1]) == (ends[0], ends[1])
    assert all(map(math.isfinite, axis.values))
    slack = 1e-14 * max(map(abs, ends[:2]))  # values are rounded to 15 digits
    assert all(b - a >= -slack for a, b in zip(axis.values, axis.values[1:], strict=False))


# --- files --------------------------------------------------------------------------------------

anything = st.floats(width=64)


@drawn(60)
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=anything)
)
def test_a_table_of_numbers_is_read_back_bit_for_bit(values):
    names = [f"c{k}" for k in range(values.shape[1])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        write_table(path, names, values.tolist())
        found = np.stack([read_table(path)[name] for name in names], axis=1)
    wanted = np.where(np.isfinite(values), values, np.nan)
    assert (np.isnan(found) == np.isnan(wanted)).all()
    kept = ~np.isnan(wanted)
    assert (found[kept].view(np.int64) == wanted[kept].view(np.int64)).all()


@drawn(60)
@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_the_rows_of_a_series_are_read_back(times, references, data):
    shape = (times, references)
    column = data.draw(arrays.arrays(np.float64, shape, elements=anything))
    steps = np.arange(times) * 7
    text = series_lines(steps, np.arange(times), {"loss": column}, ["loss", "other"], references)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.csv"
        path.write_text(series_head(["loss", "other"]) + text)
        found = read_table(path)
    assert (found["step"] == np.repeat(steps, references)).all()
    assert np.isnan(found["other"]).all()
    wanted = np.where(np.isfinite(column), column, np.nan)
    assert np.array_equal(found["loss"].reshape(shape), wanted, equal_nan=True)


@drawn(200)
@given(st.text())
def test_no_text_reaches_a_terminal_or_a_spreadsheet_as_it_likes(text):
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)
    assert not cell(text).startswith(("=", "@", "\t", "\r"))
    if text.isprintable() and len(text) < 100:
        assert clean(text) == text
    assert json.loads(json_text({text: [text]})) == {text: [text]}


# --- pictures -----------------------------------------------------------------------------------

odd = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.8e308, -1e300, 1e100])
places = odd | anything | st.floats(-10, 10) | st.just(3.0)


@st.composite
def curves(draw):
    count = draw(st.integers(0, 12))
    column = arrays.arrays(np.float64, count, elements=places)
    x = draw(st.just(np.arange(float(count))) | column)
    role = draw(st.sampled_from(Role))
    return Curve(draw(st.text(max_size=8)), x, draw(column), role, draw(st.booleans()))


pictures = st.builds(
    Picture,
    st.text(max_size=20),
    st.lists(curves(), max_size=4),
    st.booleans(),
    st.sampled_from(["step", "log10 x", "", "\x1b["]),
    st.lists(st.tuples(st.text(max_size=5), places), max_size=2),
    st.lists(st.tuples(st.text(max_size=5), places), max_size=2),
    st.none() | st.tuples(st.floats(-5, 0), st.floats(1, 9)),
    st.booleans(),
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@drawn(250)
@given(pictures, st.integers(20, 140), st.integers(6, 60), st.booleans(), st.booleans())
def test_any_picture_can_be_drawn(picture, width, height, colour, ascii_only):
    text = plotext_renderer.draw(picture, width, height, colour=colour, ascii_only=ascii_only)
    assert len(text.split("\n")) <= height + 1
    if not colour:
        assert text.replace("\n", "").isprintable()
        assert all(len(line) <= width for line in text.split("\n"))


@st.composite
def drawn_rasters(draw):
    rows, columns = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    scales = (
        raster_renderer.Scale(
            "a", ((0, 0, 0), (255, 255, 255)), ".:", 1e-3, 1e3, log=True, unit="u"
        ),
        raster_renderer.Scale("b", ((9, 9, 9),), "#"),
        raster_renderer.Scale("c", ((9, 9, 9), (1, 2, 3)), "xo", *draw(st.tuples(places, places))),
    )
    classes = draw(arrays.arrays(np.int64, (rows, columns), elements=st.integers(-1, 2)))
    values = draw(arrays.arrays(np.float64, (rows, columns), elements=places))
    low, high = sorted(draw(st.tuples(positive, positive)))
    x = Axis("a.b", tuple(np.geomspace(low, high, columns).tolist()), log=True)
    y = Axis("c", tuple(range(rows))) if rows > 1 else None
    return raster_renderer.Raster(draw(st.text(max_size=9)), x, y, classes, values, scales)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@drawn(50)
@given(drawn_rasters(), st.integers(20, 100), st.integers(6, 40), st.booleans(), st.booleans())
def test_any_raster_can_be_drawn(raster, width, height, colour, ascii_only):
    lines = raster_renderer.framed(raster, width, height, colour=colour, ascii_only=ascii_only)
    assert len(lines) <= max(height, 12)  # title, axes and legend have lines of their own
    assert "".join(one.char for line in lines for one in line).isprintable()
    assert max(map(len, lines)) <= width


# --- checkpoints --------------------------------------------------------------------------------

KINDS = [np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_]
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def filled(draw):
    """An array of any bits: NaNs of every payload and sign among them."""
    kind, shape = np.dtype(draw(st.sampled_from(KINDS))), draw(shapes)
    size = math.prod(shape)
    if kind == np.bool_:
        return np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size))).reshape(shape)
    content = draw(st.binary(min_size=size * kind.itemsize, max_size=size * kind.itemsize))
    return np.frombuffer(content, kind).reshape(shape).copy()


plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text() | anything
keys = st.integers() | st.text(max_size=5)
leaves = plain | filled() | filled().map(torch.tensor) | st.frozensets(st.integers(), max_size=3)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=12,
)


def bits(value):
    """What a value is, to the bit."""
    if isinstance(value, torch.Tensor):
        return ("tensor", bits(value.numpy()))
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, list | tuple):
        return (type(value).__name__, [bits(item) for item in value])
    if isinstance(value, dict):
        return [(bits(key), bits(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(value)
    return (type(value).__name__, value)


def restored(value):
    """A value after it was in the two files of a checkpoint."""
    encoder = Encoder()
    tree = json.loads(json.dumps(encoder.encode(value)))
    return Decoder(load(save(encoder.arrays)), CPU).decode(tree)


@drawn(300)
@given(trees)
def test_state_is_restored_bit_for_bit(tree):
    assert bits(restored(tree)) == bits(tree)


@drawn(100)
@given(st.lists(filled(), max_size=4))
def test_lists_of_arrays_are_restored(items):
    assert bits(restored(items)) == bits(items)


def test_presets_are_themselves_after_toml():
    for name in presets.names():
        experiment = presets.preset(name)
        assert resolve(tomllib.loads(experiment.to_toml())) == experiment
