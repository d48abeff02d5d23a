"""Verdicts: each word on a system that is known to deserve it, and none where something lacks."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tuichaos.config.loading import resolve
from tuichaos.execution.plan import plan
from tuichaos.instruments.dead_network import dead_network
from tuichaos.instruments.evidence import Evidence, largest_folded
from tuichaos.instruments.saturation import stuck_units
from tuichaos.instruments.span_record import largest_speedup
from tuichaos.instruments.verdicts import GAIN, MAY_WAKE, is_ambiguous, judge
from tuichaos.reports import run_report

ALONE = {"ensemble.twins": 0, "ensemble.references": 3}


def rows(run):
    """regime.csv, a dictionary for each reference."""
    with open(run.path / "regime.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def words(run):
    return [row["verdict"] for row in rows(run)]


def quartic(simulate, a, **overrides):
    system = {"system.name": "quartic", "system.parameters": {"a": a}}
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    return simulate({**ALONE, **system, "steps": 2000, **changed})


# --- systems that are known -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "word"),
    [
        (0.5, "monotone"),
        (0.8, "monotone"),
        (1.1, "periodic-2"),
        (1.27, "periodic-4"),
        (1.5, "chaotic"),
        (1.9, "chaotic"),
        (2.1, "diverged"),
    ],
)
def test_the_cascade_of_the_quartic(simulate, a, word):
    run = quartic(simulate, a)
    assert words(run) == [word] * 3
    assert (run.summary["regime"], run.summary["regimes"]) == (word, {word: 3})


def test_catapult_from_a_start_that_shows_it(simulate):
    run = quartic(simulate, 0.9, system__start=[1.3])
    loss = run.series["loss"][:, 0]
    assert loss[1] > loss[0]  # over the hill, then down
    assert words(run) == ["catapult"] * 3
    assert words(quartic(simulate, 0.7, system__start=[0.3])) == ["monotone"] * 3


@pytest.mark.slow
def test_a_network_whose_loss_only_falls_is_marginal(simulate):
    run = simulate(preset="low", overrides={"steps": 1500, "ensemble.references": 4})
    assert words(run) == ["marginal"] * 4
    assert all(float(row["rises"]) == 0 for row in rows(run))


def test_maps_without_a_loss(simulate):
    def logistic(r):
        system = {"system.name": "logistic", "system.parameters": {"r": r}}
        return words(simulate({**ALONE, **system, "steps": 1000}))

    assert logistic(2.6) == ["periodic-1"] * 3
    assert logistic(3.1) == ["periodic-2"] * 3
    assert logistic(4.0) == ["chaotic"] * 3


def test_chaos_that_passes_tells_when(simulate):
    overrides = {"steps": 2000, "ensemble.references": 12, "ensemble.twins": 0}
    run = simulate(overrides, preset="eos")
    passed = [row for row in rows(run) if row["verdict"] == "transient-chaos"]
    assert len(passed) >= 8
    steps = run.steps
    for row in passed:
        end = float(row["ends_at"])
        assert 50 <= end < 1500
        growth = run.series["lyapunov"][:, int(row["reference"])] * steps
        # By a second route, the running exponent: nearly all growth came before the end.
        before = growth[steps == end][0]
        late = (growth[-1] - growth[steps == 1500][0]) / 500
        assert before > GAIN
        assert abs(late) < 0.02
    assert run.summary["verdicts"]["transient_end_median"] < 1500


@pytest.mark.slow
def test_dead_networks_of_every_plateau(simulate):
    """The levels of the loss tell which attractor of the class-fraction map it is. Units of
    nearly all still move."""
    run = simulate(preset="large")
    dead = [row for row in rows(run) if row["stuck_since"]]
    assert len(dead) >= 17
    seen = set()
    for row in dead:
        assert row["verdict"] == "dead-network" or row["missing"].startswith("dead so far")
        tail = run.series["loss"][-200:, int(row["reference"])]
        k = int(float(row["stuck_on"]))
        assert float(row["eta_eff"]) == 5 * (1 + k)
        kind = row["behaviour"].removesuffix(" (drifting)")
        seen.add((k, kind))
        if kind == "fixed":
            assert k == 0
            assert tail == pytest.approx(np.full(200, 1.0984), abs=2e-3)
        if kind == "periodic-3":
            assert k > 0
            assert tail[3:] == pytest.approx(tail[:-3], abs=0.05 * np.ptp(tail))
        if kind == "chaotic":
            assert k == 1
            assert tail.min() > 1.10
            assert tail.max() < 2.39
            assert float(row["exponent"]) == pytest.approx(0.236, abs=0.02)
    assert {(0, "fixed"), (1, "chaotic"), (2, "periodic-3")} <= seen


# --- saturated units -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "bias", "expected"),
    [
        ("sigmoid", 40.0, (3, 3)),
        ("sigmoid", -40.0, (3, 0)),
        ("sigmoid", 0.0, (0, 0)),
        ("tanh", -40.0, (3, 3)),  # at −1: as large as at +1
        ("relu", -40.0, (3, 0)),
        ("relu", 40.0, (0, 0)),  # its slope is 1
        ("linear", 40.0, (0, 0)),
    ],
)
def test_units_that_no_sample_moves(activation, bias, expected):
    network = {"network.hidden": [3], "network.activation": activation}
    system = plan(resolve({}, {**network, "steps": 10})).built.system
    x = torch.zeros(2, system.dimension, dtype=torch.float64)
    x[1, 12:15] = bias  # behind 3 × 4 weights: the first row is untouched
    stuck = stuck_units(system, x)
    assert (stuck.saturated[1, 0], stuck.on[1, 0]) == expected
    zero = {"relu": (3, 0)}.get(activation, (0, 0))  # at 0 the slope of relu is 0
    assert (stuck.saturated[0, 0], stuck.on[0, 0]) == zero


def test_units_along_the_orbit(simulate):
    network = {"network.hidden": [5, 4], "optimizer.learning_rate": 5.0}
    run = simulate({**ALONE, **network, "steps": 45, "measure.units": {"every": 20}})
    table = run.table("units.csv")
    assert np.unique(table["step"]).tolist() == [0, 20, 40, 45]
    column = run.series["saturated"]
    assert np.isfinite(column[:, 0]).sum() == 4
    both = table["saturated"].reshape(4, 3, 2).sum(axis=2)
    assert (column[[0, 20, 40, 45]] == both).all()
    assert (table["on"] <= table["saturated"]).all()
    assert run.summary["units"]["widths"] == [5, 4]


def test_units_of_a_system_without_any(command, tmp_path):
    asked = ("--set", "measure.units=true", "--out", tmp_path / "x")
    code, _, err = command("run", "--preset", "logistic", *asked)
    assert (code, err) == (2, "tuichaos: error: measure.units: this system has no hidden units\n")
    assert not (tmp_path / "x").exists()


# --- what lacks ------------------------------------------------------------------------------


def test_too_few_steps(simulate):
    run = quartic(simulate, 1.5, steps=40)
    assert words(run) == ["undecided"] * 3
    assert rows(run)[0]["missing"] == "only 40 of at least 64 steps"
    assert rows(run)[0]["exponent"] == ""


def test_diverged_at_step_3(simulate):
    run = quartic(simulate, 2.1, system__start=[1e60])
    assert words(run) == ["diverged"] * 3
    row = rows(run)[0]
    assert float(row["ends_at"]) <= 4
    assert row["exponent"] == row["period"] == ""


def test_without_a_tangent_only_the_loss_speaks(simulate):
    assert words(quartic(simulate, 1.1, measure__tangent=False)) == ["periodic-2"] * 3
    run = quartic(simulate, 1.5, measure__tangent=False)
    assert words(run) == ["undecided"] * 3
    assert "measure.tangent" in rows(run)[0]["missing"]


def test_regime_off(simulate):
    run = quartic(simulate, 1.5, measure__regime=False)
    assert run.summary["regime"] is None
    assert not (run.path / "regime.csv").exists()


def test_the_superstable_point_is_said(simulate):
    run = quartic(simulate, 0.5)
    assert "rounding floor (superstable) in 3" in run.summary["verdicts"]["warnings"][0]


# --- the rules alone ------------------------------------------------------------------------


def evidence(growth=0.0, rises=0.0, motion=None, steps=640, **others):
    """32 spans of 20 steps; numbers hold for all spans, arrays for each; rates per step."""
    spans = np.ones(32)
    rng = np.random.default_rng(0)
    grown = growth * spans * steps / 32
    given = {
        "edges": np.linspace(0, steps, 33).astype(int),
        "growth": grown,
        **dict.fromkeys(("begins", "ends", "best"), np.maximum(grown, 0)),
        "rises": rises * spans * steps / 32,
        "falls": spans,
        "slowest": 0 * spans[:, None],
        "fastest": spans[:, None],
        "speedup": spans[:, None],
        "means": rng.standard_normal((32, 2)),
        "spread": np.ones(2),
        "heights": spans,
        "motion": rng.standard_normal((160, 1)) if motion is None else motion,
        "is_loss": True,
        "fell": True,
    }
    return Evidence(**{**given, **others})


def test_the_edge_of_stability_needs_the_sharpness():
    wild = np.tile([0.2, -0.2], 16)  # neither grows nor shrinks, beyond what is neutral
    assert judge(evidence(wild, rises=0.3)).verdict == "undecided"
    assert "measure.sharpness" in judge(evidence(wild, rises=0.3)).missing
    assert judge(evidence(wild, rises=0.3, sharpness=1.02)).verdict == "edge-of-stability"
    assert judge(evidence(wild, rises=0.3, sharpness=0.5)).verdict != "edge-of-stability"


def test_slow_parting_at_the_edge_is_no_hindrance():
    """As the curvature grows on; with folding it would be chaos."""
    slow, fast = np.full(32, 0.015), np.full(32, 0.15)
    assert judge(evidence(slow, rises=0.3, sharpness=1.0)).verdict == "edge-of-stability"
    assert judge(evidence(slow, rises=0.3, sharpness=0.5)).verdict == "undecided"
    assert judge(evidence(fast, rises=0.3, sharpness=1.0)).verdict == "chaotic"


def test_growth_must_have_been_enough():
    late = np.concatenate([np.zeros(24), np.full(8, 0.05)])
    found = judge(evidence(late, rises=0.4))
    assert found.verdict == "undecided"
    assert found.gain == pytest.approx(160 * 0.05)
    assert "not yet by 1e6" in found.missing
    assert judge(evidence(2 * late, rises=0.4)).missing.startswith("chaotic so far, but over few")
    assert judge(evidence(8 * late, rises=0.4)).verdict == "chaotic"


def test_what_counts_is_the_gain_over_the_run_not_the_rate():
    """The same rate, too little to tell in a short run, is chaos in a long one."""
    assert judge(evidence(0.001, rises=0.01)).verdict == "marginal"
    assert judge(evidence(0.01, rises=0.01)).verdict == "undecided"
    assert judge(evidence(0.001, rises=0.01, steps=640_000)).verdict == "chaotic"


def test_rare_stretching_is_read_from_a_longer_window():
    """Three quarters of the run tell the sign where the last one alone does not."""
    rare = np.full(32, -0.1)
    rare[[1, 6, 9, 12, 14, 18, 21, 23, 27, 30]] = 2.0
    found = judge(evidence(rare, rises=0.4))
    assert found.verdict == "chaotic"
    assert found.since < 480
    assert found.low > 0


REST = np.zeros((160, 1))


def test_an_orbit_that_speeds_up_as_its_neighbours_part_is_no_chaos():
    growth = np.concatenate([np.full(10, 0.1), np.full(22, -0.1)])  # 20 nats, then a fixed point
    speed = np.concatenate([-20 + 2.0 * np.arange(10), -2.0 * np.arange(22)])[:, None]
    escape = {"slowest": speed, "fastest": speed + 2, "speedup": np.full((32, 1), 2.0)}
    found = judge(evidence(growth, rises=0.1, motion=REST, **escape))
    assert found.verdict != "transient-chaos"
    assert found.folded < GAIN < found.gain
    calm = judge(evidence(growth, motion=REST, **escape))
    assert (calm.verdict, calm.ends_at) == ("saddle-escape", 200)
    # The same growth at a steady speed, with a loss that rises, is more than a saddle gives only
    # where it is more: then it is chaos that passed.
    steady = judge(evidence(growth, rises=0.1, motion=REST))
    assert (steady.verdict, "too little" in steady.missing) == ("undecided", True)
    more = np.maximum(2 * growth, growth)
    assert judge(evidence(more, rises=0.1, motion=REST)).verdict == "transient-chaos"
    # A loss that only falls never comes back, however the speed looks; nor did it leave a saddle
    # where it did not speed up.
    assert judge(evidence(more, motion=REST)).verdict == "monotone"


def test_a_state_that_repeats_while_nearby_orbits_part_is_undecided():
    flips = (-1.0) ** np.arange(160)[:, None]
    assert judge(evidence(-0.1, motion=flips)).verdict == "periodic-2"
    assert judge(evidence(0.0, motion=flips)).verdict == "periodic-2"
    assert "unstable cycle" in judge(evidence(0.5, rises=0.4, motion=flips)).missing
    # In the bottleneck of an intermittency: chaos before, and an exponent that does not tell.
    dwells = np.concatenate([np.full(20, 0.5), np.zeros(4), np.tile([0.02, -0.02], 4)])
    assert judge(evidence(dwells, rises=0.4, motion=flips)).verdict == "undecided"


def test_an_unstable_torus_is_no_chaos():
    turns = np.cos(0.6180339887 * 2 * np.pi * np.arange(1000))[:, None]
    assert "torus" in judge(evidence(0.5, rises=0.4, motion=turns)).missing
    assert judge(evidence(0.0, rises=0.01, motion=turns)).verdict == "quasi-periodic"
    shrinks = evidence(-0.001, rises=0.01, motion=turns)  # neutral, but beyond its interval
    assert judge(shrinks).verdict == "marginal"
    cycle = np.cos(2 * np.pi * 401 / 1500 * np.arange(4096))[:, None]
    assert judge(evidence(0.0, rises=0.01, motion=cycle)).verdict == "marginal"


def test_chaos_whose_rate_drifts_is_not_yet_chaos():
    falling = np.linspace(0.6, 0.2, 32)
    assert "drifts" in judge(evidence(falling, rises=0.4)).missing


def test_units_that_may_wake_are_not_dead():
    """1/slope that changes by half a percent in half a run may be gone in a hundred runs."""
    moves = np.full((33, 1), 1.1 * 0.005 / 16)
    found = dead(0, moved=moves)
    assert (found.verdict, found.stuck_on, found.eta_eff) == ("undecided", 2.0, 15.0)
    assert found.missing == MAY_WAKE
    assert dead(0, moved=moves / 1.2).verdict == "dead-network"
    early = np.where(np.arange(33)[:, None] < 17, 1.0, 0.0)
    assert dead(0, moved=early).verdict == "dead-network"  # as they were thrown there
    # Any layer that is stuck for good is enough.
    assert dead(0, moved=np.concatenate([moves, 0 * moves], axis=1)).verdict == "dead-network"


def test_a_dead_network_that_moves_on_is_not_yet_told():
    """Its gain in a hundred runs is enough to leave where it is."""
    assert dead(0, growth=1e-5).verdict == "dead-network"
    moving = dead(0, growth=1e-4)
    assert (moving.verdict, moving.behaviour) == ("undecided", "wandering")
    assert moving.missing.startswith("dead so far")
    assert dead(0, growth=0.2).verdict == "dead-network"  # chaos of the map that it is


def test_chaos_that_drifts_is_not_yet_chaos():
    drifting = np.linspace(0, 5, 32)[:, None] + np.zeros((32, 2))
    assert "drifts" in judge(evidence(0.5, rises=0.4, means=drifting)).missing
    # As large a trend that the state's own motion drowns is none.
    drowned = evidence(0.5, rises=0.4, means=drifting, spread=np.full(2, 1e3))
    assert judge(drowned).verdict == "chaotic"


def test_chaos_that_may_come_back_is_undecided():
    growth = np.concatenate([np.full(12, 0.2), np.zeros(12), np.tile([0.2, -0.18], 4)])
    found = judge(evidence(growth, rises=0.4))
    assert found.verdict == "undecided"
    assert "comes back" in found.missing
    quiet = np.concatenate([np.full(12, 0.2), np.zeros(20)])
    found = judge(evidence(quiet, rises=0.4))
    assert (found.verdict, found.ends_at) == ("transient-chaos", 240)
    assert found.gain == pytest.approx(240 * 0.2)


def dead(since, on=2.0, growth=0.0, stuck=None, bias=True, moved=None, **others):
    """All units stuck from a look (of 33, 20 steps apart) on, ``on`` of them on."""
    stuck = np.arange(33) >= since if stuck is None else stuck
    looked = np.linspace(0, 640, 33).astype(int)
    moved = np.zeros((33, 1)) if moved is None else moved
    found = dead_network(looked, stuck, np.where(stuck, on, np.nan), moved, 640, 5.0, bias)
    return judge(evidence(growth, **{"dead": found, **others}))


def test_a_network_that_died_late_is_not_yet_dead():
    assert dead(27).verdict == "marginal"  # alive within the last quarter
    found = dead(11)
    assert (found.verdict, found.eta_eff, found.stuck_since) == ("dead-network", 15.0, 220)
    assert dead(11, bias=False).eta_eff == 10.0
    inner = dead(11, on=np.nan)  # not the last layer
    assert inner.verdict == "dead-network"
    assert math.isnan(inner.eta_eff)


def test_a_unit_that_stirred_counts_from_then_on_and_a_network_that_lives_is_not_dead():
    stirs = (np.arange(33) >= 11) & (np.arange(33) != 20)
    found = dead(0, stuck=stirs, on=1.0)
    assert (found.verdict, found.stuck_since) == ("dead-network", 420)
    stirs = (np.arange(33) >= 11) & (np.arange(33) != 29)
    assert dead(0, stuck=stirs, on=1.0).verdict == "marginal"
    assert dead(0, stuck=np.arange(33) % 2 == 0).verdict == "marginal"
    assert dead(0, stuck=np.arange(33) < 32).verdict == "marginal"  # alive at the end


def test_an_exponent_is_not_of_several_maps():
    on = np.where(np.arange(33) < 26, 1.0, 2.0)
    found = dead(5, on, growth=0.2)
    assert (found.stuck_on, found.k_since, found.eta_eff) == (2.0, 520, 15.0)
    assert math.isnan(found.exponent)
    assert dead(5, growth=0.2).exponent == pytest.approx(0.2)
    late = dead(5, np.where(np.arange(33) < 32, 1.0, 2.0), growth=0.2)
    assert late.behaviour == "k has just changed"


def test_slow_convergence_is_no_period():
    t = np.arange(160)[:, None]
    rate = math.log(0.99)
    assert judge(evidence(rate, motion=1 + 0.5 * (-0.99) ** t)).verdict == "monotone"
    assert judge(evidence(rate, motion=1 + 0.5 * (-1.0) ** t)).verdict == "periodic-2"
    both = 0.5 * (-1.0) ** t + 0.01 * 0.99**t  # on the way to a cycle
    assert judge(evidence(rate, motion=both)).verdict == "periodic-2"


# --- bits ------------------------------------------------------------------------------------


def test_a_verdict_does_not_depend_on_company(simulate):
    overrides = {"steps": 300, "ensemble.twins": 1, "measure.units": True}
    alone = simulate({**overrides, "ensemble.references": 1}, preset="eos")
    among = simulate({**overrides, "ensemble.references": 9}, preset="eos", threads=1)
    assert rows(alone)[0] == rows(among)[0]
    first = [
        line for line in (among.path / "units.csv").read_text().splitlines() if ",0,0," in line
    ]
    mine = (alone.path / "units.csv").read_text().splitlines()[1:]
    assert mine == first


def test_a_sign_that_is_not_told_is_warned_of():
    unclear = judge(evidence(np.tile([0.2, -0.18], 16), rises=0.01))
    assert is_ambiguous(unclear)
    assert not is_ambiguous(judge(evidence(np.tile([0.001, -0.001], 16))))  # neutral is clear
    assert not is_ambiguous(judge(evidence(0.2)))


@pytest.mark.slow
def test_overfitting_is_warned_of(simulate):
    """Labels of noise: what was learnt of the train part is nothing for the test part."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((60, 2)).tolist(), rng.integers(2, size=60).tolist()
    data = {"data.name": "inline", "data.x": x, "data.y": y, "data.train": 20}
    network = {"network.hidden": [60], "network.activation": "tanh"}
    run = simulate({**ALONE, **data, **network, "optimizer.learning_rate": 0.05, "steps": 12_000})
    assert run.series["train_accuracy"][-1] == pytest.approx(np.ones(3))
    best = run.series["test_accuracy"].max(axis=0)
    worse = best - run.series["test_accuracy"][-1] >= 0.05
    words = [w for w in run.summary["verdicts"]["warnings"] if w.startswith("overfitting")]
    assert worse.any()
    assert f"in {worse.sum()} reference" in words[0]


