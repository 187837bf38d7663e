"""Shows the beginning of a plain text, and asks whether the person wrote it."""

from typing import Any

from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.window.widgets.modal import TouchShield

__all__ = ("TextPreview",)


class TextPreview(TouchShield, BoxLayout):
    """Shows lines; dispatches `on_chosen(None)` if the person says that the text is theirs, and `on_cancel`."""

    lines = StringProperty()
    total = StringProperty()  # the number of lines in the whole text, with its noun

    __events__ = ("on_cancel", "on_chosen")

    def __init__(self, lines: list[str], total: int, **properties: Any) -> None:
        super().__init__(**properties)
        self.lines = "\n".join(lines)
        self.total = f"{total:,} {'line' if total == 1 else 'lines'}"

    def on_chosen(self, answer: None) -> None:
        """Event for pages to bind."""

    def on_cancel(self) -> None:
        """Event for pages to bind."""
