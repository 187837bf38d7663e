"""Chooses the font for each character: one of Kivy's, one of the package `manimgx_fonts`, or the system's colour font for emoji.

The system's fonts do not change the range of characters that can be drawn: its colour font only gives emoji their colours. A font
is chosen by its character map.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

import manimgx_fonts
from kivy import kivy_data_dir
from kivy.core.text import LabelBase

from keyboard_app.window.drawing.character_map import characters, has_pictures
from keyboard_app.window.drawing.text_layout import clusters

# The environment variable that names a colour font for emoji in place of the system's. If it is empty, emoji have one colour.
EMOJI_FONT_VARIABLE = "KEYBOARD_EMOJI_FONT"

_SYSTEM_EMOJI_FONTS = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",  # Debian, Ubuntu
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",  # Arch
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",  # Fedora
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",  # Fedora, older
    "/system/fonts/NotoColorEmoji.ttf",  # Android
    "/System/Library/Fonts/Apple Color Emoji.ttc",  # macOS
)
# Characters that are drawn as emoji by default, the emoji variation selector, and the enclosing keycap.
_EMOJI = re.compile(
    "[\u231a\u231b\u23e9-\u23f3\u25fd\u25fe\u2600-\u27bf\u2b00-\u2bff\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f1e6-\U0001f1ff\U0001f201-\U0001f251\U0001f300-\U0001faff\ufe0f\u20e3]"
)
_INVISIBLE = re.compile("[\u200c\u200d\ufe00-\ufe0f]")  # joiners and variation selectors need no glyph
_USUAL_SCRIPT = "Latn"
_SCRIPTS = {  # script codes (ISO 15924) of the package's fonts
    "NotoSans": _USUAL_SCRIPT,
    "NotoSansArabic": "Arab",
    "NotoSansArmenian": _USUAL_SCRIPT,  # needs no shaping, and Kivy's labels do not accept "Armn"
    "NotoSansBengali": "Beng",
    "NotoSansDevanagari": "Deva",
    "NotoSansEthiopic": "Ethi",
    "NotoSansGeorgian": "Geor",
    "NotoSansGujarati": "Gujr",
    "NotoSansGurmukhi": "Guru",
    "NotoSansHebrew": "Hebr",
    "NotoSansKannada": "Knda",
    "NotoSansKhmer": "Khmr",
    "NotoSansLao": "Laoo",
    "NotoSansMalayalam": "Mlym",
    "NotoSansMyanmar": "Mymr",
    "NotoSansOriya": "Orya",
    "NotoSansSinhala": "Sinh",
    "NotoSansTamil": "Taml",
    "NotoSansTelugu": "Telu",
    "NotoSansThai": "Thai",
}
_RIGHT_TO_LEFT = ("Arab", "Hebr")


@dataclass(frozen=True)
class Font:
    """A font that Kivy can draw with."""

    name: str  # in Kivy
    file: Path
    script: str = _USUAL_SCRIPT  # script code (ISO 15924) by which its glyphs are shaped
    colored: bool = False  # whether its glyphs are pictures in colour

    @property
    def is_shaped(self) -> bool:
        """Whether the form, position or order of its letters depends on their neighbours."""
        return self.script != _USUAL_SCRIPT

    @property
    def direction(self) -> str:
        """The writing direction, in Kivy's terms."""
        return "rtl" if self.script in _RIGHT_TO_LEFT else "ltr"

    def has(self, text: str) -> bool:
        """Returns whether the font has a glyph for each character of a text that needs one."""
        return characters(self.file).issuperset(map(ord, _INVISIBLE.sub("", text)))


def _of_package(name: str) -> Font:
    """Returns a font of the package, and registers it with Kivy under its name."""
    file = Path(manimgx_fonts.__file__).parent / f"{name}[wght].ttf"
    LabelBase.register(name, str(file))  # Kivy's markup cannot contain a path with brackets
    return Font(name, file, _SCRIPTS.get(name, _USUAL_SCRIPT))


_KIVY_FONTS = Path(kivy_data_dir) / "fonts"
USUAL = Font("Roboto", _KIVY_FONTS / "Roboto-Regular.ttf")  # Latin, Greek, Cyrillic
WIDE = Font("data/fonts/DejaVuSans.ttf", _KIVY_FONTS / "DejaVuSans.ttf")  # arrows and symbols
_LETTERS = (USUAL, *map(_of_package, _SCRIPTS), WIDE, _of_package("NotoSansSymbols"))
_MONOCHROME_EMOJI = _of_package("NotoEmoji")


@cache
def color_emoji_font() -> Font | None:
    """Returns the font that `EMOJI_FONT_VARIABLE` names, or else the system's; None if it has no pictures that can be drawn."""
    named = os.environ.get(EMOJI_FONT_VARIABLE)
    files = map(Path, _SYSTEM_EMOJI_FONTS if named is None else filter(None, [named]))
    return next((Font(str(file), file, colored=True) for file in files if has_pictures(file)), None)


def is_emoji(cluster: str) -> bool:
    """Returns whether an emoji font is preferred for a cluster (`keyboard_app.input.graphemes`)."""
    return _EMOJI.search(cluster) is not None


@lru_cache(10_000)
def font_of(cluster: str, colors: bool = True) -> Font:
    """Returns the first font that has all characters of a cluster. Without such a font, returns `WIDE`, which draws a box.

    Args:
      cluster: a character as a person sees it (`keyboard_app.input.graphemes`).
      colors: whether emoji may have colours.
    """
    return next((font for font in _candidates(cluster, colors) if font.has(cluster)), WIDE)


def _candidates(cluster: str, colors: bool) -> Sequence[Font]:
    if not is_emoji(cluster):
        return (*_LETTERS, _MONOCHROME_EMOJI)
    colored = color_emoji_font() if colors else None
    return (*((colored,) if colored else ()), _MONOCHROME_EMOJI, *_LETTERS)


def runs(text: str) -> Iterator[tuple[Font, str]]:
    """Splits a text into the longest parts that one font draws; yields pairs of a font and a part."""
    for font, parts in groupby(clusters(text), font_of):
        yield font, "".join(parts)


def marked_up(text: str) -> str:
    """Returns a text in Kivy's markup, which names another font for characters that the usual font lacks.

    Emoji have one colour, because a label cannot scale pictures.
    """
    parts = []
    for font, run in groupby(clusters(text), lambda cluster: font_of(cluster, colors=False)):
        escaped = "".join(run).replace("&", "&amp;").replace("[", "&bl;").replace("]", "&br;")
        parts.append(escaped if font is USUAL else f"[font={font.name}]{escaped}[/font]")
    return "".join(parts)


def script_of(text: str) -> str:
    """Returns the script code for a label with this text: that of the first part that needs shaping.

    A label shapes all of its text by one script.
    """
    return next((font.script for font, _ in runs(text) if font.is_shaped), _USUAL_SCRIPT)
