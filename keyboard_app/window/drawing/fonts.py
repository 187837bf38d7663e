"""Which font draws a character: one that Kivy brings, one of the package `manimgx_fonts`, or for emoji the system's coloured one.

What can be drawn depends on no font of the system; it only lends emoji its colours. A font's own map of characters decides.
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

# Names a font file to draw emoji with instead of the system's; if it is empty, emoji are of one colour.
EMOJI_FONT_VARIABLE = "KEYBOARD_EMOJI_FONT"

_SYSTEM_EMOJI_FONTS = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",  # Debian, Ubuntu
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",  # Arch
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",  # Fedora
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",  # Fedora, older
    "/system/fonts/NotoColorEmoji.ttf",  # Android
    "/System/Library/Fonts/Apple Color Emoji.ttc",  # macOS
)
# Characters that look like emoji unless told otherwise, and the selector and the keycap that tell it of others.
_EMOJI = re.compile(
    "[\u231a\u231b\u23e9-\u23f3\u25fd\u25fe\u2600-\u27bf\u2b00-\u2bff\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f1e6-\U0001f1ff\U0001f201-\U0001f251\U0001f300-\U0001faff\ufe0f\u20e3]"
)
_INVISIBLE = re.compile("[\u200c\u200d\ufe00-\ufe0f]")  # joiners and variation selectors, which need no glyph
_USUAL_SCRIPT = "Latn"
_SCRIPTS = {  # of ISO 15924, by the package's fonts for them
    "NotoSans": _USUAL_SCRIPT,
    "NotoSansArabic": "Arab",
    "NotoSansArmenian": _USUAL_SCRIPT,  # is not shaped, and Kivy's labels know no "Armn"
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
    """A font by the name that Kivy knows it by; `script`, of ISO 15924, is what its glyphs are shaped by."""

    name: str
    file: Path
    script: str = _USUAL_SCRIPT
    colored: bool = False

    @property
    def is_shaped(self) -> bool:
        """Whether its letters change their forms, their places or their order beside others."""
        return self.script != _USUAL_SCRIPT

    @property
    def direction(self) -> str:
        """In which its words are written, as Kivy names it."""
        return "rtl" if self.script in _RIGHT_TO_LEFT else "ltr"

    def has(self, text: str) -> bool:
        """Returns whether it has a glyph for each character that needs one."""
        return characters(self.file).issuperset(map(ord, _INVISIBLE.sub("", text)))


def _of_package(name: str) -> Font:
    file = Path(manimgx_fonts.__file__).parent / f"{name}[wght].ttf"
    LabelBase.register(name, str(file))  # Kivy's markup takes names, but no path with brackets
    return Font(name, file, _SCRIPTS.get(name, _USUAL_SCRIPT))


_KIVY_FONTS = Path(kivy_data_dir) / "fonts"
USUAL = Font("Roboto", _KIVY_FONTS / "Roboto-Regular.ttf")  # Latin, Greek, Cyrillic
WIDE = Font("data/fonts/DejaVuSans.ttf", _KIVY_FONTS / "DejaVuSans.ttf")  # arrows and signs
_LETTERS = (USUAL, *map(_of_package, _SCRIPTS), WIDE, _of_package("NotoSansSymbols"))
_EMOJI_OF_ONE_COLOUR = _of_package("NotoEmoji")


def font_files() -> list[Path]:
    """Returns the files of all fonts but the system's."""
    return [font.file for font in (*_LETTERS, _EMOJI_OF_ONE_COLOUR)]


@cache
def color_emoji_font() -> Font | None:
    """Returns the font of coloured emoji, the system's if no other is named; None if there is none."""
    named = os.environ.get(EMOJI_FONT_VARIABLE)
    files = map(Path, _SYSTEM_EMOJI_FONTS if named is None else filter(None, [named]))
    return next((Font(str(file), file, colored=True) for file in files if has_pictures(file)), None)


def is_emoji(cluster: str) -> bool:
    """Returns whether a character, as a person sees one, is to be drawn by a font of emoji."""
    return _EMOJI.search(cluster) is not None


@lru_cache(10_000)
def font_of(cluster: str, colors: bool = True) -> Font:
    """Returns the first font that has a character as a person sees one, or if none has, one that draws a box.

    Args:
      cluster: the character.
      colors: whether emoji may be drawn in colours.
    """
    return next((font for font in _candidates(cluster, colors) if font.has(cluster)), WIDE)


def _candidates(cluster: str, colors: bool) -> Sequence[Font]:
    if not is_emoji(cluster):
        return (*_LETTERS, _EMOJI_OF_ONE_COLOUR)
    colored = color_emoji_font() if colors else None
    return (*((colored,) if colored else ()), _EMOJI_OF_ONE_COLOUR, *_LETTERS)


def runs(text: str) -> Iterator[tuple[Font, str]]:
    """Splits a text into as few parts as are of one font each, as (font, part)."""
    for font, parts in groupby(clusters(text), font_of):
        yield font, "".join(parts)


def marked_up(text: str) -> str:
    """Returns a text in Kivy's markup, in which the characters that the usual font lacks are in one that has them.

    Emoji are of one colour: a label does not scale pictures.
    """
    parts = []
    for font, run in groupby(clusters(text), lambda cluster: font_of(cluster, colors=False)):
        escaped = "".join(run).replace("&", "&amp;").replace("[", "&bl;").replace("]", "&br;")
        parts.append(escaped if font is USUAL else f"[font={font.name}]{escaped}[/font]")
    return "".join(parts)


def script_of(text: str) -> str:
    """Returns the first script in a text that has to be shaped, for a label, which shapes all of its text by one."""
    return next((font.script for font, _ in runs(text) if font.is_shaped), _USUAL_SCRIPT)
