"""Pieces of text as textures, each drawn once: in white, for the canvas to give them their colour, and emoji in their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from kivy.core.text import Label as TextImage
from kivy.graphics.texture import Texture

from keyboard_app.window.drawing.fonts import Font, font_of, runs
from keyboard_app.window.drawing.text_layout import clusters

_KEPT = 4_000  # pieces: the words of some screens of text
_SAMPLE = 16  # pixels
_ONE_EMOJI = "\U0001f642"
_EMOJI_HEIGHT = 1.17  # of a line's font size, as phones draw them


@dataclass(frozen=True)
class Run:
    """A texture of one font, and where it goes: `x` pixels right of the piece's left end, `width` by `height` pixels."""

    texture: Texture
    x: float
    width: float
    height: float
    colored: bool  # an emoji in its own colours


@dataclass(frozen=True)
class Glyphs:
    """A piece of text, drawn. `ends` are its widths up to behind each of its clusters, in pixels."""

    runs: tuple[Run, ...]
    ends: tuple[float, ...]

    @property
    def width(self) -> float:
        """Of the whole piece, in pixels."""
        return self.ends[-1] if self.ends else 0.0

    @property
    def height(self) -> float:
        """Of its highest part, in pixels."""
        return max((run.height for run in self.runs), default=0.0)


@lru_cache(_KEPT)
def glyphs(text: str, size: int, bold: bool = False) -> Glyphs:
    """Draws a piece of text without line breaks, in a font of `size` pixels."""
    drawn: list[Run] = []
    ends: list[float] = []
    x = 0.0
    for font, part in runs(text):
        run, part_ends = _picture(part, font, size, x) if font.colored else _plain(part, font, size, bold, x)
        drawn.append(run)
        ends += [x + end for end in part_ends]
        x = ends[-1]
    return Glyphs(tuple(drawn), tuple(ends))


@lru_cache(_KEPT)
def is_drawable(sign: str) -> bool:
    """Returns whether an emoji is drawn here as one picture: a font has its characters, and makes one glyph of several."""
    font = font_of(sign)
    if len(sign.replace("\ufe0f", "")) == 1 or not font.has(sign):
        return font.has(sign)
    image = _image(sign, font, _SAMPLE)
    return font.has(_ONE_EMOJI) and image.get_extents(sign)[0] < 1.5 * image.get_extents(_ONE_EMOJI)[0]


def _image(text: str, font: Font, size: int, **options: Any) -> TextImage:
    """A text to be measured and drawn in a font, shaped by the font's script."""
    shaping = {"font_script_name": font.script, "font_direction": font.direction}
    options |= {"font_name": font.name, "font_size": size, **shaping}
    if font.is_shaped:  # Kivy names the script to SDL_ttf when it draws; what is measured before is not shaped
        first = TextImage(text=text[0], **options)
        first.refresh()
        first.texture.bind()  # which draws it
    return TextImage(text=text, **options)


def _ends(text: str, image: TextImage) -> list[float]:
    """The widths up to behind each cluster, in the image's pixels: none is less than the one before or more than the whole.

    Letters that are shaped together may be narrower than some of them alone.
    """
    parts = clusters(text)
    widths = (float(image.get_extents("".join(parts[:count]))[0]) for count in range(1, len(parts)))
    whole = float(image.get_extents(text)[0])
    return [*(min(width, whole) for width in accumulate(widths, max)), whole]


def _plain(text: str, font: Font, size: int, bold: bool, x: float) -> tuple[Run, Sequence[float]]:
    image = _image(text, font, size, bold=bold)
    image.refresh()
    ends = _ends(text, image)
    if image.texture is None or image.texture.width < ends[-1]:  # white space alone is drawn as nothing
        return Run(Texture.create(size=(1, 1)), x, 0.0, 0.0, False), ends
    return Run(image.texture, x, float(image.texture.width), float(image.texture.height), False), ends


def _picture(text: str, font: Font, size: int, x: float) -> tuple[Run, Sequence[float]]:
    # Such a font has pictures of one size, which are scaled down here.
    image = _image(text, font, size, mipmap=True)
    image.refresh()
    scale = size * _EMOJI_HEIGHT / image.texture.height
    ends = [end * scale for end in _ends(text, image)]
    return Run(image.texture, x, image.texture.width * scale, image.texture.height * scale, True), ends
