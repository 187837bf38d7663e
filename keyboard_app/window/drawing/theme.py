"""The colours of the keyboard: light and dark, and of each a private one; which of them is written on which, and how clearly.

Contrast is that of the Web Content Accessibility Guidelines 2.2 (section 1.4.3), which ask 4.5:1 of text.
"""

from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
CLEAR = 4.5  # the least contrast of text


@dataclass(frozen=True)
class Palette:
    """Colours as `#rrggbb`, named by what they are used for."""

    background: str  # behind messages and pages
    surface: str  # cards, the text area, suggestions, what pops up
    board: str  # behind the keys
    key: str
    key_special: str  # keys that type no character; also buttons
    key_pressed: str
    accent: str  # what is best, switched on, or to be done next
    over_accent: str
    bubble: str  # behind a message that was sent
    over_bubble: str
    selection: str  # behind selected text
    text: str
    muted: str
    grid: str  # lines that carry no meaning alone
    warm: str  # what stands beside the accent in plots
    danger: str  # what cannot be undone
    over_danger: str


# What is written or drawn on what; every pair is clear in every palette.
WRITTEN = (
    *((ink, paper) for ink in ("text", "muted", "accent") for paper in ("background", "surface", "board")),
    *(("text", paper) for paper in ("key", "key_special", "key_pressed", "selection")),
    *(("muted", paper) for paper in ("key", "key_special")),
    *((ink, paper) for ink in ("warm", "danger") for paper in ("background", "surface")),
    ("accent", "key"),
    ("over_accent", "accent"),
    ("over_bubble", "bubble"),
    ("over_danger", "danger"),
)

_LIGHT = Palette(
    background="#F4F6FB",
    surface="#FFFFFF",
    board="#E4E8F0",
    key="#FFFFFF",
    key_special="#D0D7E4",
    key_pressed="#B4BED0",
    accent="#1B56C4",
    over_accent="#FFFFFF",
    bubble="#1F5FD1",
    over_bubble="#FFFFFF",
    selection="#BCD3FF",
    text="#141922",
    muted="#48525F",
    grid="#D5DBE6",
    warm="#A04A00",
    danger="#B3261E",
    over_danger="#FFFFFF",
)
_DARK = Palette(
    background="#11141A",
    surface="#1D222C",
    board="#171B23",
    key="#343C4B",
    key_special="#262D39",
    key_pressed="#55617A",
    accent="#8FB8FF",
    over_accent="#0C1A33",
    bubble="#2B5BB8",
    over_bubble="#FFFFFF",
    selection="#34528C",
    text="#F3F6FB",
    muted="#B1BACA",
    grid="#303846",
    warm="#FFB86B",
    danger="#FF9C94",
    over_danger="#3A0906",
)
_PRIVATE_LIGHT = Palette(
    background="#F0E9FA",
    surface="#FFFFFF",
    board="#DDD0F2",
    key="#FBF8FF",
    key_special="#CBBAE9",
    key_pressed="#B49FDC",
    accent="#5B2EA6",
    over_accent="#FFFFFF",
    bubble="#6B3FB5",
    over_bubble="#FFFFFF",
    selection="#D6C2F7",
    text="#1B1426",
    muted="#4C4160",
    grid="#D8CBEC",
    warm="#934300",
    danger="#A81F18",
    over_danger="#FFFFFF",
)
_PRIVATE_DARK = Palette(
    background="#150E20",
    surface="#241935",
    board="#1E1430",
    key="#43325F",
    key_special="#302246",
    key_pressed="#68518F",
    accent="#CFB6FF",
    over_accent="#25103F",
    bubble="#6A45A8",
    over_bubble="#FFFFFF",
    selection="#5A3F8C",
    text="#F7F2FF",
    muted="#C4B7D8",
    grid="#3A2C50",
    warm="#FFB86B",
    danger="#FF9C94",
    over_danger="#3A0906",
)


def palette(theme: Theme, private: bool) -> Palette:
    """The colours of a theme; in private mode, others that cannot be mistaken for them."""
    if private:
        return _PRIVATE_LIGHT if theme == "light" else _PRIVATE_DARK
    return _LIGHT if theme == "light" else _DARK


def contrast(one: str, other: str) -> float:
    """The contrast of two colours `#rrggbb`, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    def linear(share: float) -> float:
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(color[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
