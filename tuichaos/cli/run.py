"""run: an experiment, or a sweep, into a new folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tuichaos.cli import run_output, sweep_output
from tuichaos.cli.options import CLUSTER, WHOLE, interruptible, trusting
from tuichaos.cli.run_output import say
from tuichaos.common.errors import InputError
from tuichaos.common.paths import here, pasted
from tuichaos.execution.libraries import load_libraries


@click.command(
    help="Run the experiment in FILE, or a preset, into a run folder; with [sweep] or --over "
    "at every point of a grid.",
)
@click.argument("file", required=False)
@click.option("--preset", "preset_name", metavar="NAME", help="Run a preset; see `presets`.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one key.")
@click.option("--seed", type=WHOLE, help="Seed of every random draw.")
@click.option("--device", metavar="auto|cpu|cuda[:N]", help="Where to compute.")
@click.option(
    "--allow-nondeterministic",
    is_flag=True,
    help="Run a map of your own that is random, keeps a time or couples its rows; no verdict.",
)
@click.option("--out", metavar="DIR", help="The run folder (new or empty).")
@click.option("--threads", type=WHOLE, metavar="N", help="Threads of a cpu run [all].")
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
@click.option("--workers", type=WHOLE, metavar="N", help="Processes of a sweep [this one alone].")
@click.option("--scheduler", metavar="ADDRESS", help=CLUSTER)
@click.option("--keep", is_flag=True, help="Keep the run folder of each point of a sweep.")
@click.option(
    "--yes",
    is_flag=True,
    help="Yes, a sweep of more than 10 000 points (maps and diagrams: 100 000).",
)
@trusting
def run(
    file: str | None,
    preset_name: str | None,
    sets: tuple[str, ...],
    seed: int | None,
    device: str | None,
    allow_nondeterministic: bool,
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
    """Run an experiment, or a sweep, of a file or a preset into a new folder, or only plan it."""
    here()
    if allow_nondeterministic:
        sets = (*sets, "system.allow_nondeterministic=true")
    path = None if file is None else Path(pasted(file))
    experiment = _experiment(path, preset_name, sets, seed, device, overs)
    if experiment.sweep:
        how = {"threads": threads, "workers": workers, "scheduler": scheduler}
        _sweep(experiment, out, how, keep, yes, as_json, quiet, dry_run)
        return
    if workers is not None or scheduler is not None or keep or yes:
        raise InputError(
            "--workers, --scheduler, --keep, --yes: are for sweeps; see --over and [sweep]"
        )
    _run(experiment, out, threads, as_json, quiet, dry_run)


def _run(
    experiment: Any, out: str | None, threads: int | None, as_json: bool, quiet: bool, dry_run: bool
) -> None:
    """Run a single experiment, or say what it would be."""
    load_libraries(for_good=True)
    from tuichaos.execution import runner
    from tuichaos.execution.plan import plan
    from tuichaos.storage import run_writer

    folder = run_writer.checked_folder(out)
    if dry_run:
        ready = plan(experiment, threads)
        ready.check_room(folder)
        if not quiet:
            run_output.say_plan(ready)
        return
    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line.removeprefix("warning: "))
        if not quiet:
            say(f"tuichaos: {line}", err=True)

    with interruptible(), run_output.progress(quiet) as watch:
        done = runner.run(experiment, out=out, threads=threads, watch=watch, tell=tell)
    run_output.tell_run(done, as_json, quiet, said)


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
    from tuichaos.storage import run_writer
    from tuichaos.sweeps import points, worker_options

    run_writer.checked_folder(out)
    made = points.grid(experiment, yes)
    worker_options.check_pool(how["workers"], how["scheduler"])
    if how["scheduler"] is not None and not dry_run:
        worker_options.reach(how["scheduler"])
    load_libraries(for_good=True)
    from tuichaos.execution.plan import plan
    from tuichaos.reports import sweep_report
    from tuichaos.sweeps import sweep_runner
    from tuichaos.sweeps.checks import check_plans

    if dry_run:
        check_plans(made, how["threads"])
        first = plan(made.base.experiment(made.points[0]), how["threads"])
        for line in () if quiet else sweep_report.plan_of(made, first):
            say(line)
        return
    with interruptible(), run_output.progress(quiet, sweep=True) as watch:
        how["tell"] = None if quiet else lambda line: say(f"tuichaos: {line}", err=True)
        done = sweep_runner.sweep(experiment, out=out, keep=keep, yes=yes, watch=watch, **how)
    sweep_output.tell_sweep(done, as_json, quiet)


def _experiment(
    file: Path | None,
    preset_name: str | None,
    sets: tuple[str, ...],
    seed: int | None,
    device: str | None,
    overs: tuple[str, ...],
) -> Any:
    from tuichaos.config import loading, presets

    if (file is None) == (preset_name is None):
        fault = "name one experiment" if file is None else "name one of them, not both"
        choices = ", ".join(presets.names())
        raise InputError(f"run: FILE or --preset: {fault}; presets: {choices}")
    overrides = dict(loading.parse_override(text) for text in sets)
    if seed is not None:
        overrides["seed"] = seed
    if device is not None:
        overrides["device"] = device
    if preset_name is not None:
        return presets.preset(preset_name, overrides, overs)
    if str(file) in presets.names() and not file.exists():
        raise InputError(f"{file}: no such file; did you mean --preset {file}?")
    if file.name == "experiment.toml" and os.path.isfile(file.parent / "manifest.json"):
        from tuichaos.storage.run_reader import Run, check_format

        check_format(Run(file.parent))  # a newer one may mean something else by a key
    return loading.load(file, overrides, overs)
