"""A widget that shows an icon."""

from functools import lru_cache
from typing import Any

from kivy.clock import Clock
from kivy.graphics import Color, InstructionGroup, Rectangle
from kivy.graphics.texture import Texture
from kivy.metrics import dp
from kivy.properties import ColorProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.icons import ICONS
from keyboard_app.window.drawing.shapes import strokes
from keyboard_app.window.drawing.texture import texture_of

__all__ = ("Icon",)

_GRID = 24  # side of the grid that icons are drawn on


class Icon(Widget):
    """Draws `icon`, a name in `keyboard_app.window.drawing.icons`, at its centre; draws nothing if the name is empty."""

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
        if not self.icon:
            return
        side = round(self.icon_size)
        self._strokes.add(Color(*self.icon_color))
        corner = round(self.center_x - side / 2), round(self.center_y - side / 2)
        self._strokes.add(Rectangle(texture=_picture(self.icon, side), pos=corner, size=(side, side)))


@lru_cache(500)
def _picture(icon: str, side: int) -> Texture:
    scale = side / _GRID
    return texture_of(strokes(ICONS[icon], side, scale, max(1.7 * scale, 2.1)))
