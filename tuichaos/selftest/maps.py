"""Classic maps and a flow: logistic, skew tent, cat, Hénon, Lorenz."""

from __future__ import annotations

import math

import numpy as np

from tuichaos.selftest.checks import Reader, Trial, average, exact, published
from tuichaos.selftest.quartic import spread
from tuichaos.selftest.readers import mean, row, spectrum, spectrum_sum, summary, tangent, worst
from tuichaos.storage.run_reader import Run

R, AT = spread({4.0: 20, 2.6: 2, 3.1: 2})
POINT, PAIR = math.log(0.6), math.log(0.59) / 2  # fixed point of 2.6, 2-cycle of 3.1
SERIES = 4  # references whose series are analysed: the first ones, at r = 4
WIDTH = 100  # of a window


def _windows(run: Run, at: range) -> np.ndarray:
    """The exponents (windows, references) in windows that end on each other, from
    ``measure.discard`` on."""
    table = run.table("moving.csv")
    found = table["lyapunov"].reshape(-1, len(R))
    return found[table["start"][:: len(R)] >= 1000][:, at.start : at.stop]


def _off_the_mean(run: Run) -> float:
    """The windows' mean less the running exponent, where that is largest."""
    means = _windows(run, AT[4.0]).mean(axis=0)
    return worst(means - run.exponents["lyapunov"][AT[4.0].start : AT[4.0].stop], 0.0)


def _window(at: range, target: float) -> Reader:
    """The window that is farthest off."""
    return lambda run: worst(_windows(run, at).ravel(), target)


def _rho(lag: int) -> Reader:
    """ρ at a lag, mean over the references at r = 4."""

    def read(run: Run) -> float:
        table = run.table("autocorrelation.csv")
        return mean(table["signal"][table["lag"] == lag])

    return read


def _outside(run: Run) -> float:
    """The share of lags at which ρ is outside the band of shuffled series."""
    table = run.table("autocorrelation.csv")
    rho = table["signal"]
    return mean(((rho < table["band_low"]) | (rho > table["band_high"])).astype(float))


def _without(run: Run) -> float:
    """The share of the references at r = 4 that have no period."""
    periods = run.table("period.csv")["period"]
    return float(np.isnan(periods[AT[4.0].start : AT[4.0].stop]).mean())


LOGISTIC = Trial(
    "logistic map",
    {
        "system.name": "logistic",
        "system.parameters": {"r": R},
        "ensemble.references": len(R),
        "steps": 6000,
        "measure.discard": 1000,
        "measure.tangent": True,
        "measure.spectrum": True,
        "measure.moving": {"width": WIDTH, "every": WIDTH},
        "measure.autocorrelation": {"references": SERIES},
        "measure.expansion": {"references": SERIES},
        "measure.zero_one": {"references": SERIES},
        "measure.period": {"references": len(R)},
        "record.every": 6000,
    },
    (
        *(
            check
            for route, read in (("tangent", tangent), ("spectrum", lambda at: spectrum(0, at)))
            for check in (
                exact("r = 2.6: ln 0.6", route, read(AT[2.6]), POINT),
                # Over whole turns of the 2-cycle.
                exact("r = 3.1: ½ ln 0.59", route, read(AT[3.1]), PAIR),
                # The mean's error falls as 1/n here: ln|f′| is ln 2 and a difference.
                average("r = 4: ln 2", route, read(AT[4.0]), math.log(2)),
            )
        ),
        exact("windows − λ, r = 4", "moving", _off_the_mean, 0.0),
        exact("r = 2.6, any window", "moving", _window(AT[2.6], POINT), POINT),
        exact("r = 3.1, any window", "moving", _window(AT[3.1], PAIR), PAIR),
        # σ of one ρ is 1/√5000: independent, though not random.
        *(average(f"ρ({k}), r = 4", "autocorrelation", _rho(k), 0.0, 0.03) for k in (1, 2)),
        # Of 50 lags of 4 references: σ is 0.015.
        average("outside the 95 % band", "autocorrelation", _outside, 0.05, 0.045),
        # One number is no state, and a line has to end: within a tenth.
        average("r = 4: ln 2", "expansion", summary("expansion", "rate"), math.log(2), 0.07),
        average("K, r = 4", "zero_one", summary("zero_one", "k"), 1.0, 0.02),
        *(
            exact(f"r = {r}", "period", row("period.csv", AT[r].start, "period"), k, 0.0)
            for r, k in ((2.6, 1), (3.1, 2))
        ),
        exact("r = 4: share without", "period", _without, 1.0, 0.0),
    ),
)

# --- a cycle: the instruments of a series on what repeats itself -------------------------

CYCLE, POINTS = 4, 400


def _of_the_cycle(lag: int) -> float:
    """ρ at a lag of the cycle itself, which is what ρ is of whole turns of it."""
    x = [0.5]
    for _ in range(1000):
        x.append(3.5 * x[-1] * (1 - x[-1]))
    cycle = np.array(x[-CYCLE:]) - np.mean(x[-CYCLE:])
    return float((cycle * np.roll(cycle, lag)).sum() / (cycle * cycle).sum())


def _at_lag(name: str, lag: int) -> Reader:
    return row("autocorrelation.csv", 0, name, lag=lag)


