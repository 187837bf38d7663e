"""Pieces of text as textures, each drawn once: in white, for the canvas to give them their colour, and emoji in their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from kivy.core.text import Label as TextImage
from kivy.graphics.texture import Texture

from keyboard_app.window.drawing.fonts import WIDE, emoji_font, runs
from keyboard_app.window.drawing.text_layout import clusters

_KEPT = 4_000  # pieces: the words of some screens of text
_NO_CHARACTER = "\U0010fffe"  # every font draws it as what it lacks
_SAMPLE = 16  # pixels
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
        run, part_ends = _emoji(part, font, size, x) if font == emoji_font() else _plain(part, font, size, bold, x)
        drawn.append(run)
        ends += [x + end for end in part_ends]
        x = ends[-1]
    return Glyphs(tuple(drawn), tuple(ends))


@lru_cache(_KEPT)
def is_drawable(sign: str) -> bool:
    """Whether an emoji can be drawn here: any by a font made for them, else one that is a single character of the wide font."""
    if emoji_font() is not None:
        return True
    bare = sign.replace("\ufe0f", "")
    return len(bare) == 1 and _pixels(bare) not in (_pixels(_NO_CHARACTER), None)


def _pixels(character: str) -> bytes | None:
    image = TextImage(text=character, font_name=WIDE, font_size=_SAMPLE)
    image.refresh()
    return None if image.texture is None else image.texture.pixels


def _plain(text: str, font: str, size: int, bold: bool, x: float) -> tuple[Run, Sequence[float]]:
    image = TextImage(text=text, font_name=font, font_size=size, bold=bold)
    image.refresh()
    parts = clusters(text)
    prefixes = ("".join(parts[:count]) for count in range(1, len(parts) + 1))
    ends = [float(image.get_extents(prefix)[0]) for prefix in prefixes]
    if image.texture is None or image.texture.width < ends[-1]:  # white space alone is drawn as nothing
        return Run(Texture.create(size=(1, 1)), x, 0.0, 0.0, False), ends
    return Run(image.texture, x, float(image.texture.width), float(image.texture.height), False), ends


def _emoji(text: str, font: str, size: int, x: float) -> tuple[Run, Sequence[float]]:
    # Such a font has pictures of one size, which are scaled down here.
    image = TextImage(text=text, font_name=font, font_size=size, mipmap=True)
    image.refresh()
    scale = size * _EMOJI_HEIGHT / image.texture.height
    parts = clusters(text)
    prefixes = ("".join(parts[:count]) for count in range(1, len(parts) + 1))
    ends = [image.get_extents(prefix)[0] * scale for prefix in prefixes]
    return Run(image.texture, x, image.texture.width * scale, image.texture.height * scale, True), ends
