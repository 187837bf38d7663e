"""The lower part of the keyboard: the keys, or the emoji in their place."""

from kivy.properties import NumericProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.device import Device
from keyboard_app.window.keys.emoji_panel import EmojiPanel

__all__ = ("Board",)


class Board(BoxLayout):
    """Shows the keys (its child in the `.kv` rules) or the emoji; passes on `on_emoji(emoji)`, `on_backspace` and `on_search`."""

    free = NumericProperty(0)  # width beside the keys, in pixels

    __events__ = ("on_backspace", "on_emoji", "on_search")

    def begin(self, device: Device) -> None:
        """Sets the device whose recent emoji are shown."""
        self._device = device
        self._keys = self.children[0]
        self._emoji: EmojiPanel | None = None  # built on first use, because that takes a while

    def show_emoji(self) -> None:
        """Shows the emoji in place of the keys."""
        if self._emoji is None:
            self._emoji = EmojiPanel(self._device)
            self._emoji.bind(
                on_emoji=lambda _panel, emoji: self.dispatch("on_emoji", emoji),
                on_keys=lambda _panel: self.show_keys(),
                on_backspace=lambda _panel: self.dispatch("on_backspace"),
                on_search=lambda _panel: self.dispatch("on_search"),
            )
        if self._emoji.parent is None:
            self._put(self._emoji)
            self._emoji.show()

    def show_keys(self) -> None:
        """Shows the keys."""
        if self._keys.parent is None:
            self._put(self._keys)

    def _put(self, keys: Widget) -> None:
        self.clear_widgets()
        self.add_widget(keys)

    def on_emoji(self, emoji: str) -> None:
        """Event for the composer to bind."""

    def on_backspace(self) -> None:
        """Event for the composer to bind."""

    def on_search(self) -> None:
        """Event for the composer to bind."""
