"""What the atlas writes: the folder of a sweep, and a map as a picture."""

from __future__ import annotations

from textual import work

from tuichaos.config.experiment import Experiment
from tuichaos.reports.export import export_map, free_name
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.plane_values import of_rows
from tuichaos.tui.sweep_views.map_view import PlaneFace
from tuichaos.tui.zoom_history import Level


class Files:
    """For the atlas: exports in threads of their own; what fails is said, and the app lives."""

    def action_export(self) -> None:
        if not self.level.survey.rows:
            self.notify("Nothing to export yet.", severity="warning")
            return
        if self.keeping:
            self.notify("The folder is still being written.", severity="warning")
            return
        if path := self.level.survey.kept:
            self.app.copy_to_clipboard(str(path))
            self.notify(f"Kept already: {path} (copied).", markup=False)
            return
        self.keeping = True
        # It takes seconds while points are computed: the key was heard.
        self.notify("Writing the folder of the sweep …")
        self._keep(self.level)

    @work(thread=True, group="export", exit_on_error=False)
    def _keep(self, level: Level) -> None:
        try:
            path = level.survey.keep()
        except Exception as error:  # it is said, and the app lives
            self.app.call_later(self._complain, error)
            return
        finally:
            self.keeping = False
        self.app.call_later(self._kept, str(path))

    def action_image(self) -> None:
        """The map so far as PNG, beside where the explorer was started."""
        level = self.level
        if not isinstance(level.face, PlaneFace):
            self.notify("Only maps are kept as PNG: s keeps a screenshot.", severity="warning")
            return
        if not level.survey.rows:
            self.notify("There is no map yet.", severity="warning")
            return
        self._paint_file(level.experiment, list(level.survey.rows))

    @work(thread=True, group="export", exit_on_error=False)
    def _paint_file(self, experiment: Experiment, rows: list[Row]) -> None:
        plane = of_rows(experiment, rows)
        try:
            stem = f"{experiment.name}-{plane.value}"
            path = export_map(experiment, plane, free_name(stem, kind="png"))
        except Exception as error:  # it is said, and the app lives
            self.app.call_later(self._complain, error)
            return
        part = "" if plane.whole else f" with {plane.count:,} of {plane.size:,} points"
        self.app.call_later(self._kept, str(path), part)

    def _kept(self, path: str, part: str = "") -> None:
        self.app.copy_to_clipboard(path)
        self.notify(f"Wrote {path}{part} (copied).", markup=False)
