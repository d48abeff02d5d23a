"""Estimators against exact answers: chaos, contraction, fixed points, the rounding floor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from maps import SkewTent

from tuichaos.instruments.nmle import best_windows
from tuichaos.instruments.statistics import t_interval
from tuichaos.plots.distance_fit import fit
from tuichaos.plots.run_plots import Kept
from tuichaos.reports import run_report

MAP = {"ensemble.twins": 3, "record.every": 50, "measure.discard": 200}


def leading(run):
    return run.summary["lyapunov"]


# --- tangents ----------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("r", "exact", "error"),
    [(4.0, math.log(2), 2e-3), (2.6, math.log(0.6), 1e-9), (3.1, 0.5 * math.log(0.59), 1e-9)],
)
def test_logistic(simulate, r, exact, error):
    run = simulate(
        {**MAP, "system.name": "logistic", "system.parameters.r": r, "steps": 5000,
         "ensemble.references": 20}
    )  # fmt: skip
    assert leading(run)["mean"] == pytest.approx(exact, abs=error)
    assert leading(run)["count"] == 20


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("a", "exact", "error"),
    [
        (0.7, math.log(0.4), 1e-9),
        (0.9, math.log(0.8), 1e-9),
        (1.0, 0.0, 2e-3),
        (1.1, -0.8574, 1e-4),
        (1.5, 0.491, 2e-3),
        (1.9, 0.878, 2e-3),
        (2.0, math.log(3), 2e-3),
    ],
)
def test_quartic(simulate, a, exact, error):
    run = simulate(
        {**MAP, "system.name": "quartic", "system.parameters.a": a, "steps": 8000,
         "ensemble.references": 60, "ensemble.twins": 0, "record.every": 8000}
    )  # fmt: skip
    assert leading(run)["mean"] == pytest.approx(exact, abs=error)
    if exact > 0:
        low, high = leading(run)["ci95"]
        assert low < exact + error
        assert high > exact - error


def test_superstable_is_minus_infinity_and_never_a_number(simulate):
    run = simulate(
        {**MAP, "system.name": "quartic", "system.parameters.a": 0.5, "steps": 3000,
         "ensemble.references": 8}
    )  # fmt: skip
    assert leading(run)["mean"] is None
    assert leading(run)["ci95"] is None
    assert leading(run)["collapsed"] == 8
    assert np.isnan(run.exponents["lyapunov"]).all()
    assert (run.exponents["collapsed_at"] < 40).all()
    assert np.isnan(run.series["lyapunov"][-1]).all()
    assert np.isnan(run.rates["lyapunov"][run.rates["start"] >= 50]).all()
    assert run.summary["growth"]["mean"] is None  # nor do the twins give one


def test_a_tangent_that_overflows_is_not_called_superstable(simulate):
    run = simulate({"optimizer.learning_rate": 1e160, "steps": 40, "ensemble.references": 3})
    assert run.summary["diverged"] == 0
    assert leading(run)["collapsed"] == 0
    assert leading(run)["mean"] is None


@pytest.mark.parametrize(
    ("curvatures", "eta"), [([1.0], 0.5), ([1.0, 0.5, 0.1], 0.7), ([2.0, 0.3], 0.99)]
)
def test_quadratic_below_the_threshold(simulate, curvatures, eta):
    parameters = {"curvatures": curvatures, "eta": eta}
    run = simulate(
        {**MAP, "system.name": "quadratic", "system.parameters": parameters, "steps": 3000,
         "measure.discard": 1000, "ensemble.references": 2}
    )  # fmt: skip
    exact = max(math.log(abs(1 - eta * h)) for h in curvatures)
    assert run.exponents["lyapunov"] == pytest.approx(exact, abs=1e-10)
    assert run.summary["diverged"] == 0


@pytest.mark.parametrize(("curvatures", "eta"), [([1.0], 3.0), ([1.0, 0.5], 2.5)])
def test_quadratic_above_the_threshold_is_read_before_it_overflows(simulate, curvatures, eta):
    parameters = {"curvatures": curvatures, "eta": eta}
    run = simulate(
        {**MAP, "system.name": "quadratic", "system.parameters": parameters, "steps": 3000,
         "measure.discard": 300, "ensemble.references": 2, "record.every": 1}
    )  # fmt: skip
    exact = max(math.log(abs(1 - eta * h)) for h in curvatures)
    assert run.exponents["lyapunov"] == pytest.approx(exact, abs=1e-10)
    assert run.summary["diverged"] == 2
    assert leading(run)["mean"] is None  # over references that did not diverge
    at = int(run.exponents["diverged_at"][0])
    assert np.isfinite(run.series["x0"][at - 1, 0])
    assert np.isnan(run.series["x0"][at:, 0]).all()


@pytest.mark.parametrize(("eta", "beta"), [(0.5, 0.9), (3.0, 0.6), (0.1, 0.3)])
def test_heavy_ball_has_the_exponent_of_its_roots(simulate, eta, beta):
    parameters = {"curvatures": [1.0], "eta": eta, "beta": beta}
    run = simulate(
        {**MAP, "system.name": "quadratic", "system.parameters": parameters, "steps": 4000,
         "measure.discard": 1000, "ensemble.references": 2}
    )  # fmt: skip
    exact = math.log(max(abs(np.roots([1, -(1 + beta - eta), beta]))))
    # Complex roots turn the vector: its length oscillates about the exponential.
    assert run.exponents["lyapunov"] == pytest.approx(exact, abs=1e-3)
    assert run.series["distance"].shape[1] == 2


def test_contraction_of_any_strength(simulate):
    run = simulate({**MAP, "system.name": "maps:Diagonal", "steps": 900, "measure.discard": 300,
                    "ensemble.references": 4, "ensemble.perturbation": 1e-6,
                    "system.parameters.factors": [0.5, -0.5]})  # fmt: skip
    assert run.exponents["lyapunov"] == pytest.approx(math.log(0.5), abs=1e-12)
    assert run.summary["growth"]["mean"] == pytest.approx(math.log(0.5), abs=1e-6)
    assert run.summary["nmle"]["kept"] == 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("eta", "exact"), [(1.1, -0.1116), (0.5, 0.0), (2.0, math.log(3)), (1.5, 0.491)]
)
def test_two_layer_scalar_network_is_the_quartic(simulate, eta, exact):
    run = simulate(
        {"optimizer.learning_rate": eta, "record.every": 1000, "record.states_every": 1000,
         "ensemble.twins": 0, "steps": 6000},
        preset="two-layer-scalar",
    )  # fmt: skip
    assert leading(run)["mean"] == pytest.approx(exact, abs=2e-3)
    states = run.states["states"]
    assert np.array_equal(states[..., 0], states[..., 1])


def test_intervals_cover_the_truth_as_often_as_they_say(simulate):
    """Skew tent map, 40 experiments of 12 references: 95 % intervals of the mean exponent."""
    run = simulate(
        {"system.name": "maps:SkewTent", "steps": 400, "ensemble.references": 480,
         "ensemble.twins": 0, "record.every": 400}
    )  # fmt: skip
    exponents = run.exponents["lyapunov"].reshape(40, 12)
    exact = SkewTent().exponent
    covered = 0
    for group in exponents:
        low, high = t_interval(group)
        covered += low <= exact <= high
    assert 35 <= covered <= 40
    # One orbit's own error, from batch means: t-intervals of 480 references.
    half = 2.093 * run.exponents["lyapunov_error"]
    share = (abs(run.exponents["lyapunov"] - exact) <= half).mean()
    assert 0.90 <= share <= 0.99


def test_rates_are_those_of_the_windows(simulate):
    run = simulate({"system.name": "logistic", "steps": 130, "ensemble.references": 3,
                    "measure.windows": [0, 50, 100, 500]})  # fmt: skip
    rates = run.rates
    assert rates["start"].tolist() == [0, 50, 100] * 3
    assert rates["end"].tolist() == [50, 100, 130] * 3
    running = run.series["lyapunov"]
    for k in range(3):
        own = rates["lyapunov"][rates["reference"] == k]
        total = own @ np.array([50, 50, 30]) / 130
        assert total == pytest.approx(running[-1, k], abs=1e-12)
        assert own[0] == pytest.approx(running[50, k], abs=1e-12)
    assert np.isnan(running[0]).all()


# --- twins -------------------------------------------------------------------------------


def test_nmle_finds_a_known_line_and_matches_polyfit():
    rng = np.random.default_rng(0)
    t = np.arange(201)
    y = np.minimum(0.25 * t, 15) + 0.05 * rng.standard_normal((6, 201))
    found = best_windows(np.exp(y.T))
    assert found.kept.all()
    for k in range(6):
        start, length = int(found.start[k]), int(found.length[k])
        assert start % 5 == 0
        assert length % 5 == 0
        window = slice(start, start + length)
        slope, offset = np.polyfit(t[window], y[k, window], 1)
        residual = y[k, window] - slope * t[window] - offset
        r_squared = 1 - residual.var() / y[k, window].var()
        assert found.slope[k] == pytest.approx(slope, abs=1e-10)
        assert found.r_squared[k] == pytest.approx(r_squared, abs=1e-9)
        assert found.slope[k] == pytest.approx(0.25, abs=0.02)


def test_nmle_takes_the_best_of_all_its_windows():
    """Brute force over every window, with another formula for R²."""
    rng = np.random.default_rng(1)
    y = np.cumsum(rng.standard_normal((201, 3)) * 0.3 + 0.1, axis=0)
    found = best_windows(np.exp(y))
    for k in range(3):
        best = max(
            (np.corrcoef(np.arange(length), y[start : start + length, k])[0, 1] ** 2, -start)
            for start in range(0, 101, 5)
            for length in range(30, 101, 5)
        )
        assert found.r_squared[k] == pytest.approx(best[0], abs=1e-10)


def test_nmle_filter_and_what_has_no_window():
    t = np.arange(201.0)
    shrinking, slow, flat = np.exp(-0.3 * t), np.exp(0.04 * t), np.ones(201)
    zeros = np.zeros(201)
    gap = np.exp(0.3 * t)
    gap[60] = 0
    found = best_windows(np.stack([shrinking, slow, flat, zeros, gap], axis=1))
    assert found.kept.tolist() == [False, False, False, False, True]
    assert found.slope[:2] == pytest.approx([-0.3, 0.04])
    assert np.isnan(found.slope[2:4]).all()  # no variance, no logarithm
    assert found.start[4] + found.length[4] <= 60 or found.start[4] > 60
    short = best_windows(np.exp(0.3 * t[:29])[:, None])
    assert np.isnan(short.r_squared).all()
    assert not short.kept.any()


def test_growth_counts_every_reference_where_the_filter_keeps_few(simulate):
    run = simulate({"steps": 400, "ensemble.references": 8, "ensemble.twins": 4,
                    "optimizer.learning_rate": 0.01})  # fmt: skip
    growth = run.summary["growth"]
    assert growth["measured"] == growth["total"] == 8
    assert run.summary["nmle"]["kept"] == 0
    assert abs(growth["mean"]) < 0.01
    # Twins share the orbit of their reference: how they differ is no interval of it.
    assert not {"growth_low", "growth_high"} & set(run.exponents)


def test_growth_reads_the_exponent_of_a_map_with_independent_increments(simulate):
    run = simulate({"system.name": "maps:SkewTent", "steps": 60, "ensemble.references": 400,
                    "ensemble.twins": 3, "ensemble.perturbation": 1e-12})  # fmt: skip
    growth = run.summary["growth"]
    assert growth["measured"] >= 380
    # A first passage favours fast twins a little: the windows are some 25 steps long.
    assert growth["mean"] == pytest.approx(SkewTent().exponent, abs=0.03)


@pytest.mark.parametrize("c", [0.99, 0.9, 0.5, 0.1])
def test_growth_of_a_linear_contraction_is_exact(c, simulate):
    linear = {"system.name": "quadratic", "system.parameters": {"eta": 1 - c}, "steps": 400}
    run = simulate({**linear, "ensemble.references": 3, "measure.regime": False})
    assert run.summary["growth"]["measured"] == 3
    assert run.summary["growth"]["mean"] == pytest.approx(math.log(c), rel=1e-6)


@pytest.mark.parametrize("r", [2.2, 2.8, 2.95, 3.1, 3.3, 3.5, 3.55])
def test_growth_down_to_the_rounding_floor_is_a_rate_or_absent(r, simulate):
    """Transients and the uneven steps of a cycle make no line before the floor is reached."""
    logistic = {"system.name": "logistic", "system.parameters": {"r": r}, "steps": 400}
    small = {"ensemble.references": 20, "ensemble.perturbation": 1e-10, "measure.discard": 100}
    run = simulate({**logistic, **small, "measure.regime": False})
    found, known = run.summary["growth"], run.summary["lyapunov"]["mean"]
    own = run.exponents["growth"]
    assert np.abs(own[np.isfinite(own)] / known - 1).max(initial=0) < 0.25
    assert found["mean"] is None or found["mean"] == pytest.approx(known, rel=0.05)
    if found["mean"] is None:
        assert " of 20 references twins reach the rounding floor before" in found["reason"]
    line = fit(Kept(run), run.experiment)
    assert line is None or line.slope == pytest.approx(known, rel=0.3)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_growth_beside_a_large_constant_is_right_or_absent(offset, simulate):
    """Distances of a motion that is small beside the state stop growing below the limit."""
    shifted = {"system.name": "labelled_maps:Offset", "system.parameters": {"offset": offset}}
    sizes = {"ensemble.references": 10, "ensemble.perturbation": 1e-8, "steps": 1000}
    run = simulate({**shifted, **sizes, "measure.regime": False})
    growth = run.summary["growth"]
    if offset:
        assert growth["mean"] is None
        near = "stop parting below the growth limit" if offset == 1e3 else "start too near"
        assert near in growth["reason"]
    else:
        assert growth["mean"] == pytest.approx(math.log(2), abs=0.1)


def test_a_perturbation_below_rounding_is_called_lost(simulate):
    shifted = {"system.name": "labelled_maps:Offset", "system.parameters": {"offset": 5e6}}
    sizes = {"ensemble.references": 3, "ensemble.perturbation": 1e-10, "steps": 60}
    run = simulate({**shifted, **sizes, "measure.regime": False})
    words = (
        "ensemble.perturbation = 1e-10 is lost in rounding: states are about 5e6; take 1e-6 or more"
    )
    assert run.summary["growth"]["reason"] == words
    assert run.summary["nmle"]["reason"] == words
    more = {**shifted, **sizes, "ensemble.perturbation": 1e-6, "measure.regime": False}
    assert "lost" not in str(simulate(more).summary)


def test_growth_has_no_window_when_twins_start_above_the_growth_limit(simulate):
    run = simulate({"steps": 60, "ensemble.references": 4, "ensemble.perturbation": 0.1})
    assert run.summary["growth"]["measured"] == 0
    assert run.summary["growth"]["mean"] is None
    assert run.summary["growth"]["total"] == 4


def test_twins_of_a_contraction_stop_at_the_rounding_floor(simulate):
    """Distances fall to exactly 0; neither estimator may read an exponent below the floor."""
    run = simulate({"system.name": "logistic", "system.parameters.r": 2.6, "steps": 300,
                    "ensemble.references": 5, "ensemble.perturbation": 1e-6,
                    "ensemble.perturb_at": 50})  # fmt: skip
    assert (run.series["distance"][-1] < 1e-15).all()
    assert run.summary["growth"]["mean"] == pytest.approx(math.log(0.6), abs=1e-3)
    assert (run.exponents["growth_length"] < 60).all()


def test_perturbing_later_starts_the_twins_there(simulate):
    base = {"steps": 300, "ensemble.references": 4, "record.states_every": 100}
    late = simulate({**base, "ensemble.perturb_at": 100})
    now = simulate(base)
    distance = late.series["distance"]
    assert (distance[:100] == 0).all()
    assert (distance[100] > 1e-7).all()
    assert np.array_equal(late.states["states"], now.states["states"])
    assert np.array_equal(late.states["twins"][0, :, 0], late.states["states"][0])
    moved = late.states["twins"][1] - late.states["states"][1][:, None]
    assert abs(moved).max() <= 1.0000001e-8
    assert (abs(moved[:, :, 40:50]) == 0).all()  # biases stay
    assert (late.exponents["start"] + late.exponents["length"] <= 200).all()


def test_the_initial_distance_is_that_of_the_perturbation(simulate):
    run = simulate({"steps": 1, "ensemble.references": 200, "ensemble.twins": 5})
    first = run.series["distance"][0]
    assert first.mean() == pytest.approx(3.5e-7, rel=0.01)  # 70 ε/2
    assert run.summary["distance"]["perturbation_scale"] == pytest.approx(7e-7)
    layers = [n for n in run.series if n.startswith("distance.")]
    assert layers == [
        "distance.layers.0.weight", "distance.layers.0.bias",
        "distance.layers.1.weight", "distance.layers.1.bias",
    ]  # fmt: skip
    total = sum(run.series[name] for name in layers)
    assert np.allclose(total, run.series["distance"], rtol=1e-14)
    every = simulate({"steps": 1, "ensemble.references": 200, "ensemble.perturb": "all"})
    assert every.series["distance"][0].mean() == pytest.approx(83 * 0.5e-8, rel=0.01)


def test_distance_agrees_with_the_saved_states(simulate):
    run = simulate({"steps": 30, "ensemble.references": 5, "record.states_every": 1})
    apart = abs(run.states["twins"] - run.states["states"][:, :, None]).sum(-1).mean(-1)
    assert np.allclose(apart, run.series["distance"], rtol=1e-12)
    norms = abs(run.states["states"]).sum(-1)
    assert np.allclose(norms, run.series["weight_norm"], rtol=1e-13)


def test_rates_of_rare_events_have_no_interval(simulate):
    """A kink of the tent map in 2 000 steps: over 150 steps of 20 orbits one or two come, and an
    interval by the spread of the others would hold the truth in seven of ten runs."""
    tent = {"system.name": "labelled_maps:Tent", "system.parameters": {"p": 5e-4}}
    size = {"steps": 3000, "ensemble.references": 20, "ensemble.twins": 0}
    run = simulate({**tent, **size, "measure.regime": False})
    assert run.summary["rates"]["50-200"]["ci95"] is None
    assert run.summary["lyapunov"]["ci95"] is not None
    (row,) = [row for row in run_report.rows(run) if row.measure == "  steps 50–200"]
    assert row.interval == "few differ"
    always = simulate({"system.name": "cat", **size, "steps": 800})
    assert always.summary["rates"]["50-200"]["ci95"] is not None  # the same at every step
