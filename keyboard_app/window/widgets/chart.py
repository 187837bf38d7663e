"""The axes and labels that plots and bar charts have in common."""

import math
from typing import Any

from kivy.clock import Clock
from kivy.graphics import Color, Line, Rectangle
from kivy.metrics import dp
from kivy.properties import ColorProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.glyphs import glyphs

__all__ = ("Chart", "ticks")


class Chart(Widget):
    """Draws the grid of the y axis, from 0 to a round share above the largest one; subclasses draw the data."""

    x_label = StringProperty()
    text_color = ColorProperty()
    grid_color = ColorProperty()
    font_size = NumericProperty(12)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        # All changes within one frame cause one redraw.
        self._redraw = Clock.create_trigger(self._draw, -1)
        for name in ("pos", "size", "x_label", "text_color", "grid_color", "font_size"):
            self.fbind(name, self._redraw)

    @property
    def left(self) -> float:
        """The left end of the x axis, in pixels."""
        return float(self.x + self.font_size * 2.6 + dp(6))

    @property
    def bottom(self) -> float:
        """The lower end of the y axis, in pixels."""
        return float(self.y + self.font_size * (3.4 if self.x_label else 1.8))

    @property
    def plot_width(self) -> float:
        """The length of the x axis, in pixels."""
        return float(self.right - dp(6) - self.left)

    def y_at(self, share: float) -> float:
        """Returns the y coordinate of a share, in pixels."""
        return float(self.bottom + (self.top - self.font_size - self.bottom) * share / self._end)

    def most(self) -> float:
        """Returns the largest share that is drawn."""
        return 0.0

    def draw_contents(self) -> None:
        """Draws the data; called with the canvas open."""

    def _draw(self, *_: object) -> None:
        shares = ticks(max(self.most(), 0.1), 4)
        self._end = shares[-1]
        self.canvas.clear()
        with self.canvas:
            for share in shares:
                Color(*self.grid_color)
                Line(points=[self.left, self.y_at(share), self.left + self.plot_width, self.y_at(share)], width=1)
                self.write(f"{share:.0%}", self.left - dp(6), self.y_at(share), (1, 0.5))
            self.write(self.x_label, self.left + self.plot_width / 2, self.y, (0.5, 0))
            self.draw_contents()

    def write(self, text: str, x: float, y: float, anchor: tuple[float, float]) -> None:
        """Writes a text whose `anchor`, given as shares of its width and height, lies at (x, y)."""
        drawn = glyphs(text, round(self.font_size))
        Color(*self.text_color)
        for run in drawn.runs:
            corner = x - drawn.width * anchor[0] + run.x, y - drawn.height * anchor[1]
            Rectangle(texture=run.texture, pos=(round(corner[0]), round(corner[1])), size=(run.width, run.height))


def ticks(end: float, count: int) -> list[float]:
    """Returns about `count` round numbers from 0 to `end` or just above, at steps of 1, 2 or 5 times a power of ten."""
    rough = end / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(round(end / step, 6)) + 1)]
