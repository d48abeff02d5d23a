"""The cross of the atlas, which reads a point, and the box, which zooms."""

from __future__ import annotations

from tuichaos.tui import selection_box
from tuichaos.tui.sweep_views.base import short
from tuichaos.tui.widgets.cell_canvas import Board, Box


class CrossAndBox:
    """For the atlas: moves the cross and the box by keys and mouse, and lays them on the board."""

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

    def _boxed(self) -> str:
        """The ranges in the box."""
        if self.area is None:
            return ""
        keys, crop = self.level.face.spans(self.box, self.area)
        parts = [f"{short(k)} {a:.4g} … {b:.4g}" for k, (a, b) in keys.items()]
        if crop is not None:
            parts.append(f"{self.level.face.title} {crop[0]:.4g} … {crop[1]:.4g}")
        return " · ".join(parts)
