"""The Kivy app: it shows the screen of a device, and connects it to physical keys and to the clock."""

import gc
import sys
from contextlib import suppress
from pathlib import Path

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder

from data.errors import UserFacingError
from keyboard_app.device import Device
from keyboard_app.window.drawing.look import look
from keyboard_app.window.drawing.partial_painting import PartialPainting, keeps_frames
from keyboard_app.window.event_loop import run_loop
from keyboard_app.window.physical_keys import PhysicalKeys
from keyboard_app.window.screen import Screen
from keyboard_app.window.spare_time import spare_time

_RULES = [str(Path(__file__).parent / f"{name}.kv") for name in ("widgets/controls", "keys/keyboard", "screen")]
_ATTEND_EVERY, _SERVE_EVERY = 0.2, 1.0  # seconds
# Seconds until a learning thread that runs Python gives way to typing; a tenth of the default.
_SWITCH = 0.0005


class KeyboardApp(App):
    """The app around the screen of a device."""

    title = "Keyboard"

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device

    def load_kv(self, filename: str | None = None) -> bool:
        """Loads the `.kv` rules, except those of the pages (`keyboard_app.window.pages.opening`)."""
        for rules in _RULES:
            if rules not in Builder.files:  # an earlier app in this process may have loaded them
                Builder.load_file(rules)
        return True

    def build(self) -> Screen:
        """Returns the screen."""
        self.screen = Screen(self._device)
        return self.screen

    def run(self) -> None:
        """Shows the window until it is closed."""
        self._run_prepare()
        # The objects made so far stay, so garbage collection need not scan them while a person types.
        gc.freeze()
        sys.setswitchinterval(_SWITCH)
        run_loop()
        self._stop()

    def on_start(self) -> None:
        """Connects keys, colours and the clock to the screen."""
        keys = self._keys = PhysicalKeys(self.screen)
        Window.bind(on_textinput=keys.on_text, on_key_down=keys.on_key_down)
        look.bind(background=self._paint)
        self._paint()
        self._painting = PartialPainting(Window) if keeps_frames() else None
        if self._painting is not None:
            self._painting.begin()
        self.screen.resume()
        self.screen.tooltips.begin()
        spare_time.begin(self.screen.prepare())
        self._clocks = [
            Clock.schedule_interval(self.screen.attend, _ATTEND_EVERY),
            Clock.schedule_interval(self.screen.serve, _SERVE_EVERY),
        ]

    def on_stop(self) -> None:
        """Disconnects keys, colours and the clock."""
        for clock in self._clocks:
            clock.cancel()
        self.screen.tooltips.end()
        spare_time.clear()
        if self._painting is not None:
            self._painting.end()
        width, height = map(int, Window.system_size)
        with suppress(UserFacingError):  # the size is not worth a message
            self._device.profile.choose(window_width=width, window_height=height)
        look.unbind(background=self._paint)
        Window.unbind(on_textinput=self._keys.on_text, on_key_down=self._keys.on_key_down)

    def _paint(self, *_: object) -> None:
        Window.clearcolor = look.background


def open_window(device: Device) -> None:
    """Opens the window and returns when it is closed."""
    KeyboardApp(device).run()
