"""The app's icon and its splash screen, drawn from formulas.

    python -m keyboard_app.artwork        writes `icon.png` and `splash.png` to keyboard_app/pictures

Both show the keyboard: a strip of three suggestions with the middle one selected, three rows of keys and a space bar. A shape is a
signed distance in units of the picture's side, negative inside. Edges are one pixel wide, which smooths them.
"""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.files import write_by_rename

PICTURES = Path(__file__).with_name("pictures")
ICON_SIDE, SPLASH_SIDE = 512, 1024  # pixels
GROUND, KEY, SUGGESTION, TAKEN = 0x1B202A, 0xF3F6FB, 0x55617A, 0x8AB4FF  # the colours of the app's dark theme
_SPLASH_SHARE = 0.42  # width of the keyboard as a share of the splash screen's side: phones crop its edges
_CORNER = 0.22  # corner radius as a share of the icon's side

Pixels = NDArray[np.uint8]  # [height, width, 4]: red, green, blue and opacity
_Floats = NDArray[np.float64]


class _Box(NamedTuple):
    """A rectangle with rounded corners: its centre, half its width and height, the corner radius, and the colour, 0xRRGGBB."""

    x: float
    y: float
    half_width: float
    half_height: float
    radius: float
    colour: int


def _keyboard() -> list[_Box]:
    """Returns the strip, the rows and the space bar, within -0.5 to 0.5 on both axes; y grows downwards."""
    strip = [_Box((i - 1) * 0.33, -0.36, 0.15, 0.07, 0.07, TAKEN if i == 1 else SUGGESTION) for i in range(3)]
    rows = [
        _Box((i - (keys - 1) / 2) * 0.2, -0.13 + 0.2 * row, 0.08, 0.075, 0.03, KEY)
        for row, keys in enumerate((5, 4, 3))
        for i in range(keys)
    ]
    return [*strip, *rows, _Box(0, 0.455, 0.26, 0.055, 0.03, KEY)]


def _cover(box: _Box, x: _Floats, y: _Floats, pixel: float) -> _Floats:
    """Returns the share of each pixel that a box covers, 0 to 1, [rows, columns]; `x` and `y` are the pixels' centres."""
    across = np.abs(x - box.x) - (box.half_width - box.radius)
    down = (np.abs(y - box.y) - (box.half_height - box.radius))[:, None]
    outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    distance = outside + np.minimum(np.maximum(across, down), 0) - box.radius
    cover: _Floats = np.clip(0.5 - distance / pixel, 0, 1)
    return cover


def _rgb(colour: int) -> _Floats:
    return np.array([colour >> 16, colour >> 8 & 255, colour & 255], float)


def draw(side: int, share: float, corner: float) -> Pixels:
    """Draws the picture: [side, side, 4] uint8 of red, green, blue and opacity.

    Args:
      side: width and height in pixels.
      share: width of the keyboard as a share of the side.
      corner: corner radius as a share of the side; the picture is transparent outside the corners.
    """
    middles = (np.arange(side) + 0.5) / side - 0.5
    ground = (
        _cover(_Box(0, 0, 0.5, 0.5, corner, GROUND), middles, middles, 1 / side) if corner else np.ones((side, side))
    )
    colours = np.tile(_rgb(GROUND), (side, side, 1))
    places, pixel = middles / share, 1 / side / share
    for box in _keyboard():
        columns = np.flatnonzero(np.abs(places - box.x) < box.half_width + pixel)
        rows = np.flatnonzero(np.abs(places - box.y) < box.half_height + pixel)
        cover = _cover(box, places[columns], places[rows], pixel)[..., None]
        region = np.ix_(rows, columns)
        colours[region] = colours[region] * (1 - cover) + _rgb(box.colour) * cover
    pixels: Pixels = np.rint(np.dstack([colours, ground * 255])).astype(np.uint8)
    return pixels


def png(pixels: Pixels) -> bytes:
    """Encodes pixels [height, width, 4] uint8 as a PNG file (ISO/IEC 15948)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # a row starts with its filter type: 0, no filter
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # 8 bits per channel, RGB with alpha
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def pictures() -> dict[str, Pixels]:
    """Returns the pixels of both pictures by file name."""
    return {"icon.png": draw(ICON_SIDE, 0.7, _CORNER), "splash.png": draw(SPLASH_SIDE, _SPLASH_SHARE, 0)}


if __name__ == "__main__":
    for name, pixels in pictures().items():
        write_by_rename(PICTURES / name, png(pixels))
