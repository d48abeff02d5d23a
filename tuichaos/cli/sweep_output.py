"""What the command line tells its user of a sweep."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from tuichaos.cli import run_output
from tuichaos.cli.run_output import say, say_json, shown
from tuichaos.common.errors import InputError, RunFailed
from tuichaos.common.paths import as_argument

if TYPE_CHECKING:
    from tuichaos.reports import sweep_report
    from tuichaos.storage.run_reader import Run


MAP_LINES = 30  # of a map at the end of its run
OVERALL = ("bifurcations", "cascades", "classes", "boundary")  # of summary.json


def tell_sweep(done: Run, as_json: bool, quiet: bool) -> None:
    """The points of a sweep, its folder, and what failed."""
    from tuichaos.reports import sweep_report
    from tuichaos.sweeps import journal as rows
    from tuichaos.sweeps import points, sweep_table

    for warning in done.manifest["warnings"]:
        say(f"tuichaos: warning: {warning}", err=True)
    if parted := done.manifest["noise_floor"]["points_that_part"]:
        say(
            f"tuichaos: warning: the noise floor is not 0 in {parted} points: an unperturbed "
            "twin parted from its reference; exponents of small distances mean nothing there",
            err=True,
        )
    grid = points.grid(done.experiment, yes=True)
    counts, journal = done.manifest["points"], rows.Journal(done.path).rows
    lines = sweep_table.lines(grid, journal)
    diagram = sweep_report.diagram_lines(done)
    if as_json:
        facts = {"name": done.experiment.name, "kind": "sweep", "keys": list(grid.keys), **counts}
        facts |= {key: value for key, value in done.summary.items() if key in OVERALL}
        say_json({**facts, "points": lines})
    elif not quiet and done.experiment.plane.value != "none":
        plane_map(done, MAP_LINES)
        for words in (*sweep_report.of_plane(done.summary), f"sweep folder: {done.path}"):
            say(words)
    elif diagram and not quiet:
        say(done.experiment.heading)
        run_output.chart(done, "default", 30, optional=True)
        for words in (*diagram, f"sweep folder: {done.path}"):
            say(words)
    elif not quiet:
        remarks = _table(done, lines, grid.keys)
        splits = (
            sweep_report.of_splits(lines, grid.keys)
            if done.experiment.system.name == "training"
            else ()
        )
        for words in (*remarks, *splits, f"sweep folder: {done.path}"):
            say(words)
    if counts["failed"]:
        reason = next(line["reason"] for line in lines if line["status"] == "failed")
        raise RunFailed(
            f"{done.path}: {counts['failed']} of {counts['total']} points failed; "
            f"the first: {reason}; tuichaos resume {as_argument(done.path)} tries them again"
        )


def plane_map(done: Run, height: int, *, ascii_only: bool = False) -> None:
    """The map of a plane, in colour where the terminal can."""
    from rich.console import Console

    from tuichaos.common import ascii_text
    from tuichaos.plots import plane_map as colours
    from tuichaos.plots import raster_renderer, rich_renderer, run_plots
    from tuichaos.sweeps.plane_values import of_run

    console = Console(highlight=False, soft_wrap=True)
    ascii_only = ascii_only or ascii_text.only_ascii(sys.stdout)
    colour = rich_renderer.can_colour(console) and not ascii_only
    width = max(40, min(shutil.get_terminal_size((100, 30)).columns, 140))
    if words := run_plots.no_point_yet(done):
        raise InputError(words)
    if words := run_plots.nothing_yet(done):
        raise InputError(f"{done.path.name}: {words}")
    raster = colours.raster(of_run(done))
    drawn = raster_renderer.framed(raster, width, height, colour=colour, ascii_only=ascii_only)
    for line in rich_renderer.texts(drawn):
        console.print(line)


def _table(done: Run, lines: list[sweep_report.Line], keys: tuple[str, ...]) -> list[str]:
    """Print the table of a sweep; what there is to say of what it leaves out."""
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tuichaos.config.reference_parameters import per
    from tuichaos.reports import sweep_report

    console = Console(highlight=False, soft_wrap=True)
    unit = per(done.experiment.system.name, done.time_step)
    found = sweep_report.table(lines, keys, console.width, unit, lambda text: cell_len(shown(text)))
    say(done.experiment.heading)
    for line in textwrap.wrap(found.units, max(40, console.width)):
        say(line)
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 0 if found.tight else 1, 0, 0),
        pad_edge=False,
        show_edge=not found.tight,
    )
    for head in found.heads:
        table.add_column(shown(head), no_wrap=True)
    for row in found.rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    # Wider than the terminal where even the columns that stay are: no cell is cut.
    console.width = max(console.width, found.width)
    console.print(table)
    return list(sweep_report.remarks(lines, found))
