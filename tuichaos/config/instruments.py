"""All instruments, one entry each; others derive their lists from it.

An entry holds what must be known before anything is loaded. The instrument itself is a file of
tuichaos/instruments, its charts one of tuichaos/plots/instruments. Instruments of others
join by ``register``, or by the entry points ``tuichaos.instruments`` of installed packages.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuichaos.config import applicability as has
from tuichaos.config.field_types import AccuracyOptions, Estimator, Sizes, options
from tuichaos.config.instrument_spec import ChartSpec, Entry, Experiment, Spec

OWN = "tuichaos.instruments"
PLOTS = "tuichaos.plots.instruments"
FEW = options("references")


def _chart(file: str, draw: str, tab: str) -> ChartSpec:
    return ChartSpec(file, f"{PLOTS}.{draw}", tab)


SPECS = (
    Spec("loss", "loss on the train part", default=True),
    Spec("accuracy", "accuracy on train and test part", default=True),
    Spec("weight_norm", "L1 norm over all parameters", default=True),
    Spec(
        "distance",
        "L1 distance of the twins, total and by layer",
        default=True,
        beside=("twin_distance",),
        needs_twins=True,
    ),
    Spec(
        "nmle",
        "the paper's exponent: best window, filter",
        Estimator,
        True,
        f"{OWN}.nmle:of_training",
        needs=("twin_distance",),
        needs_twins=True,
    ),
    Spec(
        "growth",
        "exponent of the twins between fixed levels",
        Estimator,
        True,
        f"{OWN}.growth:GrowthExponent",
        needs=("twin_distance",),
        needs_twins=True,
    ),
    Spec(
        "tangent",
        "exponent of a renormalised tangent vector",
        Estimator,
        True,
        f"{OWN}.tangent:TangentExponent",
    ),
    Spec(
        "regime",
        "a verdict on each reference, with evidence",
        Estimator,
        True,
        f"{OWN}.regime:Regime",
        needs=("state_tail",),
        reads=("sharpness", "nmle"),
        memory=f"{OWN}.state_tail:kept_bytes",
        charts={
            "exponents": _chart("exponents.csv", "verdicts:exponents", "Spectrum"),
            "regime": _chart("regime.csv", "verdicts:regime", "Spectrum"),
        },
    ),
    Spec(
        "spectrum",
        "Lyapunov spectrum by QR: true (all exponents of all references), or "
        "{ count = exponents, references = the first so many }",
        options("count", "references"),
        make=f"{OWN}.spectrum:Spectrum",
        memory=f"{OWN}.spectrum:kept_bytes",
        few={"references": 4},
        tab="Spectrum",
        charts={
            "spectrum": _chart("spectrum.csv", "spectrum:spectrum", "Spectrum"),
            "spectrum-trace": _chart("spectrum-trace.csv", "spectrum:spectrum_trace", "Spectrum"),
        },
    ),
    Spec(
        "moving",
        "finite-time exponents in moving windows: { width = steps, every = stride }",
        options("width", "every"),
        make=f"{OWN}.moving:Moving",
        reads=("tangent",),
        fits=has.has_tangent,
        tab="Spectrum",
        charts={"moving": _chart("moving.csv", "exponents:moving", "Spectrum")},
        rows=(Entry("moving", "above_zero", "moving windows > 0"),),
    ),
    Spec(
        "routes",
        "free twins, renormalised twins and tangents from the same displacements: "
        "{ references = the first so many, twins = of each }",
        options("references", "twins"),
        make=f"{OWN}.routes:Routes",
        memory=f"{OWN}.routes:kept_bytes",
        fits=has.has_twins,
        tab="Spectrum",
        charts={"routes": _chart("routes.csv", "exponents:routes", "Spectrum")},
        rows=(
            Entry("routes", "free", "free twins"),
            Entry("routes", "renormalised", "renormalised twins"),
            Entry("routes", "tangent", "tangents beside them"),
            Entry("routes", "disagreement_max", "  largest difference"),
        ),
    ),
    Spec(
        "sizes",
        "perturbation sizes to compare the exponent of: [1e-12, …]",
        Sizes,
        [],
        f"{OWN}.sizes:PerturbationSizes",
        charts={"sizes": _chart("sizes.csv", "exponents:sizes", "Spectrum")},
        rows=(Entry("sizes", "per_decade", "growth per decade of ε"),),
    ),
    Spec(
        "sharpness",
        "largest eigenvalues of the Hessian of the loss: { every = steps, "
        "count = eigenvalues, references = the first so many }",
        options("every", "count", "references"),
        make=f"{OWN}.sharpness:Sharpness",
        memory=f"{OWN}.sharpness:kept_bytes",
        fits=has.has_loss,
        few={"references": 8, "count": 3},
        tab="Curvature",
        charts={
            "sharpness": _chart("sharpness.csv", "curvature:sharpness", "Curvature"),
            "stability": _chart("sharpness.csv", "curvature:stability", "Curvature"),
            "curvature": _chart("sharpness.csv", "curvature:curvature", "Curvature"),
        },
        rows=(
            Entry("sharpness", "final_median", "final sharpness, median", alike="threshold"),
            Entry("sharpness", "preconditioned_final_median", "  preconditioned, median"),
            Entry("sharpness", "final_eta_half_median", "  λmax/threshold, last step"),
            Entry("sharpness", "mean_last_tenth_eta_half_median", "  λmax/threshold, last tenth"),
        ),
    ),
    Spec(
        "orbital",
        "distance of twins to the whole reference orbit: { window = steps to either "
        "side, references = the first so many }",
        options("window", "references"),
        make=f"{OWN}.orbital:OrbitalDistance",
        memory=f"{OWN}.orbital:kept_bytes",
        fits=has.has_twins,
        tab="Orbit",
        charts={"orbital": _chart("orbital.csv", "orbital:orbital", "Orbit")},
        rows=(
            Entry("orbital", "verdict", "twins within 10 × d(0)"),
            Entry("orbital", "distance_ratio", "  greatest d/d(0), median"),
            Entry("orbital", "orbital_ratio", "  to the orbit, median"),
        ),
    ),
    Spec(
        "autocorrelation",
        "of loss and state: { lags = up to, references = the first so many }",
        options("lags", "references"),
        make=f"{OWN}.autocorrelation:Autocorrelation",
        needs=("signals", "memory"),
        beside=("series",),
        memory=f"{OWN}.memory:kept_bytes",
        tab="Orbit",
        charts={
            "return-map": _chart("orbit.csv", "orbit:return_map", "Orbit"),
            "autocorrelation": _chart("autocorrelation.csv", "orbit:autocorrelation", "Orbit"),
        },
        rows=(
            Entry("autocorrelation", "lag_1", "autocorrelation, lag 1"),
            Entry("autocorrelation", "lag_2", "  lag 2"),
            Entry("autocorrelation", "lag_3", "  lag 3"),
            Entry("autocorrelation", "state_lag_1", "  of the state, lag 1"),
        ),
    ),
    Spec(
        "expansion",
        "the paper's local expansion rates of the loss: { references = … }",
        FEW,
        make=f"{OWN}.expansion:ExpansionRates",
        needs=("signals",),
        beside=("series",),
        tab="Orbit",
        charts={"expansion": _chart("expansion-curve.csv", "orbit:expansion", "Orbit")},
        rows=(
            Entry("expansion", "rate", "expansion of the loss"),
            Entry("expansion", "r_squared", "  R² of its line"),
            Entry("expansion", "local_significant", "  times with p ≤ 0.05"),
        ),
    ),
    Spec(
        "recurrence",
        "recurrence plot: { points = of the orbit, references = … }",
        options("points", "references"),
        make=f"{OWN}.recurrence:RecurrencePlot",
        needs=("signals", "memory"),
        beside=("series",),
        memory=f"{OWN}.memory:kept_bytes",
        tab="Orbit",
        charts={"recurrence": _chart("recurrence.csv", "orbit:recurrence", "Orbit")},
        rows=(
            Entry("recurrence", "rate", "recurrence rate"),
            Entry("recurrence", "determinism", "  determinism"),
            Entry("recurrence", "laminarity", "  laminarity"),
        ),
    ),
    Spec(
        "zero_one",
        "0–1 test for chaos of the loss: { references = … }",
        FEW,
        make=f"{OWN}.zero_one:ZeroOneTest",
        needs=("signals",),
        beside=("series",),
        tab="Orbit",
        charts={"zero-one": _chart("zero_one-plane.csv", "orbit:zero_one", "Orbit")},
        rows=(Entry("zero_one", "k", "0–1 test: K"),),
    ),
    Spec(
        "period",
        "period of the state at the end: { references = … }",
        FEW,
        make=f"{OWN}.period:Period",
        needs=("signals", "state_tail"),
        beside=("series",),
        memory=f"{OWN}.period:kept_bytes",
        tab="Orbit",
        charts={"period": _chart("period.csv", "verdicts:period", "Orbit")},
        rows=(Entry("period", "period", "period (commonest)"),),
    ),
    Spec(
        "dimensions",
        "irrelevant dimensions, knock-out, shares: { references = … }",
        FEW,
        make=f"{OWN}.dimensions:Dimensions",
        reads=("spectrum",),
        tab="Dimensions",
        charts={
            "dimensions": _chart("weights.csv", "dimensions:dimensions", "Dimensions"),
            "knock-out": _chart("weights.csv", "dimensions:knock_out", "Dimensions"),
            "shares": _chart("weights.csv", "dimensions:shares", "Dimensions"),
        },
        rows=(
            Entry("dimensions", "irrelevant", "irrelevant weights"),
            Entry("dimensions", "participation", "  participation ratio"),
            Entry("dimensions", "correlation", "  Δ with path, rank corr."),
            Entry("dimensions", "near_zero_exponents", "  exponents near 0"),
            Entry("dimensions", "near_zero_curvatures", "  curvatures near 0"),
        ),
    ),
    Spec(
        "units",
        "saturated hidden units: { every = steps }",
        options("every"),
        make=f"{OWN}.saturation:Saturation",
        memory=f"{OWN}.saturation:kept_bytes",
        fits=has.has_hidden_units,
        tab="Dimensions",
        charts={"units": _chart("units.csv", "dimensions:units", "Dimensions")},
        rows=(Entry("units", "final_share_all", "saturated units, share"),),
    ),
    Spec(
        "projection",
        "principal components of the orbit: { components = …, points = of the orbit, "
        "references = … }",
        options("components", "points", "references"),
        make=f"{OWN}.pca:PCA",
        fits=has.has_plane,
        tab="Projection",
        charts={
            "projection": _chart("projection.csv", "pca:projection", "Projection"),
            "projection-loss": _chart("projection.csv", "pca:projection_loss", "Projection"),
        },
        rows=(
            Entry("projection", "plane", "variance in the plane"),
            Entry("projection", "off_plane", "  off plane (RMS)"),
        ),
    ),
    Spec(
        "convergence",
        "whether training converged: { last = losses that are averaged }",
        options("last"),
        make=f"{OWN}.convergence:Convergence",
        memory=f"{OWN}.convergence:kept_bytes",
    ),
    Spec(
        "reach",
        "steps until an accuracy is first reached, train and test part: "
        "{ accuracy = 0.9, every = steps between looks }",
        AccuracyOptions,
        make=f"{OWN}.time_to_accuracy:TimeToAccuracy",
    ),
)

_REGISTRY = {spec.key: spec for spec in SPECS}


def specs() -> tuple[Spec, ...]:
    """All instruments: those of tuichaos, then those that were added."""
    return tuple(_REGISTRY.values())


def add(spec: Spec) -> None:
    """Add an instrument; see ``tuichaos.register_instrument``."""
    _REGISTRY[spec.key] = spec


def tabs() -> dict[str, tuple[str, ...]]:
    """The tabs of the explorer, with the switches of ``[measure]`` that fill them."""
    found: dict[str, tuple[str, ...]] = {}
    for spec in specs():
        if spec.tab:
            found[spec.tab] = (*found.get(spec.tab, ()), spec.key)
    return found


def charts() -> dict[str, ChartSpec]:
    """The charts of the tables of all instruments, by name; those that a tab is about first."""
    ordered = sorted(specs(), key=lambda spec: not spec.tab)
    return {name: chart for spec in ordered for name, chart in spec.charts.items()}


def suited(experiment: Experiment) -> tuple[str, ...]:
    """The switches behind the tabs that mean something for this experiment."""
    return tuple(spec.key for spec in specs() if spec.tab and spec.fits(experiment))


def asked(key: str, experiment: Experiment) -> bool | Mapping[str, int]:
    """What a switch is set to when it is asked for by its name alone."""
    few = _REGISTRY[key].few if key in _REGISTRY else {}
    if "count" not in few:
        return few or True
    return {**few, "count": min(few["count"], has.numbers(experiment))}
