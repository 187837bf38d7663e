"""An icon of strokes."""

from typing import Any

from kivy.clock import Clock
from kivy.graphics import Color, InstructionGroup, SmoothLine
from kivy.metrics import dp
from kivy.properties import ColorProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from keyboard_app.window.icons import ICONS

__all__ = ("Icon",)

_GRID = 24


class Icon(Widget):
    """Draws `icon`, one of `keyboard_app.window.icons`, in the middle of itself; nothing where that is empty."""

    icon = StringProperty()
    icon_color = ColorProperty()
    icon_size = NumericProperty(dp(24))

    def __init__(self, **properties: Any) -> None:
        self._strokes = InstructionGroup()
        super().__init__(**properties)
        self.canvas.add(self._strokes)
        redraw = Clock.create_trigger(self._draw, -1)
        self.bind(pos=redraw, size=redraw, icon=redraw, icon_color=redraw, icon_size=redraw)
        redraw()

    def _draw(self, _elapsed: float) -> None:
        self._strokes.clear()
        scale = self.icon_size / _GRID
        left, bottom = self.center_x - self.icon_size / 2, self.center_y - self.icon_size / 2
        for stroke in ICONS[self.icon] if self.icon else ():
            self._strokes.add(Color(*self.icon_color))
            points = [value for x, y in stroke for value in (left + x * scale, bottom + y * scale)]
            closed = stroke[0] == stroke[-1]
            self._strokes.add(
                SmoothLine(
                    points=points[:-2] if closed else points,
                    width=max(0.85 * scale, 1.05),
                    joint="round",
                    cap="round",
                    close=closed,
                )
            )
