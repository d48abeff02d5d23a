"""The application: themes, screens, and the one run that belongs to it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.events import Event, InputEvent, Key, Resize
from textual.filter import LineFilter
from textual.geometry import Size
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer
from textual.widgets import OptionList
from textual.worker import WorkerFailed

from tuichaos.common import signals
from tuichaos.common.errors import InputError, nearest
from tuichaos.common.malloc import few_arenas
from tuichaos.common.text import clean_lines
from tuichaos.config.experiment import Experiment
from tuichaos.config.explorer_settings import Config, config_path, keep_theme
from tuichaos.execution.libraries import load_libraries
from tuichaos.storage.run_list import Catalogue
from tuichaos.storage.run_reader import Run
from tuichaos.sweeps.journal import Row
from tuichaos.tui.ascii import AsciiFilter
from tuichaos.tui.gate import Gate
from tuichaos.tui.keymap import checked, identified
from tuichaos.tui.run_state import RunState
from tuichaos.tui.screens.atlas import Atlas
from tuichaos.tui.screens.explore import Explore
from tuichaos.tui.screens.manual import Manual
from tuichaos.tui.sweep_session import KeptSweep, Survey
from tuichaos.tui.widgets.help import Help
from tuichaos.tui.zoom import middle
from tuichaos.tui.zoom_history import Journey

SWITCH_SECONDS = 0.0003  # for the screen, and for those that compute while it draws
SIZE_SECONDS = 0.3  # after the last event of another size
# What Textual binds everywhere, or puts into the palette by itself.
EVERYWHERE = ("quit", "help", "command_palette", "app.focus_next", "app.focus_previous")
EVERYWHERE += ("screen.copy_text", "help_quit", "close_help")
RESTORE_SECONDS = 2
LEAVE_SECONDS = 5  # for a run to come to the end of a frame and write its tables

DARK = Theme(
    name="tuichaos-dark",
    primary="#5fd7ff",
    secondary="#8787ff",
    accent="#ffaf5f",
    background="#10131a",
    surface="#171b24",
    panel="#1f2531",
    dark=True,
)
LIGHT = Theme(
    name="tuichaos-light",
    primary="#005f87",
    secondary="#5f5faf",
    accent="#af5f00",
    background="#fafafa",
    surface="#f0f0f0",
    panel="#e4e6ea",
    dark=False,
)


def _load_torch() -> None:
    """Load what a run needs while the first screen is being looked at."""
    load_libraries()
    # The library's million objects stay: looking through them for garbage stops the screen.
    gc.freeze()


def _other_keys(config: Config) -> dict[str, str]:
    """The keys that config.toml gives to bindings, of all screens; raises InputError."""
    if not config.keys:
        return {}
    for name in ("compare", "dialogs", "runs"):  # the others are there from the start
        import_module(f"tuichaos.tui.screens.{name}")
    try:
        return checked(config.keys)
    except InputError as error:
        raise InputError(f"{config_path()}: {error}") from None


def show(app: Explorer) -> NoReturn:
    """Show the explorer until it is left, and end the process.

    When it is left everything is written; the interpreter's clearing up of libraries, half a
    second, is left out.
    """
    app.run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(app.ended_by or app.return_code or 0)


class Explorer(App):
    """The terminal explorer."""

    CSS_PATH = Path(__file__).with_name("app.tcss")  # also that of a class made of this one
    TITLE = "tuichaos"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]
    NOTIFICATION_TIMEOUT = 4  # seconds
    BINDINGS = identified(
        "app",
        [
            Binding("q", "quit", "Quit", tooltip="Quit, with the run folder complete"),
            Binding(
                "question_mark", "help", "Help", key_display="?", tooltip="The keys that work here"
            ),
            Binding("f1", "manual", "Manual", show=False, key_display="F1", tooltip="The manual"),
            Binding("s", "shot", "Screenshot", show=False),
            Binding(
                "escape",
                "close_help",
                "Close the help",
                show=False,
                priority=True,
                tooltip="Close this list (? too)",
            ),
            Binding(
                "ctrl+z",
                "suspend_process",
                "Suspend",
                show=False,
                tooltip="Back to the shell, until fg",
            ),
        ],
    )

    def __init__(
        self,
        experiment: Experiment,
        config: Config | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self.config = config or Config()
        self.keys = _other_keys(self.config)
        self.frames_per_second = self.config.fps
        self.ascii_only = self.config.ascii
        self.threads = threads
        self._size_timer: Timer | None = None
        self.ended_by = 0  # the exit code of the signal that ended it
        self.journey: Journey | None = None  # through the windows of a sweep
        self.first_map: Experiment | None = None
        if experiment.sweep:
            self.first_map, experiment = experiment, middle(experiment)
        self.state = RunState(experiment, threads)
        self.gate = Gate(self)
        self.catalogue = Catalogue()
        self.ascii_filter = AsciiFilter(enabled=self.ascii_only)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *[self.ascii_filter] * self.ascii_only]

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        """Everything that a key does here and now, then what every app has."""
        for active in screen.active_bindings.values():
            binding = active.binding
            if not active.enabled or not binding.description or binding.action in EVERYWHERE:
                continue
            shown = self.get_key_display(binding)
            words = f"{binding.tooltip or binding.description} ({shown})"
            act = partial(self.run_action, binding.action, default_namespace=active.node)
            yield SystemCommand(binding.description, words, act)
        yield from super().get_system_commands(screen)

    def notify(self, message: str, **options: Any) -> None:
        """The one door of notes: names of folders and files are shown, not obeyed."""
        super().notify(clean_lines(message), **options)

    def action_help_quit(self) -> None:
        """Ctrl-C ends nothing by accident; what does is said as it is said everywhere."""
        self.notify("Press q (esc first, in a field) to quit.")

    def action_help(self) -> None:
        """Show the keys, or hide them again."""
        if self.screen.query(Help):
            self.action_close_help()
        else:
            self.screen.mount(Help())
            self.screen.refresh_bindings()

    def action_manual(self) -> None:
        """Show the manual over whatever is there."""
        self.push_screen(Manual())

    def action_close_help(self) -> None:
        self.screen.query(Help).remove()
        self.call_later(self.screen.refresh_bindings)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape closes the help where it is open; else it is the screen's."""
        if action == "close_help":
            return bool(self.screen_stack and self.screen.query(Help))
        return super().check_action(action, parameters)

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Show it until it is left; however that comes about, the run's folder is completed."""
        try:
            return super().run(*arguments, **options)
        finally:
            if self.journey is not None:
                self.journey.halt()
            self.state.leave()
            if not self.state.join(LEAVE_SECONDS):
                print("tuichaos: completing the run folder …", file=sys.stderr)
                self.state.join(None)

    async def on_event(self, event: Event) -> None:
        """Keys and clicks wait for the effect of those before; those that come after the last
        screen has gone do nothing."""
        if not self.screen_stack and isinstance(event, InputEvent):
            return
        if self.gate.admits(event):
            if isinstance(event, Key) and event.key == "escape":
                self.clear_notifications()  # and what else escape does
            await super().on_event(event)

    async def run_action(
        self,
        action: Any,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """A list that is being filled, or has no room, knows no pages: their keys do nothing."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except (KeyError, IndexError):
            if not isinstance(default_namespace, OptionList | CommandPalette):
                raise
            return True

    def _handle_exception(self, error: Exception) -> None:
        """A palette that is closed while it is still being filled misses its list: no fault."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if not (isinstance(cause, NoMatches) and "CommandPalette" in str(cause)):
            super()._handle_exception(error)

    def on_mount(self) -> None:
        self.set_keymap(self.keys)
        # The run's thread formats rows in Python: let it hand over soon to the screen.
        sys.setswitchinterval(SWITCH_SECONDS)
        few_arenas(self.threads)
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        if self.config.theme not in self.available_themes:
            hint = nearest(self.config.theme, self.available_themes)
            words = f"theme: there is none named {self.config.theme}; {hint}"
            self.call_after_refresh(self.notify, words, severity="warning", timeout=10)
            self.config = replace(self.config, theme=DARK.name)  # and the file stays as it is
        self.theme = self.config.theme
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        if threading.current_thread() is threading.main_thread():
            for number in signals.ours():
                signal.signal(number, self._leave)
        self.push_screen(Explore(self.state.experiment, self.ascii_only))
        if self.first_map is not None:
            self.travel(self.first_map)

    # --- maps and diagrams ---

    def survey(self, experiment: Experiment, rows: Iterable[Row] = ()) -> Survey:
        """The points of a sweep, not yet begun."""
        return Survey(experiment, rows, threads=self.threads)

    def travel(self, experiment: Experiment) -> None:
        """Show the map or the diagram of an experiment, and begin to compute it."""
        self._depart(Journey(self.survey(experiment), self.survey))

    def visit(self, run: Run) -> None:
        """Show the points of a kept sweep. Raises InputError where they cannot be read."""
        kept = KeptSweep(run, threads=self.threads)
        self._depart(Journey(kept, self.survey, going=False))

    def _depart(self, journey: Journey) -> None:
        if self.journey is not None:
            self.journey.halt()
        self.journey = journey
        self.push_screen(Atlas(journey))

    def come_back(self) -> None:
        """Show the pictures again that were left."""
        if self.journey is not None:
            self.push_screen(Atlas(self.journey))

    def explore(self, experiment: Experiment) -> None:
        """Leave the atlas for the explore screen, with another experiment in its settings."""
        while not isinstance(self.screen, Explore):
            self.pop_screen()
        self.screen.load(experiment)

    def go_on(self, run: Run) -> None:
        """Let what was stopped go on in its folder, and show it. Raises InputError where it
        cannot be read."""
        if run.kind == "sweep":
            self.state.go_on_with_sweep(run)
            self.visit(run)
            return
        self.explore(run.experiment)
        self.state.go_on(run)

    def on_ready(self) -> None:
        """The first screen is there: now load what a run needs."""
        self.call_after_refresh(self.run_worker, _load_torch, thread=True, exit_on_error=False)

    def on_resize(self) -> None:
        """Look at the size again when it has come to rest: a signal that arrives while the last
        one is answered, or while the process was stopped, may not be heard."""
        if self._size_timer is not None:
            self._size_timer.stop()
        self._size_timer = self.set_timer(SIZE_SECONDS, self._look_at_size)

    def _look_at_size(self) -> None:
        """Heed the size of the terminal where no event told of it."""
        driver = self._driver
        # Only of a terminal whose size is asked for, not of one that tells it by itself.
        if not self.is_running or getattr(driver, "_in_band_window_resize", True):
            return
        size = Size(*driver._get_terminal_size())
        if size != self.size:
            self.post_message(Resize(size, size))

    def _keep_theme(self, theme: Theme) -> None:
        if theme.name != self.config.theme:
            self.config = replace(self.config, theme=theme.name)
            keep_theme(theme.name)

    def action_shot(self) -> None:
        try:
            path = self.save_screenshot(path=str(Path.cwd()))
        except OSError as error:
            self.notify(f"No screenshot: {error}", severity="error", markup=False)
            return
        self.copy_to_clipboard(path)
        self.notify(f"Wrote {path} (copied).", markup=False)

    async def action_quit(self) -> None:
        """Stop the run, let its folder be completed, and go."""
        if self.journey is not None:
            self.journey.halt()
        self.state.leave()
        for _ in range(50 * LEAVE_SECONDS):
            if self.state.join():
                break
            await asyncio.sleep(0.02)
        self.exit()

    def _leave(self, number: int, frame: object) -> None:
        """The terminal is gone, or someone wants the process gone: end with the run saved.

        Not by the event loop: writing to a terminal that is gone may hold it up for ever.
        """
        self.state.leave()
        self.ended_by = 128 + number
        if number != signal.SIGHUP:
            self.call_later(self.action_quit)
        threading.Thread(target=self._end, args=(number,), name="tuichaos-end").start()

    def _end(self, number: int) -> None:
        self.state.join(None)
        if number != signal.SIGHUP:
            time.sleep(RESTORE_SECONDS)  # for the terminal to be put in order
        os._exit(self.ended_by)
