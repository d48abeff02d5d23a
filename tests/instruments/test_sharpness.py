"""Sharpness against dense Hessians and closed forms, and where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import tuichaos
from tuichaos.config.instruments import charts
from tuichaos.config.loading import resolve
from tuichaos.instruments import lanczos, sharpness
from tuichaos.instruments.lanczos import largest
from tuichaos.plots.run_plots import picture
from tuichaos.reports import run_report
from tuichaos.systems import build
from tuichaos.systems.acceleration import stepper_for
from tuichaos.systems.hessian import DefinedHessian
from tuichaos.systems.mlp.fast_hessian import PerceptronHessian

QUIET = {"ensemble.twins": 0, "ensemble.references": 2, "measure.tangent": False}
NETWORKS = {
    "sigmoid": {},
    "gelu": {"network.activation": "gelu", "network.hidden": [5, 3]},
    "softplus": {"network.activation": "softplus", "network.hidden": [4, 3, 5], "loss.name": "mse"},
    "tanh": {"network.activation": "tanh", "data.name": "chebyshev", "loss.name": "mse"},
    "relu": {"network.activation": "relu", "network.hidden": [6], "network.bias": False},
    "linear": {"network.activation": "linear", "network.hidden": [3, 4]},
    "none": {"network.hidden": []},
}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the threads of a run; matrices this small are slower by several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(name, seed=0):
    system = build(resolve({}, NETWORKS[name])).system
    return system, torch.from_numpy(system.start(np.random.default_rng(seed)))


def dense(system, x):
    """The Hessian by reverse mode over forward mode, a route of torch's own."""
    return torch.func.hessian(lambda state: system.losses(state[None])[0])(x)


def columns(run, name="sharpness"):
    """A column of sharpness.csv as (references, measured steps)."""
    table = run.table("sharpness.csv")
    return table[name].reshape(len(np.unique(table["reference"])), -1)


def of(simulate, name, parameters=None, **overrides):
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    system = {"system.name": name, "system.parameters": parameters or {}}
    return simulate({**QUIET, **system, "measure.sharpness": True, **changed})


# --- Hessians ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_products_and_matrices_are_those_of_the_definition(name):
    system, x = network(name)
    exact = dense(system, x)
    scale = exact.abs().max()
    eye = torch.eye(system.dimension, dtype=torch.float64)
    for hessian in (DefinedHessian(system), PerceptronHessian(system)):
        hessian.at(system.take(torch.tensor([0])), x)
        assert (hessian.product(eye) - exact).abs().max() < 1e-12 * scale
        assert (hessian.matrix() - exact).abs().max() < 1e-12 * scale
        assert torch.equal(hessian.matrix(), hessian.matrix().T)


def test_the_matrix_is_the_same_by_a_few_samples_at_a_time(monkeypatch):
    system, x = network("gelu")
    monkeypatch.setattr("tuichaos.systems.mlp.fast_hessian.BUFFER", 300)
    hessian = PerceptronHessian(system)
    hessian.at(system, x)
    assert hessian.matrix() == pytest.approx(dense(system, x).numpy(), abs=1e-13)


def test_one_training_step_tells_the_hessian_too():
    """DF = I − ηH: the tangents of the step, carried by the stepper, against the matrix."""
    system, x = network("sigmoid")
    hessian = PerceptronHessian(system)
    hessian.at(system, x)
    eye = torch.eye(system.dimension, dtype=torch.float64)
    stepper = stepper_for(system, 83, 1, torch.device("cpu"))
    step = stepper.advance(system, x.expand(83, -1), 1, eye)
    images = step.tangents * step.growth[0].exp()[:, None]
    by_step = (eye - images) / system.learning_rate
    assert hessian.product(eye) == pytest.approx(by_step.numpy(), abs=1e-12)


# --- Lanczos -----------------------------------------------------------------------------


def operator(eigenvalues, seed=1):
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    matrix = torch.from_numpy((q * eigenvalues) @ q.T)
    return 0.5 * (matrix + matrix.T), torch.from_numpy(q)


