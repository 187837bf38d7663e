"""The trail that a gliding finger leaves behind it on the keys."""

from typing import Any

from kivy.clock import Clock, ClockEvent
from kivy.graphics import Color, Line
from kivy.metrics import dp

from keyboard_app.window.drawing.look import look
from keyboard_app.window.drawing.partial_painting import NOTHING, Bounded, PaintedBox

__all__ = ("GlideTrail",)

_POINTS = 28  # shown at most: the newest
_WIDTH = 3.5  # of the line, in dp
_FADES = 0.25  # seconds until the trail is gone once the finger is lifted
_STEP = 1 / 30  # seconds between two steps of fading


class GlideTrail(Bounded):
    """One line through the newest points of a finger; once the finger is lifted, the line disappears from its end.

    The line is opaque: Kivy draws a translucent one through the stencil buffer, in which parts of it get lost.

    It is drawn over the keys and has no part in their pictures, so that the keys are not painted again while it moves.
    """

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._color = Color(0, 0, 0, 1)
        self._line = Line(width=dp(_WIDTH), cap="round", joint="round")
        self.canvas.add(self._color)
        self.canvas.add(self._line)
        self._points: list[float] = []
        self._fading: ClockEvent | None = None

    @property
    def shown(self) -> bool:
        """Whether anything of a trail is to be seen."""
        return bool(self._line.points)

    @property
    def painted(self) -> PaintedBox:
        """The box of the line."""
        points = self._line.points
        if not points:
            return NOTHING
        across, up = points[::2], points[1::2]
        return PaintedBox(min(across), min(up), max(across), max(up)).grown(2 * dp(_WIDTH))

    def begin(self, points: list[tuple[float, float]]) -> None:
        """Starts a new trail with the points so far, in pixels of the window."""
        self._stop_fading()
        self._color.rgba = [*look.accent[:3], 1]
        self._points = [coordinate for point in points for coordinate in point]
        self._show()

    def extend(self, x: float, y: float) -> None:
        """Moves the head of the trail."""
        self._points += (x, y)
        self._show()

    def end(self) -> None:
        """Lets the trail disappear."""
        self._stop_fading()
        self._fading = Clock.schedule_interval(self._fade, _STEP)

    def _show(self) -> None:
        del self._points[: -2 * _POINTS]
        self._line.points = self._points

    def _fade(self, elapsed: float) -> bool:
        del self._points[: 2 * max(round(_POINTS * elapsed / _FADES), 1)]
        self._show()
        return bool(self._points)

    def _stop_fading(self) -> None:
        if self._fading is not None:
            self._fading.cancel()
            self._fading = None