# --- what is no chaos -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("quadratic", {"curvatures": [2.5], "eta": 0.85}),
        ("quadratic", {"curvatures": [1.0], "eta": 3.1, "beta": 0.5}),
    ],
)
def test_running_away_is_not_chaos(simulate, name, parameters):
    run = simulate({**ALONE, "system.name": name, "system.parameters": parameters, "steps": 400})
    assert words(run) == ["undecided"] * 3
    assert "runs away" in rows(run)[0]["missing"]


def test_regression_that_runs_away(simulate):
    data = {"data.name": "gaussian", "loss.name": "mse", "network.hidden": []}
    run = simulate({**ALONE, **data, "optimizer.learning_rate": 2.0, "steps": 200})
    assert set(words(run)) <= {"undecided", "diverged"}
    assert (run.exponents["lyapunov"] > 0).all()  # they do part


def test_resting_on_an_unstable_point_is_not_chaos(simulate):
    cat = {**ALONE, "system.name": "cat", "system.start": [0.0, 0.0], "steps": 300}
    assert words(simulate(cat)) == ["undecided"] * 3
    run = quartic(simulate, 1.5, system__start=[1.0])  # |1 − 2a| = 2
    assert words(run) == ["undecided"] * 3
    assert "unstable cycle" in rows(run)[0]["missing"]


