"""resume: on with what was stopped, or further than planned."""

from __future__ import annotations

from typing import Any

import click

from tuichaos.cli import run_output, sweep_output
from tuichaos.cli.options import CLUSTER, WHOLE, interruptible, trusting
from tuichaos.common.errors import InputError
from tuichaos.common.paths import here
from tuichaos.execution.libraries import load_libraries


@click.command(
    help="Go on with a run or a sweep that was stopped, to the files it would have had; of a "
    "sweep, try again what failed. With --steps a run, done or not, goes further than "
    "planned.",
)
@click.argument("run_name", metavar="RUN")
@click.option("--steps", type=WHOLE, metavar="N", help="Go further than planned: N steps in all.")
@click.option("--data", metavar="FILE", help="Where the file of its data is now.")
@click.option("--workers", type=WHOLE, metavar="N", help="Processes [this one alone].")
@click.option("--scheduler", metavar="ADDRESS", help=CLUSTER)
@click.option("--threads", type=WHOLE, metavar="N", help="Threads of this process [all].")
@click.option("--json", "as_json", is_flag=True, help="Print the points and nothing else.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@trusting
def resume(
    run_name: str,
    steps: int | None,
    data: str | None,
    workers: int | None,
    scheduler: str | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Go on with a run or a sweep, by its name, and print how it ended."""
    here()
    from tuichaos.execution.resume import find_or_mend

    found = find_or_mend(run_name)
    if found.kind != "sweep":
        if workers is not None or scheduler is not None:
            raise InputError("--workers, --scheduler: are for sweeps")
        _resume_run(found, steps, data, threads, as_json, quiet)
        return
    if steps is not None:
        raise InputError("--steps: is for runs; of a sweep, set steps in its experiment")
    from tuichaos.sweeps import worker_options

    worker_options.check_pool(workers, scheduler)
    if scheduler is not None:
        worker_options.reach(scheduler)
    load_libraries(for_good=True)
    from tuichaos.sweeps import sweep_runner

    with interruptible(), run_output.progress(quiet, sweep=True) as watch:
        how = {"data": data, "workers": workers, "scheduler": scheduler, "threads": threads}
        done = sweep_runner.resume(found, **how, watch=watch)
    sweep_output.tell_sweep(done, as_json, quiet)


def _resume_run(
    found: Any,
    steps: int | None,
    data: str | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    load_libraries(for_good=True)
    from tuichaos.execution import resume as resuming

    def tell(line: str) -> None:
        if not quiet:
            click.echo(f"tuichaos: {line}", err=True)

    before = found.manifest.get("warnings")
    said = before if isinstance(before, list) else []
    with interruptible(), run_output.progress(quiet) as watch:
        how = {"steps": steps, "data": data, "threads": threads}
        done = resuming.resume(found, **how, watch=watch, tell=tell)
    run_output.tell_run(done, as_json, quiet, said)
