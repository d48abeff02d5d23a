"""Chart of the distance to the whole orbit beside that at one time."""

from __future__ import annotations

from tuichaos.common.summary_statistics import percentile
from tuichaos.plots.figure import Curve, Picture, Role
from tuichaos.plots.instruments.base import Tables


def orbital(run: Tables) -> Picture:
    """Both distances and the length of a step: the median over references."""
    table = run.table("orbital.csv")
    found = run.summary["orbital"]
    total = found["total"]
    shaped = {name: column.reshape(total, -1).T for name, column in table.items()}
    steps = shaped["step"][:, 0] if len(shaped["step"]) else shaped["step"].ravel()
    names = {"distance": "same time", "orbital": "to the orbit", "step_length": "length of a step"}
    curves = [
        Curve(title, steps, percentile(shaped[name], 50), role)
        for (name, title), role in zip(names.items(), (Role.MAIN, Role.MAIN, Role.RAW), strict=True)
    ]
    verdict = f"stable: {found['verdict']}" if found["verdict"] else f"none: {found['reason']}"
    title = f"distance of twins (L1), orbit within ±{found['search']} steps; {verdict}"
    return Picture(title, curves, log=True)