def test_a_cycle_at_constant_loss_is_a_cycle(simulate):
    """ηh = 2: one coordinate flips for ever, the loss stays, the exponent is 0."""
    flips = {"curvatures": [2.5, 1.0], "eta": 0.8}
    system = {"system.name": "quadratic", "system.parameters": flips}
    run = simulate({**ALONE, **system, "steps": 600})
    assert words(run) == ["periodic-2"] * 3


def test_evidence_does_not_depend_on_where_frames_end():
    """Frames of one step, as in the explorer, give the bits of long ones."""
    from tuichaos.instruments.span_record import SpanRecord

    rng = np.random.default_rng(0)
    states, signal = rng.standard_normal((301, 2, 3)), rng.standard_normal((301, 2))
    growth = rng.standard_normal((301, 2))

    def record(*edges):
        made = SpanRecord(300, 2, 3, 2.0**-52)
        for a, b in zip((0, *edges), (*edges, 301), strict=True):
            made.add(np.arange(a, b), states[a:b], signal[a:b], growth[a:b])
        return vars(made.judged(300))

    whole = record()
    for other in (record(1), record(*range(1, 301)), record(7, 100, 299)):
        assert all(np.array_equal(whole[name], other[name]) for name in whole)


def test_the_folded_growth_of_all_stretches_at_once_is_that_of_each():
    """By the definition, stretch by stretch; with what is unknown, lost or without bound."""
    rng = np.random.default_rng(0)

    def rows(*shape):
        odd = rng.choice([np.nan, np.inf, -np.inf, 0.0], shape)
        return np.where(rng.random(shape) < 0.06, odd, 3 * rng.standard_normal(shape))

    for _ in range(100):
        names = ("growth", "begins", "ends", "best")
        given = {name: rows(32) for name in names}
        given |= {name: rows(32, 3) for name in ("slowest", "fastest", "speedup")}
        given |= {"rises": rng.integers(0, 2, 32), "falls": rng.integers(0, 4, 32)}
        with np.errstate(all="ignore"):
            one = replace(evidence(), **given, is_loss=bool(rng.integers(2)))
            for spans in (32, 16):
                assert largest_folded(one, spans) == one_by_one(one, spans)


