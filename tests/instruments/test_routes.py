"""Three routes to the exponent, moving windows and perturbation sizes, against closed forms,
against each other on the network, and where there is no number."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tuichaos
from tuichaos.instruments.sizes import per_decade
from tuichaos.instruments.statistics import t_interval
from tuichaos.plots.run_plots import picture

NETWORK = {"ensemble.references": 3, "ensemble.twins": 2, "optimizer.learning_rate": 1.0}
ON = {"measure.routes": True, "measure.moving": {"width": 10, "every": 7}}
ON |= {"measure.sizes": [1e-10, 1e-8, 1e-5]}
QUADRATIC = {"system.name": "quadratic", "ensemble.references": 2, "ensemble.twins": 2}


def split(run):
    """routes.csv as the common windows and the whole runs, columns (references, twins)."""
    table = run.table("routes.csv")
    shape = (-1, int(table["twin"].max()) + 1)
    parts = [{k: v[n::2].reshape(shape) for k, v in table.items()} for n in (0, 1)]
    assert np.isnan(parts[1]["free"]).all()
    return parts


def linear(run, matrix, end):
    """(ln‖A^end δ‖ − ln‖δ‖)/end from the displacements of a run with states."""
    apart = run.states["twins"][0] - run.states["states"][0][:, None]
    power = np.linalg.matrix_power(np.atleast_2d(matrix), end)
    grown = np.linalg.norm(apart @ power.T, axis=-1)
    return np.log(grown / np.linalg.norm(apart, axis=-1)) / end


# --- closed forms ------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 5, 14, 37])
@pytest.mark.parametrize("curvatures", [[0.6], [0.6, 3.1, 1.2]])
def test_a_contraction_by_all_routes_and_the_last_partial_segment(simulate, curvatures, steps):
    """The band is left every seven steps or so: no run's length is a multiple of anything."""
    parameters = {"eta": 0.5, "curvatures": curvatures}
    run = simulate({**QUADRATIC, "system.parameters": parameters, "steps": steps,
                    "measure.routes": True, "record.states_every": steps})  # fmt: skip
    factors = np.diag(1 - 0.5 * np.array(curvatures))
    common, whole = split(run)
    exact = linear(run, factors, steps)
    assert whole["renormalised"] == pytest.approx(exact, abs=3e-6)
    assert whole["tangent"] == pytest.approx(exact, abs=1e-12)
    for r, j in np.ndindex(2, 2):
        expected = linear(run, factors, int(common["end"][r, j]))[r, j]
        assert common["free"][r, j] == pytest.approx(expected, abs=1e-3)
        assert common["renormalised"][r, j] == pytest.approx(expected, abs=3e-6)


def test_renormalised_twins_go_on_below_the_floor_where_free_ones_cannot(simulate):
    run = simulate({"system.name": "maps:Diagonal", "ensemble.references": 2, "steps": 300,
                    "ensemble.twins": 2, "measure.routes": True})  # fmt: skip
    common, whole = split(run)
    # d0 = 1e-8 falls by 0.5 a step to about 100·u·S = 2e-14: some twenty steps.
    assert (common["end"] < 30).all()
    assert (common["end"] > 5).all()
    assert whole["renormalised"] == pytest.approx(whole["tangent"], abs=3e-6)
    assert whole["tangent"] == pytest.approx(math.log(0.5), abs=0.01)
    assert run.summary["routes"]["disagreement_max"] < 1e-3


def test_cat_map_by_matrix_powers(simulate):
    run = simulate({"system.name": "cat", "ensemble.references": 2, "ensemble.twins": 2,
                    "steps": 300, "measure.routes": True, "record.states_every": 300})  # fmt: skip
    exact = linear(run, np.array([[2.0, 1], [1, 1]]), 300)
    _, whole = split(run)
    assert whole["renormalised"] == pytest.approx(exact, abs=1e-6)
    assert exact == pytest.approx(math.log((3 + math.sqrt(5)) / 2), abs=0.02)


def test_logistic_map(simulate):
    run = simulate({"system.name": "logistic", "ensemble.references": 2, "ensemble.twins": 1,
                    "steps": 8000, "measure.routes": True, "record.every": 1000})  # fmt: skip
    common, whole = split(run)
    assert whole["renormalised"] == pytest.approx(math.log(2), abs=2e-3)
    assert whole["tangent"] == pytest.approx(whole["renormalised"], abs=1e-3)
    assert (common["end"] < 20).all()  # 1e-8 doubles to 1e-5 in ten steps


