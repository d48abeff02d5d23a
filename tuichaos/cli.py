"""The command line: thin commands over the package. Torch is imported only where needed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from tuichaos import streams, telling, telling_sweeps
from tuichaos.cleaning import clean, json_text
from tuichaos.errors import InputError, RunFailed, nearest
from tuichaos.files import reason
from tuichaos.telling import say

CLUSTER = (
    "A Dask cluster does the sweep: tcp://HOST:PORT of its scheduler. It has workers of its own, "
    "so --workers is refused beside it; --keep needs a file system that they share."
)


TRUST = (
    "Let this code, package.module:factory, run where a file names it; else only --set makes "
    "an experiment run code that is not tuichaos's own."
)


def trusting(command: Any) -> Any:
    """Give a command the option --trust."""

    def heed(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> None:
        if names:
            from tuichaos.trusted import trust

            for name in names:
                trust(name)

    return click.option(
        "--trust",
        multiple=True,
        metavar="CODE",
        callback=heed,
        expose_value=False,
        help=TRUST,
    )(command)


class Interrupted(Exception):
    """Ctrl-C, or another signal to end, with what there is to say of it; ``code``: to exit with."""

    code = 130


class Commands(click.Group):
    """A group whose error for an unknown command names the nearest one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            raise InputError(f"{args[0]}: no such command; {nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="tuichaos", message="tuichaos %(version)s")
@click.option("--preset", metavar="NAME", help="What the explorer begins with [quick].")
@click.option("--fps", type=click.FloatRange(0.2, 60), metavar="N", help="Repaints a second [4].")
@click.option(
    "--ascii",
    "ascii_only",
    is_flag=True,
    default=None,
    help="No characters beyond ASCII in charts.",
)
@trusting
@click.pass_context
def cli(ctx: click.Context, preset: str | None, fps: float | None, ascii_only: bool | None) -> None:
    """Chaos in the training of neural networks: loss, twins, Lyapunov exponents.

    Without a command it opens the explorer; press space there. Headless, start with:

        tuichaos run --preset quick
    """
    if ctx.invoked_subcommand is None:
        _explore(preset, fps, ascii_only)
    elif preset or fps or ascii_only:
        raise InputError("--preset, --fps, --ascii: before a command they mean nothing")


def _explore(preset: str | None, fps: float | None, ascii_only: bool | None) -> None:
    """Open the terminal explorer."""
    from tuichaos.config import read_config
    from tuichaos.presets import preset as experiment

    config = read_config({"preset": preset, "fps": fps, "ascii": ascii_only})
    chosen = experiment(config.preset)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("the explorer needs a terminal; see tuichaos run")
    from tuichaos.tui.app import Explorer, show

    show(Explorer(chosen, config))


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--preset", "preset_name", metavar="NAME", help="Run a preset; see `presets`.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one key.")
@click.option("--seed", type=int, help="Seed of every random draw.")
@click.option("--device", metavar="auto|cpu|cuda[:N]", help="Where to compute.")
@click.option("--out", metavar="DIR", help="The run folder (new or empty).")
@click.option("--threads", type=int, metavar="N", help="Threads of a cpu run [all].")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json and nothing else.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--dry-run", is_flag=True, help="Check, say how large it is, write nothing.")
@click.option(
    "--over",
    "overs",
    multiple=True,
    metavar="KEY=RANGE",
    help="Sweep a key: log:A:B:N, linear:A:B:N or [v, v, …].",
)
@click.option("--workers", type=int, metavar="N", help="Processes of a sweep [this one alone].")
@click.option("--scheduler", metavar="ADDRESS", help=CLUSTER)
@click.option("--keep", is_flag=True, help="Keep the run folder of each point of a sweep.")
@click.option(
    "--yes",
    is_flag=True,
    help="Yes, a sweep of more than 10 000 points (maps and diagrams: 100 000).",
)
@trusting
def run(
    file: Path | None,
    preset_name: str | None,
    sets: tuple[str, ...],
    seed: int | None,
    device: str | None,
    out: str | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    overs: tuple[str, ...],
    workers: int | None,
    scheduler: str | None,
    keep: bool,
    yes: bool,
) -> None:
    """Run the experiment in FILE, or a preset, into a run folder; with [sweep] or --over at
    every point of a grid."""
    experiment = _experiment(file, preset_name, sets, seed, device, overs)
    if experiment.sweep:
        how = {"threads": threads, "workers": workers, "scheduler": scheduler}
        _sweep(experiment, out, how, keep, yes, as_json, quiet, dry_run)
        return
    if workers is not None or scheduler is not None or keep or yes:
        raise InputError(
            "--workers, --scheduler, --keep, --yes: are for sweeps; see --over and [sweep]"
        )
    from tuichaos import recorder, runner
    from tuichaos.plan import plan

    folder = recorder.check(out)
    if dry_run:
        ready = plan(experiment, threads)
        ready.check_room(folder)
        if not quiet:
            telling.say_plan(ready)
        return
    for warning in experiment.warnings:
        say(f"tuichaos: warning: {warning}", err=True)
    with _interruptible(), telling.progress(quiet) as watch:
        done = runner.run(experiment, out=out, threads=threads, watch=watch)
    _tell_run(done, as_json, quiet, experiment.warnings)


def _tell_run(done: Any, as_json: bool, quiet: bool, said: Sequence[str]) -> None:
    """What a run found, on the terminal; ``said``: warnings that are not said again."""
    telling.warn_of_noise(done.manifest)
    for warning in done.manifest.get("warnings", []):
        if warning not in said and not quiet:
            say(f"tuichaos: warning: {warning}", err=True)
    if as_json:
        click.echo(json_text(done.summary))
    elif not quiet:
        telling.run_report(done)


def _sweep(
    experiment: Any,
    out: str | None,
    how: dict[str, Any],
    keep: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
) -> None:
    """Run a sweep, or say what it would be. What needs no torch is checked before it is
    loaded, which takes seconds."""
    from tuichaos import recorder
    from tuichaos.sweeps import crews, points

    recorder.check(out)
    made = points.grid(experiment, yes)
    crews.check_crew(how["workers"], how["scheduler"])
    if how["scheduler"] is not None and not dry_run:
        crews.reach(how["scheduler"])
    from tuichaos.plan import plan
    from tuichaos.sweeps import report, running

    if dry_run:
        points.check_plans(made, how["threads"])
        first = plan(made.base.experiment(made.points[0]), how["threads"])
        for line in () if quiet else report.plan_of(made, first):
            say(line)
        return
    with _interruptible(), telling.progress(quiet, sweep=True) as watch:
        done = running.sweep(experiment, out=out, keep=keep, yes=yes, watch=watch, **how)
    telling_sweeps.tell_sweep(done, as_json, quiet)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let ctrl-C end with what there is to say of it: click would swallow that."""
    try:
        yield
    except KeyboardInterrupt as error:
        interrupted = Interrupted(str(error))
        interrupted.code = getattr(error, "code", Interrupted.code)
        raise interrupted from None


def _resume_run(
    found: Any, steps: int | None, threads: int | None, as_json: bool, quiet: bool
) -> None:
    from tuichaos import resuming

    def tell(line: str) -> None:
        if not quiet:
            click.echo(f"tuichaos: {line}", err=True)

    before = found.manifest.get("warnings")
    said = before if isinstance(before, list) else []
    with _interruptible(), telling.progress(quiet) as watch:
        done = resuming.resume(found, steps=steps, threads=threads, watch=watch, tell=tell)
    _tell_run(done, as_json, quiet, said)


@cli.command()
@click.argument("run_name", metavar="RUN")
@click.option("--steps", type=int, metavar="N", help="Go further than planned: N steps in all.")
@click.option("--workers", type=int, metavar="N", help="Processes [this one alone].")
@click.option("--scheduler", metavar="ADDRESS", help=CLUSTER)
@click.option("--threads", type=int, metavar="N", help="Threads of this process [all].")
@click.option("--json", "as_json", is_flag=True, help="Print the points and nothing else.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@trusting
def resume(
    run_name: str,
    steps: int | None,
    workers: int | None,
    scheduler: str | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go on with a run or a sweep that was stopped, to the files it would have had; of a sweep,
    try again what failed. With --steps a run, done or not, goes further than planned."""
    from tuichaos.runs import find

    found = find(run_name)
    if found.kind != "sweep":
        if workers is not None or scheduler is not None:
            raise InputError("--workers, --scheduler: are for sweeps")
        _resume_run(found, steps, threads, as_json, quiet)
        return
    if steps is not None:
        raise InputError("--steps: is for runs; of a sweep, set steps in its experiment")
    from tuichaos.sweeps import crews

    crews.check_crew(workers, scheduler)
    if scheduler is not None:
        crews.reach(scheduler)
    from tuichaos.sweeps import running

    with _interruptible(), telling.progress(quiet, sweep=True) as watch:
        how = {"workers": workers, "scheduler": scheduler, "threads": threads}
        done = running.resume(found, **how, watch=watch)
    telling_sweeps.tell_sweep(done, as_json, quiet)


def _experiment(
    file: Path | None,
    preset_name: str | None,
    sets: tuple[str, ...],
    seed: int | None,
    device: str | None,
    overs: tuple[str, ...],
) -> Any:
    from tuichaos import presets, reading

    if (file is None) == (preset_name is None):
        fault = "name one experiment" if file is None else "name one of them, not both"
        choices = ", ".join(presets.names())
        raise InputError(f"run: FILE or --preset: {fault}; presets: {choices}")
    overrides = dict(reading.parse_override(text) for text in sets)
    if seed is not None:
        overrides["seed"] = seed
    if device is not None:
        overrides["device"] = device
    if preset_name is not None:
        return presets.preset(preset_name, overrides, overs)
    if str(file) in presets.names() and not file.exists():
        raise InputError(f"{file}: no such file; did you mean --preset {file}?")
    if file.name == "experiment.toml" and os.path.isfile(file.parent / "manifest.json"):
        from tuichaos.runs import Run, check_format

        check_format(Run(file.parent))  # a newer one may mean something else by a key
    return reading.load(file, overrides, overs)


@cli.command()
@click.argument("name", required=False)
@click.option("--keys", is_flag=True, help="Every key with its default and meaning.")
def presets(name: str | None, keys: bool) -> None:
    """List the presets, or print one as TOML."""
    from tuichaos import presets as kept

    if keys:
        from tuichaos.reading import describe_keys

        for key, default, meaning in describe_keys():
            shown = "" if default is None else json.dumps(default)
            say(f"{key} = {shown}\n    {meaning}")
    elif name is not None:
        click.echo(kept.path(name).read_text(encoding="utf-8"), nl=False)
    else:
        width = max(map(len, kept.names()))
        for each in kept.names():
            found = kept.preset(each)
            say(f"{each:<{width}}  {found.title}\n{'':<{width}}  {found.about}")


class What(click.Option):
    """Names all charts, but only when it is asked: they are not needed to start."""

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        from tuichaos.views import every

        self.help = f"{', '.join(every())}, or a column of series.csv; of a sweep, of sweep.csv; \
of a plane also map and boundary, of an orbit diagram diagram, exponent, period."
        return super().get_help_record(context)


@cli.command()
@click.argument("run_name", metavar="RUN")
@click.option("--what", metavar="WHAT", cls=What)
@click.option("--height", type=click.IntRange(5, 200), default=24, help="Lines of the chart.")
@click.option("--ascii", "ascii_only", is_flag=True, help="No characters beyond ASCII.")
def plot(run_name: str, what: str | None, height: int, ascii_only: bool) -> None:
    """Chart a run (its folder, its name, the beginning of its name, or `last`)."""
    from tuichaos.runs import find, reading

    found = find(run_name)
    with reading(found.path):
        if (
            found.kind == "sweep"
            and found.experiment.plane.value != "none"
            and what in (None, "map")
        ):
            telling_sweeps.plane_map(found, height, ascii_only=ascii_only)
            return
        default = "distance" if found.experiment.ensemble.twins else "loss"
        default = "default" if found.kind == "sweep" else default
        telling.chart(found, what or default, height, ascii_only=ascii_only)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def runs(as_json: bool) -> None:
    """List the kept runs, newest first."""
    from tuichaos.locations import runs_home
    from tuichaos.runs import survey

    kept, refused = survey()
    for why in refused.values():
        say(f"tuichaos: warning: {' '.join(why.split())}", err=True)
    if as_json:
        facts = [{"path": str(run.path), **run.manifest} for run in kept]
        click.echo(json_text(facts))
        return
    if not kept:
        say(f"no runs yet in {runs_home()}", err=True)
    telling.runs_table(kept)


@cli.command()
@click.argument("run_name", metavar="RUN")
@click.option("--format", "kind", type=click.Choice(["csv", "parquet", "png"]), default="csv")
@click.option("--out", metavar="FILE", help="The file to write [the run's name, here].")
def export(run_name: str, kind: str, out: str | None) -> None:
    """Write the series of a run, or the table of a sweep, as one CSV or Parquet file; the map
    of a plane as an image (png)."""
    from tuichaos import exporting
    from tuichaos.runs import find, reading

    found = find(run_name)
    with reading(found.path):
        say(exporting.export(found, kind, out))


@cli.command()
@click.argument("run_name", metavar="RUN")
@trusting
@click.pass_context
def verify(ctx: click.Context, run_name: str) -> None:
    """Check a run folder: checksums, rows, finite numbers, and that its first steps (of a sweep
    its first point), computed again, give the same bits. Exit code 1 if something is wrong."""
    from tuichaos.runs import find, reading
    from tuichaos.verifying import verify as checks

    marks = {True: "ok", False: "FAIL", None: "--"}
    wrong, found = 0, find(run_name)
    with reading(found.path):
        for check in checks(found):
            wrong += check.passed is False
            say(f"{marks[check.passed]:<5}{clean(check.name):<24} {check.words}")
    if wrong:
        ctx.exit(1)


@cli.command()
def paths() -> None:
    """Print where runs, settings and presets are."""
    from tuichaos import presets as kept
    from tuichaos.config import config_path
    from tuichaos.locations import runs_home

    for name, path in (
        ("runs", runs_home()),
        ("config", config_path()),
        ("presets", kept.folder()),
    ):
        say(f"{name:<8} {path}")


@cli.command()
@click.argument("what", required=False, type=click.Choice(["ui"]))
@click.option("--seconds", type=click.FloatRange(0.1, 60), help="For each figure [2; ui: 15].")
@click.option("--device", default="cpu", metavar="cpu|cuda[:N]", help="Where tuichaos computes.")
def bench(what: str | None, seconds: float | None, device: str) -> None:
    """Time training, measuring and tangents against the plain torch.nn loop; with `ui`, how
    the explorer answers while 3 000 replicas train on the cpu."""
    if seconds is not None and seconds != seconds:
        raise InputError("--seconds: must be a number")
    if what == "ui":
        from tuichaos.tui import bench as screen

        lines = screen.table(seconds or 15.0)
    else:
        from tuichaos.bench import table

        lines = table(seconds or 2.0, device)
    for line in lines:
        say(line)


@cli.command()
@click.pass_context
def selftest(ctx: click.Context) -> None:
    """Measure systems with known answers by every route, in under a minute: what was expected,
    what was measured, how far off it is and may be. Exit code 1 if a check fails."""
    import time

    from tuichaos.selftest import perform, table, trials

    start, results = time.perf_counter(), []
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    say(table.heading())
    try:
        for trial in trials():
            results.append(perform(trial))
            for line, well in table.lines(results[-1]):
                click.echo(line if well or not colour else click.style(line, fg="red"))
    except KeyboardInterrupt:  # what a run says of its folder is not true here: it is gone
        raise Interrupted("selftest: interrupted; nothing is left behind") from None
    say(table.verdict(results, time.perf_counter() - start))
    if not all(outcome.passed for result in results for outcome in result.outcomes):
        ctx.exit(1)


def main() -> None:
    """The entry point: every end is an exit code and, if it is bad, one line on stderr."""
    streams.make_ready()
    code = _run_cli()
    sys.exit(code if streams.settle() else code or 1)


def _run_cli() -> int:
    try:
        return cli.main(standalone_mode=False) or 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _complain(error.format_message(), 2)
    except InputError as error:
        return _complain(str(error), 2)
    except RunFailed as error:
        return _complain(str(error), 1)
    except OSError as error:  # of our output, say: files name themselves
        return _complain(reason(error), 1)
    except (MemoryError, ImportError) as error:  # libraries are large
        return _complain(f"there is not enough memory, or a part is missing: {error}", 1)
    except (KeyboardInterrupt, click.Abort, Interrupted) as error:
        return _complain(str(error) or "interrupted", getattr(error, "code", Interrupted.code))
    except SystemExit:
        # Click ends so when the reader of our output has had enough: that is no fault. (A
        # user's system that tries to exit is caught where it is called.)
        return 0


def _complain(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # the terminal may be gone
        say(f"tuichaos: error: {' '.join(message.split())}", err=True)
    return code