def one_by_one(evidence, spans):
    def last(rows):
        return np.where(np.isfinite(rows), rows, -np.inf)[-spans:]

    growth, begins = last(evidence.growth), last(evidence.begins)
    ends, within = last(evidence.ends), last(evidence.best)
    one_way = (evidence.rises[-spans:] == 0) & (evidence.falls[-spans:] > 0) & evidence.is_loss
    speeds = [r[-spans:] for r in (evidence.slowest, evidence.fastest, evidence.speedup)]
    best = 0.0
    for a in range(spans):
        faster = largest_speedup(*(rows[a:] for rows in speeds)).max(axis=1)
        for b in range(a, spans):
            between = np.add.accumulate(np.concatenate([[0.0], growth[a + 1 : b]]))[-1]
            gain = within[a] if a == b else ends[a] + between + begins[b]
            if not one_way[a : b + 1].all():
                best = np.fmax(best, gain - faster[b - a])
    return best


def test_the_table_says_what_the_undecided_seem_to_be(simulate):
    run = simulate(preset="eos", overrides={"ensemble.references": 4, "ensemble.twins": 1})
    assert set(words(run)) == {"undecided"}
    (row,) = [row for row in run_report.rows(run) if row.value == "chaotic so far"]
    assert (row.measure, row.count) == ("  of these", "4 of 4")


