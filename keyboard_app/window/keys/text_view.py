"""A text drawn in lines, emoji in their colours."""

from typing import Any

from kivy.clock import Clock
from kivy.graphics import Color, InstructionGroup, Rectangle
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, StringProperty, VariableListProperty
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.drawing.text_layout import TextLayout, lay_out

__all__ = ("TextView",)

_LINE_HEIGHT = 1.36  # of the font size


class TextView(Widget):
    """Shows `text` in lines no wider than `text_width` pixels, the first of them `first_line`, as many as its height has room for.

    `layout` says where each character is; `content_width` and `content_height` how much room all of it takes, in pixels.
    """

    text = StringProperty()
    text_width = NumericProperty(1_000)
    font_size = NumericProperty(16)
    color = ColorProperty()
    padding = VariableListProperty([0, 0], length=2)
    first_line = NumericProperty(0)
    settled = BooleanProperty(False)  # it will not be edited: a line is drawn at once, rather than word by word
    content_width = NumericProperty(0)
    content_height = NumericProperty(0)

    def __init__(self, **properties: Any) -> None:
        self.layout: TextLayout = lay_out("", 1, lambda _piece: ())
        self._letters = InstructionGroup()
        super().__init__(**properties)
        self.canvas.add(self._letters)
        self._redraw = Clock.create_trigger(self._draw, -1)
        self.bind(text=self._lay_out, text_width=self._lay_out, font_size=self._lay_out, padding=self._lay_out)
        self.bind(pos=self._redraw, size=self._redraw, color=self._redraw, first_line=self._redraw)
        self._lay_out()

    @property
    def line_height(self) -> float:
        """In pixels."""
        return round(self.font_size * _LINE_HEIGHT)

    @property
    def shown_lines(self) -> int:
        """How many lines there is room for."""
        return max(int((self.height - 2 * self.padding[1] + 1) // self.line_height), 1)

    def bottom_of(self, line: int) -> float:
        """Where a line ends below, in pixels of the window."""
        return self.top - self.padding[1] - (line - self.first_line + 1) * self.line_height

    def _lay_out(self, *_: object) -> None:
        size = round(self.font_size)
        self.layout = lay_out(self.text, max(self.text_width, dp(20)), lambda piece: glyphs(piece, size).ends)
        self.content_width = self.layout.width + 2 * self.padding[0]
        self.content_height = len(self.layout.lines) * self.line_height + 2 * self.padding[1]
        self._redraw()

    def _draw(self, *_: object) -> None:
        letters, size = self._letters, round(self.font_size)
        letters.clear()
        first = int(self.first_line)
        for number, line in enumerate(self.layout.lines[first : first + self.shown_lines], first):
            bottom = self.bottom_of(number)
            for piece in [line.whole] if self.settled and line.pieces else line.pieces:
                if piece.text.isspace():
                    continue
                for run in glyphs(piece.text, size).runs:
                    letters.add(Color(1, 1, 1, self.color[3]) if run.colored else Color(*self.color))
                    y = bottom + (self.line_height - run.height) / 2
                    position = round(self.x + self.padding[0] + piece.x + run.x), round(y)
                    letters.add(Rectangle(texture=run.texture, pos=position, size=(run.width, run.height)))
