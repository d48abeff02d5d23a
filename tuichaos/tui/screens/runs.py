"""The runs screen: all run folders, newest first; open, compare, rename, note, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import DataTable, Input, Static

from tuichaos import runs as kept
from tuichaos import trash
from tuichaos.cleaning import clean
from tuichaos.comparison import MOST
from tuichaos.errors import InputError
from tuichaos.runs import Run
from tuichaos.tui.screens.compare import Compare
from tuichaos.tui.screens.dialogs import Ask, Confirm
from tuichaos.tui.screens.living import Living
from tuichaos.tui.widgets.keys import Keys


def _points(manifest: Mapping[str, Any]) -> str:
    """How many points of a sweep are done; empty for a run."""
    found = manifest.get("points") if manifest.get("kind") == "sweep" else None
    return f"{found.get('done')} points" if isinstance(found, Mapping) else ""


COLUMNS = ("", "run", "status", "started", "steps", "replicas", "note", "title")
REFRESH_SECONDS = 2.0
STOPPED = ("interrupted", "killed", "failed")


class Runs(Living):
    """Runs made headless appear while they grow; live ones are marked."""

    BINDINGS = [
        Binding("enter", "open", "Open"),
        Binding("space", "mark", "Mark", tooltip="Mark up to eight runs to compare"),
        Binding("c", "compare", "Compare"),
        Binding("g", "go_on", "Go on", tooltip="Let a run or sweep go on that was stopped"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("n", "rename", "Rename"),
        Binding("t", "note", "Note"),
        Binding("delete,d", "delete", "Delete"),
        Binding(
            "u", "undo", "Undo", show=False, tooltip="Bring back the run that was deleted last"
        ),
        Binding("escape,o", "back", "Back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[str] = []  # in the order of marking: colours follow it
        self.runs: dict[str, Run] = {}

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(f"Runs in {kept.runs_home()}", id="headline", markup=False)
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
        self.set_interval(REFRESH_SECONDS, self.fill)

    def on_screen_resume(self) -> None:
        self.fill()

    def fill(self) -> None:
        """Read the folders again; the cursor stays on its run."""
        if not self.there:
            return
        table = self.query_one(DataTable)
        if not table.columns:
            return
        wanted = self.query_one("#filter", Input).value.lower()
        here = self.current()
        found, refused = kept.survey()
        self.runs = {run.path.name: run for run in found}
        table.clear()
        for name, run in self.runs.items():
            cells = self._cells(name, run)
            if wanted in " ".join(cells).lower():
                table.add_row(*map(Text, map(clean, cells)), key=name)  # not read as markup
        if here is not None and here.path.name in [row.value for row in table.rows]:
            table.move_cursor(row=table.get_row_index(here.path.name))
        words = "" if table.row_count else "No runs here yet." if not self.runs else "None fits."
        if refused:
            words += f" {len(refused)} more cannot be read: {'; '.join(refused.values())}"
        self.query_one("#empty", Static).update(Text(clean(words.strip(), 500)))

    def _cells(self, name: str, run: Run) -> list[str]:
        manifest = run.manifest
        mark = str(self.marked.index(name) + 1) if name in self.marked else ""
        started = str(manifest.get("started", ""))[:16].replace("T", " ")
        step = manifest.get("step")
        return [
            mark,
            name,
            f"● {run.status}" if run.status == "running" else run.status,
            started,
            _points(manifest) or str(run.last_step if step is None else step),
            str(manifest.get("replicas", "")),
            run.note,
            str(manifest.get("title", "")),
        ]

    def current(self) -> Run | None:
        table = self.query_one(DataTable)
        if not table.row_count:
            return None
        row = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return self.runs.get(row or "")

    def on_input_changed(self) -> None:
        self.fill()

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
        elif len(self.marked) == MOST:
            self.notify(f"At most {MOST} runs can be compared.", severity="warning")
        else:
            self.marked.append(name)
        self.fill()

    def action_open(self) -> None:
        run = self.current()
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

    def _is_sweep(self, run: Run) -> bool:
        """Whether it is a sweep, which cannot be compared; then that is said."""
        if run.kind != "sweep":
            return False
        words = f"{run.path.name} is a sweep: enter opens it; only runs can be compared."
        self.notify(words, severity="warning", markup=False)
        return True

    def action_go_on(self) -> None:
        run = self.current()
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
        chosen = [self.runs[name] for name in self.marked if name in self.runs]
        if len(chosen) < 2:
            self.notify("Mark two runs or more with space first.", severity="warning")
            return
        self.app.push_screen(Compare(chosen))

    def action_rename(self) -> None:
        run = self.current()
        if run is not None:
            question = f"New name for {run.path.name}"
            self.app.push_screen(
                Ask(question, run.path.name), lambda name: self._do(kept.rename, run, name)
            )

    def action_note(self) -> None:
        run = self.current()
        if run is not None:
            question = f"Note on {run.path.name}"
            self.app.push_screen(
                Ask(question, run.note), lambda text: self._do(kept.annotate, run, text)
            )

    def action_delete(self) -> None:
        run = self.current()
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
            words = f"{trash.restore().path.name} is back."
        except InputError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.notify(words, markup=False)
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
