"""A part of the window that is repainted only when something in it has changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, floor
from typing import Any

from kivy.graphics import (
    Callback,
    Canvas,
    ClearBuffers,
    ClearColor,
    Color,
    Fbo,
    PopMatrix,
    PushMatrix,
    Rectangle,
    Translate,
)
from kivy.graphics.opengl import GL_BLEND, glDisable, glEnable
from kivy.properties import ColorProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.partial_painting import Bounded, PaintedBox

__all__ = ("Layer",)


class Layer(Bounded, BoxLayout):
    """Paints its children into a picture, and shows the picture: one rectangle a frame, regardless of the number of children.

    Kivy repaints an `Fbo` only when an instruction in it has changed. A child that clips by window pixels (`Scroll`) must count
    them from the lower left corner of the layer.
    """

    background = ColorProperty()

    def __init__(self, **properties: Any) -> None:
        self.canvas = Canvas()
        self._picture = Fbo(size=(1, 1))
        self._clear, self._move = ClearColor(0, 0, 0, 1), Translate()
        for instruction in (self._clear, ClearBuffers(), PushMatrix(), self._move):
            self._picture.before.add(instruction)
        self._picture.after.add(PopMatrix())
        self._shown = Rectangle()
        # The picture is opaque, and without blending a processor that has to do without a graphics card takes a quarter less time.
        opaque, usual = Callback(lambda _: glDisable(GL_BLEND)), Callback(lambda _: glEnable(GL_BLEND))
        for instruction in (self._picture, Color(1, 1, 1, 1), opaque, self._shown, usual):
            self.canvas.add(instruction)
        super().__init__(**properties)
        self.bind(pos=self._fit, size=self._fit)
        self._fit()

    def add_widget(self, widget: Widget, *arguments: Any, **options: Any) -> None:
        """Adds a child, which is painted into the picture."""
        with self._drawing_into_picture():
            super().add_widget(widget, *arguments, **options)

    def remove_widget(self, widget: Widget, *arguments: Any, **options: Any) -> None:
        """Removes a child from the picture."""
        with self._drawing_into_picture():
            super().remove_widget(widget, *arguments, **options)

    @contextmanager
    def _drawing_into_picture(self) -> Iterator[None]:
        """Makes the picture the canvas of this widget within the block."""
        canvas, self.canvas = self.canvas, self._picture
        try:
            yield
        finally:
            self.canvas = canvas

    def on_background(self, _layer: "Layer", color: tuple[float, ...]) -> None:
        """Changes the colour behind the children, which hides what is behind the layer."""
        self._clear.rgba = color

    @property
    def painted(self) -> PaintedBox:
        """The box of the picture."""
        x, y = self.to_window(*self._shown.pos)
        return PaintedBox(x, y, x + self._picture.size[0], y + self._picture.size[1])

    def paint_ahead(self) -> None:
        """Paints the picture, if something in it has changed."""
        self._picture.draw()

    def _fit(self, *_: object) -> None:
        # Round outwards to whole pixels. `right` and `top` may still hold values from before a change of size.
        x, y = floor(self.x), floor(self.y)
        size = max(ceil(self.x + self.width) - x, 1), max(ceil(self.y + self.height) - y, 1)
        if size != tuple(self._picture.size):
            self._picture.size = size
            self._picture.texture.mag_filter = self._picture.texture.min_filter = "nearest"
        self._move.xy = -x, -y
        self._shown.texture, self._shown.pos, self._shown.size = self._picture.texture, (x, y), size