PERIODIC = Trial(
    "logistic map, r = 3.5, period 4",
    {
        "system.name": "logistic",
        "system.parameters": {"r": 3.5},
        "steps": 2399,
        "measure.discard": 400,  # 2000 values: whole turns
        "measure.autocorrelation": {"lags": 8},
        "measure.expansion": True,
        "measure.recurrence": {"points": POINTS},
        "measure.zero_one": True,
        "measure.period": True,
    },
    (
        exact("period", "period", summary("period", "period"), CYCLE, 0.0),
        # One pair of 2000 is missing at lag 1.
        exact("ρ(1) of the cycle", "autocorrelation", _at_lag("signal", 1), _of_the_cycle(1), 1e-3),
        exact("ρ(4)", "autocorrelation", _at_lag("signal", 4), 1.0),
        exact(
            "ρ(8) of the state",
            "autocorrelation",
            _at_lag("state", 8),
            1.0,
        ),
        average("K", "zero_one", summary("zero_one", "k"), 0.0, 0.05),
        # Each point meets those a whole number of turns away, itself left out.
        exact(
            "recurrence rate",
            "recurrence",
            summary("recurrence", "rate"),
            (POINTS / CYCLE - 1) / (POINTS - 1),
        ),
        exact("determinism", "recurrence", summary("recurrence", "determinism"), 1.0),
        exact("laminarity", "recurrence", summary("recurrence", "laminarity"), 0.0),
        # Diagonals are 4, 8, … 396 long.
        exact("mean diagonal", "recurrence", summary("recurrence", "mean_diagonal"), POINTS / 2),
        exact("no rate of a cycle: count", "expansion", summary("expansion", "count"), 0.0, 0.0),
    ),
)

TENT = Trial(
    "skew tent map, p = 0.3",
    {
        "system.name": "tuichaos.selftest.systems:SkewTent",
        "ensemble.references": 127,
        "steps": 4100,
        "measure.discard": 100,
        "measure.tangent": True,
        "measure.spectrum": True,
        "record.every": 4100,
    },
    (  # σ of the mean is 0.39/√n
        average("λ", "tangent", tangent(), -0.3 * math.log(0.3) - 0.7 * math.log(0.7)),
        average("λ", "spectrum", spectrum(0), -0.3 * math.log(0.3) - 0.7 * math.log(0.7)),
    ),
    long=True,
)

GOLDEN = math.log((3 + math.sqrt(5)) / 2)

CAT = Trial(
    "Arnold's cat map",
    {
        "system.name": "cat",
        "ensemble.references": 2,
        "steps": 300,
        "measure.discard": 100,
        "measure.tangent": True,
        "measure.spectrum": True,
        "measure.moving": True,
    },
    (
        exact("λ1 = ln((3 + √5)/2)", "tangent", tangent(), GOLDEN),
        exact("λ1", "spectrum", spectrum(0), GOLDEN),
        exact("λ2 = −λ1", "spectrum", spectrum(1), -GOLDEN),
        exact("Kaplan–Yorke", "spectrum", summary("spectrum", "kaplan_yorke"), 2.0),
        exact(
            "last window above 0 ends",
            "moving",
            summary("moving", "last_positive_end"),
            300,
            0.0,
        ),
    ),
)

HENON = Trial(
    "Hénon map, a = 1.4, b = 0.3",
    {
        "system.name": "henon",
        "ensemble.references": 127,
        "steps": 6500,
        "measure.discard": 500,
        "measure.tangent": True,
        "measure.spectrum": True,
        "record.every": 6500,
    },
    (  # σ of the mean is 0.37/√n
        published("λ1", "tangent", tangent(), 0.41922),
        published("λ1", "spectrum", spectrum(0), 0.41922),
        published("λ2", "spectrum", spectrum(1), -1.62319),
        exact("sum = ln 0.3", "spectrum", spectrum_sum(math.log(0.3)), math.log(0.3), 1e-9),
        published("Kaplan–Yorke", "spectrum", summary("spectrum", "kaplan_yorke"), 1.25827),
    ),
    long=True,
)

LORENZ = Trial(
    "Lorenz flow, per unit of time",
    {
        "system.name": "lorenz",
        "ensemble.references": 15,
        "steps": 26500,
        "measure.discard": 1500,  # laminar starts: an orbit takes some turns to forget its own
        "measure.tangent": True,
        "measure.spectrum": True,
        "record.every": 26500,
    },
    (  # the variance of one orbit's mean over a time T is about (0.021 T + 2.7)/T²: few, long
        published("λ1", "tangent", tangent(), 0.90563, 0.01),
        published("λ1", "spectrum", spectrum(0), 0.90563, 0.01),
        published("λ2", "spectrum", spectrum(1), 0.0, 0.01),
        published("λ3", "spectrum", spectrum(2), -14.57219, 0.01),
        # Runge–Kutta shrinks volumes as the flow does up to its fifth order.
        exact("sum = −41/3", "spectrum", spectrum_sum(-41 / 3), -41 / 3, 1e-3),
        published("Kaplan–Yorke", "spectrum", summary("spectrum", "kaplan_yorke"), 2.06215, 1e-3),
    ),
    long=True,
)

TRIALS = (LOGISTIC, PERIODIC, TENT, CAT, HENON, LORENZ)
