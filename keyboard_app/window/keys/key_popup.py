"""The popup above a pressed key: its character, and after a while its alternates."""

from collections.abc import Sequence
from typing import Any

from kivy.graphics import Color, InstructionGroup
from kivy.metrics import dp
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.drawing.look import look
from keyboard_app.window.drawing.painting import add_text
from keyboard_app.window.drawing.partial_painting import NOTHING, Bounded, PaintedBox
from keyboard_app.window.drawing.rounded_box import RoundedBox

__all__ = ("KeyPopup",)

_POINTS = 26  # font size
_PADDING = 6  # around the choices, in dp


class KeyPopup(Bounded):
    """Draws `choices` above a key, with the chosen one lit. Every key press shows it, so it has to be cheap."""

    def __init__(self, **properties: Any) -> None:
        self._drawn = InstructionGroup()
        self.choices: Sequence[str] = ()
        self.chosen = 0
        self.key: Widget | None = None  # the key that it is shown above
        self._places: list[int] = []  # position of each choice, counted from the left
        self._first_x = self._bottom = self._cell = self._height = 0.0
        self._painted = NOTHING
        super().__init__(**properties)
        self.canvas.add(self._drawn)

    @property
    def choice(self) -> str:
        """The chosen character, or an empty string if nothing is shown."""
        return self.choices[self.chosen] if self.choices else ""

    @property
    def painted(self) -> PaintedBox:
        """The box of the choices and their shadow."""
        return self._painted

    def show(self, key: Widget, choices: Sequence[str], bounds: tuple[float, float]) -> None:
        """Shows choices above a key, between the left and right bounds in pixels."""
        self.choices, self.key = choices, key
        room = bounds[1] - bounds[0] - 2 * dp(_PADDING)
        self._cell = min(max(key.width, dp(38)), room / len(choices))
        self._height = max(key.height, dp(46))
        leftmost, rightmost = bounds[0] + dp(_PADDING), bounds[1] - dp(_PADDING) - self._cell * len(choices)
        self._first_x = min(max(key.center_x - self._cell / 2, leftmost), rightmost)
        self._bottom = key.top + dp(4)
        # The first choice is above the finger and the next ones to its right; those without room there continue to the left.
        above = min(max(round((key.center_x - self._first_x) / self._cell - 0.5), 0), len(choices) - 1)
        self._places = [*range(above, len(choices)), *reversed(range(above))]
        self.chosen = 0
        self._draw()

    def choose_at(self, x: float) -> None:
        """Chooses the choice nearest to a finger."""
        place = min(max(int((x - self._first_x) // self._cell), 0), len(self.choices) - 1)
        chosen = self._places.index(place)
        if chosen != self.chosen:
            self.chosen = chosen
            self._draw()

    def hide(self) -> None:
        """Hides the popup."""
        self.choices, self.key, self._painted = (), None, NOTHING
        self._drawn.clear()

    def _draw(self) -> None:
        drawn, pad = self._drawn, dp(_PADDING)
        drawn.clear()
        size = self._cell * len(self.choices) + 2 * pad, self._height + 2 * pad
        corner = self._first_x - pad, self._bottom
        self._painted = PaintedBox(*corner, corner[0] + size[0], corner[1] + size[1]).grown(dp(3))
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
            add_text(drawn, text, x, self._bottom + pad + self._height / 2, look.over_accent if lit else look.text)
