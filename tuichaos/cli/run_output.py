"""What the command line tells its user of a run: its plan, its progress, its table and charts."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from tuichaos.common.ascii_text import fitting, only_ascii
from tuichaos.common.errors import InputError
from tuichaos.common.text import clean, clean_lines, json_text

if TYPE_CHECKING:
    from rich.table import Table

    from tuichaos.execution.plan import Plan
    from tuichaos.plots.figure import Picture
    from tuichaos.reports.run_report import ReportRow
    from tuichaos.storage.run_reader import Run


def say(text: object, err: bool = False) -> None:
    """Print lines, and nothing else that a stranger may have put into them."""
    click.echo(fitting(clean_lines(str(text)), sys.stderr if err else sys.stdout), err=err)


def say_json(value: Any) -> None:
    """Print JSON that every reader takes, whatever the output's encoding."""
    click.echo(json_text(value, only_ascii(sys.stdout)))


def shown(text: str) -> str:
    """One line for stdout, as a cell of a table or alone."""
    return fitting(clean(text), sys.stdout)


def progress(quiet: bool, sweep: bool = False) -> Any:
    """What watches a run, or a sweep, and says how far it is, on stderr."""
    from tuichaos.reports.progress import (
        BarProgress,
        NoProgress,
        PlainProgress,
        SweepBar,
        SweepLines,
    )

    if quiet:
        return NoProgress()
    if sweep:
        return SweepBar() if sys.stderr.isatty() else SweepLines()
    return BarProgress() if sys.stderr.isatty() else PlainProgress()


def say_plan(plan: Plan) -> None:
    """What would run and how large it is."""
    from tuichaos.reports.run_report import plan_lines

    for line in plan_lines(plan):
        say(line)


def warn_of_noise(manifest: dict[str, Any]) -> None:
    """Say it if the certificate of the noise floor does not hold."""
    floor = manifest.get("noise_floor", {})
    if floor.get("holds", True):
        return
    if floor["first_step"] is None:
        found = (
            "a reference alone has other bits than among others (its neighbours matter, or "
            "torch was at work in this process before tuichaos was imported)"
        )
    else:
        apart = floor["largest_distance"]  # null: one of the two diverged
        far = "without bound" if apart is None else f"to {apart:.3g}"
        found = (
            f"an unperturbed twin parted from its reference (at step {floor['first_step']}, "
            f"{far}); exponents near or below that distance mean nothing"
        )
    say(f"tuichaos: warning: the noise floor is not 0: {found}", err=True)


def tell_run(done: Any, as_json: bool, quiet: bool, said: Sequence[str]) -> None:
    """What a run found, on the terminal; ``said``: warnings that are not said again."""
    warn_of_noise(done.manifest)
    for warning in done.manifest.get("warnings", []):
        if warning not in said and not quiet:
            say(f"tuichaos: warning: {warning}", err=True)
    if as_json:
        say_json(done.summary)
    elif not quiet:
        run_report(done)


def run_report(done: Run) -> None:
    """The table, two charts and the folder."""
    from rich.console import Console

    from tuichaos.reports import run_report as report

    console = Console(highlight=False)
    console.print(_table(done, report.rows(done), console.width))
    for what in ("distance", "loss"):
        chart(done, what, 16, optional=True)
    for line in report.remarks(done):
        say(line)