def test_what_diverged_is_not_called_superstable(simulate):
    wild = {"optimizer.learning_rate": [1e308, 0.01, 1e308], "ensemble.references": 3}
    run = simulate(wild, preset="quick")
    assert words(run).count("diverged") == 2
    assert not run.summary["verdicts"]["warnings"]


def test_reasons_beyond_the_commonest_are_counted(simulate):
    run = simulate(overrides={"ensemble.references": 7, "ensemble.twins": 1, "steps": 20})
    (words,) = [line for line in run_report.remarks(run) if line.startswith("undecided")]
    assert words.startswith("undecided in 7: ")
    part = run.summary["verdicts"]
    part["missing"] = dict.fromkeys("abcde", 1)  # the summary has five reasons at most
    lines = [line for line in run_report.remarks(run) if line.startswith("undecided")]
    assert len(lines) == 6
    assert lines[-1] == "undecided in 2 others: for other reasons, in regime.csv"


def test_a_loss_that_rose_or_still_falls_left_no_saddle_alone(simulate):
    """Its third network rises in 71 steps, rests on a plateau, and falls again to the end."""
    wild = {"optimizer.learning_rate": 5.0, "steps": 1500, "seed": 9, "record.every": 10}
    run = simulate({**wild, "ensemble.references": 3, "ensemble.twins": 0}, preset="quick")
    assert words(run)[2] == "undecided"
    late = run.series["loss"][-25:, 2]
    assert late.max() > 2 * late.min()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("steps", [300, 6000])
