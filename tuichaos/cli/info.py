"""presets, paths, bench, selftest: the program itself."""

from __future__ import annotations

import json
import os
import sys

import click

from tuichaos.cli.options import NumberRange, interrupted
from tuichaos.cli.run_output import say
from tuichaos.common.ascii_text import ascii_toml, only_ascii
from tuichaos.common.errors import InputError
from tuichaos.common.paths import here


@click.command(
    help="List the presets, or print one as TOML.",
)
@click.argument("name", required=False)
@click.option("--keys", is_flag=True, help="Every key with its default and meaning.")
def presets(name: str | None, keys: bool) -> None:
    """List the presets, print one as TOML, or list every key of an experiment."""
    from tuichaos.config import presets as kept

    if keys:
        from tuichaos.config.fault_text import describe_keys

        for key, default, meaning in describe_keys():
            shown = "" if default is None else json.dumps(default)
            say(f"{key} = {shown}\n    {meaning}")
    elif name is not None:
        text = kept.path(name).read_text(encoding="utf-8")
        click.echo(ascii_toml(text) if only_ascii(sys.stdout) else text, nl=False)
    else:
        width = max(map(len, kept.names()))
        for each in kept.names():
            found = kept.preset(each)
            say(f"{each:<{width}}  {found.title}\n{'':<{width}}  {found.about}")


@click.command(
    help="Print where runs, settings and presets are.",
)
def paths() -> None:
    """Print the folders and files that tuichaos uses, a line each."""
    from tuichaos.common.paths import LOG, home, runs_home
    from tuichaos.config import presets as kept
    from tuichaos.config.explorer_settings import config_path

    for name, path in (
        ("runs", runs_home()),
        ("config", config_path()),
        ("presets", kept.folder()),
        ("log", home() / LOG),
    ):
        say(f"{name:<8} {path}")


@click.command(
    help="Time training, measuring and tangents against the plain torch.nn loop; with `ui`, "
    "how the explorer answers while 3 000 replicas train on the cpu.",
)
@click.argument("what", required=False, type=click.Choice(["ui"]))
@click.option("--seconds", type=NumberRange(0.1, 60), help="For each figure [2; ui: 15].")
@click.option("--device", default="cpu", metavar="cpu|cuda[:N]", help="Where tuichaos computes.")
@click.option("--quick", is_flag=True, help="The first table and the start, in half a minute.")
def bench(what: str | None, seconds: float | None, device: str, quick: bool) -> None:
    """Print a table of timings: of training, or with ``ui`` of the explorer."""
    if seconds is not None and seconds != seconds:
        raise InputError("--seconds: must be a number")
    here()
    if what == "ui":
        from tuichaos.benchmarks import explorer as screen

        lines = screen.table(seconds or 15.0)
    else:
        from tuichaos.benchmarks.speed import QUICK_SECONDS, table

        lines = table(seconds or (QUICK_SECONDS if quick else 2.0), device, quick)
    for line in lines:
        say(line)


def _under_way(k: int = 0, total: int = 0, name: str = "", seconds: float = 0.0) -> None:
    """On a terminal, a line that is wiped again: which trial it is at, and since when."""
    if sys.stderr.isatty():
        words = f"trial {k + 1} of {total}, {seconds:.0f} s so far: {name}" if total else ""
        click.echo(f"\r\x1b[K{words}", err=True, nl=False)


@click.command(
    help="Measure systems with known answers by every route, in one to three minutes: what was "
    "expected, what was measured, how far off it is and may be. Exit code 1 if a check "
    "fails.",
)
@click.pass_context
def selftest(ctx: click.Context) -> None:
    """Measure systems with known answers, a trial at a time; exit code 1 if a check fails."""
    import time

    here()
    from tuichaos.selftest import run_trial, table, trials

    start, results = time.perf_counter(), []
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    every = trials()
    if sys.stderr.isatty():
        say(f"{len(every)} trials, one to three minutes on two cores; ctrl-C ends it", err=True)
    say(table.heading())
    try:
        for k, trial in enumerate(every):
            _under_way(k, len(every), trial.name, time.perf_counter() - start)
            results.append(run_trial(trial))
            _under_way()
            for line, well in table.lines(results[-1]):
                click.echo(line if well or not colour else click.style(line, fg="red"))
    except KeyboardInterrupt as error:  # what a run says of its folder is not true: it is gone
        raise interrupted(error, "selftest: interrupted; nothing is left behind") from None
    say(table.verdict(results, time.perf_counter() - start))
    if not all(outcome.passed for result in results for outcome in result.outcomes):
        ctx.exit(1)
