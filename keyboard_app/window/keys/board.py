"""What a person types on: the keys, or emoji in their place."""

from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.device import Device
from keyboard_app.window.keys.emoji_panel import EmojiPage

__all__ = ("Board",)


class Board(BoxLayout):
    """Shows its child, the keys, until emoji are asked for; then it dispatches `on_emoji(emoji)`, `on_backspace`, `on_search`."""

    __events__ = ("on_backspace", "on_emoji", "on_search")

    def begin(self, device: Device) -> None:
        """Takes the emoji from a device."""
        self._device = device
        self._keys = self.children[0]
        self._emoji: EmojiPage | None = None  # which takes a while to make

    def show_emoji(self) -> None:
        """Shows the emoji."""
        if self._emoji is None:
            self._emoji = EmojiPage(self._device)
            self._emoji.bind(
                on_emoji=lambda _page, emoji: self.dispatch("on_emoji", emoji),
                on_keys=lambda _page: self.show_keys(),
                on_backspace=lambda _page: self.dispatch("on_backspace"),
                on_search=lambda _page: self.dispatch("on_search"),
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
        """What the composer binds to."""

    def on_backspace(self) -> None:
        """What the composer binds to."""

    def on_search(self) -> None:
        """What the composer binds to."""
