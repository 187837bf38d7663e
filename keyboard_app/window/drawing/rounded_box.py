"""A box with round corners on a canvas, for the rules: `RoundedBox`."""

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
    """As Kivy's `RoundedRectangle`, from one small texture for all boxes of the same corners.

    `radius` in whole pixels is one for all corners, or those of the top left, the top right, the bottom right and the bottom left;
    corners are no rounder than the box has room for. With `shadow`, the lowest so many pixels of the box are its shadow.
    """

    def __init__(self, radius: Sequence[float] = (1,), shadow: float = 0, **properties: Any) -> None:
        self._radius, self._shadow = radius, shadow
        super().__init__(**properties)
        self._fit()

    @property
    def radius(self) -> Sequence[float]:
        """Of the corners, in pixels."""
        return self._radius

    @radius.setter
    def radius(self, radius: Sequence[float]) -> None:
        self._radius = radius
        self._fit()

    @property
    def shadow(self) -> float:
        """How far below the box its shadow lies, in pixels."""
        return self._shadow

    @shadow.setter
    def shadow(self, shadow: float) -> None:
        self._shadow = shadow
        self._fit()

    @property
    def size(self) -> tuple[float, float]:
        """Of the box with its shadow, in pixels; one without a width or a height is not painted."""
        return BorderImage.size.__get__(self)

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
