"""The runs screen: all run folders, newest first; open, compare, rename, note, delete."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import DataTable, Input, Static

from tuichaos.common.errors import InputError
from tuichaos.common.paths import runs_home
from tuichaos.common.text import clean
from tuichaos.plots.figure import LETTERS
from tuichaos.plots.run_comparison import MAX_OVERLAID
from tuichaos.storage import run_folders, trash
from tuichaos.storage.run_list import Catalogue, Listed
from tuichaos.storage.run_reader import Run, open_run
from tuichaos.tui.keymap import identified
from tuichaos.tui.screens.base import Living
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.screens.dialogs import Ask, Confirm
from tuichaos.tui.widgets.footer import Keys

COLUMNS = ("", "run", "status", "started", "steps", "replicas", "note", "title")
REFRESH_SECONDS = 2.0
STOPPED = ("interrupted", "killed", "failed")
FEW = 64  # folders that are looked at at once, without a thread
PAGE = 60  # rows that the table has at first, and gets more as the cursor nears the last


class Runs(Living):
    """Runs made headless appear while they grow; live ones are marked.

    Folders are looked at in a thread, where there are many; what the table shows, filters and
    marks is in memory.
    """

    BINDINGS = identified(
        "runs",
        [
            Binding("enter", "open", "Open"),
            Binding("space", "mark", "Mark", tooltip="Mark up to eight runs to compare"),
            Binding("c", "compare", "Compare"),
            Binding("escape,o", "back", "Back", key_display="esc"),
            Binding("slash", "filter", "Filter", key_display="/"),
            Binding("d,delete", "delete", "Delete", key_display="d"),
            Binding("u", "undo", "Undo", tooltip="Bring back the run that was deleted last"),
            Binding("g", "go_on", "Go on", tooltip="Let a run or sweep go on that was stopped"),
            Binding("n", "rename", "Rename"),
            Binding("t", "note", "Note"),
        ],
    )

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        super().__init__()
        # The app's: what was read once is not read again.
        self.catalogue = catalogue or Catalogue()
        self.marked: list[str] = []  # in the order of marking: colours and letters follow it
        self.runs: dict[str, Listed] = {}
        self.fitting: list[str] = []  # names of those that the filter lets through
        self.shown: dict[str, list[str]] = {}  # the cells of the rows of the table
        self._most = PAGE  # rows that the table may have now
        self._looking = self._again = False
        self._seen: object = None  # the list that is shown
        self._back: str | None = None  # a run that came back: the cursor goes to it

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(f"Runs in {runs_home()}", id="headline", markup=False)
            yield Input(placeholder="filter: any part of name, title, note or status", id="filter")
            yield DataTable(cursor_type="row", zebra_stripes=True, id="table")
            yield Static("", id="empty")
        yield Keys(compact=True)

    def on_mount(self) -> None:
        if not self.there:  # left again before it was there
            return
        table = self.query_one(DataTable)
        for column in COLUMNS:
            table.add_column(column, key=column)
        table.focus()
        self.fill()
        self.set_interval(REFRESH_SECONDS, self.glance)

    def on_screen_resume(self) -> None:
        self.fill()

    # --- looking ---

    def fill(self) -> None:
        """Look at all folders, and show what there is; the cursor stays on its run."""
        self._look(self.catalogue.look)

    def glance(self) -> None:
        """Look whether something has changed, at what is shown and what is at work."""
        if self.there and self.app.screen is self and not self._looking:
            names = list(self.shown)
            self._look(lambda: self.catalogue.glance(names))

    def _look(self, look: Callable[[], bool]) -> None:
        if not self.there or not self.query_one(DataTable).columns:
            return
        if self._looking:  # one at a time: what has changed since is looked at after it
            self._again = True
            return
        if len(self.catalogue.runs) <= FEW and self.catalogue.count <= FEW:
            self._looked(self._try(look))
            return
        self._looking = True
        if not self.runs:
            self.show()  # what was known before
        self._look_aside(look)

    @work(thread=True, group="runs", exit_on_error=False)
    def _look_aside(self, look: Callable[[], bool]) -> None:
        """Look (in a thread of its own)."""
        changed = True
        try:
            changed = self._try(look)
        finally:
            with suppress(RuntimeError):  # the app has gone meanwhile
                self.app.call_later(self._looked, changed)

    def _try(self, look: Callable[[], bool]) -> bool:
        """Whether something is new."""
        try:
            return look()
        except InputError as error:
            self.app.call_later(self.notify, str(error), severity="error", markup=False)
            return True

    def _looked(self, changed: bool) -> None:
        self._looking = False
        if changed or self._seen is not self.catalogue.runs:
            more = len(self.catalogue.runs) - len(self.runs)
            self._most += max(0, more) if self.runs else 0  # so that those shown stay
            self.show()
        if self._again:
            self._again = False
            self.fill()

    # --- showing ---

    def show(self) -> None:
        """Show what is known."""
        if not self.there or not self.query_one(DataTable).columns:
            return
        if self._seen is not self.catalogue.runs:
            self._seen = self.catalogue.runs
            self.runs = {run.path.name: run for run in self._seen}
        wanted = self.query_one("#filter", Input).value.lower()
        self.fitting = [name for name, run in self.runs.items() if wanted in run.text]
        if self._back in self.fitting:
            self._most = max(self._most, self.fitting.index(self._back) + 1)
        self._rows()
        self._go_back()
        self._words()

    def _go_back(self) -> None:
        """The cursor to a run that came back, as soon as it is known."""
        if self._back not in self.runs:
            return
        if self._back in self.shown:
            table = self.query_one(DataTable)
            table.move_cursor(row=table.get_row_index(self._back))
        self._back = None

    def _rows(self) -> None:
        """Let the table have the first rows of those that fit; only what is new is drawn."""
        table = self.query_one(DataTable)
        wanted = {name: self._cells(name, self.runs[name]) for name in self.fitting[: self._most]}
        before, self.shown = self.shown, wanted
        if list(before) == list(wanted)[: len(before)]:  # the same rows, and more of them
            for name, cells in before.items():
                self._renew(table, name, cells, wanted[name])
            for name in list(wanted)[len(before) :]:
                table.add_row(*map(_text, wanted[name]), key=name)
            return
        here, place = self._key(), table.cursor_row
        table.clear()
        for name, cells in wanted.items():
            table.add_row(*map(_text, cells), key=name)
        if here in wanted:
            table.move_cursor(row=table.get_row_index(here))
        elif here not in self.runs and wanted:  # it has gone: the one that took its place
            table.move_cursor(row=min(place, len(wanted) - 1))

    @staticmethod
    def _renew(table: DataTable, name: str, old: list[str], new: list[str]) -> None:
        for column, was, now in zip(COLUMNS, old, new, strict=True):
            if was != now:
                table.update_cell(name, column, _text(now), update_width=True)

    def _words(self) -> None:
        """What there is besides the rows."""
        refused, words = self.catalogue.refused, ""
        if not self.fitting:
            words = "None fits." if self.runs else "No runs here yet."
            words = "Reading …" if self._looking and not self.runs else words
        elif len(self.fitting) > len(self.shown):
            words = f"The newest {len(self.shown)} of {len(self.fitting):,}; more as you go down."
        if refused:
            words += f" {len(refused)} more cannot be read: {'; '.join(refused.values())}"
        self.query_one("#empty", Static).update(Text(clean(words.strip(), 500)))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """More rows before the last is reached."""
        rows = len(self.shown)
        if event.cursor_row + PAGE // 4 >= rows and len(self.fitting) > rows:
            self._most = rows + PAGE
            self._rows()
            self._words()

    def _cells(self, name: str, run: Listed) -> list[str]:
        mark = LETTERS[self.marked.index(name)] if name in self.marked else ""
        status = f"● {run.status}" if run.status == "running" else run.status
        return [mark, name, status, run.started, run.steps, run.replicas, run.note, run.title]

    def _key(self) -> str | None:
        """The name in the row of the cursor."""
        table = self.query_one(DataTable)
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def current(self) -> Listed | None:
        return self.runs.get(self._key() or "")

    def opened(self, run: Listed | None) -> Run | None:
        """The folder of a row; None, and why, where it cannot be read."""
        if run is None:
            return None
        try:
            return open_run(run.path)
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)
            self.fill()
            return None

    def on_input_changed(self) -> None:
        self._most = PAGE
        self.show()

    def on_input_submitted(self) -> None:
        self.query_one(DataTable).focus()

    def on_data_table_row_selected(self) -> None:
        self.action_open()

    # --- keys ---

    def action_filter(self) -> None:
        self.query_one("#filter", Input).focus()

    def action_back(self) -> None:
        if self.query_one("#filter", Input).has_focus:
            self.query_one(DataTable).focus()
        else:
            self.app.pop_screen()

    def action_mark(self) -> None:
        run = self.current()
        if run is None:
            return
        name = run.path.name
        if self._is_sweep(run):
            return
        if name in self.marked:
            self.marked.remove(name)
        elif len(self.marked) == MAX_OVERLAID:
            self.notify(f"At most {MAX_OVERLAID} runs can be compared.", severity="warning")
        else:
            self.marked.append(name)
        self._rows()

    def action_open(self) -> None:
        run = self.opened(self.current())
        if run is None:
            return
        if run.kind == "sweep":
            self._open_sweep(run)
        else:
            self.app.push_screen(Compare([run]))

    def _open_sweep(self, run: Run) -> None:
        """Its map, diagram or chart, of the points it has."""
        try:
            self.app.visit(run)
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)

    def _is_sweep(self, run: Listed) -> bool:
        """Whether it is a sweep, which cannot be compared; then that is said."""
        if run.kind != "sweep":
            return False
        words = f"{run.path.name} is a sweep: enter opens it; only runs can be compared."
        self.notify(words, severity="warning", markup=False)
        return True

    def action_go_on(self) -> None:
        run = self.opened(self.current())
        if run is None:
            return
        if run.status not in STOPPED:
            words = "is at work" if run.status == "running" else "is done: nothing is left to do"
            self.notify(f"{run.path.name} {words}.", severity="warning", markup=False)
            return
        try:
            self.app.go_on(run)
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)

    def action_compare(self) -> None:
        marked = [self.runs[name] for name in self.marked if name in self.runs]
        if len(marked) < 2:
            self.notify("Mark two runs or more with space first.", severity="warning")
            return
        # A folder that has gone is left out there, beside those that have not.
        chosen = [self.opened(r) if r.path.exists() else Run(r.path) for r in marked]
        if None not in chosen:
            self.app.push_screen(Compare(chosen))

    def action_rename(self) -> None:
        run = self.opened(self.current())
        if run is not None:
            question = f"New name for {run.path.name}"
            self.app.push_screen(
                Ask(question, run.path.name), lambda name: self._do(run_folders.rename, run, name)
            )

    def action_note(self) -> None:
        run = self.opened(self.current())
        if run is not None:
            question = f"Note on {run.path.name}"
            self.app.push_screen(
                Ask(question, run.note), lambda text: self._do(run_folders.annotate, run, text)
            )

    def action_delete(self) -> None:
        run = self.opened(self.current())
        if run is None:
            return
        back = "u brings it back" if trash.fits(run) else "It is too large to be brought back"
        question = f"Delete {run.path.name} and all its files? {back}."
        self.app.push_screen(Confirm(question), lambda yes: self._do(self._discard, run, yes))

    def _discard(self, run: Run, yes: bool | None) -> None:
        if yes:
            back = trash.discard(run)
            words = ": u brings it back" if back else ""
            self.notify(f"Deleted {run.path.name}{words}.", markup=False)

    def action_undo(self) -> None:
        try:
            self._back = trash.restore().path.name
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.notify(f"{self._back} is back.", markup=False)
        self.fill()

    def _do(self, action, run: Run, *arguments: object) -> None:
        """Change a run folder; what cannot be done is said."""
        if arguments == (None,):
            return
        try:
            action(run, *arguments)
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)
        self.fill()


def _text(cell: str) -> Text:
    """A cell, not read as markup."""
    return Text(clean(cell))
