"""Kivy's settings for this app. They must be made before anything else of Kivy is imported."""

import logging
import os
import sys

from platformdirs import user_cache_path

from data.errors import DataError

_SIZE = (420, 820)  # a phone held upright, in pixels
_NOTHING = logging.CRITICAL + 1  # a level above all that is logged; what really goes wrong is raised


def prepare_kivy() -> None:
    """Makes the settings: a quiet console, no arguments of Kivy's own, its files in the cache, the size of a phone.

    Raises:
      DataError: no window can be opened here.
    """
    if sys.platform == "linux" and "SDL_VIDEODRIVER" not in os.environ:
        if not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
            raise DataError("there is no display to open a window on: use a desktop, or --script FILE without a window")
        # Or else SDL, where it cannot reach the display, would draw into nowhere and wait for ever.
        os.environ["SDL_VIDEODRIVER"] = "wayland,x11" if "WAYLAND_DISPLAY" in os.environ else "x11"
    home = user_cache_path("federated-keyboard", appauthor=False) / "kivy"
    os.environ.setdefault("KIVY_HOME", str(home))
    if os.environ["KIVY_HOME"] == str(home):
        home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("KIVY_NO_ARGS", "1")
    os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")  # by default Kivy takes standard error over
    os.environ.setdefault("KIVY_WINDOW", "sdl2")  # the other one ends the program where it finds no display
    quiet = logging.getLogger("kivy")
    quiet.setLevel(_NOTHING)  # it reports every input device that this machine lacks
    from kivy.config import Config

    quiet.setLevel(_NOTHING)  # its settings, now read, name another level
    for name, pixels in zip(("width", "height"), _SIZE, strict=True):
        Config.set("graphics", name, str(pixels))
    Config.set("graphics", "multisamples", "0")  # shapes have smooth edges of their own, at a fraction of the cost
    Config.set("graphics", "maxfps", "0")  # `keyboard_app.window.event_loop` sleeps instead
    Config.set("kivy", "exit_on_escape", "0")
    Config.set("input", "mouse", "mouse,disable_multitouch")  # no second finger by right click
    from kivy.core.window import Window  # the first widget that is imported would end the program if there is none

    if Window is None:
        raise DataError(
            "no window can be opened: see that DISPLAY names a display and that OpenGL is installed "
            "(Debian: apt-get install libgl1 libgl1-mesa-dri)"
        )
