"""The way through the windows of a sweep: each picture keeps what was computed for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tuichaos.config.experiment import Experiment
from tuichaos.sweeps.journal import Row
from tuichaos.tui.run_session import Status
from tuichaos.tui.sweep_session import Survey
from tuichaos.tui.sweep_views import face
from tuichaos.tui.sweep_views.base import Face
from tuichaos.tui.zoom import Span

MAX_NUMBERS = 2_000_000  # of all pictures that are kept: about 200 MB
MIDDLE = (0.5, 0.5)


@dataclass
class Level:
    """One picture: a survey and its face, the part of the upright axis that it shows, and where
    the cross is, in shares of the axes; ``going``: whether it is computed while it is shown."""

    survey: Survey
    crop: Span | None = None
    cross: tuple[float, float] = MIDDLE
    face: Face = field(init=False)
    seen: int = 0  # rows that its face has
    going: bool = True

    def __post_init__(self) -> None:
        self.face = face(self.experiment, self.crop)

    @property
    def experiment(self) -> Experiment:
        return self.survey.experiment

    def take_in(self) -> bool:
        """Give the face what is new; whether there was something."""
        rows = self.survey.rows
        until = len(rows)
        if until == self.seen:
            return False
        self.face.add(rows[self.seen : until])
        self.seen = until
        return True

    @property
    def numbers(self) -> int:
        """How many numbers its rows hold."""
        rows = self.survey.rows
        if not rows:
            return 0
        orbit = sum(len(values) for part in rows[-1].orbit.values() for values in part)
        return len(rows) * (len(rows[-1].numbers) + orbit)


Make = Callable[[Experiment, Iterable[Row]], Survey]


class Journey:
    """Pictures in the order they were asked for; ``at``: the one that is shown."""

    def __init__(self, survey: Survey, make: Make, *, going: bool = True) -> None:
        self.make = make
        self.levels = [Level(survey, going=going)]
        self.at = 0

    @property
    def level(self) -> Level:
        return self.levels[self.at]

    def show(self, experiment: Experiment, crop: Span | None = None, *, same: bool = False) -> None:
        """A new picture after the one that is shown; those that came after it are given up.
        ``same``: of the same points, of which nothing is computed again."""
        self.halt()
        here = self.level
        survey = here.survey if same else self.make(experiment, ())
        going = here.going if same else True
        self.levels = [*self.levels[: self.at + 1], Level(survey, crop, here.cross, going=going)]
        self.at += 1
        self.resume()
        self._forget()

    def move(self, to: int) -> bool:
        """Show another of the pictures as it was; whether there is one."""
        if not 0 <= to < len(self.levels) or to == self.at:
            return False
        self.halt()
        self.at = to
        self.resume()
        return True

    def again(self) -> None:
        """The picture that is shown from the beginning."""
        here = self.level
        here.survey.stop()
        self.levels[self.at] = Level(self.make(here.experiment, ()), here.crop, here.cross)
        self.resume()

    def halt(self) -> None:
        """Compute nothing while nobody looks."""
        survey = self.level.survey
        if survey.working:
            self.level.going = survey.status != Status.PAUSED
            survey.stop()

    def resume(self) -> None:
        """Go on with what is shown, if it was going on when it was left."""
        if self.level.going and not self.level.survey.working:
            self.level.survey.go_on()

    def _forget(self) -> None:
        """Let the rows of the oldest pictures go where there are too many; when one of them is
        shown again it is computed again."""
        total = sum(level.numbers for level in self.levels)
        for k, level in enumerate(self.levels):
            if total <= MAX_NUMBERS or k == self.at:
                return
            total -= level.numbers
            self.levels[k] = Level(self.make(level.experiment, ()), level.crop, level.cross)
