"""The messages that were sent, as a column of bubbles that scrolls, and the scroll view it is built on."""

from typing import Any

from kivy.clock import Clock
from kivy.properties import ListProperty, StringProperty
from kivy.uix.anchorlayout import AnchorLayout
from kivy.uix.scrollview import ScrollView

__all__ = ("MessageBubble", "Messages", "Scroll")

SHOWN = 50  # most messages shown; the page "My data" lists all


class Scroll(ScrollView):
    """Like Kivy's `ScrollView`, but clipped to a rectangle of window pixels, so it must not be rotated or scaled.

    Kivy's clips by a stencil, for which it paints the whole area twice more. Inside a `Layer`, `corner` is the layer's position.
    """

    corner = ListProperty([0, 0])


class MessageBubble(AnchorLayout):
    """A bubble as wide as `text` needs."""

    text = StringProperty()


class Messages(Scroll):
    """A column of bubbles, the newest in view."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._to_end = Clock.create_trigger(self._scroll_to_end)

    def show(self, texts: list[str]) -> None:
        """Replaces the messages shown."""
        self.ids.column.clear_widgets()
        for text in texts[-SHOWN:]:
            self.ids.column.add_widget(MessageBubble(text=text))
        self._to_end()

    def add(self, text: str) -> None:
        """Adds a message at the end."""
        column = self.ids.column
        column.add_widget(MessageBubble(text=text))
        while len(column.children) > SHOWN:
            column.remove_widget(column.children[-1])
        self._to_end()

    @property
    def texts(self) -> list[str]:
        """The messages shown, oldest first."""
        return [bubble.text for bubble in reversed(self.ids.column.children)]

    def _scroll_to_end(self, _elapsed: float) -> None:
        self.scroll_y = 0
