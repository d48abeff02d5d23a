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
from tuichaos.config.applicability import has_loss
from tuichaos.config.experiment import Experiment
from tuichaos.config.plane_and_diagram import VALUES
from tuichaos.plots.legends import GAP, flow, more
from tuichaos.reports.export import export_map, free_name
from tuichaos.sweeps.journal import Row
from tuichaos.sweeps.plane_values import of_rows
from tuichaos.sweeps.points import MAX_DENSE
from tuichaos.tui import selection_box
from tuichaos.tui.faults import noted
from tuichaos.tui.keymap import identified
from tuichaos.tui.run_session import Status
from tuichaos.tui.screens.base import Living
from tuichaos.tui.sweep_session import KeptSweep
from tuichaos.tui.sweep_status import standing
from tuichaos.tui.sweep_views.base import Face, Look, short
from tuichaos.tui.sweep_views.column_view import CurveFace
from tuichaos.tui.sweep_views.diagram_view import DiagramFace
from tuichaos.tui.sweep_views.map_view import PlaneFace
from tuichaos.tui.widgets.cell_canvas import Board, Box
from tuichaos.tui.widgets.footer import Keys
from tuichaos.tui.zoom import Span, alone, resized, valued, widened, zoomed
from tuichaos.tui.zoom_history import Journey, Level

FEW_COLOURS = ("standard", "windows")  # systems of sixteen
REFRESH_SECONDS = 2.0  # between looks at a folder that grows
STRIDE = 8  # cells of a move with shift
BOX_KEYS = "arrows move the box · shift+arrows, + and - size it · enter zooms · esc cancels"
FINER = 2.0  # times as many points along each key


def flowed(entries: Sequence[Text], room: int, most: int) -> list[Text]:
    """Entries side by side on at most so many lines; how many had no room is said."""
    lines, left = flow([entry.cell_len for entry in entries], room, most)
    texts = [[entries[k] for k in line] for line in lines]
    texts[-1] += [Text(more(left))] if left else []
    return [Text(" " * GAP).join(line) for line in texts]


