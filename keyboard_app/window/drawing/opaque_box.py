"""A box of one opaque colour, as a canvas instruction for the `.kv` rules."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from kivy.factory import Factory
from kivy.graphics import ClearBuffers, ClearColor, InstructionGroup, ScissorPop, ScissorPush

__all__ = ("OpaqueBox",)


class OpaqueBox(InstructionGroup):
    """Like Kivy's `Rectangle`, but painted as the window is cleared, which takes no time even without a graphics card.

    It is counted in window pixels, so it must not be rotated, scaled or put into a `Layer`.
    """

    def __init__(self, **properties: Any) -> None:
        super().__init__()
        self._color, self._clip = ClearColor(0, 0, 0, 1), ScissorPush(x=0, y=0, width=0, height=0)
        self._pos: Sequence[float] = (0, 0)
        self._size: Sequence[float] = (0, 0)
        for instruction in (self._clip, self._color, ClearBuffers(), ScissorPop()):
            self.add(instruction)
        for name, value in properties.items():
            setattr(self, name, value)

    @property
    def rgba(self) -> Sequence[float]:
        """The colour; its opacity has no effect."""
        color: Sequence[float] = self._color.rgba
        return color

    @rgba.setter
    def rgba(self, rgba: Sequence[float]) -> None:
        self._color.rgba = rgba

    @property
    def pos(self) -> Sequence[float]:
        """The lower left corner, in pixels."""
        return self._pos

    @pos.setter
    def pos(self, pos: Sequence[float]) -> None:
        self._pos = pos
        self._fit()

    @property
    def size(self) -> Sequence[float]:
        """Width and height, in pixels."""
        return self._size

    @size.setter
    def size(self, size: Sequence[float]) -> None:
        self._size = size
        self._fit()

    def _fit(self) -> None:
        # The pixels with their centres in the box.
        (x, y), (width, height) = self._pos, self._size
        left, bottom, right, top = (ceil(edge - 0.5) for edge in (x, y, x + width, y + height))
        self._clip.x, self._clip.y, self._clip.width, self._clip.height = left, bottom, right - left, top - bottom


Factory.register("OpaqueBox", cls=OpaqueBox)
