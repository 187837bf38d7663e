"""The message being typed, with a caret at its end."""

from typing import Any

from kivy.clock import Clock
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.scrollview import ScrollView

__all__ = ("TextArea",)

_BLINK_EVERY = 0.53  # seconds


class TextArea(ScrollView):
    """Shows `text`; a long one scrolls, with its end in view."""

    text = StringProperty()
    caret_shown = BooleanProperty(True)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._blinking = Clock.schedule_interval(self._blink, _BLINK_EVERY)

    def on_text(self, _area: "TextArea", text: str) -> None:
        """Shows its end, with the caret."""
        self.caret_shown = True
        self._blinking.cancel()
        self._blinking()
        self.scroll_y = 0

    def _blink(self, _elapsed: float) -> None:
        self.caret_shown = not self.caret_shown
