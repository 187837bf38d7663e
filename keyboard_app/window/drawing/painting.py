"""Adds drawn text to a canvas."""

from collections.abc import Sequence

from kivy.graphics import Color, InstructionGroup, Rectangle

from keyboard_app.window.drawing.glyphs import Glyphs

__all__ = ("add_text",)


def add_text(group: InstructionGroup, drawn: Glyphs, x: float, center_y: float, color: Sequence[float]) -> None:
    """Adds a piece of text to a group of instructions; emoji keep their own colours and take only the opacity.

    Args:
      group: the instructions to add to.
      drawn: the piece of text.
      x: its left edge, in pixels.
      center_y: the middle of its height, in pixels.
      color: red, green, blue and opacity, from 0 to 1.
    """
    for run in drawn.runs:
        group.add(Color(1, 1, 1, color[3]) if run.colored else Color(*color))
        corner = round(x + run.x), round(center_y - run.height / 2)
        group.add(Rectangle(texture=run.texture, pos=corner, size=(run.width, run.height)))
