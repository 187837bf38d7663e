"""A text drawn in lines, with emoji in their own colours."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from kivy.clock import Clock
from kivy.graphics import InstructionGroup
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, StringProperty, VariableListProperty
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.glyphs import cluster_ends, glyphs, text_width
from keyboard_app.window.drawing.painting import add_text
from keyboard_app.window.drawing.text_layout import TextLayout, kept_lines, lay_out

__all__ = ("TextView",)

_LINE_HEIGHT = 1.36  # of the font size


class TextView(Widget):
    """Shows `text` in lines no wider than `text_width` pixels: from `first_line` on, as many as fit into its height.

    `layout` has the position of each character; `content_width` and `content_height` are the size of the whole text in pixels.
    """

    text = StringProperty()
    text_width = NumericProperty(1_000)
    font_size = NumericProperty(16)
    color = ColorProperty()
    padding = VariableListProperty([0, 0], length=2)
    first_line = NumericProperty(0)
    settled = BooleanProperty(False)  # the text will not be edited, so lines are drawn whole rather than word by word
    content_width = NumericProperty(0)
    content_height = NumericProperty(0)

    def __init__(self, **properties: Any) -> None:
        self.layout: TextLayout = lay_out("", 1, lambda _piece: ())
        self._laid_out: tuple[str, float, int] | None = None  # the text, width and font size of the layout
        self._letters = InstructionGroup()
        # What is drawn: each piece of text, its place and look, and its instructions.
        self._drawn: list[tuple[tuple[Any, ...], InstructionGroup]] = []
        super().__init__(**properties)
        self.canvas.add(self._letters)
        self._redraw = Clock.create_trigger(self._draw, -1)
        self.bind(text=self._lay_out, text_width=self._lay_out, font_size=self._lay_out, padding=self._lay_out)
        self.bind(pos=self._redraw, size=self._redraw, color=self._redraw, first_line=self._redraw)
        self._lay_out()

    @property
    def line_height(self) -> float:
        """The height of a line, in pixels."""
        return float(round(self.font_size * _LINE_HEIGHT))

    @property
    def shown_lines(self) -> int:
        """The number of lines that fit into the height, at least 1."""
        return max(int((self.height - 2 * self.padding[1] + 1) // self.line_height), 1)

    def bottom_of(self, line: int) -> float:
        """Returns the y coordinate of the lower edge of a line, in pixels."""
        return float(self.top - self.padding[1] - (line - self.first_line + 1) * self.line_height)

    def _lay_out(self, *_: object) -> None:
        size, width, before = round(self.font_size), max(self.text_width, dp(20)), self._laid_out
        self.layout = lay_out(
            self.text,
            width,
            lambda piece: cluster_ends(piece, size),
            lambda piece: text_width(piece, size),
            kept_lines(self.layout, before[0], self.text) if before and before[1:] == (width, size) else (),
        )
        self._laid_out = self.text, width, size
        self.content_width = self.layout.width + 2 * self.padding[0]
        self.content_height = len(self.layout.lines) * self.line_height + 2 * self.padding[1]
        self._redraw()

    def _draw(self, *_: object) -> None:
        """Draws the pieces of text, from the first one that has changed: mostly a person types at the end."""
        pieces, drawn = list(self._pieces()), self._drawn
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1][0], zip(pieces, drawn, strict=False)))
        for _, group in drawn[same:]:
            self._letters.remove(group)
        del drawn[same:]
        for piece in pieces[same:]:
            text, size, x, center_y, color = piece
            add_text(group := InstructionGroup(), glyphs(text, size), x, center_y, color)
            self._letters.add(group)
            drawn.append((piece, group))

    def _pieces(self) -> Iterator[tuple[str, int, float, float, tuple[float, ...]]]:
        """Yields each piece of text that is shown, its font size, left edge, middle and colour."""
        size, color, first = round(self.font_size), tuple(self.color), int(self.first_line)
        for number, line in enumerate(self.layout.lines[first : first + self.shown_lines], first):
            bottom = self.bottom_of(number)
            for piece in [line.whole] if self.settled and line.pieces else line.pieces:
                if piece.text.isspace():
                    continue
                x = self.x + self.padding[0] + piece.x
                yield piece.text, size, x, bottom + self.line_height / 2, color