def top(matrix, count, starts=None, seed=5):
    draws = torch.from_numpy(np.random.default_rng(seed).standard_normal((count, len(matrix))))
    starts = torch.zeros_like(draws) if starts is None else starts
    return largest(lambda v: matrix @ v, starts, draws)


RNG = np.random.default_rng(3)
SPECTRA = {
    "spread": RNG.standard_normal(300) * 10,
    "negative leads": np.r_[1e-3, 2e-3, -RNG.uniform(0, 50, 398)],
    "multiple": np.r_[5.0, 5.0, 5.0, 4.999999, RNG.uniform(-9, 4, 296)],
    "low rank": np.r_[3.0, 1.0, np.zeros(298)],
    "all negative": -RNG.uniform(1, 2, 250),
    "zero": np.zeros(200),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_lanczos_is_lapack(name):
    matrix, _ = operator(SPECTRA[name])
    exact = torch.linalg.eigvalsh(matrix).flip(0)[:4]
    values, vectors, met = top(matrix, 4)
    assert all(met)
    error = 1e-9 * exact.abs() + 1e-13 * matrix.abs().max() * len(matrix)
    assert ((values - exact).abs() <= error).all()
    residual = vectors @ matrix - values[:, None] * vectors
    assert residual.abs().max() <= 1e-9 * max(float(exact.abs().max()), 1e-30)
    assert vectors @ vectors.T == pytest.approx(np.eye(4), abs=1e-7)


def test_a_warm_start_does_not_lose_an_eigenvalue_that_rises_past_the_old_one():
    """The old eigenvector stays one exactly, and is no longer the largest."""
    spectrum = np.r_[10.0, 9.0, RNG.uniform(-5, 5, 298)]
    matrix, q = operator(spectrum)
    _, vectors, _ = top(matrix, 1)
    risen = matrix + 2.0 * torch.outer(q[:, 1], q[:, 1])  # the second is 11 now
    values, _, met = top(risen, 1, starts=vectors)
    assert met == [True]
    assert values[0] == pytest.approx(11.0, rel=1e-9)


def test_without_the_random_part_it_would_be_lost(monkeypatch):
    monkeypatch.setattr(lanczos, "MIX", 0.0)
    matrix, q = operator(np.r_[10.0, 9.0, RNG.uniform(-5, 5, 298)])
    risen = matrix + 2.0 * torch.outer(q[:, 1], q[:, 1])
    values, _, _ = top(risen, 1, starts=q[:, :1].T.contiguous())
    assert values[0] == pytest.approx(10.0, rel=1e-9)


def test_what_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr(lanczos, "PRODUCTS", 6)
    matrix, _ = operator(SPECTRA["spread"])
    assert top(matrix, 1)[2] == [False]
    nothing = torch.zeros(1, 9, dtype=torch.float64)
    values, _, met = largest(lambda v: v * math.nan, nothing, nothing + 1)
    assert met == [False]
    assert math.isnan(values[0])


# --- the network -------------------------------------------------------------------------


def along(run, count):
    """The largest eigenvalues (references, measured steps, count) and the least one, by dense
    Hessians of the saved states."""
    system = build(run.experiment).system
    states = torch.from_numpy(run.states["states"])
    found = np.array([[torch.linalg.eigvalsh(dense(system, x)) for x in row] for row in states])
    return found[:, :, ::-1][:, :, :count].swapaxes(0, 1), found[:, :, 0].T


@pytest.mark.parametrize("limit", [sharpness.DENSE, 0], ids=["LAPACK", "Lanczos"])
def test_sharpness_is_eigvalsh_of_the_dense_hessian(simulate, monkeypatch, limit):
    """The paper's network, whose most negative eigenvalue is the longer one at the start."""
    monkeypatch.setattr(sharpness, "DENSE", limit)
    overrides = {**QUIET, "steps": 60, "record.states_every": 10}
    run = simulate({**overrides, "measure.sharpness": {"count": 3}})
    exact, least = along(run, 3)
    assert -least[1, 0] > 2 * exact[1, 0, 0]  # of reference 1: −1.72 against 0.63
    for k, name in enumerate(("sharpness", "eigenvalue2", "eigenvalue3")):
        assert columns(run, name) == pytest.approx(exact[:, :, k], rel=1e-8)
    assert run.summary["sharpness"]["final"] == pytest.approx(exact[:, -1, 0].mean(), rel=1e-8)


def test_a_saddle_whose_descent_is_steeper_than_its_ascent(simulate):
    """½(uv − 1)² near 0: eigenvalues ±(uv·2 − 1) − …, the negative one the longer."""
    u, v = 0.1, 0.3
    run = of(simulate, "product", {"eta": 0.01}, steps=10, system__start=[u, v])
    exact = np.linalg.eigvalsh([[v * v, 2 * u * v - 1], [2 * u * v - 1, u * u]])
    assert columns(run)[0, 0] == pytest.approx(exact[1], rel=1e-12)
    deep = {"eta": 0.01, "factors": 3}
    run = of(simulate, "product", deep, steps=10, system__start=[0.5, 0.5, 0.5])
    off = 0.5 * (2 * 0.125 - 1)  # ∂²/∂x∂y = z(2P − 1); its eigenvalues are −1, −1 and 2 times it
    exact = np.linalg.eigvalsh(np.full((3, 3), off) + np.diag(np.full(3, 0.0625 - off)))
    assert -exact[0] > exact[2] > 0
    assert columns(run)[:, 0] == pytest.approx(exact[2], rel=1e-12)


def test_float32_orbits_have_eigenvalues_of_their_states(simulate):
    overrides = {**QUIET, "dtype": "float32", "ensemble.perturbation": 1e-4, "steps": 20}
    run = simulate({**overrides, "record.states_every": 10, "measure.sharpness": True})
    system = build(run.experiment).system
    states = torch.from_numpy(run.states["states"]).double()
    exact = torch.linalg.eigvalsh(dense(system.to(states.device, states.dtype), states[1, 0]))[-1]
    assert columns(run)[0, 1] == pytest.approx(float(exact), rel=1e-6)  # its data are rounded


# --- closed forms ------------------------------------------------------------------------


def test_the_hessian_of_a_quadratic_is_constant(simulate):
    h, eta = [1.0, 2.5, -4.0], 0.1
    parameters = {"curvatures": h, "eta": eta}
    run = of(simulate, "quadratic", parameters, steps=200, measure__sharpness={"count": 3})
    for name, value in (("sharpness", 2.5), ("eigenvalue2", 1.0), ("eigenvalue3", -4.0)):
        assert columns(run, name) == pytest.approx(value, abs=1e-12)
        assert (columns(run, name) == columns(run, name)[0, 0]).all()
    found = run.summary["sharpness"]
    assert found["final_eta_half"] == pytest.approx(eta * 2.5 / 2, rel=1e-12)
    assert found["threshold"] == 2 / eta
    assert found["window"] == [180, 200]
    assert found["reason"] is None


def test_heavy_ball_has_its_own_threshold_and_leaves_the_velocity_out(simulate):
    beta, eta, h = 0.5, 0.4, [3.0, 1.0]
    parameters = {"curvatures": h, "eta": eta, "beta": beta}
    run = of(simulate, "quadratic", parameters, steps=200, measure__sharpness={"count": 2})
    found = run.summary["sharpness"]
    assert found["final_eta_half"] == pytest.approx(eta * 3 / (2 + 2 * beta), rel=1e-12)
    assert found["threshold"] == pytest.approx((2 + 2 * beta) / eta)
    assert columns(run, "eigenvalue2") == pytest.approx(1.0)


def test_quartic_at_its_minimum(simulate):
    run = of(simulate, "quartic", {"a": 0.4}, steps=300)
    found = run.summary["sharpness"]
    assert found["mean_last_tenth"] == pytest.approx(2.0, abs=1e-9)  # 3w² − 1 at w = 1
    assert found["final_eta_half"] == pytest.approx(0.4, abs=1e-9)


def test_the_last_step_and_the_last_tenth_have_a_name_each(simulate):
    """Two references still on their way: 3w² − 1 differs from step to step."""
    more = {"system__start": [[0.5], [1.4]], "measure__sharpness": {"every": 1}}
    run = of(simulate, "quartic", {"a": 0.1}, steps=30, **more)
    found, lead = run.summary["sharpness"], columns(run)
    assert found["final_eta_half"] == pytest.approx(0.1 * found["final"] / 2, rel=1e-12)
    assert found["final_eta_half"] == pytest.approx(0.1 * lead[:, -1].mean() / 2, rel=1e-12)
    tenth = 0.1 * lead[:, -4:].mean() / 2
    assert found["mean_last_tenth_eta_half"] == pytest.approx(tenth, rel=1e-12)
    assert abs(tenth - found["final_eta_half"]) > 1e-4
    shown = [row.measure.strip() for row in run_report.rows(run)]
    assert {"λmax/threshold, last step", "λmax/threshold, last tenth"} <= set(shown)
    assert found["final_median_ci95"] is None  # two tell no interval of a median


def test_the_interval_is_the_median_s(simulate):
    """Seven references on their way, one far off: a long tail, as of sharpness in training."""
    starts = [[0.5], [0.6], [0.7], [0.8], [1.2], [1.3], [2.4]]
    more = {"system__start": starts, "ensemble__references": 7}
    more["measure__sharpness"] = {"every": 1}
    run = of(simulate, "quartic", {"a": 0.05}, steps=3, **more)
    found, last = run.summary["sharpness"], np.sort(columns(run)[:, -1])
    assert found["final_median"] == last[3] < found["final"] == pytest.approx(last.mean())
    assert found["final_median_ci95"] == [last[0], last[6]]  # ranks 1 and 7: 98.4 %
    assert found["final_eta_half_median"] == pytest.approx(0.05 * last[3] / 2, rel=1e-12)
    row = next(row for row in run_report.rows(run) if "final sharpness" in row.measure)
    assert "median" in row.measure
    assert row.value == run_report.number(last[3])


def test_softmax_map_at_its_fixed_point(simulate):
    run = of(simulate, "softmax-map", {"eta_eff": 5.0}, steps=2000)
    f = np.array([41, 40, 39]) / 120
    exact = np.linalg.eigvalsh(np.diag(f) - np.outer(f, f))[-1]
    assert run.summary["sharpness"]["final"] == pytest.approx(exact, rel=1e-8)
    assert run.summary["sharpness"]["final_eta_half"] == pytest.approx(5 / 5.916, rel=1e-3)


@pytest.mark.parametrize("factors", [2, 20])
def test_product_beyond_small_dimensions(simulate, factors):
    """At a minimum on the diagonal the Hessian is all ones: one eigenvalue k, the rest 0."""
    parameters = {"factors": factors, "eta": 0.1 / factors}
    run = of(simulate, "product", parameters, steps=800, system__start=[1.01] * factors,
             measure__sharpness={"every": 100})  # fmt: skip
    assert columns(run)[:, -1] == pytest.approx(factors, rel=1e-6)


def test_a_rate_that_changes_moves_the_threshold_from_that_step_on(simulate):
    change = [{"step": 55, "learning_rate": 0.5}]
    overrides = {**QUIET, "steps": 100, "optimizer.changes": change}
    run = simulate({**overrides, "optimizer.learning_rate": [0.1, 0.2], "measure.sharpness": True})
    eta = 2 * columns(run, "eta_sharpness_half") / columns(run)
    assert eta[:, :6] == pytest.approx(np.tile([[0.1], [0.2]], 6))
    assert eta[:, 6:] == pytest.approx(0.5)
    assert run.summary["sharpness"]["threshold"] == 4.0


# --- company, threads, what is recorded --------------------------------------------------


@pytest.mark.parametrize("limit", [sharpness.DENSE, 0], ids=["LAPACK", "Lanczos"])
def test_bits_do_not_depend_on_company_threads_or_recording(simulate, monkeypatch, limit):
    monkeypatch.setattr(sharpness, "DENSE", limit)
    base = {"steps": 45, "ensemble.twins": 2, "measure.sharpness": {"count": 2}}
    alone = simulate({**base, "ensemble.references": 1, "measure.tangent": False}, threads=1)
    asked = {"count": 2, "references": 3}
    many = {**base, "ensemble.references": 40, "measure.sharpness": asked, "record.every": 7}
    many = simulate(many, threads=2)
    few = simulate({**base, "ensemble.references": 3}, threads=1)
    lines = (few.path / "sharpness.csv").read_bytes()
    assert lines == (many.path / "sharpness.csv").read_bytes()
    assert lines.startswith((alone.path / "sharpness.csv").read_bytes())
    assert len(columns(alone)[0]) == 6  # 0, 10 … 40, and the last


def test_bits_of_small_systems_do_not_depend_on_company(simulate):
    base = {"steps": 45, "measure__sharpness": {"count": 2}}
    parameters = {"eta_eff": 10.0}
    alone = of(simulate, "softmax-map", parameters, ensemble__references=1, **base)
    many = of(simulate, "softmax-map", parameters, ensemble__references=50, **base)
    lines = (many.path / "sharpness.csv").read_bytes()
    assert lines.startswith((alone.path / "sharpness.csv").read_bytes())


def test_a_warm_start_gives_what_a_cold_one_gives(simulate, monkeypatch):
    monkeypatch.setattr(sharpness, "DENSE", 0)
    overrides = {**QUIET, "steps": 60, "measure.sharpness": True}
    warm = simulate(overrides)
    cold = simulate({**overrides, "measure.sharpness": {"every": 60}})
    assert columns(warm)[:, -1] == pytest.approx(columns(cold)[:, -1], rel=1e-8)
    assert columns(warm)[:, 0] == pytest.approx(columns(cold)[:, 0], rel=0)


def test_the_orbit_is_left_alone(simulate):
    overrides = {"steps": 40, "ensemble.references": 1, "ensemble.twins": 1}
    bare = simulate({**overrides, "record.states_every": 5})
    seen = simulate({**overrides, "record.states_every": 5, "measure.sharpness": {"every": 1}})
    assert np.array_equal(bare.states["states"], seen.states["states"])
    assert np.array_equal(bare.series["lyapunov"], seen.series["lyapunov"], equal_nan=True)
    column = seen.series["sharpness"][:, 0]
    assert np.array_equal(column, columns(seen)[0])
    assert "sharpness" not in bare.series


# --- where there is none -----------------------------------------------------------------


def test_an_orbit_that_diverges_at_step_3_has_none(simulate):
    parameters = {"a": 2.5}
    run = of(simulate, "quartic", parameters, steps=60, system__start=[1e30],
             measure__sharpness={"every": 1})  # fmt: skip
    assert run.exponents["diverged_at"].max() <= 5
    assert np.isnan(columns(run)[:, 6:]).all()
    found = run.summary["sharpness"]
    assert found["final"] is None
    assert found["count"] == 0
    assert found["reason"].startswith("all references diverged, or no eigenvalue")
    assert "nan" not in (run.path / "sharpness.csv").read_text()


def test_one_that_diverged_is_not_in_the_mean(simulate):
    run = of(simulate, "quartic", {"a": 0.4}, steps=300, system__start=[[0.5], [40.0]])
    found = run.summary["sharpness"]
    assert (found["count"], found["total"]) == (1, 2)
    assert found["mean_last_tenth"] == pytest.approx(2.0, abs=1e-9)
    assert np.isnan(run.exponents["sharpness_last_tenth"][1])


def test_a_short_run_has_no_mean_over_its_last_tenth(simulate):
    found = of(simulate, "quartic", {"a": 0.4}, steps=30).summary["sharpness"]
    assert found["final"] is not None
    assert found["final_eta_half"] == pytest.approx(0.4 * found["final"] / 2, rel=1e-12)
    assert found["mean_last_tenth_eta_half"] is None
    assert found["reason"].startswith("fewer than 3 measurements in the last tenth of the run")


def test_what_cannot_be_measured_is_refused(command):
    code, _, err = command("run", "--preset", "henon", "--set", "measure.sharpness=true")
    assert code == 2
    assert "measure.sharpness: henon has no loss" in err
    more = "measure.sharpness={count=84}"
    code, _, err = command("run", "--preset", "quick", "--set", more)
    assert code == 2
    assert "measure.sharpness: 84 eigenvalues of 83 parameters" in err
    with pytest.raises(tuichaos.InputError, match=r"measure\.sharpness: unknown key 'k'"):
        resolve({}, {"measure.sharpness": {"k": 3}})
    with pytest.raises(tuichaos.InputError, match=r"every must be at least 1"):
        resolve({}, {"measure.sharpness": {"every": 0}})


def test_a_loss_of_ones_own(simulate, command):
    run = of(simulate, "descents_of_tests:Bowl", steps=30)
    assert columns(run) == pytest.approx(6.0)
    found = run.summary["sharpness"]
    assert found["final"] == pytest.approx(6.0)
    assert found["final_eta_half"] is None
    code, _, err = command(
        "run", "--preset", "henon", "--set", "system.name=descents_of_tests:Broken",
        "--set", "system.parameters={}", "--set", "measure.sharpness=true",
    )  # fmt: skip
    assert code == 2
    assert "measure.sharpness: the loss of descents_of_tests:Broken cannot be" in err


# --- charts, the preset ------------------------------------------------------------------


def test_charts(simulate):
    overrides = {**QUIET, "steps": 60, "measure.sharpness": {"count": 3}}
    run = simulate({**overrides, "optimizer.learning_rate": [0.5, 0.1]})
    drawn = picture(run, "sharpness")
    assert [curve.name for curve in drawn.curves] == ["reference 0", "reference 1"]
    assert list(drawn.levels) == [("2/η = 4", 4.0), ("2/η = 20", pytest.approx(20.0))]
    assert np.array_equal(drawn.curves[1].y, columns(run)[1])
    assert [curve.name for curve in picture(run, "curvature").curves] == ["λ1", "λ2", "λ3"]
    ratio = picture(run, "stability")
    assert np.array_equal(ratio.curves[0].y, columns(run, "eta_sharpness_half")[0])
    assert {charts()[n].tab for n in ("sharpness", "stability", "curvature")} == {"Curvature"}


def test_heavy_ball_chart_names_its_threshold(simulate):
    run = of(simulate, "quadratic", {"eta": 0.5, "beta": 0.5, "curvatures": [1.0]}, steps=40)
    assert list(picture(run, "sharpness").levels) == [("(2+2β)/η = 6", 6.0)]


def test_well_below_the_threshold_nothing_hovers(simulate):
    """η = 0.01: the sharpness of the first steps of the preset's network is far below 200."""
    run = simulate({"steps": 2000, "optimizer.learning_rate": 0.01}, preset="sharpness-chebyshev")
    assert run.summary["sharpness"]["mean_last_tenth_eta_half"] < 0.2


@pytest.mark.slow
def test_sharpness_hovers_at_two_over_the_rate(simulate):
    run = simulate(preset="sharpness-chebyshev")
    assert run.summary["regimes"] == {"edge-of-stability": 3}
    rates = np.array(run.experiment.optimizer.learning_rate)
    assert len(rates) == 3
    mean = run.exponents["sharpness_last_tenth"]
    assert mean == pytest.approx(2 / rates, rel=0.05)
    assert (columns(run, "eta_sharpness_half")[:, 0] < 0.7).all()  # it rose to get there