class Atlas(Living):
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
            Binding("backspace", "back(False)", "Former picture", show=False),
            Binding(
                "f", "forward", "Forward", show=False, tooltip="The picture that was gone back from"
            ),
            Binding("0", "first", "First", show=False, tooltip="The first picture"),
            Binding("x", "widen", "Wider", show=False, tooltip="A window twice as wide"),
            Binding("v", "value", "Value", tooltip="Another value of the same points"),
            Binding(
                "plus,equals_sign",
                "finer(1)",
                "Finer",
                key_display="+",
                tooltip="Twice as many points along each key; a larger box",
            ),
            Binding(
                "minus",
                "finer(-1)",
                "Coarser",
                key_display="-",
                show=False,
                tooltip="Half as many points along each key; a smaller box",
            ),
            Binding("r", "restart", "Again", show=False, tooltip="Compute the picture again"),
            Binding("e", "export", "Export", tooltip="Keep it as the folder of a sweep"),
            Binding("p", "image", "Image", show=False, tooltip="The map as PNG, a pixel a point"),
            Binding("o", "runs", "Runs", show=False, tooltip="All run folders"),
            *(
                Binding(
                    name, f"move({dx}, {dy}, 1)", name.title(), show=False, tooltip=f"Cross {name}"
                )
                for name, dx, dy in (
                    ("left", -1, 0),
                    ("right", 1, 0),
                    ("up", 0, -1),
                    ("down", 0, 1),
                )
            ),
            *(
                Binding(
                    f"shift+{name}",
                    f"move({dx}, {dy}, {STRIDE})",
                    f"{name.title()} far",
                    show=False,
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

    def _boxed(self) -> str:
        """The ranges in the box."""
        if self.area is None:
            return ""
        keys, crop = self.level.face.spans(self.box, self.area)
        parts = [f"{short(k)} {a:.4g} … {b:.4g}" for k, (a, b) in keys.items()]
        if crop is not None:
            parts.append(f"{self.level.face.title} {crop[0]:.4g} … {crop[1]:.4g}")
        return " · ".join(parts)

    def status_line(self, width: int = 1000) -> str:
        """How far and how fast, on what; what to do with a box while there is one."""
        if self.box is not None:
            return BOX_KEYS
        return standing(self.journey, width)

    # --- cross and box ---

    def _at(self) -> tuple[float, float]:
        """The cross in shares of the axes, from the left and from below."""
        return self.level.cross

    def _cell(self) -> tuple[int, int]:
        """The cell of the cross."""
        area, (u, v) = self.area, self.level.cross
        return min(int(u * area.width), area.width - 1), min(
            int((1 - v) * area.height), area.height - 1
        )

    def _put(self, x: int, y: int) -> None:
        """Put the cross on a cell."""
        area = self.area
        x, y = min(max(x, 0), area.width - 1), min(max(y, 0), area.height - 1)
        self.level.cross = ((x + 0.5) / area.width, 1 - (y + 0.5) / area.height)
        self._lay()

    def _lay(self) -> None:
        if self.area is not None:
            self.board.lay(self._cell(), self.box)
        self._words()

    def action_move(self, dx: int, dy: int, stride: int) -> None:
        if self.area is None:
            return
        if self.box is not None:
            self._reshape(dx, dy, stride > 1)
            return
        x, y = self._cell()
        self._put(x + dx * stride, y + dy * stride)

    def _reshape(self, dx: int, dy: int, resize: bool) -> None:
        """Move the box, or make it wider (right), narrower, taller (up), lower."""
        self._set_box((selection_box.sized if resize else selection_box.moved)(self.box, dx, dy))

    def _set_box(self, box: Box) -> None:
        """Another box, if it fits on the board."""
        if selection_box.fits(box, self.area):
            self.box = box
            self._lay()

    def action_box(self) -> None:
        """Begin a box around the cross; again: give it up."""
        if self.area is None:
            return
        if self.box is not None:
            self._drop()
            return
        self.box = selection_box.around(*self._cell(), self.area)
        self._lay()

    def _drop(self) -> None:
        self.box = None
        self._lay()

    def on_board_pointed(self) -> None:
        if self.area is not None and self.board.cross is not None:
            self._put(*self.board.cross)

    def on_board_boxed(self, event: Board.Boxed) -> None:
        if self.area is None or not selection_box.large(event.box):
            self._drop()
            return
        self.box = event.box
        self.zoom()

    def on_board_wheeled(self, event: Board.Wheeled) -> None:
        if self.box is not None:
            self._set_box(selection_box.scaled(self.box, event.direction))

    def on_board_resized(self) -> None:
        self.box = None
        self.paint()

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

    def zoom(self) -> None:
        """Compute what is in the box, as finely as the whole was."""
        keys, crop = self.level.face.spans(self.box, self.area)
        whole = self.box[0] == 0 and self.box[2] == self.area.width - 1
        self.level.cross, before = (0.5, 0.5), self.level.cross
        if crop is not None and whole:  # only the upright axis: the points are the same
            self._show(self.level.experiment, crop, same=True)
        else:
            self._try(zoomed, keys, crop=crop)
        if self.journey.at:
            self.journey.levels[self.journey.at - 1].cross = before

    def explore(self) -> None:
        """Open the explorer with the point below the cross."""
        if self.area is None:
            return
        try:
            point = alone(self.level.experiment, self.level.face.values_at(*self._at()))
        except InputError as error:
            self._complain(error)
            return
        self.journey.halt()
        self.app.explore(point)

    def action_back(self, leave: bool) -> None:
        if self.box is not None:
            self._drop()
        elif self.journey.move(self.journey.at - 1):
            self._turned()
        elif leave:
            self.journey.halt()
            self.app.pop_screen()

    def action_forward(self) -> None:
        if self.journey.move(self.journey.at + 1):
            self._turned()

    def action_first(self) -> None:
        if self.journey.move(0):
            self._turned()

    def action_widen(self) -> None:
        self._try(widened)

    def action_finer(self, direction: int) -> None:
        if self.box is not None:
            self._set_box(selection_box.scaled(self.box, direction))
        else:
            self._try(resized, FINER**direction, MAX_DENSE, crop=self.level.crop)

    def action_value(self) -> None:
        """The next value that the system can have: computed anew, or gone to where it is one of
        the pictures. Of a sweep of runs the next column, which is there."""
        here, experiment = self.level.face, self.level.experiment
        if isinstance(here, CurveFace):
            here.turn()
            self._turned()
            return
        values = [v for v in VALUES if v != "convergence" or has_loss(experiment)]
        wanted = valued(experiment, values[(values.index(here.value) + 1) % len(values)])
        levels = self.journey.levels
        there = next((k for k, level in enumerate(levels) if level.experiment == wanted), None)
        if there is None:
            self._show(wanted)
        elif self.journey.move(there):
            self._turned()

    def action_runs(self) -> None:
        from tuichaos.tui.screens.runs import Runs

        self.app.push_screen(Runs(self.app.catalogue))

    def action_export(self) -> None:
        if not self.level.survey.rows:
            self.notify("Nothing to export yet.", severity="warning")
            return
        if self.keeping:
            self.notify("The folder is still being written.", severity="warning")
            return
        if path := self.level.survey.kept:
            self.app.copy_to_clipboard(str(path))
            self.notify(f"Kept already: {path} (copied).", markup=False)
            return
        self.keeping = True
        # It takes seconds while points are computed: the key was heard.
        self.notify("Writing the folder of the sweep …")
        self._keep(self.level)

    @work(thread=True, group="export", exit_on_error=False)
    def _keep(self, level: Level) -> None:
        try:
            path = level.survey.keep()
        except Exception as error:  # it is said, and the app lives
            self.app.call_later(self._complain, error)
            return
        finally:
            self.keeping = False
        self.app.call_later(self._kept, str(path))

    def action_image(self) -> None:
        """The map so far as PNG, beside where the explorer was started."""
        level = self.level
        if not isinstance(level.face, PlaneFace):
            self.notify("Only maps are kept as PNG: s keeps a screenshot.", severity="warning")
            return
        if not level.survey.rows:
            self.notify("There is no map yet.", severity="warning")
            return
        self._paint_file(level.experiment, list(level.survey.rows))

    @work(thread=True, group="export", exit_on_error=False)
    def _paint_file(self, experiment: Experiment, rows: list[Row]) -> None:
        plane = of_rows(experiment, rows)
        try:
            stem = f"{experiment.name}-{plane.value}"
            path = export_map(experiment, plane, free_name(stem, kind="png"))
        except Exception as error:  # it is said, and the app lives
            self.app.call_later(self._complain, error)
            return
        part = "" if plane.whole else f" with {plane.count:,} of {plane.size:,} points"
        self.app.call_later(self._kept, str(path), part)

    def _kept(self, path: str, part: str = "") -> None:
        self.app.copy_to_clipboard(path)
        self.notify(f"Wrote {path}{part} (copied).", markup=False)
