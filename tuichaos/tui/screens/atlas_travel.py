"""From picture to picture in the atlas: zoom, back and forward, finer, wider, another value."""

from __future__ import annotations

from tuichaos.common.errors import InputError
from tuichaos.config.applicability import has_loss
from tuichaos.config.plane_and_diagram import VALUES
from tuichaos.sweeps.points import MAX_DENSE
from tuichaos.tui import selection_box
from tuichaos.tui.sweep_views.column_view import CurveFace
from tuichaos.tui.zoom import alone, resized, valued, widened, zoomed

FINER = 2.0  # times as many points along each key


class Travel:
    """For the atlas: the keys that show another picture, or one of those before."""

    def zoom(self) -> None:
        """Compute what is in the box, as finely as the whole was."""
        keys, crop = self.level.face.spans(self.box, self.area)
        whole = self.box[0] == 0 and self.box[2] == self.area.width - 1
        self.level.cross, before = (0.5, 0.5), self.level.cross
        if crop is not None and whole:  # only the upright axis: the points are the same
            self._show(self.level.experiment, crop, same=True)
        else:
            self._try(zoomed, keys, crop=crop)
        if self.journey.at:
            self.journey.levels[self.journey.at - 1].cross = before

    def explore(self) -> None:
        """Open the explorer with the point below the cross."""
        if self.area is None:
            return
        try:
            point = alone(self.level.experiment, self.level.face.values_at(*self._at()))
        except InputError as error:
            self._complain(error)
            return
        self.journey.halt()
        self.app.explore(point)

    def action_back(self, leave: bool) -> None:
        if self.box is not None:
            self._drop()
        elif self.journey.move(self.journey.at - 1):
            self._turned()
        elif leave:
            self.journey.halt()
            self.app.pop_screen()

    def action_forward(self) -> None:
        if self.journey.move(self.journey.at + 1):
            self._turned()

    def action_first(self) -> None:
        if self.journey.move(0):
            self._turned()

    def action_widen(self) -> None:
        self._try(widened)

    def action_finer(self, direction: int) -> None:
        if self.box is not None:
            self._set_box(selection_box.scaled(self.box, direction))
        else:
            self._try(resized, FINER**direction, MAX_DENSE, crop=self.level.crop)

    def action_value(self) -> None:
        """The next value that the system can have: computed anew, or gone to where it is one of
        the pictures. Of a sweep of runs the next column, which is there."""
        here, experiment = self.level.face, self.level.experiment
        if isinstance(here, CurveFace):
            here.turn()
            self._turned()
            return
        values = [v for v in VALUES if v != "convergence" or has_loss(experiment)]
        wanted = valued(experiment, values[(values.index(here.value) + 1) % len(values)])
        levels = self.journey.levels
        there = next((k for k, level in enumerate(levels) if level.experiment == wanted), None)
        if there is None:
            self._show(wanted)
        elif self.journey.move(there):
            self._turned()
