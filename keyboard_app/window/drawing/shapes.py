"""Draws shapes as pixels: boxes with rounded corners, and strokes.

Each shape is computed once, from a distance field, and kept as a picture. Splitting outlines into triangles for every frame took
longer than drawing the rest of the frame.

Shapes are white, and the canvas gives them their colour.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # [height, width, 4]: red, green, blue and opacity, lowest row first, as in OpenGL
_Array = npt.NDArray[np.float64]

_SHADE = 0.16  # opacity of a shadow


def rounded_box(radii: Sequence[float], shadow: float = 0) -> tuple[Pixels, tuple[int, int, int, int]]:
    """Returns a stretchable box, and the widths of the edges that must not stretch: bottom, right, top and left.

    Args:
      radii: radii of the corners, in pixels: top left, top right, bottom right, bottom left.
      shadow: how far the shadow falls below the box, in pixels.
    """
    edge, below = max(ceil(max(radii)), 1), ceil(shadow)
    side = 2 * edge + 2
    lower, upper = (
        _box_cover(radii, side, (side + below, side), 0),
        _box_cover(radii, side, (side + below, side), below),
    )
    shade = _SHADE * lower if below else 0 * lower
    opacity = upper + shade * (1 - upper)
    light = np.divide(upper, opacity, out=np.ones_like(opacity), where=opacity > 0)  # the shadow is black
    return _pixels(light, opacity), (edge + below, edge, edge, edge)


def strokes(lines: Sequence[Sequence[tuple[float, float]]], side: int, scale: float, width: float) -> Pixels:
    """Returns a square with lines through points drawn on it, their ends and corners round.

    Args:
      lines: sequences of points, with the origin at the bottom left.
      side: side of the square, in pixels.
      scale: pixels per unit of the points.
      width: width of the lines, in pixels.
    """
    y, x = np.mgrid[:side, :side] + 0.5
    distance = np.full((side, side), np.inf)
    for line in lines:
        points = np.array(line, float) * scale
        for (x0, y0), (x1, y1) in pairwise(points):
            dx, dy = x1 - x0, y1 - y0
            length = max(dx * dx + dy * dy, 1e-12)
            along = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1)
            distance = np.minimum(distance, np.hypot(x - x0 - along * dx, y - y0 - along * dy))
    opacity = np.clip(width / 2 + 0.5 - distance, 0, 1)
    return _pixels(np.ones_like(opacity), opacity)


def _box_cover(radii: Sequence[float], side: int, shape: tuple[int, int], bottom: int) -> _Array:
    """Returns the share of each pixel that a square box covers, the box lying `bottom` pixels above the lower edge."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    y = y - bottom
    top_left, top_right, bottom_right, bottom_left = radii
    middle = side / 2
    radius = np.where(
        y > middle, np.where(x < middle, top_left, top_right), np.where(x < middle, bottom_left, bottom_right)
    )
    dx, dy = np.abs(x - middle) - middle + radius, np.abs(y - middle) - middle + radius
    distance = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - radius
    cover: _Array = np.clip(0.5 - distance, 0, 1)
    return cover


def _pixels(light: _Array, opacity: _Array) -> Pixels:
    pixels: Pixels = np.rint(255 * np.stack([light, light, light, opacity], axis=-1)).astype(np.uint8)
    return pixels
