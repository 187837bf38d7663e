"""A text field to search by, typed in with the same keys as messages; nothing of it is suggested, recorded or learned from."""

from typing import Any

from keyboard_app.input.keyboard import Keyboard
from keyboard_app.window.keys.text_area import TextArea

__all__ = ("SearchField",)


class SearchField(TextArea):
    """Dispatches `on_query(text)` whenever its text changes."""

    __events__: tuple[str, ...] = ("on_query",)

    def __init__(self, **properties: Any) -> None:
        self.keyboard = Keyboard(lambda _context, _prefix: [], lambda _text: None)
        super().__init__(**properties)
        self.name = self.name or "search"

    def on_query(self, text: str) -> None:
        """What a page binds to."""
