"""A page beside or over the messages."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kivy.properties import ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

if TYPE_CHECKING:
    from keyboard_app.window.screen import Screen

__all__ = ("Page",)


class Page(BoxLayout):
    """Has a `title`; its screen has it `refresh` whenever what it shows may have changed."""

    title = StringProperty()
    screen = ObjectProperty()

    def __init__(self, screen: "Screen", **properties: Any) -> None:
        self.screen = screen
        self.device = screen.device
        super().__init__(**properties)

    def refresh(self) -> None:
        """Shows what is the case now.

        Raises:
          DataError: it cannot be read.
        """

    def typed(self) -> None:
        """The message has changed while this is shown."""

    def attend(self) -> None:
        """Something may have got further in the background while this is shown; called many times a second."""

    def attempt(self, work: Callable[[], object]) -> bool:
        """Does something, and says what it says or why it failed; returns whether it went well."""
        return self.screen.attempt(work)
