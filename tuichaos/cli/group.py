"""The group of all commands, and how one ends. Torch is imported only where needed."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from tuichaos.cli import info, manual, resume, runs, streams
from tuichaos.cli import run as making
from tuichaos.cli.options import Interrupted, NumberRange, interruptible, trusting
from tuichaos.cli.run_output import say
from tuichaos.common import out_of_memory, signals
from tuichaos.common.atomic_files import reason
from tuichaos.common.errors import InputError, RunFailed, nearest
from tuichaos.common.paths import here


class Commands(click.Group):
    """A group whose error for an unknown command names the nearest one, and of whose
    interruption one line is said, by us: click would begin with an empty one."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with interruptible():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with interruptible():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            raise InputError(f"{args[0]}: no such command; {nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


# Help is given by name, not as docstrings: python -OO takes those away.
HELP = """Chaos in the training of neural networks: loss, twins, Lyapunov exponents.

Without a command it opens the explorer; press space there. Headless, start with:

    tuichaos run --preset quick
"""


@click.group(
    cls=Commands,
    help=HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="tuichaos", message="tuichaos %(version)s")
@click.option("--preset", metavar="NAME", help="What the explorer begins with [quick].")
@click.option("--fps", type=NumberRange(0.2, 60), metavar="N", help="Repaints a second [4].")
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
    """Open the explorer where no command is named; refuse its options before one that is."""
    if ctx.invoked_subcommand is None:
        _explore(preset, fps, ascii_only)
    elif preset or fps or ascii_only:
        raise InputError("--preset, --fps, --ascii: before a command they mean nothing")


def _explore(preset: str | None, fps: float | None, ascii_only: bool | None) -> None:
    """Open the terminal explorer."""
    here()
    from tuichaos.config.explorer_settings import read_config
    from tuichaos.config.presets import preset as experiment

    config = read_config({"preset": preset, "fps": fps, "ascii": ascii_only})
    chosen = experiment(config.preset)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("the explorer needs a terminal; see tuichaos run")
    from tuichaos.tui.app import Explorer, show

    show(Explorer(chosen, config))


for command in (
    making.run,
    resume.resume,
    info.presets,
    manual.manual,
    runs.plot,
    runs.runs,
    runs.export,
    runs.verify,
    info.paths,
    info.bench,
    info.selftest,
):
    cli.add_command(command)


def run() -> int:
    """Do what the command line says: every end is an exit code and, if it is bad, one line on
    stderr."""
    streams.make_ready()
    streams.hush()
    code = _run_cli()
    return code if streams.settle() else code or 1


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
        return _complain(reason(error) if error.filename else f"output: {reason(error)}", 1)
    except (KeyboardInterrupt, click.Abort, Interrupted) as error:
        return _complain(str(error) or "interrupted", _code_of(error))
    except (MemoryError, ImportError, RuntimeError) as error:  # libraries are large
        if isinstance(error, RuntimeError) and not out_of_memory.is_one(error):
            raise
        return _complain(f"there is not enough memory, or a part is missing: {error}", 1)
    except SystemExit:
        # Click ends so when the reader of our output has had enough: that is no fault. (A
        # user's system that tries to exit is caught where it is called.)
        return 0


def _code_of(error: BaseException) -> int:
    """The exit code of an interruption; click makes an Abort of one, which has none."""
    known = (getattr(each, "code", None) for each in (error, error.__cause__))
    return next((code for code in known if code is not None), Interrupted.code)


def _complain(message: str, code: int) -> int:
    lost = signals.lost()
    if code < 128 and lost is not None:  # a library made something else of it
        message, code = "interrupted", 128 + lost
    with signals.LastWord(code), contextlib.suppress(OSError):  # the terminal may be gone
        say(f"tuichaos: error: {' '.join(message.split())}", err=True)
    return code
