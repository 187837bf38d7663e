"""Whether the system is light or dark."""

import os
import shutil
import subprocess
import sys

from keyboard_app.window.drawing.theme import Theme

_PATIENCE = 1.0  # seconds
_ASK = {
    "linux": ["gsettings", "get", "org.gnome.desktop.interface", "color-scheme"],
    "darwin": ["defaults", "read", "-g", "AppleInterfaceStyle"],
}


def system_theme() -> Theme:
    """What the desktop says; light where it says nothing."""
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
