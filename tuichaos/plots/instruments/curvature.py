"""Charts of the sharpness and the top of the Hessian's spectrum."""

from __future__ import annotations

import numpy as np

from tuichaos.common.summary_statistics import FEW, percentile, summarise
from tuichaos.plots.bands import Band
from tuichaos.plots.figure import Curve, Picture
from tuichaos.plots.instruments.base import Tables

PRECONDITIONED = "preconditioned_sharpness"
MAX_CURVES = 8  # eigenvalues that can be told apart in one chart


def sharpness(run: Tables) -> Picture:
    """Sharpness against step, and the level it hovers at on the edge of stability."""
    scaled = PRECONDITIONED in run.table("sharpness.csv")
    column = PRECONDITIONED if scaled else "sharpness"
    steps, values, ratio = _columns(run, column, "eta_sharpness_half")
    curves = Band(steps, summarise(values, False), values.shape[1]).curves()
    levels = _thresholds(values, ratio)
    name = _threshold_name(run)
    named = [(f"{name} = {level:.4g}", level) for level in levels]
    of = "preconditioned Hessian" if scaled else "Hessian"
    return Picture(f"sharpness (largest eigenvalue of the {of})", curves, levels=named)


def stability(run: Tables) -> Picture:
    """Sharpness over its threshold against step: 1 is the edge."""
    steps, ratio = _columns(run, "eta_sharpness_half")
    curves = Band(steps, summarise(ratio, False), ratio.shape[1]).curves()
    return Picture(f"sharpness / ({_threshold_name(run)})", curves, levels=[("edge", 1.0)])


def curvature(run: Tables) -> Picture:
    """The largest eigenvalues of the Hessian: the median over references of each."""
    more = [name for name in run.table("sharpness.csv") if name.startswith("eigenvalue")]
    names = ["sharpness", *more][:MAX_CURVES]
    steps, *columns = _columns(run, *names)
    curves = [Curve(f"λ{k + 1}", steps, percentile(column, 50)) for k, column in enumerate(columns)]
    title = f"largest eigenvalues of the Hessian, median of {columns[0].shape[1]}"
    return Picture(title, curves, levels=[("zero", 0.0)])


def _columns(run: Tables, *names: str) -> list[np.ndarray]:
    """The measured steps (M,), and columns (M, references) of sharpness.csv."""
    table = run.table("sharpness.csv")
    references = len(np.unique(table["reference"]))
    shape = (references, -1) if references else (1, 0)
    steps = table["step"].reshape(shape)[0]
    return [steps, *(table[name].reshape(shape).T for name in names)]


def _thresholds(values: np.ndarray, ratio: np.ndarray) -> list[float]:
    """The latest threshold of each reference, each once; none where they are many."""
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = values / ratio
    found = set()
    for column in levels.T:
        known = column[np.isfinite(column)]
        found |= {float(f"{known[-1]:.12g}")} if len(known) else set()
    return sorted(found) if len(found) <= FEW else []


def _threshold_name(run: Tables) -> str:
    if run.experiment.system.name == "training":
        return run.experiment.optimizer.threshold_name
    beta = run.experiment.system.parameters.get("beta", 0)
    return "(2+2β)/η" if beta else "2/η"