def test_an_nmle_of_a_window_in_which_the_loss_only_falls_has_a_word_beside_it(steps, simulate):
    """Also where chaos, or an edge, comes after the saddle, however long the run is."""
    saddle = {"network.activation": "tanh", "network.init_scale": 1e-7, "steps": steps}
    size = {"ensemble.references": 4, "ensemble.twins": 1, "optimizer.learning_rate": 0.2}
    run = simulate({**saddle, **size, "record.every": 10}, preset="quick")
    assert run.summary["nmle"]["kept"] == 4
    (note,) = [w for w in run.summary["verdicts"]["warnings"] if w.startswith("nMLE")]
    begins = "nMLE: of the 4 kept, 4 only left a saddle in the window that is fitted: twins part"
    assert note.startswith(begins)


@pytest.mark.parametrize(("count", "are"), [(1, "1 is"), (2, "2 are")])
def test_an_nmle_of_what_came_to_a_cycle_has_a_word_beside_it(count, are, simulate):
    quartic = {"system.parameters.a": 1.1, "system.start": [1.00000001], "steps": 1000}
    run = simulate({**quartic, "ensemble.references": count}, preset="quartic")
    assert set(words(run)) == {"periodic-2"}
    assert run.summary["nmle"]["kept"] == count
    (note,) = [w for w in run.summary["verdicts"]["warnings"] if w.startswith("nMLE")]
    assert note == (
        f"nMLE: of the {count} kept, {are} periodic-2 in the end: twins parted only on the way, "
        "which is no chaos"
    )


