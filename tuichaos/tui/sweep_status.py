"""How far the picture of a journey is and how fast it goes, in a line."""

from __future__ import annotations

from tuichaos.reports.progress import duration, sweep_words
from tuichaos.tui.run_session import Status
from tuichaos.tui.run_state import memory_megabytes
from tuichaos.tui.zoom_history import Journey


def standing(journey: Journey, width: int) -> str:
    """The line, with less in it where it would not fit."""
    memory = [] if journey.level.survey.ended else [f"memory {memory_megabytes():.0f} MB"]
    parts = _parts(journey, brief=False)  # memory goes first: what has ended says nothing new
    for line in (" · ".join([*parts, *memory]), " · ".join(parts)):
        if len(line) <= width:
            return line
    return " · ".join(_parts(journey, brief=True))


def _parts(journey: Journey, brief: bool) -> list[str]:
    survey = journey.level.survey
    parts = [str(survey.status), f"{survey.done:,} of {survey.size:,} points"]
    if survey.ended or survey.status == Status.PREPARING:
        parts += [duration(survey.seconds)] if survey.seconds >= 1 else []
        parts += [f"{survey.failed} failed"] if survey.failed else []
    else:
        parts += filter(None, [sweep_words(survey)])
    counts = " × ".join(str(len(axis.values)) for axis in survey.axes)
    parts.append(counts)
    if len(journey.levels) > 1:
        parts.append(f"picture {journey.at + 1} of {len(journey.levels)}")
    device = survey.device or journey.level.experiment.device
    parts.append(device.split(",")[0] if brief else device)
    return parts
