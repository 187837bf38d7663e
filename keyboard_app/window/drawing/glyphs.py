"""Draws pieces of text as textures, each piece once.

Letters are white, and the canvas gives them their colour. Emoji of a colour font keep their own colours.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from kivy.core.text import Label as TextImage
from kivy.graphics.texture import Texture

from keyboard_app.window.drawing.fonts import Font, font_of, runs
from keyboard_app.window.drawing.text_layout import clusters

_KEPT = 4_000  # pieces in the cache, enough for several screens of text
_SAMPLE = 16  # font size for comparing widths, in pixels
_ONE_EMOJI = "\U0001f642"
_EMOJI_HEIGHT = 1.17  # height of a colour emoji as a share of the font size, as on phones


@dataclass(frozen=True)
class Run:
    """The part of a piece that one font draws."""

    texture: Texture
    x: float  # distance from the left end of the piece, in pixels
    width: float  # in pixels, as drawn
    height: float  # in pixels, as drawn
    colored: bool  # whether the texture has colours of its own


@dataclass(frozen=True)
class Glyphs:
    """A drawn piece of text."""

    runs: tuple[Run, ...]  # from left to right
    width: float  # of the whole piece, in pixels

    @property
    def height(self) -> float:
        """The height of the tallest run, in pixels."""
        return max((run.height for run in self.runs), default=0.0)


def glyphs(text: str, size: int, bold: bool = False) -> Glyphs:
    """Draws a piece of text without line breaks, at a font size of `size` pixels."""
    return drawn_once(text, size, bold)


@lru_cache(_KEPT)
def drawn_once(text: str, size: int, bold: bool) -> Glyphs:
    """Draws a piece of text for `glyphs`."""
    drawn: list[Run] = []
    x = 0.0
    for font, part in runs(text):
        run, width = _picture(part, font, size, x) if font.colored else _plain(part, font, size, bold, x)
        drawn.append(run)
        x += width
    return Glyphs(tuple(drawn), x)


@lru_cache(_KEPT)
def cluster_ends(text: str, size: int) -> tuple[float, ...]:
    """Returns the width of a piece of text up to the end of each of its clusters, in pixels, without drawing it."""
    ends: list[float] = []
    for font, part in runs(text):
        x = ends[-1] if ends else 0.0
        image = _image(part, font, size)
        scale = _picture(part, font, size, x)[1] / image.get_extents(part)[0] if font.colored else 1.0
        ends += [x + end * scale for end in _ends(part, image)]
    return tuple(ends)


@lru_cache(_KEPT)
def text_width(text: str, size: int) -> float:
    """Returns the last of `cluster_ends(text, size)`, faster."""
    return sum(
        _picture(part, font, size, 0)[1] if font.colored else float(_image(part, font, size).get_extents(part)[0])
        for font, part in runs(text)
    )


@lru_cache(_KEPT)
def is_drawable(sign: str) -> bool:
    """Returns whether an emoji can be drawn as one picture: a font has all its characters and joins them into one glyph."""
    font = font_of(sign)
    if len(sign.replace("\ufe0f", "")) == 1 or not font.has(sign):
        return font.has(sign)
    image = _image(sign, font, _SAMPLE)
    return font.has(_ONE_EMOJI) and image.get_extents(sign)[0] < 1.5 * image.get_extents(_ONE_EMOJI)[0]


def _image(text: str, font: Font, size: int, **options: Any) -> TextImage:
    """Returns an image of a text in a font, to be measured and drawn; it is shaped by the font's script."""
    shaping = {"font_script_name": font.script, "font_direction": font.direction}
    options |= {"font_name": font.name, "font_size": size, **shaping}
    if font.is_shaped:
        # Kivy passes the script to SDL_ttf only when it draws. Until then, texts are measured without shaping.
        first = TextImage(text=text[0], **options)
        first.refresh()
        first.texture.bind()  # draws the first letter
    return TextImage(text=text, **options)


def _ends(text: str, image: TextImage) -> list[float]:
    """Returns the width of the text up to the end of each cluster, in pixels of the image.

    The widths never decrease and never exceed the width of the whole text, although the first letters of a shaped word can be
    wider alone than within the word.
    """
    parts = clusters(text)
    widths = (float(image.get_extents("".join(parts[:count]))[0]) for count in range(1, len(parts)))
    whole = float(image.get_extents(text)[0])
    return [*(min(width, whole) for width in accumulate(widths, max)), whole]


def _plain(text: str, font: Font, size: int, bold: bool, x: float) -> tuple[Run, float]:
    image = _image(text, font, size, bold=bold)
    image.refresh()
    width = float(image.get_extents(text)[0])
    if image.texture is None or image.texture.width < width:  # Kivy draws nothing for white space alone
        return Run(Texture.create(size=(1, 1)), x, 0.0, 0.0, False), width
    return Run(image.texture, x, float(image.texture.width), float(image.texture.height), False), width


def _picture(text: str, font: Font, size: int, x: float) -> tuple[Run, float]:
    # A colour font has pictures of one size only, which are scaled here.
    image = _image(text, font, size, mipmap=True)
    image.refresh()
    scale = size * _EMOJI_HEIGHT / image.texture.height
    width = float(image.get_extents(text)[0]) * scale
    return Run(image.texture, x, image.texture.width * scale, image.texture.height * scale, True), width