def test_an_nmle_without_a_window_is_not_measured(simulate):
    run = simulate({"steps": 20, "ensemble.references": 3, "ensemble.twins": 1}, preset="quick")
    found = run.summary["nmle"]
    assert found["kept"] is None
    assert found["kept_ci95"] is None
    assert found["window"] == [0, 20]
    assert "no window of 30 points" in found["reason"]
    shown = {row.measure.strip(): row for row in run_report.rows(run)}
    assert shown["nMLE ± std"].value == "none"
    assert "kept by filter" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_no_outputs_that_are_alike_have_a_smaller_loss(loss):
    """Of a network without hidden layers: biases alone, and with small weights."""
    system = plan(resolve({}, {"loss.name": loss, "network.hidden": []})).built.system
    shares = system.train.targets.mean(1)
    best = shares.log() if loss == "cross-entropy" else shares
    weights = torch.zeros(system.dimension - len(best), dtype=torch.float64)
    draw = torch.from_numpy(np.random.default_rng(0).standard_normal((200, system.dimension)))
    states = torch.cat([weights, best])[None] + 1e-3 * draw
    states[0] -= 1e-3 * draw[0]
    losses, spreads = system.losses(states), system.output_spread(states)
    assert float(losses[0]) == pytest.approx(system.least_loss_of_alike(0.0), rel=1e-12)
    assert float(spreads[0]) < 1e-12
    assert float(spreads.max()) > 0.01
    for own, spread in zip(losses.tolist(), spreads.tolist(), strict=True):
        assert own >= system.least_loss_of_alike(spread) - 1e-12
    # Descent on the weights finds what is below the bound for constant outputs, and keeps to it.
    x = states[:1].clone()
    for _ in range(200):
        x = x - 0.01 * system.gradient(x)
    spread = float(system.output_spread(x)[0])
    assert float(system.losses(x)[0]) < system.least_loss_of_alike(0.0)
    assert float(system.losses(x)[0]) >= system.least_loss_of_alike(spread)


@pytest.mark.long
def test_a_network_that_woke_between_two_looks_was_not_dead_before(simulate):
    """For some 170 of 60 000 steps, at 38 440 and at 50 660, its loss is below what any outputs
    have that are the same for all samples."""
    waking = {"network.hidden": [6], "optimizer.learning_rate": 2.0, "seed": 11}
    size = {"ensemble.references": 1, "ensemble.twins": 0, "record.every": 10}
    run = simulate({**waking, **size, "steps": 60_000}, preset="quick")
    assert run.series["loss"][5000:5100].min() < 0.6
    assert words(run) != ["dead-network"]
