"""Curves over the number of words typed, drawn on a Kivy canvas."""

from typing import Any

from kivy.clock import Clock
from kivy.core.text import Label as TextImage
from kivy.graphics import Color, Line, Rectangle
from kivy.metrics import dp, sp
from kivy.properties import ColorProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from keyboard_app.axis import ticks

__all__ = ("Plot",)


class Plot(Widget):
    """Draws `curves`, pairs of a color and shares from 0 to 1, and `marks`, places on the x axis, as dashed lines.

    The curves begin at `first` on the x axis and have a value for each word from there on.
    """

    curves = ListProperty()
    first = NumericProperty(1)
    marks = ListProperty()
    x_label = StringProperty()
    y_label = StringProperty()
    text_color = ColorProperty()
    grid_color = ColorProperty()
    mark_color = ColorProperty()
    font_size = NumericProperty(sp(12))

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        # All that changes in one frame is drawn once.
        redraw = Clock.create_trigger(self._draw)
        self.bind(pos=redraw, size=redraw, curves=redraw, first=redraw, marks=redraw)

    def _draw(self, _elapsed: float) -> None:
        self.canvas.clear()
        most = max((max(values) for _, values in self.curves if len(values)), default=0.0)
        x_end = max([self.first - 1 + len(values) for _, values in self.curves] + [2])
        y_ticks = ticks(max(most, 0.1), 5)
        x_ticks = ticks(x_end, 5)
        left, bottom = self.x + dp(38), self.y + dp(36)
        width, height = self.right - left - dp(8), self.top - bottom - dp(24)
        y_end = y_ticks[-1]

        def x_at(word: float) -> float:
            return left + width * word / x_end

        def y_at(share: float) -> float:
            return bottom + height * share / y_end

        with self.canvas:
            for share in y_ticks:
                Color(*self.grid_color)
                Line(points=[left, y_at(share), left + width, y_at(share)], width=1)
                self._write(f"{share:.0%}", left - dp(6), y_at(share), (1, 0.5))
            for word in (t for t in x_ticks if t <= x_end):
                self._write(f"{word:,.0f}", x_at(word), bottom - dp(4), (0.5, 1))
            self._write(self.x_label, left + width / 2, self.y, (0.5, 0))
            self._write(self.y_label, self.x, self.top, (0, 1))
            Color(*self.mark_color)
            for word in self.marks:
                Line(points=[x_at(word), bottom, x_at(word), bottom + height], dash_length=3, dash_offset=3)
            for color, values in self.curves:
                Color(*color)
                points = [c for i, share in enumerate(values) for c in (x_at(self.first + i), y_at(share))]
                Line(points=points, width=dp(1.4), joint="round", cap="round")

    def _write(self, text: str, x: float, y: float, anchor: tuple[float, float]) -> None:
        """Writes so that the point (x, y) lies at `anchor` of the text, shares of its width and height."""
        image = TextImage(text=text, font_size=self.font_size, color=self.text_color)
        image.refresh()
        if image.texture is not None:
            w, h = image.texture.size
            Color(1, 1, 1, 1)
            Rectangle(texture=image.texture, pos=(round(x - w * anchor[0]), round(y - h * anchor[1])), size=(w, h))