def _table(done: Run, rows: Sequence[ReportRow], width: int) -> Table:
    """The published figures are a column only where there are any. Columns stand two apart, or
    one where the terminal is no wider (of ``width`` columns)."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tuichaos.config.reference_parameters import per

    unit = f"nats per {per(done.experiment.system.name, done.time_step)}"
    heads = [unit, "value", "95 % interval", "from", "paper"]
    heads = heads if any(row.paper for row in rows) else heads[:-1]
    lines = [
        [shown(cell) for cell in (row.measure, row.value, row.interval, row.count, row.paper)]
        for row in rows
    ]
    columns = zip(heads, *lines, strict=False)  # without a last one that is empty
    wide = sum(max(map(len, column)) + 2 for column in columns)
    table = Table(
        title=Text(shown(done.experiment.heading)),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1 if wide <= width else 0, 0, 0),
        pad_edge=False,
        show_edge=wide <= width,
    )
    for head in heads:
        table.add_column(shown(head), overflow="fold", no_wrap=head != "from")
    for cells in lines:
        table.add_row(*map(Text, cells[: len(heads)]))
    return table


def _between(picture: Picture, what: str, first: int, last: int | None) -> Picture:
    """The part of a picture between two steps."""
    from tuichaos.plots.figure import Role, cropped

    if picture.x_label != "step":
        raise InputError(f"--from, --to: the axis of {what} is {picture.x_label}, not steps")
    end = max((curve.x[-1] for curve in picture.curves if len(curve.x)), default=first)
    shown = cropped(picture, float(first), float(end if last is None else last))
    if not any(len(curve.x) for curve in shown.curves if curve.role != Role.FIT):
        raise InputError(f"--from {first}: {what} ends at step {end:g}")
    marks = [(name, at) for name, at in shown.marks if shown.x_range[0] <= at <= shown.x_range[1]]
    return replace(shown, marks=marks)


def chart(
    done: Run,
    what: str,
    height: int,
    *,
    ascii_only: bool = False,
    optional: bool = False,
    steps: tuple[int, int | None] | None = None,
) -> None:
    """Draw a chart as wide as the terminal; ``optional``: only where there is something;
    ``steps``: between which of them, where its axis is of steps."""
    from tuichaos.plots import plotext_renderer, run_plots

    try:
        pictures = run_plots.pictures(done, what)
    except InputError:
        if optional:
            return
        raise
    if steps is not None:
        pictures = [_between(one, what, *steps) for one in pictures]
    width = max(40, min(shutil.get_terminal_size((100, 30)).columns, 140))
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    ascii_only = ascii_only or only_ascii(sys.stdout)
    text = plotext_renderer.stacked(pictures, width, height, colour=colour, ascii_only=ascii_only)
    click.echo(fitting(text, sys.stdout))


MAX_LINES = 24  # of a chart that is not asked to be of so many
OTHER_LINES = 3  # of a terminal: an empty one, the one on other charts, what is typed next


def room() -> int:
    """The lines of a chart that a terminal shows whole, with the line below it."""
    if not sys.stdout.isatty():
        return MAX_LINES
    lines = shutil.get_terminal_size((100, 30)).lines
    return max(5, min(MAX_LINES, lines - OTHER_LINES))


def other_charts(done: Run) -> None:
    """A line on the charts that were not drawn."""
    from tuichaos.plots import run_plots

    names, width = run_plots.others(done), shutil.get_terminal_size((100, 30)).columns
    kept = list(names)
    while len(kept) > 1 and len(_others(names, kept)) > width:
        kept.pop()
    if names:
        say(_others(names, kept))


def _others(names: Sequence[str], kept: Sequence[str]) -> str:
    left = len(names) - len(kept)
    more = f", … {left} more (tuichaos plot --help)" if left else ""
    return f"… other charts: --what {', '.join(kept)}{more}"


LEAST_TITLE = 8  # characters of a title, or of a note, where the terminal is narrow
MAX_NOTE = 30  # characters that notes make room for; a longer one shifts its title


def runs_table(kept: list[Run]) -> None:
    """A heading, and a line for each kept run: local time, as in its name. On a terminal lines
    are as wide as it is: notes and titles end in an ellipsis there, numbers and names never."""
    from tuichaos.storage.run_list import listed

    rows = [("run", "status", "started", "steps", "replicas", "title", "note")] if kept else []
    for each in kept:
        line = listed(each)
        about = (line.path.name, line.status, line.started, line.steps)
        size = f"sweep of {each.facts('points').get('total', '?')}"
        size = size if line.kind == "sweep" else line.replicas
        rows.append((*about, size, line.title, line.note))
    width = shutil.get_terminal_size((100, 30)).columns if sys.stdout.isatty() else None
    for line in runs_lines(rows, width):
        click.echo(shown(line))  # one line, whatever a folder is called


def runs_lines(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Rows of runs as lines, no wider than ``width`` where their names and numbers allow it."""
    room = min(MAX_NOTE, max((len(row[-1]) for row in rows), default=0))
    widths = (36, 12, 21, 10, 12)
    if width is not None:
        widths = tuple(max(len(row[k]) for row in rows) for k in range(5)) if rows else widths
        left = width - sum(widths) - 4 - 4
        room = min(room, max(LEAST_TITLE, left // 2))
    for name, status, started, steps, size, title, note in rows:
        a, b, c, d, e = widths
        cells = f"{name:<{a}} {status:<{b}} {started:<{c}} {steps:>{d}} {size:>{e}}"
        if width is not None:
            note = _cut(note, room)
            title = _cut(title, max(0, width - len(cells) - 4 - room))
        yield f"{cells}  {note:<{room}}  {title}".rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…" if width else ""
