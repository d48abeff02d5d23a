"""The Lyapunov spectrum against closed forms, dense Hessians, and where there is none."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import tuichaos
from tuichaos.config.loading import resolve
from tuichaos.instruments.spectrum import kaplan_yorke
from tuichaos.systems import build

ALONE = {"ensemble.twins": 0, "ensemble.references": 2, "measure.spectrum": True}


def exponents(run):
    """(references, count) of spectrum.csv."""
    table = run.table("spectrum.csv")
    count = int(table["index"].max())
    return table["exponent"].reshape(-1, count)


def of(simulate, name, parameters=None, **overrides):
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    system = {"system.name": name, "system.parameters": parameters or {}}
    return simulate({**ALONE, **system, **changed})


# --- closed forms ------------------------------------------------------------------------


def test_quadratic_has_the_logarithms_of_its_factors(simulate):
    curvatures, eta = [1.0, 2.5, 0.3], 0.5
    parameters = {"eta": eta, "curvatures": curvatures}
    run = of(simulate, "quadratic", parameters, steps=400, measure__discard=200)
    exact = sorted((math.log(abs(1 - eta * h)) for h in curvatures), reverse=True)
    assert exponents(run) == pytest.approx(np.tile(exact, (2, 1)), abs=1e-10)
    assert run.summary["spectrum"]["kaplan_yorke"] == 0


@pytest.mark.parametrize("eta", [0.1, 1.0])
def test_heavy_ball_roots_and_their_sum(simulate, eta):
    beta, h = 0.5, 1.0
    roots = np.roots([1, -(1 + beta - eta * h), beta])
    parameters = {"eta": eta, "beta": beta, "curvatures": [h]}
    run = of(simulate, "quadratic", parameters, steps=4000, measure__discard=500)
    exact = np.sort(np.log(np.abs(roots)))[::-1]
    error = 1e-10 if np.isreal(roots).all() else 1e-3
    assert exponents(run) == pytest.approx(np.tile(exact, (2, 1)), abs=error)
    assert exponents(run).sum(axis=1) == pytest.approx(math.log(beta), abs=1e-10)


def test_cat_map(simulate):
    run = of(simulate, "cat", steps=300, measure__discard=100)
    exact = math.log((3 + math.sqrt(5)) / 2)
    assert exponents(run) == pytest.approx(np.tile([exact, -exact], (2, 1)), abs=1e-10)


def test_henon_keeps_to_its_sum_rule(simulate):
    run = of(simulate, "henon", steps=5000, measure__discard=1000, record__every=1000)
    assert exponents(run).sum(axis=1) == pytest.approx(math.log(0.3), abs=1e-9)


@pytest.mark.slow
def test_henon_and_its_sum_rule(simulate):
    run = of(simulate, "henon", steps=100_000, measure__discard=1000, record__every=1000)
    assert exponents(run)[:, 0].mean() == pytest.approx(0.41922, abs=2e-3)
    assert exponents(run)[:, 1].mean() == pytest.approx(-1.62319, abs=2e-3)
    assert exponents(run).sum(axis=1) == pytest.approx(math.log(0.3), abs=1e-9)
    assert run.summary["spectrum"]["kaplan_yorke"] == pytest.approx(1.25827, abs=2e-3)


@pytest.mark.long
def test_lorenz_and_its_sum_rule(simulate):
    run = simulate({"ensemble.references": 6}, preset="lorenz")
    found = run.summary["spectrum"]
    assert found["mean"] == pytest.approx([0.90563, 0, -14.57219], abs=0.01)
    assert found["sum"] == pytest.approx(-41 / 3, abs=1e-3)
    assert found["kaplan_yorke"] == pytest.approx(2.06215, abs=2e-3)
    assert run.summary["lyapunov"]["mean"] == pytest.approx(0.90563, abs=0.01)


def test_softmax_map_conserves_the_sum_of_its_logits(simulate):
    run = of(simulate, "softmax-map", {"eta_eff": 5.0}, steps=3000, measure__discard=1000)
    found = exponents(run)
    assert found[:, 0] == pytest.approx(0, abs=1e-12)  # the others contract: 0 leads
    f = np.array([41, 40, 39]) / 120
    curvatures = np.linalg.eigvalsh(np.diag(f) - np.outer(f, f))[1:]
    exact = sorted(np.log(np.abs(1 - 5.0 * curvatures)), reverse=True)
    assert found[:, 1:] == pytest.approx(np.tile(exact, (2, 1)), abs=1e-6)


@pytest.mark.slow
def test_two_layer_scalar_network_along_and_across_its_diagonal(simulate):
    """Across the diagonal the factor is 1 − a + a·w², averaged along the quartic's orbit."""
    overrides = {"measure.spectrum": True, "steps": 2000, "measure.discard": 100}
    overrides |= {"optimizer.learning_rate": 1.5, "record.every": 1000}
    run = simulate({**overrides, "ensemble.twins": 0}, preset="two-layer-scalar")
    assert exponents(run).mean(axis=0) == pytest.approx([0.491, -0.743], abs=5e-3)


