"""An instrument of somebody else, whole in one file."""

from __future__ import annotations

import numpy as np

from tuichaos.config.instrument_spec import ChartSpec, Entry, Spec
from tuichaos.instruments.base import Findings, Instrument
from tuichaos.plots.figure import Curve, Picture

HUGE = 8e15  # bytes


class Largest(Instrument):
    """The largest entry of the state, over all references, step by step."""

    key = "largest"
    depends_on_steps = False

    def __init__(self, context):
        self.context = context
        self.steps, self.values = [], []

    def probe(self, orbit):
        return {"largest": orbit.states.abs().amax(-1).cpu().numpy()}

    def fold(self, frame):
        self.steps += frame.steps.tolist()
        self.values += np.nanmax(frame["largest"], axis=1).tolist()
        return {}

    def findings(self):
        total = self.context.references
        found = {"value": max(self.values, default=np.nan), "count": total, "total": total}
        rows = [list(row) for row in zip(self.steps, self.values, strict=True)]
        return Findings(
            summary={"largest": found}, tables={"largest.csv": (["step", "value"], rows)}
        )


def draw(run):
    table = run.table("largest.csv")
    return Picture("largest entry of the state", [Curve("largest", table["step"], table["value"])])


spec = Spec(
    "largest",
    "largest entry of the state",
    make=Largest,
    memory=lambda asked: HUGE if asked.steps > 10**6 else 16 * asked.steps,
    tab="Orbit",
    charts={"largest": ChartSpec("largest.csv", draw, "Orbit")},
    rows=(Entry("largest", "value", "largest entry"),),
    manual="### `largest`\n\nThe largest entry of the state.",
)
