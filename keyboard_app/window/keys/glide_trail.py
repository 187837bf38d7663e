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
_OPACITY = 0.75
_FADES = 0.25  # seconds until the trail is gone once the finger is lifted
_STEP = 1 / 30  # seconds between two steps of fading


class GlideTrail(Bounded):
    """One line through the newest points of a finger; it fades once the finger is lifted.

    It is drawn over the keys and has no part in their pictures, so that the keys are not painted again while it moves.
    """

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._color = Color(0, 0, 0, 0)
        self._line = Line(width=dp(_WIDTH), cap="round", joint="round")
        self.canvas.add(self._color)
        self.canvas.add(self._line)
        self._points: list[float] = []
        self._fading: ClockEvent | None = None

    @property
    def shown(self) -> bool:
        """Whether anything of a trail is to be seen."""
        return bool(self._line.points) and self._color.a > 0

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
        self._color.rgba = [*look.accent[:3], _OPACITY]
        self._points = [coordinate for point in points for coordinate in point]
        self._show()

    def extend(self, x: float, y: float) -> None:
        """Moves the head of the trail."""
        self._points += (x, y)
        self._show()

    def end(self) -> None:
        """Lets the trail fade."""
        self._stop_fading()
        self._fading = Clock.schedule_interval(self._fade, _STEP)

    def _show(self) -> None:
        del self._points[: -2 * _POINTS]
        self._line.points = self._points

    def _fade(self, elapsed: float) -> bool:
        self._color.a = max(self._color.a - _OPACITY * elapsed / _FADES, 0.0)
        if self._color.a == 0:
            self._line.points = []
        return bool(self._color.a > 0)

    def _stop_fading(self) -> None:
        if self._fading is not None:
            self._fading.cancel()
            self._fading = None
