"""runs, plot, export, verify: what was kept."""

from __future__ import annotations

import sys

import click

from tuichaos.cli import run_output, sweep_output
from tuichaos.cli.options import WholeRange, trusting
from tuichaos.cli.run_output import say, say_json
from tuichaos.common.errors import InputError
from tuichaos.common.paths import here
from tuichaos.common.text import clean


@click.command(
    help="List the kept runs, newest first.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def runs(as_json: bool) -> None:
    """List the kept runs, and on stderr why a folder is refused."""
    from tuichaos.common.paths import runs_home
    from tuichaos.storage.run_folders import survey

    kept, refused = survey()
    for why in refused.values():
        say(f"tuichaos: warning: {' '.join(why.split())}", err=True)
    if as_json:
        facts = [{"path": str(run.path), **run.manifest} for run in kept]
        say_json(facts)
        return
    if not kept:
        say(f"no runs yet in {runs_home()}", err=True)
    run_output.runs_table(kept)


class What(click.Option):
    """Names all charts, but only when it is asked: they are not needed to start."""

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        from tuichaos.plots.run_plots import every

        self.help = f"{', '.join(every())}, or a column of series.csv; of a sweep, of sweep.csv; \
of a plane also map and boundary, of an orbit diagram diagram, exponent, period."
        return super().get_help_record(context)


@click.command(
    help="Chart a run (its folder, its name, the beginning of its name, or `last`).",
)
@click.argument("run_name", metavar="RUN")
@click.option("--what", metavar="WHAT", cls=What)
@click.option(
    "--height",
    type=WholeRange(5, 200),
    help="Lines of the chart [24, or as many as the terminal has room for].",
)
@click.option("--ascii", "ascii_only", is_flag=True, help="No characters beyond ASCII.")
@click.option("--from", "first", type=WholeRange(0), metavar="STEP", help="The first step [0].")
@click.option("--to", "last", type=WholeRange(0), metavar="STEP", help="The last step [all].")
def plot(
    run_name: str,
    what: str | None,
    height: int | None,
    ascii_only: bool,
    first: int | None,
    last: int | None,
) -> None:
    """Draw a chart of a run, a sweep or the map of a plane as text."""
    from tuichaos.storage.folder_checks import reading
    from tuichaos.storage.run_folders import find

    found = find(run_name)
    if first is not None and last is not None and first >= last:
        raise InputError(f"--from {first} --to {last}: the last step must come after the first")
    steps = None if first is None and last is None else (first or 0, last)
    if steps and found.kind == "sweep":
        raise InputError("--from, --to: a sweep has no axis of steps")
    lines = run_output.room() if height is None else height
    with reading(found.path):
        sweep = found.kind == "sweep"
        if sweep and found.experiment.plane.value != "none" and what in (None, "map"):
            sweep_output.plane_map(found, lines, ascii_only=ascii_only)
        else:
            default = "distance" if found.experiment.ensemble.twins else "loss"
            default = "default" if sweep else default
            run_output.chart(found, what or default, lines, ascii_only=ascii_only, steps=steps)
        if what is None and sys.stdout.isatty():
            run_output.other_charts(found)


@click.command(
    help="Write the series of a run, the table of a sweep, or the points of an orbit diagram, "
    "as one CSV or Parquet file; the map of a plane as an image (png).",
)
@click.argument("run_name", metavar="RUN")
@click.option("--format", "kind", type=click.Choice(["csv", "parquet", "png"]), default="csv")
@click.option("--out", metavar="FILE", help="The file to write [the run's name, here].")
def export(run_name: str, kind: str, out: str | None) -> None:
    """Write a run, a sweep or a diagram as one file, and print its path."""
    from tuichaos.reports import export as exporting
    from tuichaos.storage.folder_checks import reading
    from tuichaos.storage.run_folders import find

    found = find(run_name)
    with reading(found.path):
        say(exporting.export(found, kind, out))


@click.command(
    help="Check a run folder: checksums, rows, finite numbers, and that its first steps (of a "
    "sweep its first point), computed again, give the same bits. Exit code 1 if something "
    "is wrong.",
)
@click.argument("run_name", metavar="RUN")
@trusting
@click.pass_context
def verify(ctx: click.Context, run_name: str) -> None:
    """Check a run folder and print a line for each check; exit code 1 if one fails."""
    here()
    from tuichaos import api
    from tuichaos.storage.folder_checks import reading
    from tuichaos.storage.run_folders import find

    marks = {True: "ok", False: "FAIL", None: "--"}
    wrong, found = 0, find(run_name)
    with reading(found.path):
        for check in api.verify(found):
            wrong += check.passed is False
            say(f"{marks[check.passed]:<5}{clean(check.name):<24} {check.words}")
    if wrong:
        ctx.exit(1)
