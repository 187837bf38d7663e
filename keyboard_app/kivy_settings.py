"""Kivy's settings for this app. They must be made before anything else of Kivy is imported."""

import logging
import os

from platformdirs import user_cache_path

_SIZE = (420, 820)  # a phone held upright, in pixels


def prepare_kivy() -> None:
    """Makes the settings: a quiet console, no arguments of Kivy's own, its files in the cache, the size of a phone."""
    home = user_cache_path("federated-keyboard", appauthor=False) / "kivy"
    os.environ.setdefault("KIVY_HOME", str(home))
    if os.environ["KIVY_HOME"] == str(home):
        home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("KIVY_NO_ARGS", "1")
    os.environ.setdefault("KIVY_LOG_MODE", "PYTHON")  # by default Kivy takes standard error over
    from kivy.config import Config

    for name, pixels in zip(("width", "height"), _SIZE, strict=True):
        Config.set("graphics", name, str(pixels))
    logging.getLogger("kivy").setLevel(logging.CRITICAL)  # it reports every input device that this machine lacks
    Config.set("kivy", "exit_on_escape", "0")
    Config.set("input", "mouse", "mouse,disable_multitouch")  # no second finger by right click
