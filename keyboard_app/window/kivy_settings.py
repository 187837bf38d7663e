"""Kivy's settings for this app, to be applied before any other module of Kivy is imported."""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from data.errors import DataError
from keyboard_app.window.window_size import Size, display_sizes, fitted

_SIZE = (420, 820)  # size of a phone held upright, in pixels
_NOTHING = logging.CRITICAL + 1  # a level above all log messages; real errors are raised


def _writable(folder: Path) -> Path:
    """Returns the folder, or a temporary one if this user may not write there: Kivy would not start without its files."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    temporary = tempfile.mkdtemp(prefix="keyboard-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def prepare_kivy(size: Size | None = None) -> None:
    """Applies the settings: a quiet console, no command-line arguments of Kivy, its files in the cache, and the window's size.

    Args:
      size: the size of the window, as far as the display has room for it; that of a phone if not given.

    Raises:
      DataError: no window can be opened here.
    """
    if sys.platform == "linux" and "SDL_VIDEODRIVER" not in os.environ:
        if not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
            raise DataError("there is no display to open a window on: use a desktop, or --script FILE without a window")
        # Otherwise SDL would draw off screen and wait forever if it cannot reach the display.
        os.environ["SDL_VIDEODRIVER"] = "wayland,x11" if "WAYLAND_DISPLAY" in os.environ else "x11"
    if "KIVY_HOME" not in os.environ:
        os.environ["KIVY_HOME"] = str(_writable(user_cache_path("federated-keyboard", appauthor=False) / "kivy"))
    os.environ.setdefault("KIVY_NO_ARGS", "1")
    os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")  # by default Kivy takes over standard error
    os.environ.setdefault("KIVY_WINDOW", "sdl2")  # the other provider ends the program if it finds no display
    os.environ.setdefault("KIVY_IMAGE", "sdl2")  # reads the few pictures of Kivy's own; the others import Pillow
    quiet = logging.getLogger("kivy")
    quiet.setLevel(_NOTHING)  # Kivy reports every input device that the machine lacks
    from kivy.config import Config

    quiet.setLevel(_NOTHING)  # reading the settings has set another level
    size = size or _SIZE
    for name, pixels in zip(("width", "height"), size, strict=True):
        Config.set("graphics", name, str(pixels))
    Config.set("graphics", "multisamples", "0")  # shapes have smooth edges of their own, which cost far less
    Config.set("graphics", "maxfps", "0")  # `keyboard_app.window.event_loop` sleeps instead
    Config.set("kivy", "exit_on_escape", "0")
    Config.set("input", "mouse", "mouse,disable_multitouch")  # a right click is no second finger
    from kivy.core.window import Window  # without a window, importing the first widget would end the program

    if Window is None:
        raise DataError(
            "no window can be opened: check that DISPLAY names a display and that OpenGL is installed "
            "(Debian: apt-get install libgl1 libgl1-mesa-dri)"
        )
    if hasattr(sys, "getandroidapilevel"):
        return  # the system of a phone decides
    with suppress(OSError, AttributeError):  # without SDL's library, the system decides
        from keyboard_app.window.event_loop import sdl  # imports parts of Kivy

        if (room := fitted(size, display_sizes(sdl()))) != size:
            Window.system_size = room
