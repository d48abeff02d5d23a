"""Orbital distance, irrelevant dimensions and projection, against exact answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

import tuichaos
from tuichaos.instruments import dimensions, orbital
from tuichaos.instruments.pca import principal
from tuichaos.systems import build
from tuichaos.systems.base import Piece, System

OFF = {f"measure.{name}": False for name in ("tangent", "nmle", "growth", "distance")}
SMALL = {**OFF, "ensemble.references": 2, "ensemble.twins": 3}


class Kicked(System):
    """Only ``kick`` is perturbed, and a state that has one goes a step further, once."""

    layout = (Piece("x", (2,), "bias"), Piece("kick", (1,), "weight"))
    dimension = 3

    def advance(self, x):
        raise NotImplementedError

    def step(self, x):
        once = self.advance(x[:, :2])
        moved = torch.where(x[:, 2:] != 0, self.advance(once), once)
        return torch.cat([moved, 0 * x[:, 2:]], dim=1)

    def start(self, rng):
        return np.array([1.0, 0.0, 0.0])


class Walk(Kicked):
    """x ← x + 1 in whole numbers: a kicked twin is exactly one step ahead for ever."""

    def advance(self, x):
        return x + torch.tensor([1.0, 0.0], dtype=x.dtype)


class Rotation(Kicked):
    """A rotation by 0.1: a kicked twin is ahead by that angle on the same circle."""

    def advance(self, x):
        return turned(x, 0.1)


class Twist(System):
    """Circles that turn at an angle of 0.01 + shear·(r − 1) a step."""

    dimension = 2

    def __init__(self, shear=0.2):
        self.shear = shear

    def step(self, x):
        radius = (x * x).sum(1, keepdim=True).sqrt()
        return turned(x, 0.01 + self.shear * (radius - 1))

    def start(self, rng):
        return np.array([1.0, 0.0])


class Line(System):
    """x ← x + (3, 4)/100: a straight orbit."""

    dimension = 2

    def step(self, x):
        return x + torch.tensor([0.03, 0.04], dtype=x.dtype)


def turned(x, angle):
    u, w = x[:, :1], x[:, 1:]
    c, s = (f(torch.as_tensor(angle, dtype=x.dtype)) for f in (torch.cos, torch.sin))
    return torch.cat([c * u - s * w, s * u + c * w], dim=1)


def of(simulate, name, parameters=None, **overrides):
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    system = {"system.name": name, "system.parameters": parameters or {}}
    return simulate({**SMALL, **system, **changed})


# --- orbital distance --------------------------------------------------------------------


def test_a_twin_one_step_ahead_is_on_the_orbit_exactly(simulate):
    run = of(simulate, "test_states:Walk", steps=120, measure__orbital={"window": 20})
    table = run.table("orbital.csv")
    later = table["step"] > 0
    assert (table["orbital"][later] == 0).all()
    assert (table["distance"][later] == 1).all()
    assert (table["step_length"] == 1).all()
    assert table["step"].reshape(2, -1)[0].tolist() == list(range(101))  # 120 − window


def test_a_shift_along_a_circle_keeps_its_distance_and_is_on_the_orbit(simulate):
    run = of(simulate, "test_states:Rotation", steps=200, measure__orbital={"window": 30})
    table = run.table("orbital.csv")
    later = table["step"] > 0
    assert table["orbital"][later].max() < 1e-12
    # L1 of a chord of length 2·sin(0.05), which turns: between once and √2 times that.
    chord = 2 * math.sin(0.05)
    assert table["distance"][later].min() > 0.999 * chord
    assert table["distance"][later].max() < 1.001 * math.sqrt(2) * chord


def test_a_twist_is_orbitally_stable_and_not_lyapunov_stable(simulate):
    changed = {"steps": 3000, "ensemble__perturbation": 3e-3, "ensemble__twins": 8}
    run = of(simulate, "test_states:Twist", **changed, measure__orbital={"window": 400})
    found = run.summary["orbital"]
    assert found["verdicts"] == ["near the orbit"] * 2
    assert (found["lyapunov_stable"], found["orbitally_stable"], found["neither"]) == (0, 2, 0)
    table = {k: v.reshape(2, -1)[0] for k, v in run.table("orbital.csv").items()}
    # The phases part at a constant rate: the distance grows as t until it is no longer small.
    grown = [np.interp(t, table["step"], table["distance"]) for t in (200, 400)]
    assert grown[1] == pytest.approx(2 * grown[0], rel=0.25)
    assert table["distance"].max() > 10 * table["orbital"].max()
    rigid = of(simulate, "test_states:Twist", {"shear": 0.0}, **changed, measure__orbital=True)
    assert rigid.summary["orbital"]["verdicts"] == ["near at the same time"] * 2


def test_contraction_and_chaos(simulate):
    flat = of(simulate, "maps:Diagonal", steps=300, measure__orbital=True)
    found = flat.summary["orbital"]
    assert found["verdicts"] == ["near at the same time"] * 2
    assert found["distance_ratio"] == 1  # the greatest is the first
    table = flat.table("orbital.csv")
    assert table["distance"].reshape(2, -1)[:, 100].max() < 1e-25
    assert table["orbital"].reshape(2, -1)[:, 100].max() < 1e-25
    wild = of(simulate, "cat", steps=400, measure__orbital=True)
    assert wild.summary["orbital"]["verdicts"] == ["neither"] * 2
    assert wild.summary["orbital"]["orbital_ratio"] > 1000


@pytest.mark.parametrize("at", [0, 90])
def test_orbital_distance_is_that_of_all_pairs(simulate, at):
    window, steps = 40, 900
    overrides = {"measure.orbital": {"window": window, "references": 3}, "steps": steps}
    overrides |= {"record.states_every": 1, "ensemble.references": 5, "ensemble.perturb_at": at}
    run = simulate({**SMALL, **overrides, "optimizer.learning_rate": 0.5}, preset="quick")
    states, twins = run.states["states"], run.states["twins"]
    table = {k: v.reshape(3, -1) for k, v in run.table("orbital.csv").items()}
    times = table["step"][0].astype(int)
    stride = -(-(steps - window - at) // orbital.MAX_TIMES)
    assert times.tolist() == list(range(at, steps - window + 1, stride))
    for r in range(3):
        for k in range(0, len(times), 7):
            t = times[k]
            near = states[max(0, t - window) : t + window + 1, r]
            apart = np.abs(twins[t, r][:, None] - near[None]).sum(-1)
            assert table["orbital"][r, k] == pytest.approx(apart.min(1).mean(), rel=1e-12)
            same = np.abs(twins[t, r] - states[t, r]).sum(-1).mean()
            assert table["distance"][r, k] == pytest.approx(same, rel=1e-12)
            step = np.abs(states[t + 1, r] - states[t, r]).sum()
            assert table["step_length"][r, k] == pytest.approx(step, rel=1e-12)


def test_optimizer_state_is_no_distance(simulate):
    parameters = {"eta": 0.5, "beta": 0.5, "curvatures": [1.0, 0.2]}
    run = of(simulate, "quadratic", parameters, steps=150, measure__orbital=True,
             measure__distance=True)  # fmt: skip
    table = run.table("orbital.csv")
    own = run.series["distance"][table["step"].reshape(2, -1)[0].astype(int)]
    assert pytest.approx(own, rel=1e-12) == table["distance"].reshape(2, -1).T


def test_no_verdict_and_why(simulate):
    short = of(simulate, "cat", steps=110, measure__orbital=True).summary["orbital"]
    assert (short["count"], short["verdict"], short["distance_ratio"]) == (0, None, None)
    assert short["reason"].startswith(
        "the run is too short: fewer than 20 steps have 100 more after"
    )
    gone = of(simulate, "quartic", {"a": 2.5}, steps=300, measure__orbital={"window": 20})
    assert gone.summary["orbital"]["reason"] == "all references, or their twins, diverged"
    assert np.isnan(gone.table("orbital.csv")["orbital"]).any()
    same = of(simulate, "maps:Diagonal", steps=300, measure__orbital=True,
              system__start=[1e10, 1e10])  # fmt: skip
    assert same.summary["orbital"]["reason"].startswith("the twins start exactly on")
    late = of(simulate, "cat", steps=300, ensemble__perturb_at=250, measure__orbital=True)
    assert late.summary["orbital"]["window"] == [250, 250]
    assert not len(late.table("orbital.csv")["step"])


def test_verdicts_of_series():
    near, far = np.full(30, 1.0), np.r_[1.0, np.full(29, 11.0)]
    length = np.full(30, 20.0)
    assert orbital.verdict(near, near, length) == "near at the same time"
    assert orbital.verdict(far, near, length) == "near the orbit"
    assert orbital.verdict(far, far, length) == "neither"
    assert orbital.verdict(near[:19], near[:19], length) is None
    assert orbital.verdict(0 * near, 0 * near, length) is None
    assert orbital.unresolved(far, far, length)
    assert not orbital.unresolved(far, far, length / 10)
    assert not orbital.unresolved(far, near, length)


# --- dimensions --------------------------------------------------------------------------


def test_quadratic_in_closed_form(simulate):
    """x_k(t) = x_k(0)(1 − ηh_k)^t: path, change, knock-out, shares and curvatures."""
    h, eta, steps = np.array([1.0, 0.5, 3.0, 1e-4]), 0.5, 12
    run = of(simulate, "quadratic", {"eta": eta, "curvatures": h.tolist()}, steps=steps,
             measure__dimensions=True, record__states_every=steps)  # fmt: skip
    table = {k: v.reshape(2, -1) for k, v in run.table("weights.csv").items()}
    factor = 1 - eta * h
    start = run.states["states"][0]
    end = start * factor**steps
    assert table["initial"] == pytest.approx(start, rel=1e-15)
    assert table["final"] == pytest.approx(end, rel=1e-13)
    assert table["delta"] == pytest.approx(np.tile(np.abs(factor**steps - 1), (2, 1)), rel=1e-12)
    # Σ|x|·|1 − f|·|f|^t over t < steps, a geometric sum.
    path = np.abs(start) * np.abs(1 - factor)
    path *= (1 - np.abs(factor) ** steps) / (1 - np.abs(factor))
    assert table["path"] == pytest.approx(path, rel=1e-11)
    loss = h * end**2
    assert table["knockout"] == pytest.approx(1 - loss / loss.sum(1, keepdims=True), rel=1e-9)
    moved = np.abs(run.states["twins"][-1] - run.states["states"][-1][:, None])
    share = moved.mean(1) / moved.mean(1).sum(1, keepdims=True)
    assert table["share"] == pytest.approx(share, rel=1e-12)
    found = run.summary["dimensions"]
    assert found["near_zero_curvatures"] == 1  # 1e-4 of 3
    square = moved**2
    assert found["participation"] == pytest.approx(
        (square.sum(-1) ** 2 / (square**2).sum(-1)).mean(), rel=1e-12
    )
    rank = [spearmanr(table["delta"][r], table["path"][r]).statistic for r in range(2)]
    assert found["correlation"] == pytest.approx(np.mean(rank), abs=1e-12)
    near = np.abs(table["knockout"] - 1) < 0.01
    assert found["irrelevant"] == near.sum(1).mean()


def test_participation_of_one_entry_and_of_all():
    assert dimensions.participation_ratio(np.array([0, 3e-200, 0.0])) == 1
    assert dimensions.participation_ratio(np.full(83, -1e-8)) == pytest.approx(83)
    assert np.isnan(dimensions.participation_ratio(np.zeros(4)))


def test_the_network_by_another_route(simulate):
    steps = 60
    overrides = {"ensemble.references": 3, "steps": steps, "record.states_every": 1}
    overrides["measure.dimensions"] = {"references": 2}
    run = simulate({**SMALL, **overrides}, preset="quick")
    table = {k: v.reshape(2, 83) for k, v in run.table("weights.csv").items()}
    states = run.states["states"][:, :2]
    path = np.abs(np.diff(states, axis=0)).sum(0)
    assert table["path"] == pytest.approx(path, rel=1e-12)
    system = build(run.experiment).system
    flat = []
    for r in range(2):
        end = torch.from_numpy(states[-1, r].copy())
        whole = system.losses(end[None])[0]
        assert whole.item() == pytest.approx(run.series["loss"][-1, r], rel=1e-12)
        without = end.repeat(83, 1)
        without.fill_diagonal_(0.0)
        assert table["knockout"][r] == pytest.approx((system.losses(without) / whole).numpy())
        exact = torch.func.hessian(lambda x: system.losses(x[None])[0])(end).numpy()
        size = np.abs(np.linalg.eigvalsh(exact))
        flat.append((size < 1e-3 * size.max()).sum())
    found = run.summary["dimensions"]
    assert found["near_zero_curvatures"] == np.mean(flat)
    biases = np.isin(table["layer"][0], [1, 3])
    assert np.isnan(table["delta"][:, biases]).all()  # they start at 0
    assert np.isfinite(table["delta"][:, ~biases]).all()
    layers = {k: v.reshape(2, 4) for k, v in run.table("layers.csv").items()}
    assert layers["weights"][0].tolist() == [40, 10, 30, 3]
    assert layers["share"].sum(1) == pytest.approx(1)
    edges = [0, 40, 50, 80]
    assert layers["share"] == pytest.approx(np.add.reduceat(table["share"], edges, axis=1))
    assert layers["path"] == pytest.approx(np.add.reduceat(path, edges, axis=1))
    names = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert found["pieces"] == names


def test_exponents_near_zero_are_counted(simulate):
    """Factors 1 and 0.5: one direction neutral beyond doubt, one not."""
    parameters = {"eta": 1.0, "curvatures": [0.0, 0.5]}
    run = of(simulate, "quadratic", parameters, steps=300, measure__spectrum=True,
             measure__dimensions=True)  # fmt: skip
    found = run.summary["dimensions"]
    assert found["near_zero_exponents"] == 1
    assert found["exponents"] == 2
    assert found["near_zero_curvatures"] == 1
    without = of(simulate, "quadratic", parameters, steps=50, measure__dimensions=True)
    assert "near_zero_exponents" not in without.summary["dimensions"]


def test_where_dimensions_have_no_number(simulate):
    run = of(simulate, "cat", steps=50, measure__dimensions=True)
    found = run.summary["dimensions"]
    assert found["knockout_reason"] == "the system has no loss"
    assert "irrelevant" not in found
    assert np.isnan(run.table("weights.csv")["knockout"]).all()
    gone = of(simulate, "quartic", {"a": 2.5}, steps=300, measure__dimensions=True)
    found = gone.summary["dimensions"]
    assert (found["count"], found["irrelevant"]) == (0, None)
    assert found["reason"] == "all references diverged"
    still = of(simulate, "quadratic", {"eta": 0.5, "curvatures": [1.0]}, steps=40,
               system__start=[0.0], ensemble__twins=0, measure__dimensions=True)  # fmt: skip
    table = still.table("weights.csv")
    assert np.isnan(table["delta"]).all()
    assert np.isnan(table["knockout"]).all()  # the loss is 0
    assert np.isnan(table["share"]).all()
    assert (table["path"] == 0).all()


def test_optimizer_state_is_no_dimension(simulate):
    parameters = {"eta": 0.3, "beta": 0.5, "curvatures": [1.0, 0.2]}
    run = of(simulate, "quadratic", parameters, steps=40, measure__dimensions=True)
    table = run.table("weights.csv")
    assert table["index"].reshape(2, -1)[0].tolist() == [0, 1]
    end = table["final"].reshape(2, -1)
    loss = np.array([1.0, 0.2]) * end**2
    exact = 1 - loss / loss.sum(1, keepdims=True)
    assert table["knockout"].reshape(2, -1) == pytest.approx(exact, rel=1e-9)
    assert run.summary["dimensions"]["pieces"] == ["x"]


# --- projection --------------------------------------------------------------------------


def test_principal_components_are_those_of_sklearn_and_of_the_covariance():
    rng = np.random.default_rng(1)
    states = rng.normal(size=(60, 7)) @ rng.normal(size=(7, 7)) + 5
    plane = principal(states, 3)
    other = PCA(3).fit(states)
    assert plane.explained == pytest.approx(other.explained_variance_ratio_, rel=1e-10)
    signs = np.sign((plane.components * other.components_).sum(1))
    assert plane.components == pytest.approx(signs[:, None] * other.components_, abs=1e-10)
    values = np.linalg.eigvalsh(np.cov(states.T))[::-1]
    assert plane.explained == pytest.approx(values[:3] / values.sum(), rel=1e-10)
    largest = np.abs(plane.components).argmax(1)
    assert (plane.components[range(3), largest] > 0).all()
    places, off = plane.place(states)
    assert places == pytest.approx(other.transform(states) * signs, abs=1e-9)
    rest = states - states.mean(0) - places[:, :2] @ plane.components[:2]
    assert off == pytest.approx(np.linalg.norm(rest, axis=1), rel=1e-9)


def test_a_straight_line_and_a_circle(simulate):
    line = of(simulate, "test_states:Line", steps=100, measure__projection=True)
    shares = line.table("projection-components.csv")["explained"].reshape(2, 2)
    assert shares == pytest.approx(np.tile([1.0, 0.0], (2, 1)), abs=1e-12)
    table = line.table("projection.csv")
    own = (table["twin"] == -1) & (table["reference"] == 0)
    exact = 0.05 * (np.arange(101) - 50)  # along (3, 4)/5, whose largest entry is positive
    assert table["pc1"][own] == pytest.approx(exact, abs=1e-12)
    assert table["off_plane"][own].max() < 1e-12
    assert np.isnan(table["loss"]).all()
    # 63 points of a circle, spread evenly up to 1 part in 63.
    circle = of(simulate, "test_states:Twist", {"shear": 0.0}, steps=628, measure__projection=True)
    found = circle.summary["projection"]
    assert found["explained"] == pytest.approx([0.5, 0.5], abs=5e-3)
    assert found["plane"] == pytest.approx(1)
    assert found["off_plane"] < 1e-12


def test_twins_and_loss_of_the_network_in_the_plane(simulate):
    overrides = {"ensemble.references": 3, "steps": 90, "record.states_every": 1}
    overrides |= {"measure.projection": {"references": 2, "components": 3, "points": 31}}
    overrides["ensemble.perturb_at"] = 30
    run = simulate({**SMALL, **overrides}, preset="quick")
    table = run.table("projection.csv")
    states, twins = run.states["states"], run.states["twins"]
    losses = build(run.experiment).system.losses
    for r in range(2):
        plane = principal(states[::3, r], 3)
        for twin, orbit in [(-1, states[:, r]), *((k, twins[:, r, k]) for k in range(3))]:
            own = (table["reference"] == r) & (table["twin"] == twin)
            steps = table["step"][own].astype(int)
            assert steps.tolist() == list(range(0 if twin < 0 else 30, 91, 3))
            places, off = plane.place(orbit[steps])
            for k in range(3):
                assert table[f"pc{k + 1}"][own] == pytest.approx(places[:, k], abs=1e-11)
            assert table["off_plane"][own] == pytest.approx(off, rel=1e-9)
            exact = losses(torch.from_numpy(orbit[steps].copy())).numpy()
            assert table["loss"][own] == pytest.approx(exact, rel=1e-12)


def test_where_there_is_no_plane(simulate):
    still = of(simulate, "quadratic", {"eta": 0.5, "curvatures": [1.0, 2.0]}, steps=40,
               system__start=[0.0, 0.0], measure__projection=True)  # fmt: skip
    found = still.summary["projection"]
    assert (found["plane"], found["count"]) == (None, 0)
    assert found["reason"] == "the state does not move"
    assert not len(still.table("projection.csv")["step"])
    parameters = {"eta": 5.0, "curvatures": [1.0, 1.0]}
    gone = of(simulate, "quadratic", parameters, steps=700, measure__projection=True)
    assert gone.summary["projection"]["reason"] == "all references diverged"
    assert principal(np.ones((9, 3)) + 1e-15 * np.arange(9)[:, None], 2) is None


# --- all three ---------------------------------------------------------------------------

ALL = {
    "measure.orbital": {"window": 30, "references": 2},
    "measure.dimensions": {"references": 2},
    "measure.projection": {"references": 2, "points": 50},
}
FILES = ("orbital.csv", "weights.csv", "layers.csv", "projection.csv", "projection-components.csv")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["network", "sines"])
def test_bits_do_not_depend_on_company(simulate, name):
    changed = {} if name == "network" else {"system.name": "maps:Sines"}
    base = {**OFF, **ALL, **changed, "ensemble.twins": 2, "steps": 300}
    few = simulate({**base, "ensemble.references": 2}, preset="quick", threads=1)
    extra = {"ensemble.references": 150, "measure.tangent": True, "record.every": 7}
    many = simulate({**base, **extra}, preset="quick", threads=2)
    one = simulate({**base, "ensemble.references": 1}, preset="quick", threads=2)
    for file in FILES:
        assert (few.path / file).read_bytes() == (many.path / file).read_bytes(), file
        head, *lines = (few.path / file).read_text().splitlines()
        first = [line for line in lines if line.startswith("0,")]
        assert (one.path / file).read_text().splitlines() == [head, *first], file


def test_a_run_that_is_stopped_keeps_what_it_has(simulate):
    import threading

    stop = threading.Event()
    run = simulate(
        {**OFF, **ALL, "ensemble.references": 3, "steps": 100_000},
        preset="quick",
        stop=stop,
        watch=lambda progress: progress.step > 300 and stop.set(),
    )
    assert run.status == "interrupted"
    last = run.summary["steps"]
    assert run.summary["dimensions"]["window"] == [0, last]
    assert np.isfinite(run.table("weights.csv")["knockout"]).all()
    assert run.summary["projection"]["reason"] is not None or run.summary["projection"]["count"]


class Unwritten:
    """Tables of instruments that have seen nothing yet."""

    def __init__(self, instruments):
        found = [instrument.findings() for instrument in instruments]
        self.summary = {key: value for one in found for key, value in one.summary.items()}
        self.tables = {key: value for one in found for key, value in one.tables.items()}

    def table(self, name):
        columns, rows = self.tables[name]
        return dict(zip(columns, np.array(rows).reshape(-1, len(columns)).T, strict=True))


def test_charts_need_no_data():
    from tuichaos.instruments import chosen
    from tuichaos.instruments.base import RunContext
    from tuichaos.plots.instruments import drawn

    experiment = tuichaos.preset("quick", ALL)
    empty = Unwritten(chosen(RunContext(experiment, build(experiment).system)))
    for what in ("orbital", "dimensions", "knock-out", "shares", "projection", "projection-loss"):
        assert not any(len(curve.y) for curve in drawn(what, empty).curves), what


def test_findings_change_nothing_and_need_no_data():
    from tuichaos.instruments import chosen
    from tuichaos.instruments.base import RunContext

    experiment = tuichaos.preset("quick", {**ALL, "measure.spectrum": {"references": 1}})
    for instrument in chosen(RunContext(experiment, build(experiment).system)):
        first, second = instrument.findings(), instrument.findings()
        assert str(first.summary) == str(second.summary)
        assert str(first.tables) == str(second.tables)


def test_every_chart_says_what_it_shows(simulate):
    from tuichaos.plots.run_plots import picture

    run = simulate({**OFF, **ALL, "steps": 150, "ensemble.references": 2}, preset="quick")
    for what in ("orbital", "dimensions", "knock-out", "shares", "projection", "projection-loss"):
        assert picture(run, what).curves
    for what in ("projection", "projection-loss"):
        title = picture(run, what).title
        assert "% of variance" in title
        assert "off plane" in title
    assert picture(run, "shares").marks[0] == ("b0", 40.0)
    assert "neither" in picture(run, "orbital").title


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"ensemble.twins": 0, "measure.orbital": True}, "measure.orbital: needs twins"),
        (
            {"system.name": "logistic", "measure.projection": True},
            "measure.projection: 2 components of a state of 1 number",
        ),
        ({"measure.projection": {"components": 1}}, "a plane has 2 components at least"),
        ({"measure.projection": {"points": 10**6}}, "measure.projection: 1000000 points of 6"),
        ({"measure.orbital": {"width": 3}}, "measure.orbital: unknown key 'width'"),
        ({"measure.dimensions": {"references": 0}}, "measure.dimensions: references must be"),
    ],
)
def test_bad_options_are_refused(simulate, overrides, said):
    with pytest.raises(tuichaos.InputError) as error:
        simulate(overrides, preset="quick")
    assert said in str(error.value)


# --- the presets -------------------------------------------------------------------------


@pytest.mark.slow
def test_orbital_stability(simulate):
    found = simulate(preset="orbital-stability").summary["orbital"]
    assert found["count"] == 10
    assert found["orbitally_stable"] >= 3
    assert found["neither"] <= 1
    assert found["orbital_ratio"] < 0.5 * found["distance_ratio"]
    still = simulate({"measure.orbital": True, "ensemble.references": 4}, preset="low")
    assert still.summary["orbital"]["lyapunov_stable"] == 4
    wild = simulate({"measure.orbital": True, "steps": 500}, preset="eos-orbits")
    assert wild.summary["orbital"]["neither"] == 4


@pytest.mark.slow
def test_irrelevant_dimensions(simulate):
    run = simulate(preset="irrelevant-dimensions")
    found = run.summary["dimensions"]
    assert 38 <= found["irrelevant"] <= 57
    assert found["correlation"] > 0.8
    assert 10 <= found["participation"] <= 26
    assert 60 <= found["near_zero_curvatures"] <= 78
    assert run.summary["projection"]["plane"] > 0.98
