"""Steering a run from the explore screen: start, pause, step, stop, another learning rate."""

from __future__ import annotations

from tuichaos.tui.run_state import nudged
from tuichaos.tui.widgets.settings import Settings

NUDGE = 1.1


class Steering:
    """For the explore screen: the keys that act on the run and its next settings."""

    def _refused(self) -> bool:
        """Say what is wrong with the settings, if something is."""
        fault = self.query_one(Settings).fault
        if fault:
            self.notify(fault, severity="error", markup=False)
        return bool(fault)

    def action_toggle(self) -> None:
        if self.state.ending and self._refused():
            return
        self.state.toggle()
        self.refresh_run()

    def action_step(self) -> None:
        if self.state.ending and self._refused():
            return
        self.state.step()
        self.refresh_run()

    def action_stop(self) -> None:
        self.state.stop()

    def action_reset(self) -> None:
        self.state.reset()
        self.refresh_run()

    def action_nudge(self, direction: int) -> None:
        """Another learning rate: from here on while running, else for the next run."""
        settings, factor = self.query_one(Settings), NUDGE**direction
        rate = self.state.nudge(factor)
        if rate is not None:
            settings.set_learning_rate(rate)
        elif not self.state.ending:
            words = "No single learning rate to nudge while this runs; { and } restart with another"
            self.notify(f"{words} parameter.", severity="warning", markup=False)
        elif settings.turn(factor) is None:
            self.notify("There is no single learning rate or parameter to nudge.")

    def action_nudge_restart(self, direction: int) -> None:
        """Another learning rate or parameter, and a run with it in the place of this one."""
        if self._refused():
            return
        settings, factor = self.query_one(Settings), NUDGE**direction
        old = settings.experiment
        rate = nudged(old, old.optimizer.learning_rate, factor)
        if rate is not None:
            settings.set_learning_rate(rate)
        elif settings.turn(factor) is None:
            self.notify("There is no single learning rate or parameter to nudge.")
        if not self._refused():
            self.state.experiment = settings.experiment
            self.state.start()
            self.refresh_run()
