"""The messages that were sent, the newest in view."""

from typing import Any

from kivy.clock import Clock

from keyboard_app.window.widgets.message_bubble import MessageBubble
from keyboard_app.window.widgets.scroll import Scroll

__all__ = ("Messages",)

SHOWN = 50  # of the messages; "My data" has all of them


class Messages(Scroll):
    """A column of bubbles."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._to_end = Clock.create_trigger(self._scroll_to_end)

    def show(self, texts: list[str]) -> None:
        """Shows these and no others."""
        self.ids.column.clear_widgets()
        for text in texts[-SHOWN:]:
            self.ids.column.add_widget(MessageBubble(text=text))
        self._to_end()

    def add(self, text: str, recorded: bool = True) -> None:
        """Shows one more, at the end."""
        column = self.ids.column
        column.add_widget(MessageBubble(text=text, recorded=recorded))
        while len(column.children) > SHOWN:
            column.remove_widget(column.children[-1])
        self._to_end()

    @property
    def texts(self) -> list[str]:
        """What is shown, oldest first."""
        return [bubble.text for bubble in reversed(self.ids.column.children)]

    def _scroll_to_end(self, _elapsed: float) -> None:
        self.scroll_y = 0
