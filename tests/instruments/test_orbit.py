"""Instruments of the scalar series against exact answers and second routes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

import tuichaos
from tuichaos.config.instruments import charts
from tuichaos.config.loading import resolve
from tuichaos.execution.plan import plan
from tuichaos.instruments import chosen
from tuichaos.instruments.autocorrelation import autocorrelation, null_band
from tuichaos.instruments.base import RunContext
from tuichaos.instruments.expansion import LONGEST, expansion, fit, neighbours
from tuichaos.instruments.memory import Memory
from tuichaos.instruments.period import period
from tuichaos.instruments.recurrence import recurrence
from tuichaos.instruments.series_window import Unmeasured
from tuichaos.instruments.zero_one import displacements, stride_of, zero_one
from tuichaos.plots.run_plots import picture

NAMES = ("autocorrelation", "recurrence", "expansion", "zero_one", "period")
ALL = {f"measure.{name}": True for name in NAMES}
BARE = {**ALL, "ensemble.twins": 0, "ensemble.references": 2, "measure.tangent": False}
FILES = ("orbit", "autocorrelation", "recurrence", "expansion", "expansion-curve")
FILES += ("zero_one", "zero_one-plane", "period")


def of(simulate, name, parameters=None, **overrides):
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    system = {"system.name": name, "system.parameters": parameters or {}}
    return simulate({**BARE, **system, **changed})


def iterated(step, x, steps, discard=0):
    found = []
    for _ in range(steps):
        x = step(x)
        found.append(x)
    return np.array(found[discard:])


def logistic(r, steps, x=0.3123, discard=0):
    return iterated(lambda x: r * x * (1 - x), x, steps, discard)


def noise(seed, size):
    return np.random.default_rng(seed).normal(size=size)


# --- autocorrelation ---------------------------------------------------------------------


def test_autocorrelation_is_the_sum_it_says():
    x = noise(0, 300).cumsum()
    states = np.stack([x, noise(1, 300)], axis=1)
    deviation = states - states.mean(axis=0)
    spread = (deviation**2).sum(axis=1).mean()
    direct = [(deviation[k:] * deviation[:-k]).sum(axis=1).mean() / spread for k in (1, 2, 7, 40)]
    assert autocorrelation(states, 40)[[0, 1, 6, 39]] == pytest.approx(direct, rel=1e-11)
    single = np.corrcoef(x[1:], x[:-1])[0, 1]
    assert autocorrelation(x, 3)[0] == pytest.approx(single, abs=0.02)


def test_ninety_five_per_cent_of_noise_lies_in_the_null_band():
    outside = []
    for seed in range(40):
        x = np.random.default_rng(seed).exponential(size=400)
        low, high = null_band(x, 40, np.random.default_rng(1000 + seed))
        rho = autocorrelation(x, 40)
        outside.append(((rho < low) | (rho > high)).mean())
    assert 0.035 <= np.mean(outside) <= 0.065
    low, high = null_band(noise(0, 2000), 5, np.random.default_rng(0))
    assert high == pytest.approx(1.96 / math.sqrt(2000), rel=0.1)
    assert low == pytest.approx(-1.96 / math.sqrt(2000), rel=0.1)


def test_a_rotation_is_regular_and_its_autocorrelation_is_a_cosine(simulate):
    run = of(simulate, "maps:Rotation", steps=100 + 89 * 12 - 1, measure__discard=100)
    table = run.table("autocorrelation.csv")
    exact = np.cos(2 * np.pi * 34 / 89 * table["lag"])
    assert table["state"] == pytest.approx(exact, abs=1e-10)
    assert table["signal"] == pytest.approx(exact, abs=0.01)
    assert (run.table("zero_one.csv")["k"] < 0.1).all()
    assert run.summary["period"]["period"] == 89
    assert run.summary["period"]["reason"] is None
    assert run.summary["recurrence"]["determinism"] == 1


def test_the_class_fraction_map_has_the_papers_autocorrelation(simulate):
    few = {"measure.autocorrelation": True, "measure.spectrum": False, "measure.tangent": False}
    run = simulate({**few, "ensemble.twins": 0, "ensemble.references": 8}, preset="softmax-map")
    found = run.summary["autocorrelation"]
    lags = [found[f"lag_{k}"] for k in (1, 2, 3)]
    assert lags == pytest.approx([-0.28, -0.32, 0.17], abs=0.02)  # the authors' figure
    assert found["signal"] == "loss"


# --- 0–1 test ----------------------------------------------------------------------------


def test_displacements_are_those_of_the_definition():
    x, c = noise(3, 200) + 5, np.array([0.9, 2.1])
    n = np.arange(1, 201)
    for row, frequency in zip(displacements(x, c), c, strict=True):
        p = np.cumsum((x - x.mean()) * np.cos(n * frequency))
        q = np.cumsum((x - x.mean()) * np.sin(n * frequency))
        direct = [
            np.mean((p[k : 180 + k] - p[:180]) ** 2 + (q[k : 180 + k] - q[:180]) ** 2)
            for k in range(1, 21)
        ]
        assert row == pytest.approx(direct, rel=1e-9)


def test_centring_does_what_taking_the_oscillating_term_away_does():
    """M_c of the raw series less (Eφ)²(1 − cos nc)/(1 − cos c), as it was published."""
    x, c = logistic(3.97, 3000), 1.3
    j, n = np.arange(1, 3001), np.arange(1, 301)
    z = np.cumsum(x * np.exp(1j * c * j))
    raw = np.array([np.mean(np.abs(z[k : 2700 + k] - z[:2700]) ** 2) for k in n])
    published = raw - x.mean() ** 2 * (1 - np.cos(n * c)) / (1 - math.cos(c))
    k = np.corrcoef(n, published)[0, 1]
    assert zero_one(x, np.array([c]))[0] == pytest.approx(k, abs=0.01)


def test_the_zero_one_test_knows_regular_from_chaotic():
    c = np.random.default_rng(0).uniform(math.pi / 5, 4 * math.pi / 5, 100)
    t = np.arange(2000)
    chaotic = [logistic(4.0, 2000), logistic(3.9, 2000), noise(0, 2000)]
    golden = (math.sqrt(5) - 1) / 2
    regular = [logistic(3.5, 2500, discard=500), np.cos(2 * np.pi * golden * t) + 3]
    assert all(np.median(zero_one(x, c)) > 0.95 for x in chaotic)
    assert all(abs(np.median(zero_one(x, c))) < 0.1 for x in regular)


def test_the_stride_is_1_for_maps_and_more_where_time_is_slow():
    t = np.arange(5000)
    assert stride_of(logistic(4.0, 2000)) == 1
    assert stride_of(logistic(3.5, 2000)) == 1
    exact = math.acos(1 / math.e) / (2 * math.pi / 60)
    assert stride_of(np.cos(2 * np.pi * t / 60)) == pytest.approx(exact, abs=1)
    with pytest.raises(Unmeasured, match="drifts"):
        stride_of(np.exp(-t / 5000))


@pytest.mark.slow
def test_the_stride_lets_the_lorenz_flow_be_chaotic(simulate):
    overrides = {"measure.zero_one": True, "measure.spectrum": False, "measure.tangent": False}
    run = simulate({**overrides, "ensemble.twins": 0}, preset="lorenz")
    assert run.summary["zero_one"]["k"] > 0.95
    assert run.summary["zero_one"]["stride"] > 5


# --- expansion rates ---------------------------------------------------------------------


def test_neighbours_are_all_pairs_within_the_radius():
    x = np.random.default_rng(0).uniform(size=300)
    x[200:] = x[:100]
    first, second = neighbours(x, 0.01)
    found = {tuple(sorted(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    pairs = itertools.combinations(range(300), 2)
    assert found == {(i, j) for i, j in pairs if abs(x[i] - x[j]) < 0.01}
    assert len(found) == len(first)


def test_of_many_neighbours_an_even_share_is_taken():
    x = np.tile([0.0, 1.0, 2.0], 1000)
    first, second = neighbours(x, 0.5)
    assert len(first) == 20_000
    assert (x[first] == x[second]).all()
    assert (first != second).all()
    pairs = {tuple(sorted(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    assert len(pairs) == 20_000
    assert np.bincount(x[first].astype(int)) == pytest.approx(20_000 / 3, abs=2)


def test_fits_are_those_of_linear_regression():
    rng = np.random.default_rng(5)
    distances = np.exp(0.2 * np.arange(1, LONGEST + 1) + rng.normal(0, 0.5, (20, LONGEST)))
    found = fit(distances, 0.0)
    for row, y in enumerate(np.log(distances)):
        lines = [stats.linregress(np.arange(1, m), y[: m - 1]) for m in range(5, 26)]
        best = max(lines, key=lambda line: line.rvalue**2)
        assert found.rate[row] == pytest.approx(best.slope, rel=1e-9)
        assert found.r_squared[row] == pytest.approx(best.rvalue**2, rel=1e-9)
        assert found.length[row] == lines.index(best) + 4
        tested = stats.linregress(np.arange(1, 11), y[:10])
        assert found.p_value[row] == pytest.approx(tested.pvalue, rel=1e-7)


def test_local_rates_are_those_of_each_times_own_neighbours():
    x = logistic(3.9, 800)
    one = expansion(x, radius=5e-3)
    usable = x[: len(x) - LONGEST]
    for row in (0, 50, len(one.times) - 1):
        i = one.times[row]
        near = np.flatnonzero(np.abs(usable - usable[i]) < 5e-3)
        near = near[near != i]
        assert one.neighbours[row] == len(near)
        d = [np.mean(np.abs(x[i + n] - x[near + n])) for n in range(1, LONGEST + 1)]
        assert one.local.rate[row] == pytest.approx(fit(np.array([d]), 0.0).rate[0], rel=1e-9)


@pytest.mark.parametrize("start", [0.2, 0.3123, 0.77])
def test_expansion_of_the_logistic_map_is_near_ln_2(start):
    one = expansion(logistic(4.0, 5000, start))
    assert one.whole.rate[0] == pytest.approx(math.log(2), abs=0.07)
    assert one.whole.significant[0]
    assert one.local.significant.mean() > 0.9


def test_noise_does_not_expand_more_often_than_the_test_allows():
    p = []
    for seed in range(100):
        x = np.random.default_rng(seed).uniform(0, 0.2, 700)
        p.append(expansion(x).whole.p_value[0])
    assert np.mean(np.array(p) <= 0.05) <= 0.12
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.17)


def test_expansion_of_a_contraction_is_its_rate():
    x = 1 + 4e-5 * 0.95 ** np.arange(300)
    one = expansion(x, floor=1e-13)
    assert one.whole.rate[0] == pytest.approx(math.log(0.95), abs=1e-4)
    with pytest.raises(Unmeasured, match="meet"):
        expansion(np.tile([0.1, 0.5, 0.9], 200), floor=1e-13)
    with pytest.raises(Unmeasured, match="fewer than 10 pairs of steps"):
        expansion(np.arange(400.0))


# --- recurrence --------------------------------------------------------------------------


def by_run_lengths(x):
    """Rate, determinism, laminarity, mean diagonal by walking along every line."""
    size = math.sqrt(np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=1)))
    n = len(x)
    near = np.array([[math.dist(a, b) <= 0.1 * size for b in x] for a in x])
    near &= ~np.eye(n, dtype=bool)

    def lengths(lines):
        for line in lines:
            for value, group in itertools.groupby(line.tolist()):
                if value:
                    yield len(list(group))

    diagonals = list(lengths(near.diagonal(k) for k in range(1 - n, n) if k))
    verticals = list(lengths(near.T))
    total, long = sum(diagonals), [d for d in diagonals if d >= 2]
    return (
        total / (n * n - n),
        sum(long) / total,
        sum(v for v in verticals if v >= 2) / total,
        np.mean(long),
    )


@pytest.mark.parametrize(
    "x",
    [
        noise(0, (150, 1)),
        logistic(3.9, 150)[:, None],
        noise(1, (100, 3)).cumsum(axis=0),
        np.tile([[0.0, 1], [1, 1], [2, 0]], (40, 1)),
    ],
    ids=["noise", "logistic", "walk", "cycle"],
)
def test_recurrence_is_what_walking_along_the_lines_gives(x):
    one = recurrence(x)
    found = (one.rate, one.determinism, one.laminarity, one.mean_diagonal)
    assert found == pytest.approx(by_run_lengths(x), rel=1e-12)


def test_recurrence_of_noise_is_that_of_independent_pairs():
    one = recurrence(noise(7, (1000, 1)))
    rate = 2 * stats.norm.cdf(0.1 / math.sqrt(2)) - 1  # |a − b| ≤ 0.1σ
    assert one.rate == pytest.approx(rate, rel=0.05)
    assert one.determinism == pytest.approx(1 - (1 - one.rate) ** 2, abs=0.01)


# --- period ------------------------------------------------------------------------------


def quartic(a, steps=3000):
    w = iterated(lambda w: w - a * w * (w * w - 1), 0.4, steps)
    return (w * w - 1) ** 2 / 4


def softmax_map(eta, seed, steps):
    f = np.array([41, 40, 39]) / 120

    def step(z):
        e = np.exp(z - z.max())
        return z - eta * (e / e.sum() - f)

    z = iterated(step, np.random.default_rng(seed).normal(size=3), steps)
    top = z.max(axis=1, keepdims=True)
    return -((z - top - np.log(np.exp(z - top).sum(axis=1, keepdims=True))) @ f)


T = np.arange(5000.0)
PERIODS = {
    "quartic 0.5": (quartic(0.5), 1),
    "quartic 1.1": (quartic(1.1), 2),
    "quartic 1.27": (quartic(1.27), 4),
    "quartic 1.9": (quartic(1.9), None),
    "logistic 3.1": (logistic(3.1, 3000), 2),
    "logistic 3.5": (logistic(3.5, 3000), 4),
    "logistic 3.55": (logistic(3.55, 5000), 8),
    "logistic 3.83": (logistic(3.83, 5000), 3),
    "logistic 4": (logistic(4.0, 3000), None),
    "at the bifurcation": (logistic(3.0, 5000), None),
    "constant": (np.full(100, 1.0986), 1),
    "zero": (np.zeros(100), 1),
    "rounding noise": (1 + 4 * 2.0**-52 * noise(0, 3000), 1),
    "rounding noise after a transient": (quartic(0.9) + 1e-16 * noise(0, 3000), 1),
    "alternating, slow": (1 + 0.3 * (-0.99) ** T[:600], None),
    "alternating, slower": (1 + 0.3 * (-0.9999) ** T, None),
    "alternating, slowest": (1 + 0.3 * (-0.999995) ** T, None),
    "alternating, settled": (1 + 0.3 * (-0.99) ** T, 1),
    "monotone, slow": (1 + 0.3 * 0.999**T, None),
    "ramp": (1 - 1e-5 * T, None),
    "dead network": (1.0984 + 1e-10 * (5000 - T) + 3 * 0.9**T, 1),
    "near-resonant rotation": (np.cos(2 * np.pi * (1 / 3 + 1e-5) * T), None),
    "golden rotation": (np.cos(2 * np.pi * 0.6180339887498949 * T), None),
    "64": (np.tile(noise(0, 64), 10), 64),
    "65": (np.tile(noise(0, 65), 10), 65),
    "1024": (np.tile(noise(0, 1024), 4), 1024),
    "1025": (np.tile(noise(0, 1025), 4), None),
    "16, alternating about 8": (
        np.tile(noise(0, 8), 200) + 1e-5 * (-0.99) ** (T[:1600] // 8),
        None,
    ),
    "constant after a transient of 600": (np.append(noise(0, 600), np.ones(512)), 1),
    "chaos on an offset": (2e6 + logistic(4.0, 3000), None),
    "two components": (np.stack([(-1.0) ** T, np.cos(np.pi * T / 4)], axis=1), 8),
    "one of two is chaotic": (np.stack([(-1.0) ** T[:3000], logistic(4.0, 3000)], axis=1), None),
    "3 seen three times": (np.tile([1.0, 2, 4], 4), None),
    "3 seen six times": (np.tile([1.0, 2, 4], 6), 3),
    "noise": (noise(0, 1000), None),
    "diverged": (np.append(np.full(100, 1.0), np.nan), None),
    "nothing": (np.empty(0), None),
}


@pytest.mark.parametrize("name", PERIODS)
def test_period(name):
    series, expected = PERIODS[name]
    assert period(series) == expected


@pytest.mark.parametrize(
    ("eta", "cycles"),
    [
        (15, [(3.90, 4.75, 5.83), (4.32, 4.95, 5.36)]),
        (20, [(3.99, 6.32, 8.96), (5.24, 6.64, 7.73)]),
        (25, [(4.04, 7.88, 12.10), (6.09, 8.30, 10.12)]),
    ],
)
def test_the_three_cycles_of_dead_networks(eta, cycles):
    for seed in range(6):
        loss = softmax_map(eta, seed, 12_000 if eta == 25 else 4000)  # it settles slowly
        assert period(loss) == 3
        levels = np.sort(loss[-3:])
        assert any(levels == pytest.approx(cycle, abs=0.011) for cycle in cycles)


def test_a_period_is_not_longer_than_asked_for():
    cycle = np.tile(noise(0, 8), 50)
    assert period(cycle, most=8) == 8
    assert period(cycle, most=7) is None


# --- runs --------------------------------------------------------------------------------


def test_a_chaotic_map(simulate):
    run = of(simulate, "logistic", steps=4000, measure__discard=100, ensemble__references=4)
    found = run.summary
    assert found["autocorrelation"]["outside_band"] <= 0.1
    assert found["zero_one"]["k"] > 0.95
    assert found["expansion"]["rate"] == pytest.approx(math.log(2), abs=0.07)
    assert found["expansion"]["p_value"] <= 0.05
    assert found["period"]["count"] == 0
    for name in NAMES:
        assert found[name]["total"] == 4
    assert found["autocorrelation"]["window"] == [100, 4000]
    assert found["recurrence"]["window"] == [3601, 4000]
    assert found["recurrence"]["of"] == "state"
    orbit = run.table("orbit.csv")
    own = orbit["reference"] == 2
    assert orbit["step"][own].tolist() == list(range(100, 4001))
    assert np.array_equal(orbit["signal"][own], run.series["x0"][100:, 2])


def test_a_periodic_map(simulate):
    run = of(simulate, "logistic", {"r": 3.5}, steps=3000)
    found = run.summary
    assert found["period"]["found"] == {"4": 2}
    assert run.table("period.csv")["period"].tolist() == [4, 4]
    assert found["recurrence"]["determinism"] == 1
    assert found["recurrence"]["rate"] == pytest.approx(0.25, abs=2e-3)
    assert abs(found["zero_one"]["k"]) < 0.05
    assert found["expansion"]["rate"] is None
    assert "meet" in found["expansion"]["reason"]
    rho = run.table("autocorrelation.csv")
    assert rho["signal"][rho["lag"] % 4 == 0] == pytest.approx(1, abs=1e-4)
    assert found["autocorrelation"]["window"] == [1500, 3000]  # the first half is transient


@pytest.mark.parametrize("a", [0.5, 0.9])
def test_a_fixed_point_has_a_period_and_nothing_else(simulate, a):
    run = of(simulate, "quartic", {"a": a}, steps=3000)
    assert run.summary["period"]["period"] == 1
    for name in NAMES[:-1]:
        assert run.summary[name]["reason"].startswith("constant: "), name
        assert run.summary[name]["count"] == 0


def test_a_contraction_below_rounding_is_constant(simulate):
    run = of(simulate, "quadratic", {"eta": 0.5}, steps=2000)
    assert all(run.summary[n]["reason"].startswith("constant: ") for n in NAMES[:-1])
    assert run.summary["period"]["period"] == 1


def test_what_diverges_or_is_too_short_is_empty_with_the_reason(simulate):
    gone = of(simulate, "quartic", {"a": 7.0}, steps=1000)
    assert (gone.exponents["diverged_at"] < 30).all()
    short = of(simulate, "logistic", steps=12)
    for run, reason in ((gone, "the reference diverged"), (short, "too few steps")):
        for name in NAMES:
            found = run.summary[name]
            assert found["reason"].startswith(reason), name
            assert found["count"] == 0
        assert not len(run.table("autocorrelation.csv")["lag"])
        assert np.isnan(run.table("zero_one.csv")["k"]).all()
        assert np.isnan(run.table("period.csv")["period"]).all()
        for what in ("autocorrelation", "recurrence", "expansion", "zero-one"):
            with pytest.raises(tuichaos.InputError, match=f"there is no number: {reason}"):
                picture(run, what)


def test_every_view_shows_something(simulate):
    run = of(simulate, "henon", steps=3000)
    of_orbit = [name for name, chart in charts().items() if ".orbit:" in chart.draw]
    assert len(of_orbit) == 5
    for name in of_orbit:
        shown = picture(run, name)
        assert all(len(curve.x) == len(curve.y) for curve in shown.curves)
    x, y = picture(run, "return-map").curves[0].x, picture(run, "return-map").curves[0].y
    # Hénon: x(t+1) = 1 − 1.4·x(t)² + 0.3·x(t−1)
    assert y[1:] == pytest.approx(1 - 1.4 * x[1:] ** 2 + 0.3 * x[:-1], abs=1e-12)
    points = picture(run, "recurrence").curves[0]
    assert len(points.x) == 2 * (run.table("recurrence.csv")["reference"] == 0).sum()


NETWORK = {**ALL, "steps": 1100, "optimizer.learning_rate": 2.0, "measure.tangent": False}
NETWORK |= {"ensemble.twins": 0, "measure.discard": 400}


@pytest.mark.slow
@pytest.mark.parametrize("system", ["network", "softmax-map"])
def test_bits_do_not_depend_on_company_threads_or_recording(simulate, system):
    base = NETWORK if system == "network" else {**NETWORK, "system.name": system}
    alone = simulate({**base, "ensemble.references": 1}, threads=1)
    many = simulate({**base, "ensemble.references": 40, "record.every": 50}, threads=2)
    again = simulate({**base, "ensemble.references": 40, "measure.tangent": True}, threads=1)
    for name in FILES:
        one = (alone.path / f"{name}.csv").read_text().splitlines()
        three = (many.path / f"{name}.csv").read_text().splitlines()
        assert len(one) > 1, name
        assert one == [three[0], *(line for line in three[1:] if line.startswith("0,"))], name
        assert three == (again.path / f"{name}.csv").read_text().splitlines(), name
    assert {line.split(",")[0] for line in three[1:]} == {"0", "1", "2", "3"}


def test_looking_while_it_runs_changes_nothing():
    experiment = resolve({}, {**NETWORK, "steps": 700, "ensemble.references": 3})
    ready = plan(experiment, 1)
    context = RunContext(ready.experiment, ready.built.system)
    watched, quiet = chosen(context), chosen(context)
    for instrument in watched:
        instrument.findings()  # before there is any data
    for frame in ready.simulation(watched).frames():
        for one, other in zip(watched, quiet, strict=True):
            one.fold(frame)
            other.fold(frame)
            one.findings()
    for one, other in zip(watched, quiet, strict=True):
        assert repr(one.findings()) == repr(other.findings())


def test_memory_keeps_the_newest_states(simulate, monkeypatch):
    monkeypatch.setattr("tuichaos.instruments.memory.MAX_NEWEST", 64)
    experiment = resolve(
        {}, {**NETWORK, "steps": 300, "measure.discard": 0, "ensemble.references": 40}
    )
    ready = plan(experiment, 2)
    memory = Memory(RunContext(ready.experiment, ready.built.system), 3)
    for frame in ready.simulation([memory]).frames():
        memory.fold(frame)
    saved = simulate({**experiment.model_dump(), "record.states_every": 1}).states["states"]
    first, states = memory.states(2, 100)
    assert (first, len(states)) == (237, 64)
    assert np.array_equal(states, saved[237:, 2])
    first, states = memory.states(0, 290)
    assert np.array_equal(states, saved[290:, 0])


def test_states_too_large_to_keep_are_left_out(simulate, monkeypatch):
    monkeypatch.setattr("tuichaos.instruments.memory.BYTES", 8 * 49)
    run = of(simulate, "logistic", steps=400)
    assert run.summary["recurrence"]["of"] == "x0"
    assert run.summary["recurrence"]["rate"] > 0
    assert run.summary["autocorrelation"]["state_lag_1"] is None
    assert run.summary["autocorrelation"]["count"] == 2


def test_float32(simulate):
    run = of(simulate, "logistic", {"r": 3.5}, steps=3000, dtype="float32")
    assert run.summary["period"]["period"] == 4
    fixed = of(simulate, "logistic", {"r": 2.6}, steps=3000, dtype="float32")
    assert fixed.summary["period"]["period"] == 1
    assert fixed.summary["zero_one"]["reason"].startswith("constant: ")


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"autocorrelation": {"lags": 5000}}, "lags must be at most 1250"),
        ({"recurrence": {"points": 5000}}, "points must be at most 1000"),
        ({"recurrence": {"points": 3}}, "points must be at least 50"),
        ({"expansion": {"radius": 1}}, "unknown key 'radius'"),
        ({"zero_one": {"references": 0}}, "references must be at least 1"),
    ],
)
def test_bad_options_are_told_in_one_line(simulate, switch, message):
    overrides = {f"measure.{name}": value for name, value in switch.items()}
    with pytest.raises(tuichaos.InputError, match=message) as told:
        simulate({**overrides, "steps": 5})
    assert f"measure.{next(iter(switch))}" in str(told.value)
    assert "\n" not in str(told.value)


def test_the_table_at_the_end_has_a_line_of_each(command, tmp_path):
    measured = [f for name in NAMES for f in ("--set", f"measure.{name}=true")]
    code, out, _ = command(
        "run", "--preset", "logistic", "--set", "ensemble.references=3", *measured,
        "--set", "steps=2000", "--out", tmp_path / "r",
    )  # fmt: skip
    assert code == 0
    for name in ("autocorrelation, lag 1", "recurrence rate", "expansion of", "0–1 test", "period"):
        assert name in out
    code, out, _ = command("plot", tmp_path / "r", "--what", "return-map")
    assert code == 0
    assert "return map" in out
