"""Which font has the glyphs of a text: those that Kivy brings, and for emoji the one of the system where there is one."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

from keyboard_app.window.drawing.text_layout import clusters

USUAL = "Roboto"
WIDE = "data/fonts/DejaVuSans.ttf"  # arrows, signs, many scripts and the commonest emoji, in one colour
_LAST_OF_ROBOTO = "\u206f"  # Latin, Greek, Cyrillic and their punctuation lie before it
_EMOJI_FONTS = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",  # Debian, Ubuntu
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",  # Arch
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",  # Fedora
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",  # Fedora, older
    "/system/fonts/NotoColorEmoji.ttf",  # Android
    "/System/Library/Fonts/Apple Color Emoji.ttc",  # macOS
)
_EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\ufe0f\u20e3]")


@cache
def emoji_font() -> str | None:
    """The system's font of coloured emoji."""
    return next((path for path in _EMOJI_FONTS if Path(path).is_file()), None)


def is_emoji(cluster: str) -> bool:
    """Whether a character, as a person sees one, is to be drawn by a font of emoji."""
    return _EMOJI.search(cluster) is not None


def font_of(cluster: str) -> str:
    """Returns the font for a cluster."""
    if is_emoji(cluster) and (font := emoji_font()) is not None:
        return font
    return USUAL if all(c <= _LAST_OF_ROBOTO or c == "€" for c in cluster) else WIDE


def runs(text: str) -> Iterator[tuple[str, str]]:
    """Splits a text into runs of one font, and yields each as (font, part)."""
    for font, parts in groupby(clusters(text), font_of):
        yield font, "".join(parts)


def marked_up(text: str) -> str:
    """The text in Kivy's markup, with the characters that the default font lacks in one that may have them."""
    parts = []
    for usual, run in groupby(text, lambda character: character <= _LAST_OF_ROBOTO or character == "€"):
        escaped = "".join(run).replace("&", "&amp;").replace("[", "&bl;").replace("]", "&br;")
        parts.append(escaped if usual else f"[font={WIDE}]{escaped}[/font]")
    return "".join(parts)
