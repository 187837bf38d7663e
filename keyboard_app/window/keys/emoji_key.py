"""A button that shows an emoji."""

from typing import Any

from kivy.clock import Clock
from kivy.graphics import InstructionGroup
from kivy.properties import ColorProperty, NumericProperty, StringProperty

from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.drawing.painting import add_text
from keyboard_app.window.widgets.control import Tappable

__all__ = ("EmojiKey",)


class EmojiKey(Tappable):
    """Shows one emoji at its centre."""

    emoji = StringProperty()
    size_of_emoji = NumericProperty(28)
    color = ColorProperty()  # for fonts without colours of their own

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
        add_text(self._picture, drawn, self.center_x - drawn.width / 2, self.center_y, self.color)