# --- the network -------------------------------------------------------------------------


def test_routes_agree_on_the_papers_network(simulate):
    run = simulate({"ensemble.references": 6, "measure.routes": {"references": 6}}, preset="quick")
    found = run.summary["routes"]
    assert found["twins"] == 30
    assert found["disagreement_max"] < 1e-3
    common, _ = split(run)
    for route in ("free", "renormalised"):
        assert common[route] == pytest.approx(common["tangent"], abs=1e-3)
    assert found["free"] == pytest.approx(common["free"].mean(), rel=1e-12)
    # The windows do end by the distance, and the twin's own numbers say so.
    assert (common["end"] < 200).all()


def test_a_late_perturbation_starts_the_routes_late(simulate):
    run = simulate({**NETWORK, **ON, "steps": 60, "ensemble.perturb_at": 33,
                    "record.states_every": 1})  # fmt: skip
    common, whole = split(run)
    assert (common["start"] == 33).all()
    apart = run.states["twins"] - run.states["states"][:, :, None]
    logs = np.log(np.linalg.norm(apart[33:], axis=-1))
    for r, j in np.ndindex(3, 2):
        span = int(common["end"][r, j]) - 33
        expected = (logs[span, r, j] - logs[0, r, j]) / span
        assert common["free"][r, j] == pytest.approx(expected, rel=1e-9)
    assert whole["renormalised"] == pytest.approx(whole["tangent"], abs=1e-3)
    assert (run.table("sizes.csv")["length"] <= 28).all()


@pytest.mark.slow
def test_rounding_that_grows_ends_the_window(simulate):
    """Reference 10 stays on a slow direction for 150 steps while a fast one opens across it;
    rounding alone then overtakes a distance of 1e-7."""
    run = simulate({"measure.sizes": []}, preset="routes")
    found = run.summary["routes"]
    assert found["twins"] == 100
    assert found["disagreement_max"] < 5e-4
    assert 1e-3 < found["whole_disagreement_max"] < 1e-2
    common, _ = split(run)
    assert 140 < common["end"][10, 3] < 160


# --- bits --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("system", ["training", "maps:Sines", "logistic"])
def test_bits_do_not_depend_on_company_threads_or_frames(simulate, system):
    base = {**NETWORK, **ON, "system.name": system, "steps": 70, "record.every": 70}
    alone = simulate({**base, "ensemble.references": 1}, threads=1)
    few = simulate({**base, "ensemble.references": 3}, threads=2)
    many = simulate({**base, "ensemble.references": 500}, threads=2)
    for name in ("routes.csv", "moving.csv", "sizes.csv"):
        own = [
            [line for line in (run.path / name).read_text().splitlines()[1:] if first(name, line)]
            for run in (alone, few, many)
        ]
        assert own[0]
        assert own[0] == own[1] == own[2], name


def first(name, line):
    """Whether a line is that of reference 0."""
    column = {"routes.csv": 0, "moving.csv": 2, "sizes.csv": 1}[name]
    return line.split(",")[column] == "0"


def test_fewer_twins_are_the_first_of_more(simulate):
    base = {**NETWORK, "steps": 50}
    one = simulate({**base, "measure.routes": {"twins": 1}})
    two = simulate({**base, "measure.routes": True})
    lines = (two.path / "routes.csv").read_text().splitlines()
    kept = [lines[0], *(line for line in lines[1:] if line.split(",")[1] == "0")]
    assert (one.path / "routes.csv").read_text().splitlines() == kept


# --- where there is none -----------------------------------------------------------------