# --- the network -------------------------------------------------------------------------


def dense(run, start, steps):
    """Exponents of reference 0 by QR of I − ηH with dense Hessians, another route."""
    system = build(run.experiment).system
    eta = run.experiment.optimizer.learning_rate
    hessian = torch.func.hessian(lambda x: system.losses(x[None])[0])
    states = torch.from_numpy(run.states["states"][:, 0])
    q = torch.from_numpy(start)
    total = torch.zeros(len(q), dtype=torch.float64)
    for x in states[:steps]:
        image = q - eta * q @ hessian(x)
        q, r = torch.linalg.qr(image.T)
        q = q.T
        total += r.diagonal().abs().log()
    return (total / steps).numpy()


def test_all_exponents_of_the_papers_network_are_those_of_dense_hessians(simulate):
    from tuichaos.common.rng import Purpose, generator

    steps = 60
    overrides = {"ensemble.references": 3, "ensemble.twins": 0, "steps": steps}
    overrides |= {"record.states_every": 1, "measure.spectrum": {"references": 1}}
    run = simulate(overrides, preset="quick")
    found = exponents(run)
    assert found.shape == (1, 83)
    frames = []
    for key in ((0,), (0, 1)):
        draw = generator(0, Purpose.SPECTRUM, *key).standard_normal((83, 83))
        frames.append(dense(run, np.linalg.qr(draw)[0].T.copy(), steps))
    expected = np.sort(np.mean(frames, axis=0))[::-1]
    assert found[0] == pytest.approx(expected, abs=1e-8)


def test_bits_do_not_depend_on_company(simulate):
    small = {"ensemble.twins": 1, "steps": 80, "measure.spectrum": {"count": 5, "references": 2}}
    few = simulate({**small, "ensemble.references": 2}, preset="quick", threads=1)
    many = simulate({**small, "ensemble.references": 40}, preset="quick", threads=2)
    for name in ("spectrum.csv", "spectrum-trace.csv"):
        assert (few.path / name).read_bytes() == (many.path / name).read_bytes()


def test_the_spectrum_leaves_the_orbits_of_its_block_alone(simulate):
    """As many exponents as the block has rows and tangents: one shape of scratch memory."""
    small = {"ensemble.references": 40, "ensemble.twins": 0, "steps": 40}
    small |= {"measure.spectrum": {"count": 20, "references": 1}}
    run = simulate(small, threads=1)
    assert run.manifest["noise_floor"]["holds"]


def test_fewer_exponents_are_the_first_of_more(simulate):
    one = of(simulate, "henon", steps=500, measure__spectrum={"count": 1})
    two = of(simulate, "henon", steps=500)
    assert exponents(one)[:, 0] == pytest.approx(exponents(two)[:, 0], rel=1e-12)
    found = one.summary["spectrum"]
    assert found["kaplan_yorke"] is None  # cannot be told from one
    assert found["sum"] is None


