"""The keys of a layout, one page of them at a time."""

from typing import Any

from kivy.properties import OptionProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.key import Key
from keyboard_app.layout import LAYOUTS, KeySpec, load_layout

__all__ = ("Keypad",)


class Keypad(BoxLayout):
    """Dispatches `on_key(action, character)`; keys that turn the page it handles itself."""

    page = StringProperty()
    shift = OptionProperty("off", options=["off", "once", "locked"])

    __events__ = ("on_key",)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._pages = load_layout(LAYOUTS / "qwerty.json").pages
        self.page = next(iter(self._pages))

    def shown_keys(self) -> list[Key]:
        """The keys that are shown."""
        return [key for row in reversed(self.children) for key in reversed(row.children) if isinstance(key, Key)]

    def on_key(self, action: str, character: str) -> None:
        """What the screen binds to."""

    def on_page(self, _keypad: "Keypad", page: str) -> None:
        """Shows another page."""
        self.clear_widgets()
        for keys in self._pages[page]:
            row = BoxLayout()
            for key in keys:
                row.add_widget(self._widget(key))
            self.add_widget(row)
        self.on_shift(self, self.shift)

    def on_shift(self, _keypad: "Keypad", shift: str) -> None:
        """Shows letters in the case they would be typed in."""
        for key in self.shown_keys():
            if key.action == "character":
                key.text = key.text.lower() if shift == "off" else key.text.upper()
            if key.action == "shift":
                key.lit = shift != "off"
                key.underline = shift == "locked"

    def _widget(self, key: KeySpec) -> Widget:
        if key.action == "gap":
            return Widget(size_hint_x=key.width)
        widget = Key(text=key.label, action=key.action, page=key.page, size_hint_x=key.width)
        widget.bind(on_key=self._on_key)
        return widget

    def _on_key(self, key: Key) -> None:
        if key.action == "page":
            self.page = key.page
        else:
            self.dispatch("on_key", key.action, key.text)
