"""A bar chart with groups of bars, one group for each period."""

from typing import Any

from kivy.graphics import Color
from kivy.metrics import dp
from kivy.properties import ListProperty

from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.drawing.rounded_box import RoundedBox
from keyboard_app.window.widgets.chart import Chart

__all__ = ("Bars",)

_WIDEST = 22  # largest width of a bar, in dp


class Bars(Chart):
    """Draws `groups`, pairs of a name and shares from 0 to 1; `colors` are those of the bars in a group.

    A share of None has no bar.
    """

    groups = ListProperty()
    colors = ListProperty()

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        for name in ("groups", "colors"):
            self.fbind(name, self._redraw)

    def most(self) -> float:
        """Returns the largest share that is drawn."""
        return max((share for _, shares in self.groups for share in shares if share is not None), default=0.0)

    def draw_contents(self) -> None:
        """Draws the bars, and below them as many of the group names as fit."""
        if not self.groups:
            return
        room = self.plot_width / len(self.groups)
        count = max(len(self.colors), 1)
        width = min(room * 0.8 / count, dp(_WIDEST))
        widest = max(glyphs(name, round(self.font_size)).width for name, _ in self.groups) + dp(8)
        every = max(int(widest // room) + 1, 1)
        last = len(self.groups) - 1
        for number, (name, shares) in enumerate(self.groups):
            middle = self.left + room * (number + 0.5)
            if (last - number) % every == 0:
                self.write(name, middle, self.bottom - dp(3), (0.5, 1))
            for place, (share, color) in enumerate(zip(shares, self.colors, strict=True)):
                if share is None:
                    continue
                Color(*color)
                corner = middle + (place - count / 2) * width + dp(1), self.bottom
                height = max(self.y_at(share) - self.bottom, dp(1))
                RoundedBox(pos=corner, size=(width - dp(2), height), radius=[min(dp(4), height / 2)])
