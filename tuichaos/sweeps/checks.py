"""The points of a sweep checked against their data and the machine, before one is computed."""

from __future__ import annotations

from tuichaos.execution.plan import plan
from tuichaos.sweeps.orbit_diagram import observable
from tuichaos.sweeps.points import Grid, chosen, for_a_while

MAX_PLANNED = 64  # of a larger grid its corners and so many others: each takes milliseconds


def check_plans(made: Grid, threads: int | None = None) -> None:
    """Check the corners and some points against data and machine; raises InputError."""
    diagram = made.base.diagram
    if diagram:
        system = plan(made.base.experiment(made.points[0]), threads).built.system
        observable.check_observable(system, diagram.observable)
    for index in for_a_while(chosen(made, MAX_PLANNED)):
        plan(made.base.experiment(made.points[index]), threads)