def test_superstable_and_diverging_orbits_have_no_routes(simulate):
    flat = simulate({**QUADRATIC, "system.parameters": {"eta": 1.0, "curvatures": [1.0]},
                     **ON, "steps": 50})  # fmt: skip
    common, whole = split(flat)
    for part in (common, whole):
        assert np.isnan(part["renormalised"]).all()
        assert np.isnan(part["tangent"]).all()
    assert flat.summary["routes"]["reason"].startswith("no twin stays between rounding")
    assert flat.summary["sizes"]["reason"].startswith("at no size do twins stay")
    assert flat.summary["moving"]["count"] == 0
    gone = simulate({"system.name": "quartic", "system.parameters": {"a": 3.5}, "steps": 60,
                     "ensemble.references": 2, "ensemble.twins": 1, **ON})  # fmt: skip
    if gone.summary["diverged"] == 2:
        _, whole = split(gone)
        assert np.isnan(whole["renormalised"]).all()
        assert np.isnan(whole["tangent"]).all()
        assert np.isnan(gone.table("sizes.csv")["growth"]).all()
    else:  # the test needs it
        pytest.fail("the orbits stayed")


def test_displacements_at_the_floor_or_too_large_have_no_common_window(simulate):
    small = {**QUADRATIC, "system.parameters": {"eta": 0.5}, "measure.routes": True, "steps": 30}
    for size, reason in ((2e-15, "the twins start where rounding rules"),
                         (1e-2, "the twins start farther than 1e-05")):  # fmt: skip
        run = simulate({**small, "ensemble.perturbation": size, "ensemble.references": 1,
                        "ensemble.twins": 1})  # fmt: skip
        assert np.isnan(run.table("routes.csv")["free"]).all()
        assert run.summary["routes"]["count"] == 0
        assert run.summary["routes"]["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ensemble.twins", 0, "measure.routes: there are no twins"),
        ("measure.tangent", False, r"measure.moving: .*measure.tangent"),
        ("measure.sizes", [1e-8, 5e-16], "measure.sizes: 5e-16 is too small for float64"),
        ("measure.routes", {"twin": 2}, "measure.routes: unknown key"),
        ("measure.moving", {"width": 0}, "measure.moving: width must be at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(simulate, key, value, message):
    with pytest.raises(tuichaos.InputError, match=message):
        simulate({**NETWORK, **ON, key: value})


# --- moving windows ----------------------------------------------------------------------


def test_moving_windows_that_coincide_are_those_of_the_rates(simulate):
    run = simulate({**NETWORK, "steps": 200, "ensemble.twins": 0,
                    "measure.windows": [0, 50, 100, 150],
                    "measure.moving": {"width": 50, "every": 25}})  # fmt: skip
    table, rates = run.table("moving.csv"), run.rates
    assert table["start"].tolist() == np.repeat(np.arange(0, 151, 25), 3).tolist()
    assert table["end"].tolist() == (table["start"] + 50).tolist()
    for start in (0, 50, 100, 150):
        own = table["lyapunov"][table["start"] == start]
        assert own.tolist() == rates["lyapunov"][rates["start"] == start].tolist()
    found = run.summary["moving"]
    by_reference = table["lyapunov"].reshape(-1, 3)
    assert found["above_zero"] == pytest.approx((by_reference > 0).mean())
    assert found["largest"] == np.median(by_reference.max(axis=0))
    assert found["smallest"] == np.median(by_reference.min(axis=0))


def test_chaos_ends_where_the_mean_is_no_longer_above_zero(simulate):
    """A number that doubles for 40 steps and halves from then on."""
    run = simulate({"system.name": "maps:Passing", "ensemble.references": 3, "steps": 100,
                    "ensemble.twins": 0, "measure.moving": {"width": 5, "every": 5}})  # fmt: skip
    found = run.summary["moving"]
    assert found["last_positive_end"] == 40
    assert found["above_zero"] == pytest.approx(8 / 20)
    alone = simulate({"system.name": "maps:Passing", "ensemble.references": 1, "steps": 100,
                      "ensemble.twins": 0, "measure.moving": True})  # fmt: skip
    assert alone.summary["moving"]["last_positive_end"] is None
    assert alone.summary["moving"]["last_positive_end_reason"] == "one reference"


def test_moving_windows_are_bounded_and_short_runs_have_none(simulate):
    run = simulate({"system.name": "logistic", "ensemble.references": 1, "ensemble.twins": 0,
                    "steps": 10_000, "record.every": 1000,
                    "measure.moving": {"width": 20, "every": 1}})  # fmt: skip
    found = run.summary["moving"]
    assert found["every"] == 5
    assert found["windows"] == 1997 <= 2000
    short = simulate({**NETWORK, "steps": 20, "measure.moving": True})
    assert "fewer than a window of 50" in short.summary["moving"]["reason"]
    assert short.summary["moving"]["above_zero"] is None
    assert len(short.table("moving.csv")["start"]) == 0


# --- perturbation sizes ------------------------------------------------------------------


def test_a_size_of_the_ensemble_reads_as_its_twin_0(simulate):
    run = simulate({**NETWORK, "ensemble.twins": 1, "steps": 250,
                    "measure.sizes": [1e-3, 1e-8, 1e-8]})  # fmt: skip
    table = run.table("sizes.csv")
    assert table["perturbation"].tolist() == [1e-8] * 3 + [1e-3] * 3
    own = table["perturbation"] == 1e-8
    for name, column in (("growth", "growth"), ("growth_length", "length"), ("nmle", "nmle"),
                         ("r_squared", "r_squared"), ("kept", "kept")):  # fmt: skip
        assert table[column][own] == pytest.approx(run.exponents[name], rel=1e-9), name
    assert (table["length"][~own] < table["length"][own]).all()


def test_sizes_of_a_contraction_and_those_without_room(simulate):
    sizes = [1e-15, 1e-10, 1e-8, 1e-6, 0.5]
    run = simulate({**QUADRATIC, "system.parameters": {"eta": 0.5, "curvatures": [0.6]},
                    "ensemble.twins": 0, "ensemble.perturb_at": 3,
                    "steps": 150, "measure.sizes": sizes})  # fmt: skip
    growth = run.table("sizes.csv")["growth"].reshape(5, 2)
    assert growth[1:4] == pytest.approx(math.log(0.7), abs=2e-3)
    assert np.isnan(growth[[0, 4]]).all()
    found = run.summary["sizes"]
    assert found["counts"] == [0, 2, 2, 2, 0]
    assert found["per_decade"] == pytest.approx(0, abs=1e-3)
    assert found["count"] == 2


def test_slope_over_decades():
    sizes = np.array([1e-9, 1e-7, 1e-4, 1e-2])
    rows = np.array([0.1 - 0.03 * np.log10(sizes), [1, 2, np.nan, np.nan], [0.2, 0.2, np.nan, 0.2]])
    assert per_decade(sizes, rows) == pytest.approx([-0.03, np.nan, 0.0], abs=1e-12, nan_ok=True)


# --- charts, intervals -------------------------------------------------------------------


def test_charts(simulate):
    run = simulate({**NETWORK, **ON, "steps": 60})
    names = {name: [curve.name for curve in picture(run, name).curves]
             for name in ("moving", "routes", "sizes")}  # fmt: skip
    assert names["moving"] == ["reference 0", "reference 1", "reference 2"]
    assert names["routes"] == ["free", "renormalised", "tangent"]
    assert names["sizes"] == ["growth window", "95 % low", "95 % high", "nMLE of the kept"]
    one = simulate({**NETWORK, **ON, "steps": 1})
    for name in names:
        if name == "routes":
            assert len(picture(one, name).curves) == 3
        else:
            with pytest.raises(tuichaos.InputError, match="there is no number"):
                picture(one, name)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_intervals_of_few_values_cover_the_truth(count):
    rows = np.random.default_rng(count).normal(size=(600, count))
    found = np.array([t_interval(row) for row in rows])
    assert 0.91 <= ((found[:, 0] <= 0) & (found[:, 1] >= 0)).mean() <= 0.975


@pytest.mark.slow
def test_both_exponents_of_the_softmax_map(simulate):
    """.23587 and .13572 with errors of 3e-5 and 5e-5: 1e8 steps of 311 orbits in all, with two
    tangents made orthogonal by hand in NumPy; here 40 orbits of 4 500 steps, which spread by
    .0036 and .0078."""
    run = simulate({"ensemble.references": 40, "ensemble.twins": 0}, preset="softmax-map")
    found = run.table("spectrum.csv")["exponent"].reshape(-1, 3)
    chaotic = found[found[:, 0] > 0.2]
    assert len(chaotic) >= 30
    error = 3 / math.sqrt(len(chaotic))
    assert chaotic[:, 0].mean() == pytest.approx(0.23587, abs=0.0036 * error)
    assert chaotic[:, 1].mean() == pytest.approx(0.13572, abs=0.0078 * error)
    low, high = run.summary["spectrum"]["ci95"][1]
    assert high - low < 0.01
