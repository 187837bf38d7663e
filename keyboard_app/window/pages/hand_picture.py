"""A picture of the keyboard with the places where a person touches its keys."""

from typing import Any

from kivy.clock import Clock
from kivy.graphics import Color, Line, Rectangle, SmoothEllipse
from kivy.metrics import dp
from kivy.properties import ColorProperty, ListProperty, NumericProperty
from kivy.uix.widget import Widget

from keyboard_app.learning.touch_picture import Spot
from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.drawing.rounded_box import RoundedBox

__all__ = ("HandPicture",)

_LEAST_ASPECT = 0.3  # height of the letters' rows; the keys of a wide window would be too flat to see anything
_CLEAR = 0.35  # opacity of the spots, through which keys and rings are seen
_DOT = 2  # radius of the dot at a mean, in dp
_GAP = 1  # around a key, in dp
_INSET = 4  # of the letter in the corner of its key, in dp


class HandPicture(Widget):
    """Draws `keys` (`keyboard_app.learning.touch_picture.KeyTouches`), as wide as itself.

    Taps are spots of one standard deviation with their mean; glides, of which only the ends count, are rings. `aspect` is the
    height that the picture needs as a share of its width.
    """

    keys = ListProperty()
    aspect = NumericProperty(_LEAST_ASPECT)
    key_color = ColorProperty()
    text_color = ColorProperty()
    tap_color = ColorProperty()
    glide_color = ColorProperty()
    font_size = NumericProperty(11)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._redraw = Clock.create_trigger(self._draw, -1)  # all changes within one frame cause one redraw
        for name in ("pos", "size", "keys", "key_color", "text_color", "tap_color", "glide_color", "font_size"):
            self.fbind(name, self._redraw)

    def on_keys(self, *_: object) -> None:
        """Follows the shape of the keyboard."""
        left, top, right, bottom = self._bounds()
        self.aspect = max((bottom - top) / (right - left), _LEAST_ASPECT)

    def _bounds(self) -> tuple[float, float, float, float]:
        boxes = [key.box for key in self.keys] or [(0.0, 0.0, 1.0, 1.0)]
        return (
            min(left for left, _, _, _ in boxes),
            min(top for _, top, _, _ in boxes),
            max(left + width for left, _, width, _ in boxes),
            max(top + height for _, top, _, height in boxes),
        )

    def _draw(self, *_: object) -> None:
        left, top, right, bottom = self._bounds()
        self._left, self._top = left, top
        self._across, self._down = self.width / (right - left), self.height / (bottom - top)
        self.canvas.clear()
        with self.canvas:
            for key in self.keys:
                x, y, width, height = key.box
                Color(*self.key_color)
                corner, size = self._place(x, y + height), (width * self._across, height * self._down)
                gap = dp(_GAP)
                RoundedBox(
                    pos=(corner[0] + gap, corner[1] + gap), size=(size[0] - 2 * gap, size[1] - 2 * gap), radius=[dp(3)]
                )
                self._write(key.letter, corner[0] + dp(_INSET), corner[1] + size[1] - dp(_INSET))
            for key in self.keys:
                if key.taps is not None:
                    self._spot(key.taps)
                if key.glides is not None:
                    self._ring(key.glides)

    def _place(self, x: float, y: float) -> tuple[float, float]:
        return self.x + (x - self._left) * self._across, self.top - (y - self._top) * self._down

    def _spot(self, spot: Spot) -> None:
        x, y = self._place(spot.x, spot.y)
        for radii, opacity in (
            ((spot.across * self._across, spot.down * self._down), _CLEAR),
            ((dp(_DOT), dp(_DOT)), 1),
        ):
            Color(*self.tap_color[:3], opacity)
            SmoothEllipse(pos=(x - radii[0], y - radii[1]), size=(2 * radii[0], 2 * radii[1]))

    def _ring(self, spot: Spot) -> None:
        x, y = self._place(spot.x, spot.y)
        across, down = spot.across * self._across, spot.down * self._down
        Color(*self.glide_color)
        Line(ellipse=(x - across, y - down, 2 * across, 2 * down), width=dp(1))

    def _write(self, text: str, left: float, top: float) -> None:
        drawn = glyphs(text, round(self.font_size))
        Color(*self.text_color)
        for run in drawn.runs:
            corner = left + run.x, top - drawn.height
            Rectangle(texture=run.texture, pos=(round(corner[0]), round(corner[1])), size=(run.width, run.height))
