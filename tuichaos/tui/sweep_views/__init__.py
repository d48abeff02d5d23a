"""What a board shows of a sweep: a map of a plane, an orbit diagram, or the curve of a column.

A face takes in rows as they come, is made ready beside the screen's own thread, and is then
drawn into as many cells as there are.
"""

from __future__ import annotations

from tuichaos.config.experiment import Experiment
from tuichaos.tui.sweep_views.base import Face
from tuichaos.tui.sweep_views.column_view import CurveFace
from tuichaos.tui.sweep_views.diagram_view import DiagramFace
from tuichaos.tui.sweep_views.map_view import PlaneFace
from tuichaos.tui.zoom import Span


def face(experiment: Experiment, crop: Span | None = None) -> Face:
    """The face of a sweep."""
    if experiment.diagram.observable != "none":
        return DiagramFace(experiment, crop)
    return PlaneFace(experiment, crop) if experiment.is_dense else CurveFace(experiment, crop)
