"""An emoji that can be touched."""

from typing import Any

from kivy.clock import Clock
from kivy.graphics import Color, InstructionGroup, Rectangle
from kivy.properties import ColorProperty, NumericProperty, StringProperty

from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.widgets.control import Tappable

__all__ = ("EmojiKey",)


class EmojiKey(Tappable):
    """Shows one emoji in its middle."""

    emoji = StringProperty()
    size_of_emoji = NumericProperty(28)
    color = ColorProperty()  # where the font has no colours of its own

    def __init__(self, **properties: Any) -> None:
        self._picture = InstructionGroup()
        super().__init__(**properties)
        self.canvas.add(self._picture)
        redraw = Clock.create_trigger(self._draw, -1)
        self.bind(pos=redraw, size=redraw, emoji=redraw, color=redraw)
        redraw()

    def _draw(self, _elapsed: float) -> None:
        self._picture.clear()
        if not self.emoji:
            return
        drawn = glyphs(self.emoji, round(self.size_of_emoji))
        left = self.center_x - drawn.width / 2
        for run in drawn.runs:
            self._picture.add(Color(1, 1, 1, 1) if run.colored else Color(*self.color))
            corner = round(left + run.x), round(self.center_y - run.height / 2)
            self._picture.add(Rectangle(texture=run.texture, pos=corner, size=(run.width, run.height)))
