"""A plot of curves over the number of words typed."""

from typing import Any

from kivy.graphics import Color, Line
from kivy.metrics import dp
from kivy.properties import ColorProperty, ListProperty, NumericProperty

from keyboard_app.window.widgets.chart import Chart, ticks

__all__ = ("Plot",)


class Plot(Chart):
    """Draws `curves`, pairs of a colour and shares from 0 to 1, and a dashed line at each of `marks` on the x axis.

    The curves begin at `first` on the x axis and have one value for each word from there on.
    """

    curves = ListProperty()
    first = NumericProperty(1)
    marks = ListProperty()
    mark_color = ColorProperty()

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        for name in ("curves", "first", "marks", "mark_color"):
            self.fbind(name, self._redraw)

    def most(self) -> float:
        """Returns the largest share that is drawn."""
        return max((max(values) for _, values in self.curves if len(values)), default=0.0)

    def draw_contents(self) -> None:
        """Draws the curves and the marks."""
        x_end = max([self.first - 1 + len(values) for _, values in self.curves] + [2])
        left, bottom, width, top = self.left, self.bottom, self.plot_width, self.top - self.font_size
        for word in (t for t in ticks(x_end, 5) if t <= x_end):
            self.write(f"{word:,.0f}", left + width * word / x_end, bottom - dp(3), (0.5, 1))
        Color(*self.mark_color)
        for word in self.marks:
            x = left + width * word / x_end
            Line(points=[x, bottom, x, top], dash_length=3, dash_offset=3)
        for color, values in self.curves:
            Color(*color)
            points = [
                coordinate
                for place, share in enumerate(values)
                for coordinate in (left + width * (self.first + place) / x_end, self.y_at(share))
            ]
            Line(points=points, width=dp(1.4), joint="round", cap="round")