# --- intervals, traces -------------------------------------------------------------------


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("system", "truth"),
    [("maps:SkewTent", 0.6108643020548935), ("logistic", None)],
    ids=["tent", "logistic 3.9"],
)
def test_intervals_cover_the_truth_as_often_as_they_say(simulate, system, truth):
    repeats, steps = 200, 2000
    parameters = {"r": 3.9} if system == "logistic" else {}
    common = {"measure.discard": 100, "ensemble.twins": 0, "measure.spectrum": True}
    common |= {"system.name": system, "system.parameters": parameters, "record.every": 500}
    common |= {"measure.tangent": False}
    if truth is None:
        long = simulate({**common, "steps": 20 * steps, "ensemble.references": 20, "seed": 9})
        truth = long.summary["spectrum"]["mean"][0]
    run = simulate({**common, "steps": steps, "ensemble.references": repeats})
    table = run.table("spectrum.csv")
    covered = (table["low"] <= truth) & (truth <= table["high"])
    assert 0.90 <= covered.mean() <= 0.985


def test_the_trace_ends_at_the_exponents(simulate):
    run = of(simulate, "henon", steps=1000, measure__discard=50)
    trace = run.table("spectrum-trace.csv")
    last = trace["step"] == 1000
    assert trace["lyapunov1"][last] == pytest.approx(exponents(run)[:, 0], rel=1e-12)
    assert trace["step"][0] == 51


# --- where there is none -----------------------------------------------------------------


def test_no_number_for_what_diverged_or_collapsed(simulate):
    gone = of(simulate, "quartic", {"a": 2.5}, steps=400, measure__discard=50)
    assert np.isnan(exponents(gone)).all()
    assert gone.summary["spectrum"]["count"] == 0
    flat = of(simulate, "quadratic", {"eta": 1.0, "curvatures": [1.0, 0.5]}, steps=300)
    assert exponents(flat)[:, 0] == pytest.approx(math.log(0.5), abs=1e-2)
    assert np.isnan(exponents(flat)[:, 1]).all()
    assert flat.summary["spectrum"]["collapsed"] == 2
    assert flat.summary["spectrum"]["kaplan_yorke"] is None


def test_no_interval_of_a_short_run(simulate):
    run = of(simulate, "henon", steps=100)
    assert np.isnan(run.table("spectrum.csv")["low"]).all()


def test_more_exponents_than_dimensions_are_refused(command):
    code, _, err = command("run", "--preset", "henon", "--set", "measure.spectrum={count=3}")
    assert code == 2
    assert "measure.spectrum: 3 exponents of a system of dimension 2" in err
    with pytest.raises(tuichaos.InputError, match=r"measure\.spectrum: unknown key 'k'"):
        resolve({}, {"measure.spectrum": {"k": 3}})


@pytest.mark.parametrize(
    ("values", "whole", "dimension"),
    [
        ([0.5, -1.0], True, 1.5),
        ([-0.1, -2], True, 0.0),
        ([0.1, 0.1], True, 2.0),
        ([0.1, 0.1], False, math.nan),
        ([0.9056, 0.0, -14.5721], True, 2 + 0.9056 / 14.5721),
        ([math.nan, -1], True, math.nan),
    ],
)
def test_kaplan_yorke(values, whole, dimension):
    assert kaplan_yorke(np.array(values), whole) == pytest.approx(dimension, nan_ok=True)


@pytest.mark.long
def test_exponents_of_another_frame_lie_within(simulate, monkeypatch):
    """Near-neutral exponents of a network align slowly: what another frame finds is inside, and
    what lies above 0 beyond doubt stays there."""
    from tuichaos.common.rng import generator
    from tuichaos.instruments import spectrum as instrument

    def found(shift):
        monkeypatch.setattr(
            instrument, "generator", lambda seed, *key: generator(seed + shift, *key)
        )
        run = simulate({"ensemble.references": 2, "ensemble.twins": 0}, preset="spectrum")
        table = run.table("spectrum.csv")
        return [table[name].reshape(2, -1) for name in ("exponent", "low", "high")]

    runs = [found(1000 * k) for k in range(6)]
    assert all((np.diff(first, axis=1) <= 0).all() for first, _, _ in runs)
    inside, fell, above = [], 0, 0
    for (_, low, high), (other, _, _) in itertools.permutations(runs, 2):
        inside.append((low <= other) & (other <= high))
        fell += ((other <= 0) & (low > 0)).sum()
        above += (low > 0).sum()
    # Intervals count how exponents differ along the orbit as well, which other frames leave
    # alone: that part by itself holds 98 % of other frames.
    assert 0.90 <= np.mean(inside) <= 0.995
    assert fell <= 0.05 * above
