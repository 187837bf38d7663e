"""The window: the app that Kivy runs, physical keys, and the clock."""

from pathlib import Path

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder

from keyboard_app.device import Device
from keyboard_app.screen import Screen

_KV = str(Path(__file__).with_name("keyboard.kv"))
_BACKSPACE, _TAB, _ENTER, _KEYPAD_ENTER = 8, 9, 13, 271
_ATTEND_EVERY, _SERVE_EVERY = 0.05, 1.0  # seconds


class KeyboardApp(App):
    """Shows the screen of a device, and passes physical keys and the time on to it."""

    title = "Keyboard"

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device

    def load_kv(self, filename: str | None = None) -> bool:
        """Loads keyboard.kv, which Kivy finds by the name of this class."""
        Builder.unload_file(_KV)  # the rules of an app that this process ran before would count twice
        return super().load_kv(filename)

    def build(self) -> Screen:
        """The screen."""
        self.screen = Screen(self._device)
        return self.screen

    def on_start(self) -> None:
        """Listens."""
        Window.bind(on_textinput=self._on_text, on_key_down=self._on_key_down)
        self.screen.resume()
        self._clocks = [
            Clock.schedule_interval(self.screen.attend, _ATTEND_EVERY),
            Clock.schedule_interval(self.screen.serve, _SERVE_EVERY),
        ]

    def on_stop(self) -> None:
        """Listens no more."""
        for clock in self._clocks:
            clock.cancel()
        Window.unbind(on_textinput=self._on_text, on_key_down=self._on_key_down)

    def _on_text(self, _window: object, text: str) -> None:
        for character in text:
            self.screen.key("space" if character == " " else "character", character)

    def _on_key_down(self, _window: object, key: int, *_: object) -> bool:
        if key == _BACKSPACE:
            self.screen.key("backspace")
        elif key in (_ENTER, _KEYPAD_ENTER):
            self.screen.key("enter")
        elif key == _TAB:
            self.screen.take_best()
        else:
            return False
        return True


def open_window(device: Device) -> None:
    """Opens the window and stays until it is closed."""
    KeyboardApp(device).run()
