"""The colours of the keyboard: a light and a dark theme, each with a variant for private mode.

Each palette gives text a contrast of at least 4.5:1, as the Web Content Accessibility Guidelines 2.2 (section 1.4.3) require.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

_PATIENCE = 1.0  # seconds to wait for the desktop's answer
_ASK = {
    "linux": ["gsettings", "get", "org.gnome.desktop.interface", "color-scheme"],
    "darwin": ["defaults", "read", "-g", "AppleInterfaceStyle"],
}


@dataclass(frozen=True)
class Palette:
    """Colours as `#rrggbb`, named by their use."""

    background: str  # behind messages and pages
    surface: str  # cards, the text area, suggestions, menus
    board: str  # behind the keys
    key: str
    key_special: str  # keys that type no character, and buttons
    key_pressed: str
    accent: str  # the best suggestion, what is switched on, the next thing to do
    over_accent: str
    bubble: str  # behind a message that was sent
    over_bubble: str
    selection: str  # behind selected text
    text: str
    muted: str
    grid: str  # decorative lines
    warm: str  # the second colour of plots, and notes that need attention
    danger: str  # actions that cannot be undone
    over_danger: str


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
    """Returns the colours of a theme; those of private mode are clearly different."""
    if private:
        return _PRIVATE_LIGHT if theme == "light" else _PRIVATE_DARK
    return _LIGHT if theme == "light" else _DARK


def system_theme() -> Theme:
    """Returns the theme of the desktop, or light if the desktop does not say."""
    if "dark" in os.environ.get("GTK_THEME", "").lower():
        return "dark"
    ask = _ASK.get(sys.platform)
    if ask is None or shutil.which(ask[0]) is None:
        return "light"
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "light"
    return "dark" if "dark" in answer.lower() else "light"
