"""What stands above a key that a finger is on: what it types, and after a while what else it can type."""

from collections.abc import Sequence
from typing import Any

from kivy.graphics import Color, InstructionGroup, Rectangle
from kivy.metrics import dp
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.drawing.look import look
from keyboard_app.window.drawing.rounded_box import RoundedBox

__all__ = ("KeyPopup",)

_POINTS = 26
_PADDING = 6  # around the choices, in dp


class KeyPopup(Widget):
    """Draws `choices` above a key, the chosen one lit; empty, it shows nothing. It is cheap: every key press shows it."""

    def __init__(self, **properties: Any) -> None:
        self._drawn = InstructionGroup()
        self.choices: Sequence[str] = ()
        self.chosen = 0
        self._places: list[int] = []  # of the choices, from left to right
        self._first_x = self._bottom = self._cell = self._height = 0.0
        super().__init__(**properties)
        self.canvas.add(self._drawn)

    @property
    def choice(self) -> str:
        """The chosen one, empty where there is none."""
        return self.choices[self.chosen] if self.choices else ""

    def show(self, key: Widget, choices: Sequence[str], bounds: tuple[float, float]) -> None:
        """Shows choices above a key, between the bounds to the left and the right, in pixels."""
        self.choices = choices
        room = bounds[1] - bounds[0] - 2 * dp(_PADDING)
        self._cell = min(max(key.width, dp(38)), room / len(choices))
        self._height = max(key.height, dp(46))
        leftmost, rightmost = bounds[0] + dp(_PADDING), bounds[1] - dp(_PADDING) - self._cell * len(choices)
        self._first_x = min(max(key.center_x - self._cell / 2, leftmost), rightmost)
        self._bottom = key.top + dp(4)
        # The first is above the finger, the next to the right of it; what has no room there goes on to the left.
        above = min(max(round((key.center_x - self._first_x) / self._cell - 0.5), 0), len(choices) - 1)
        self._places = [*range(above, len(choices)), *reversed(range(above))]
        self.chosen = 0
        self._draw()

    def choose_at(self, x: float) -> None:
        """Chooses what is nearest to a finger."""
        place = min(max(int((x - self._first_x) // self._cell), 0), len(self.choices) - 1)
        chosen = self._places.index(place)
        if chosen != self.chosen:
            self.chosen = chosen
            self._draw()

    def hide(self) -> None:
        """Shows nothing."""
        self.choices = ()
        self._drawn.clear()

    def _draw(self) -> None:
        drawn, pad = self._drawn, dp(_PADDING)
        drawn.clear()
        size = self._cell * len(self.choices) + 2 * pad, self._height + 2 * pad
        corner = self._first_x - pad, self._bottom
        drawn.add(Color(0, 0, 0, 0.28))
        drawn.add(
            RoundedBox(
                pos=(corner[0] - dp(1), corner[1] - dp(2)), size=(size[0] + dp(2), size[1] + dp(2)), radius=[dp(12)]
            )
        )
        drawn.add(Color(*look.key))
        drawn.add(RoundedBox(pos=corner, size=size, radius=[dp(11)]))
        for number, choice in enumerate(self.choices):
            left = self._first_x + self._places[number] * self._cell
            lit = number == self.chosen and len(self.choices) > 1
            if lit:
                drawn.add(Color(*look.accent))
                drawn.add(RoundedBox(pos=(left, self._bottom + pad), size=(self._cell, self._height), radius=[dp(8)]))
            text = glyphs(choice, look.size(_POINTS))
            x = left + (self._cell - text.width) / 2
            for run in text.runs:
                ink = look.over_accent if lit else look.text
                drawn.add(Color(1, 1, 1, 1) if run.colored else Color(*ink))
                y = self._bottom + pad + (self._height - run.height) / 2
                drawn.add(
                    Rectangle(texture=run.texture, pos=(round(x + run.x), round(y)), size=(run.width, run.height))
                )
