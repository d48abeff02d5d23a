"""Charts of the Lyapunov spectrum."""

from __future__ import annotations

import numpy as np

from tuichaos.common.summary_statistics import percentile, summarise
from tuichaos.plots.figure import Curve, Picture, Role
from tuichaos.plots.instruments.base import ZERO, Tables

MAX_TRACES = 8  # running exponents that can be told apart in one chart


def spectrum(run: Tables) -> Picture:
    """Exponents by index: the mean over references with its 95 % interval, or one reference
    with its own."""
    table = run.table("spectrum.csv")
    count = int(table["index"].max())
    index = np.arange(1, count + 1)
    found = table["exponent"].reshape(-1, count)
    references = len(found)
    if references == 1:
        low, high = (table[name].reshape(-1, count)[0] for name in ("low", "high"))
        middle, name = found[0], "reference 0"
    else:
        middle, low, high = summarise(found.T, averaged=True)
        name = f"mean of {references}"
    curves = [
        Curve(name, index, middle),
        Curve("95 % low", index, low, Role.LOW),
        Curve("95 % high", index, high, Role.HIGH),
    ]
    title = f"Lyapunov spectrum, {count} of {run.summary['spectrum']['dimension']}"
    return Picture(title, curves, x_label="index", levels=ZERO)


def spectrum_trace(run: Tables) -> Picture:
    """Running exponents: the median over references of the first ones."""
    table = run.table("spectrum-trace.csv")
    names = [name for name in table if name.startswith("lyapunov")][:MAX_TRACES]
    references = len(np.unique(table["reference"]))
    steps = table["step"].reshape(-1, references)[:, 0]
    curves = [
        Curve(f"λ{k + 1}", steps, percentile(table[name].reshape(-1, references), 50))
        for k, name in enumerate(names)
    ]
    return Picture(f"running exponents, median of {references}", curves, levels=ZERO)
