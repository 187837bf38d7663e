"""A box with rounded corners, as a canvas instruction for the `.kv` rules."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from typing import Any

from kivy.factory import Factory
from kivy.graphics import BorderImage
from kivy.graphics.texture import Texture

from keyboard_app.window.drawing.shapes import rounded_box
from keyboard_app.window.drawing.texture import texture_of

__all__ = ("RoundedBox",)


class RoundedBox(BorderImage):
    """Like Kivy's `RoundedRectangle`, but all boxes with the same corners share one small texture.

    `radius` holds one radius for all corners, or those of the top left, top right, bottom right and bottom left, in whole pixels;
    a radius larger than the box allows is reduced. The lowest `shadow` pixels of the box are its shadow.
    """

    def __init__(self, radius: Sequence[float] = (1,), shadow: float = 0, **properties: Any) -> None:
        self._radius, self._shadow = radius, shadow
        super().__init__(**properties)
        self._fit()

    @property
    def radius(self) -> Sequence[float]:
        """The radii of the corners, in pixels."""
        return self._radius

    @radius.setter
    def radius(self, radius: Sequence[float]) -> None:
        self._radius = radius
        self._fit()

    @property
    def shadow(self) -> float:
        """How far the shadow falls below the box, in pixels."""
        return self._shadow

    @shadow.setter
    def shadow(self, shadow: float) -> None:
        self._shadow = shadow
        self._fit()

    @property
    def size(self) -> tuple[float, float]:
        """The size of the box with its shadow, in pixels; a box without width or height is not painted."""
        width, height = BorderImage.size.__get__(self)
        return width, height

    @size.setter
    def size(self, size: tuple[float, float]) -> None:
        BorderImage.size.__set__(self, size)
        self._fit()

    def _fit(self) -> None:
        width, height = self.size
        room = int(min(width, height - self._shadow) // 2)
        if room < 1:
            self.texture, self.border = None, (0, 0, 0, 0)
            return
        radii = [max(min(int(radius), room), 1) for radius in self._radius]
        self.texture, self.border = _box(tuple(radii if len(radii) > 1 else radii * 4), ceil(self._shadow))


@lru_cache(500)
def _box(radii: tuple[int, ...], shadow: int) -> tuple[Texture, tuple[int, int, int, int]]:
    pixels, border = rounded_box(radii, shadow)
    return texture_of(pixels), border


Factory.register("RoundedBox", cls=RoundedBox)
