"""The atlas: maps over two parameters and orbit diagrams, that a zoom computes anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Region
from textual.widgets import Static

from tuichaos.common.errors import InputError
from tuichaos.config.experiment import Experiment
from tuichaos.plots.legends import GAP, flow, more
from tuichaos.tui.faults import noted
from tuichaos.tui.keymap import hidden, identified
from tuichaos.tui.run_session import Status
from tuichaos.tui.screens.atlas_cross import CrossAndBox
from tuichaos.tui.screens.atlas_files import Files
from tuichaos.tui.screens.atlas_travel import Travel
from tuichaos.tui.screens.base import Living
from tuichaos.tui.sweep_session import KeptSweep
from tuichaos.tui.sweep_status import standing
from tuichaos.tui.sweep_views.base import Face, Look
from tuichaos.tui.sweep_views.diagram_view import DiagramFace
from tuichaos.tui.widgets.cell_canvas import Board, Box
from tuichaos.tui.widgets.footer import Keys
from tuichaos.tui.zoom import Span
from tuichaos.tui.zoom_history import Journey, Level

FEW_COLOURS = ("standard", "windows")  # systems of sixteen
REFRESH_SECONDS = 2.0  # between looks at a folder that grows
STRIDE = 8  # cells of a move with shift
BOX_KEYS = "arrows move the box · shift+arrows, + and - size it · enter zooms · esc cancels"


def flowed(entries: Sequence[Text], room: int, most: int) -> list[Text]:
    """Entries side by side on at most so many lines; how many had no room is said."""
    lines, left = flow([entry.cell_len for entry in entries], room, most)
    texts = [[entries[k] for k in line] for line in lines]
    texts[-1] += [Text(more(left))] if left else []
    return [Text(" " * GAP).join(line) for line in texts]


class Atlas(CrossAndBox, Travel, Files, Living):
    """Shows a journey: points as they come, a cross that reads them, a box that zooms."""

    BINDINGS = identified(
        "atlas",
        [
            Binding("space", "toggle", "Pause", tooltip="Pause, or compute what is missing"),
            Binding(
                "z", "box", "Zoom", tooltip="Draw a box with the arrows (or drag); enter zooms"
            ),
            Binding(
                "enter",
                "enter",
                "Explore",
                tooltip="Explore the point below the cross; zoom the box",
            ),
            Binding(
                "escape", "back(True)", "Back", tooltip="Cancel the box; the former picture; leave"
            ),
            hidden("backspace", "back(False)", "Former picture"),
            hidden("f", "forward", "Forward", tooltip="The picture that was gone back from"),
            hidden("0", "first", "First", tooltip="The first picture"),
            hidden("x", "widen", "Wider", tooltip="A window twice as wide"),
            Binding("v", "value", "Value", tooltip="Another value of the same points"),
            Binding(
                "plus,equals_sign",
                "finer(1)",
                "Finer",
                key_display="+",
                tooltip="Twice as many points along each key; a larger box",
            ),
            hidden(
                "minus",
                "finer(-1)",
                "Coarser",
                key_display="-",
                tooltip="Half as many points along each key; a smaller box",
            ),
            hidden("r", "restart", "Again", tooltip="Compute the picture again"),
            Binding("e", "export", "Export", tooltip="Keep it as the folder of a sweep"),
            hidden("p", "image", "Image", tooltip="The map as PNG, a pixel a point"),
            hidden("o", "runs", "Runs", tooltip="All run folders"),
            *(
                hidden(name, f"move({dx}, {dy}, 1)", name.title(), tooltip=f"Cross {name}")
                for name, dx, dy in (
                    ("left", -1, 0),
                    ("right", 1, 0),
                    ("up", 0, -1),
                    ("down", 0, 1),
                )
            ),
            *(
                hidden(
                    f"shift+{name}",
                    f"move({dx}, {dy}, {STRIDE})",
                    f"{name.title()} far",
                    tooltip=f"Cross far {name}; {words} the box",
                )
                for name, dx, dy, words in (
                    ("left", -1, 0, "narrow"),
                    ("right", 1, 0, "widen"),
                    ("up", 0, -1, "heighten"),
                    ("down", 0, 1, "lower"),
                )
            ),
        ],
    )

    def __init__(self, journey: Journey) -> None:
        super().__init__()
        self.journey = journey
        self.box: Box | None = None
        self.drawing = False  # a face is being made ready
        self.keeping = False  # a folder is being written
        self.stale = True  # the board does not show the newest
        self.face: Face | None = None  # the one that is on the board
        self.rest_until = 0.0  # no face is made ready before
        self.said: dict[str, object] = {}
        self.phase: object = None

    def compose(self) -> ComposeResult:
        yield Static("", id="headline", markup=False)
        yield Board(id="board")
        yield Static("", id="legend", markup=False)
        yield Static("", id="reading", markup=False)
        yield Static("", id="status", markup=False)
        yield Keys(compact=True)

    def on_mount(self) -> None:
        if not self.there:  # left again before it was there
            return
        self.set_interval(1 / self.app.frames_per_second, self.refresh_map)
        self.set_interval(REFRESH_SECONDS, self.read_again)
        self.refresh_map()

    def on_screen_resume(self) -> None:
        """It is looked at, for the first time or again."""
        self.app.journey = self.journey
        self.journey.resume()

    def on_resize(self) -> None:
        self.phase = None  # the legend may need another number of lines

    # --- short names ---

    @property
    def level(self) -> Level:
        return self.journey.level

    @property
    def board(self) -> Board:
        return self.query_one(Board)

    @property
    def area(self) -> Region | None:
        """The part of the board in which places mean values; None before there is a picture of
        what is to be shown."""
        sheet = self.board.sheet if self.there and self.face is self.level.face else None
        return sheet.area if sheet is not None else None

    @property
    def look(self) -> Look:
        width, height = self.board.content_size
        colour = not self.app.no_color
        few = colour and self.app.console.color_system in FEW_COLOURS
        return Look(width, height, colour, self.app.ascii_only, few)

    # --- showing ---

    def refresh_map(self) -> None:
        """Show what is new: words every time, the board when there is new data."""
        if not self.there:
            return
        self._words()
        self.tell(self.level.survey.told)
        other = self.stale or self.face is not self.level.face
        if self.drawing or not (other or time.monotonic() > self.rest_until):
            return
        if self.level.take_in() or other:
            self.drawing, self.stale = True, False
            self._prepare(self.level, self.look)

    @work(thread=True, group="faces", exit_on_error=False)
    def _prepare(self, level: Level, look: Look) -> None:
        """Make a face ready, in a thread of its own."""
        start = time.monotonic()
        try:
            level.face.prepare(look)
        except Exception as error:  # kept in the log; the next points may draw it
            noted(error, f"picture {level.face.title}")
        finally:
            # Drawing may take a quarter of the time: the rest is for the points.
            self.rest_until = time.monotonic() + 3 * (time.monotonic() - start)
            with suppress(RuntimeError):  # the app has gone meanwhile
                self.app.call_later(self._prepared, level)

    def read_again(self) -> None:
        """The rows that another process has written since."""
        survey = self.level.survey if self.there else None
        if isinstance(survey, KeptSweep) and survey.growing and survey.ended:
            with suppress(InputError):  # it may be half written now, or gone
                survey.read_again()

    def _prepared(self, level: Level) -> None:
        self.drawing = False
        if self.there and level is self.level:
            self.face = level.face
            self.paint()

    def paint(self) -> None:
        """Put the face on the board."""
        if not self.there or self.face is None or self.face is not self.level.face:
            return
        try:
            sheet = self.face.sheet(self.look)
        except Exception as error:  # said in its place: the points go on
            self.board.show(None, noted(error, f"picture {self.face.title}"))
            return
        self.board.show(sheet, "" if sheet else self._nothing())
        self._lay()
        self._legend()

    def _nothing(self) -> str:
        survey = self.level.survey
        if survey.status == Status.FAILED:
            return "Nothing could be computed."
        if survey.rows and self.level.face.why:
            return f"Nothing to draw: {self.level.face.why}."
        return "Nothing to draw." if survey.ended else "The first points are on their way …"

    def _legend(self) -> None:
        """The entries, on as many lines as there are for them."""
        width = self.app.size.width
        entries = self.face.legend(self.look)
        lines = flowed(entries, width - 2, self.face.legend_lines(width))
        self._say("legend", Text("\n").join(lines))

    def _say(self, where: str, words: str | Text, *, layout: bool = False) -> None:
        if self.said.get(where) != words:
            self.said[where] = words
            self.query_one(f"#{where}", Static).update(words, layout=layout)

    def _words(self) -> None:
        self._say("headline", self._headline())
        self._say("reading", self.reading())
        self._say("status", self.status_line(self.app.size.width - 2))
        title = self.level.face.title
        if self.said.get("title") != title:  # setting it draws the whole frame again
            self.said["title"] = self.board.border_title = title
        survey = self.level.survey
        phase = (survey.status, self.journey.at, len(self.journey.levels), self.box is None)
        if phase != self.phase:
            self.phase = phase
            self.query_one("#legend").styles.height = self.level.face.legend_lines(
                self.app.size.width
            )
            self.refresh_bindings()

    def _headline(self) -> str:
        experiment = self.level.experiment
        parts = (experiment.called, self.level.face.title, experiment.title)
        return f"tuichaos ─ {' · '.join(filter(None, parts))}"

    def reading(self) -> str:
        """What goes on, or what is below the cross."""
        survey = self.level.survey
        if survey.status == Status.FAILED:
            return f"The computation failed: {survey.reason}"
        if self.box is not None:
            return self._boxed()
        if survey.status == Status.PREPARING and not survey.rows:
            return "Getting ready: loading the libraries and the data …"
        if not survey.rows:
            return "Nothing computed yet." if survey.ended else "Computing the first points …"
        if self.area is None:
            return ""
        return self.level.face.reading(*self._at())

    def status_line(self, width: int = 1000) -> str:
        """How far and how fast, on what; what to do with a box while there is one."""
        if self.box is not None:
            return BOX_KEYS
        return standing(self.journey, width)

    # --- keys ---

    def allowed(self, action: str) -> bool:
        journey = self.journey
        if action == "forward":
            return journey.at + 1 < len(journey.levels)
        if action == "first":
            return journey.at > 0
        if action == "toggle":
            return not self.level.survey.whole
        if action == "value":
            return not isinstance(self.level.face, DiagramFace)
        if action == "image":
            return self.level.experiment.plane.value != "none"
        return True

    def _try(self, make, *arguments, crop: Span | None = None) -> None:
        """Show the picture of another experiment, or say why there is none."""
        try:
            experiment = make(self.level.experiment, *arguments)
        except InputError as error:
            self._complain(error)
            return
        self._show(experiment, crop)

    def _show(
        self, experiment: Experiment, crop: Span | None = None, *, same: bool = False
    ) -> None:
        self.box = None
        self.journey.show(experiment, crop, same=same)
        self._turned()

    def _turned(self) -> None:
        """Another picture is to be shown."""
        self.box = None
        self.stale = True
        self.refresh_map()

    def _complain(self, error: Exception) -> None:
        self.notify(str(error), severity="error", markup=False)

    def action_toggle(self) -> None:
        survey = self.level.survey
        if survey.ended or survey.status == Status.PAUSED:
            self.level.going = True
            survey.go_on()
        else:
            survey.pause()
        self._words()

    def action_restart(self) -> None:
        self.journey.again()
        self._turned()

    def action_enter(self) -> None:
        if self.box is not None:
            self.zoom()
        else:
            self.explore()

    def action_runs(self) -> None:
        from tuichaos.tui.screens.runs import Runs

        self.app.push_screen(Runs(self.app.catalogue))
